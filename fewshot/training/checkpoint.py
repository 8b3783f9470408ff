"""Checkpoints of long fits: a folder in which each fit keeps the rounds that it has finished.

Each has a subfolder of its own, so that folds and candidates of a search may share a folder, also
at once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fewshot.data.files import file_aside
from fewshot.errors import CheckpointError

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

_FORMAT, _FORMAT_VERSION = "fewshot checkpoint", 2
_MANIFEST, _LOCK = "checkpoint.json", "running.lock"
_PREFIX, _SUFFIX = "fit-", ".round.safetensors"
_NESTED = "estimator"  # a folder in the subfolder, laid out as the folder above it
_SAME = ("class", "labelled data")  # of two fits of which one is the other with new settings
_SHOWN = 5

_USED: set[Path] = set()  # folders in which this process began a fit


class Checkpoint:
    """The finished rounds of one fit, in its subfolder of a folder.

    Parameters
    ----------
    folder : str or Path, optional
        Of all fits. Without one nothing is written.
    fit : str
        Names the subfolder: a digest of what the fit is, but for what is known later only.

    Raises
    ------
    CheckpointError
        If there is something else in the folder, or a manifest that cannot be read.
    """

    def __init__(self, folder: str | Path | None, fit: str) -> None:
        self._folder = None if folder is None else Path(folder).expanduser() / f"{_PREFIX}{fit}"
        self._manifest = None
        if self._folder is not None:
            check_folder(self._folder.parent)
            self._manifest = _read_manifest(self._folder)
            self._lock = FileLock(self._folder / _LOCK)

    def seed(self, drawn: int, *, is_fixed: bool) -> int:
        """Return the seed of the fit.

        Parameters
        ----------
        drawn : int
            The seed that this fit would use.
        is_fixed : bool
            Whether the user fixed it. If not, a fit that is taken up again uses its first seed.

        Returns
        -------
        int
        """
        if self._manifest is None or is_fixed:
            return drawn
        return int(self._manifest["seed"])

    def begin(self, seed: int, configuration: Mapping[str, str]) -> None:
        """Write down what the fit is, or check that what is in its subfolder is of the same fit.

        Parameters
        ----------
        seed : int
        configuration : mapping of str to str
            All that decides the result: settings, and digests of texts, labels and weights.

        Raises
        ------
        CheckpointError
            If the subfolder holds rounds of another fit, or the folder nothing but an interrupted
            fit on the same labelled texts with other settings: the message names what differs. If
            a fit with these settings on the same texts is running.
        """
        if self._folder is None:
            return
        self._acquire(self._folder)
        try:
            self._enter(self._folder, seed, {"seed": str(seed), **configuration})
        except CheckpointError:
            self._leave(self._folder)
            raise

    def load(self, name: str) -> Arrays | None:
        """Return the arrays of a finished round, or None."""
        if self._folder is None or not (self._folder / f"{name}{_SUFFIX}").is_file():
            return None
        try:
            arrays: Arrays = load_file(self._folder / f"{name}{_SUFFIX}")
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"the round {name!r} in {str(self._folder)!r} cannot be read ({error}); delete "
                "its file to have it computed again"
            ) from error
        return arrays

    @property
    def is_kept(self) -> bool:
        """Whether there is a folder."""
        return self._folder is not None

    @property
    def nested(self) -> Path | None:
        """Where an estimator that the fit ends with keeps its own checkpoint; cleared with this."""
        return None if self._folder is None else self._folder / _NESTED

    def save(self, name: str, arrays: Arrays) -> None:
        """Put the arrays of a round on the disk; they are there whole or not at all."""
        solid = {key: np.asarray(array, order="C") for key, array in arrays.items()}
        self._write(f"{name}{_SUFFIX}", lambda file: save_file(solid, file))

    def latest(self, name: str) -> int:
        """Return the highest number of the rounds ``<name>-<number>`` on the disk, or -1."""
        if self._folder is None:
            return -1
        files = self._folder.glob(f"{name}-*{_SUFFIX}")
        numbers = [file.name[len(name) + 1 : -len(_SUFFIX)] for file in files]
        return max((int(number) for number in numbers), default=-1)

    def forget(self, name: str) -> None:
        """Delete a round, if it is there: a later one holds all that it held."""
        if self._folder is not None:
            (self._folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all rounds and the manifest: the fit is over."""
        if self._folder is not None:
            shutil.rmtree(self._folder / _NESTED, ignore_errors=True)
            rounds = self._folder.glob(f"*{_SUFFIX}*")  # and what was never finished
            manifests = self._folder.glob(f".{_MANIFEST}*")
            # The manifest last: a folder with one can be taken up, and cleared then.
            for file in (*rounds, *manifests, self._folder / _MANIFEST):
                file.unlink(missing_ok=True)
            self._leave(self._folder)

    def fail(self) -> None:
        """Let fits with other settings begin beside this one, which an error has ended."""
        manifest = None if self._folder is None else _read_manifest(self._folder)
        if manifest is not None:
            self._describe({**manifest, "is_alone": False})

    def release(self) -> None:
        """Let others know that the fit is not running any more."""
        if self._folder is not None:
            self._lock.release()

    def _acquire(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise CheckpointError(
                "a fit with these settings and texts runs with "
                f"checkpoint_dir={str(folder.parent)!r}; wait for its end, or give another"
            ) from error

    def _enter(self, folder: Path, seed: int, wanted: Mapping[str, str]) -> None:
        is_first = folder.parent not in _USED
        _USED.add(folder.parent)
        manifest = _read_manifest(folder)  # again: the same fit may have begun or ended meanwhile
        if manifest is not None:
            _check_same(folder, manifest["configuration"], wanted)
            return
        others = _other_fits(folder)
        _check_abandoned(others, wanted)
        self._describe(
            {
                "format": _FORMAT,
                "format_version": _FORMAT_VERSION,
                "seed": seed,
                "is_alone": is_first and not others,
                "configuration": wanted,
            }
        )

    def _describe(self, content: Mapping[str, Any]) -> None:
        self._write(_MANIFEST, lambda file: file.write_text(json.dumps(content, indent=1)))

    def _leave(self, folder: Path) -> None:
        self.release()
        if not (folder / _MANIFEST).exists():
            with suppress(OSError):  # another fit of the kind began right now
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        if self._folder is None:
            return
        with file_aside(self._folder / name) as aside:
            write(aside)


def check_folder(folder: str | Path | None) -> None:
    """Check that a folder is missing or holds nothing but checkpoints.

    Parameters
    ----------
    folder : str or Path, optional
        None is good.

    Raises
    ------
    CheckpointError
        If there is something else.
    """
    folder = None if folder is None else Path(folder).expanduser()
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise CheckpointError(f"checkpoint_dir={str(folder)!r} is a file; name a folder")
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith(_PREFIX))
    if others:
        raise CheckpointError(
            f"checkpoint_dir={str(folder)!r} holds {others[:3]}, which are no checkpoint; "
            "name a new or empty folder"
        )


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    file = folder / _MANIFEST
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read ({error}); delete its folder") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointError(f"{file} is no checkpoint; delete its folder, or name another")
    if content.get("format_version") != _FORMAT_VERSION:
        raise CheckpointError(
            f"{file} is no checkpoint of this version of fewshot; delete its folder, or name "
            "another"
        )
    configuration = content.get("configuration")
    if not isinstance(configuration, dict) or type(content.get("seed")) is not int:
        raise CheckpointError(f"{file} does not tell what fit it is of; delete its folder")
    return content


def _other_fits(folder: Path) -> dict[Path, dict[str, Any]]:
    """Return the manifests of the unfinished fits beside one; some may be running."""
    found = {}
    for other in folder.parent.glob(f"{_PREFIX}*"):
        with suppress(CheckpointError):  # one that cannot be read is in nobody's way
            manifest = None if other == folder else _read_manifest(other)
            if manifest is not None:
                found[other] = manifest
    return found


def _check_abandoned(others: Mapping[Path, dict[str, Any]], wanted: Mapping[str, str]) -> None:
    """Refuse to leave a fit behind that was meant to go on, but for settings that were changed.

    Only where no search is: in one, others run at the same time, began before, or ended in errors.
    """
    if len(others) != 1:
        return
    [(folder, manifest)] = others.items()
    found: dict[str, str] = manifest["configuration"]
    is_changed = all(found.get(name) == wanted.get(name) for name in _SAME)
    if is_changed and manifest.get("is_alone") is True and not _is_running(folder):
        # A seed that nobody fixed is another in each fit.
        _check_same(folder, found, {**wanted, "seed": found["seed"]})


def _is_running(folder: Path) -> bool:
    lock = FileLock(folder / _LOCK)
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True


def _check_same(folder: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    names = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
    if not names:
        return
    differing = [
        f"{name} ({found.get(name, 'none')} there, {wanted.get(name, 'none')} here)"
        for name in names[:_SHOWN]
    ]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    is_drawn = "random_state" in names
    state = ". A RandomState differs after each fit; an int does not" if is_drawn else ""
    raise CheckpointError(
        f"the checkpoint in {str(folder)!r} is of another fit: it differs in "
        f"{'; '.join(differing)}{more}{state}. Fit with the same settings and data to go "
        "on, or give another checkpoint_dir, or delete this one"
    )
