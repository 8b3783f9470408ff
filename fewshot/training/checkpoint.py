"""Checkpoints of long fits: the finished rounds of each fit, in a subfolder of its own."""

# So folds and candidates of a search may share a folder, even in parallel.

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from errno import ENOENT
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fewshot.data.files import (
    content_sha256,
    disk_errors,
    is_junk,
    parse_json,
    read_bytes,
    remove,
    user_path,
    write_whole,
)
from fewshot.data.forms import misfit
from fewshot.errors import CheckpointError, CheckpointWarning, warn_user

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

_FORMAT, _FORMAT_VERSION = "fewshot checkpoint", 4
_MANIFEST, _LOCK = "checkpoint.json", "running.lock"
_PREFIX, _SUFFIX = "fit-", ".round"  # safetensors, and then a digest of them and of their place
_NESTED = "estimator"  # a folder in the subfolder, laid out as the folder above it
_LOCK_WAIT = 0.5  # seconds; other fits hold a lock for a moment to see who is running
_MAX_NAMED = 5  # differences in a message
_MOST_BYTES = 2**24  # of a manifest
_DIGEST_BYTES = 32


class _Manifest(TypedDict):
    format: Literal["fewshot checkpoint"]
    format_version: int
    seed: int
    configuration: dict[str, str]
    sha256: str


class Checkpoint:
    """The finished rounds of one fit, in its subfolder; without a folder nothing is written."""

    # `fit`, a digest of settings and data, names the subfolder.
    def __init__(self, folder: str | Path | None, fit: str) -> None:
        self._folder = None if folder is None else user_path(folder) / f"{_PREFIX}{fit}"
        self._manifest = None
        if self._folder is not None:
            check_folder(self._folder.parent)
            self._manifest = _read_manifest(self._folder)
            self._lock = FileLock(self._folder / _LOCK)

    @property
    def is_kept(self) -> bool:
        """Whether there is a folder."""
        return self._folder is not None

    @property
    def nested(self) -> Path | None:
        """The folder for the checkpoint of a nested estimator; cleared with this one."""
        return None if self._folder is None else self._folder / _NESTED

    def seed(self, drawn: int, *, is_fixed: bool) -> int:
        """Return the drawn seed; or, if the user fixed none, that of the fit to resume."""
        return drawn if self._manifest is None or is_fixed else int(self._manifest["seed"])

    def begin(self, seed: int, configuration: Mapping[str, str]) -> None:
        """Start the fit, or resume it if all that decides its result is the same."""
        if self._folder is None:
            return
        self._acquire(self._folder)
        wanted = {"seed": str(seed), **configuration}
        try:
            manifest = _read_manifest(self._folder)  # may have changed before the lock was acquired
            if manifest is None:
                _warn_of_others(self._folder, wanted)
                self._write_manifest(self._folder, seed, wanted)
            else:
                _check_same(self._folder, manifest["configuration"], wanted)
        except BaseException:  # such as a warning that is an error
            self._leave(self._folder)
            raise

    def load(self, name: str) -> Arrays | None:
        """Return the arrays of a finished round, or None."""
        if self._folder is None or not (self._folder / f"{name}{_SUFFIX}").exists():
            return None
        file = self._folder / f"{name}{_SUFFIX}"
        problem: object = "its SHA-256 is another"
        try:
            content = read_bytes(file)
            arrays, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
            if _digest(file, arrays) == digest:
                found: Arrays = load(arrays)
                return found
        except (OSError, SafetensorError) as error:
            problem = error
        raise CheckpointError(
            f"the round {name!r} in {str(self._folder)!r} is damaged or cannot be read "
            f"({problem}); delete {file.name} to have it computed again"
        )

    def save(self, name: str, arrays: Arrays) -> None:
        """Write the arrays of a round, whole or not at all."""
        if self._folder is None:
            return
        file = self._folder / f"{name}{_SUFFIX}"
        content = save({key: np.asarray(array, order="C") for key, array in arrays.items()})
        write_whole(file, content + _digest(file, content), CheckpointError)

    def latest(self, name: str) -> int:
        """Return the highest number of the saved rounds ``<name>-<number>``, or -1."""
        if self._folder is None:
            return -1
        files = self._folder.glob(f"{name}-*{_SUFFIX}")
        numbers = [file.name[len(name) + 1 : -len(_SUFFIX)] for file in files]
        return max((int(number) for number in numbers if number.isdecimal()), default=-1)

    def forget(self, name: str) -> None:
        """Delete a round, if it is there."""
        if self._folder is not None:
            (self._folder / f"{name}{_SUFFIX}").unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete everything: the fit is over."""
        if self._folder is None:
            return
        with disk_errors(self._folder, "cannot be cleared", CheckpointError):
            kept = (_MANIFEST, _LOCK)
            rounds = [path for path in self._folder.iterdir() if path.name not in kept]
            # The manifest last: a folder with one can be resumed, and cleared then.
            for path in (*rounds, self._folder / _MANIFEST):
                remove(path)
        self._leave(self._folder)

    def release(self) -> None:
        """Release the lock: the fit is not running any more."""
        if self._folder is not None:
            self._lock.release()

    def _acquire(self, folder: Path) -> None:
        with disk_errors(folder, "cannot be written", CheckpointError):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=_LOCK_WAIT)
            except Timeout as error:
                raise CheckpointError(
                    "a fit with these settings and texts is running with "
                    f"checkpoint_dir={str(folder.parent)!r}; wait for its end, or give another"
                ) from error

    def _write_manifest(self, folder: Path, seed: int, configuration: Mapping[str, str]) -> None:
        content = {
            "format": _FORMAT,
            "format_version": _FORMAT_VERSION,
            "seed": seed,
            "configuration": dict(configuration),
        }
        signed = content | {"sha256": content_sha256(content)}
        write_whole(folder / _MANIFEST, json.dumps(signed, indent=1), CheckpointError)

    def _leave(self, folder: Path) -> None:
        self.release()
        if not (folder / _MANIFEST).exists():
            _remove(folder)


def check_folder(folder: str | Path | None) -> None:
    """Check that a folder is missing or holds nothing but checkpoints."""
    folder = None if folder is None else user_path(folder)
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise CheckpointError(f"checkpoint_dir={str(folder)!r} is a file; name a folder")
    with disk_errors(folder, kind=CheckpointError):
        names = sorted(path.name for path in folder.iterdir() if not is_junk(path.name))
    others = [name for name in names if not name.startswith(_PREFIX)]
    if others:
        raise CheckpointError(
            f"checkpoint_dir={str(folder)!r} holds {others[:3]}, which are not checkpoints; "
            "name a new or empty folder"
        )


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    file = folder / _MANIFEST
    try:
        content: Any = parse_json(read_bytes(file, _MOST_BYTES))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == ENOENT:
            return None
        raise CheckpointError(f"{file} cannot be used ({error}); delete its folder") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise CheckpointError(f"{file} is not a checkpoint; delete its folder, or name another")
    if content.get("format_version") != _FORMAT_VERSION:
        raise CheckpointError(
            f"{file} is not a checkpoint of this version of fewshot; delete its folder, or name "
            "another"
        )
    problem = misfit(content, _Manifest, _MANIFEST, [])
    if problem is None and content.pop("sha256") != content_sha256(content):
        problem = "its SHA-256 is another"
    if problem is not None:
        raise CheckpointError(f"{file} was altered ({problem}); delete its folder")
    return dict(content)


def _digest(file: Path, content: bytes) -> bytes:
    """Return a digest of a round that is right for this fit and this round only."""
    place = f"{file.parent.name}/{file.name}\n"
    return hashlib.sha256(place.encode() + content).digest()


def _warn_of_others(folder: Path, wanted: Mapping[str, str]) -> None:
    """Warn of interrupted fits in the folder that a new one does not resume."""
    differences = {}
    for other, found in _interrupted_beside(folder).items():
        names = _differing(found, wanted) - {"seed"}  # one that nobody fixed always differs
        differences[other.name] = _describe(names, found, wanted)
    if differences:
        closest = min(differences, key=lambda name: len(differences[name]))
        warn_user(
            f"this fit starts anew beside {len(differences)} interrupted in "
            f"checkpoint_dir={str(folder.parent)!r}: {closest!r} differs in "
            f"{differences[closest]}. Fit with the same settings and data to resume it, or "
            "delete it",
            CheckpointWarning,
        )


def _interrupted_beside(folder: Path) -> dict[Path, dict[str, str]]:
    """Return the configurations of other unfinished fits that are not running."""
    found = {}
    for other in sorted(file.parent for file in folder.parent.glob(f"{_PREFIX}*/{_MANIFEST}")):
        if other == folder:
            continue
        # One that cannot be read cannot be resumed either.
        with suppress(CheckpointError, Timeout), FileLock(other / _LOCK, timeout=0):
            manifest = _read_manifest(other)
            if manifest is None:  # it has ended meanwhile, and the lock made its folder again
                _remove(other)
            else:
                found[other] = manifest["configuration"]
    return found


def _remove(folder: Path) -> None:
    with suppress(OSError):  # another process has started the same fit
        (folder / _LOCK).unlink(missing_ok=True)
        folder.rmdir()


def _check_same(folder: Path, found: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    names = _differing(found, wanted)
    if names:
        raise CheckpointError(
            f"the checkpoint in {str(folder)!r} belongs to a different fit: it differs in "
            f"{_describe(names, found, wanted)}. Fit with the same settings and data to "
            "resume it, or give another checkpoint_dir, or delete this one"
        )


def _differing(found: Mapping[str, str], wanted: Mapping[str, str]) -> set[str]:
    return {name for name in {*found, *wanted} if found.get(name) != wanted.get(name)}


def _describe(names: set[str], found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    named = [
        f"{name} ({found.get(name, 'none')} then, {wanted.get(name, 'none')} now)"
        for name in sorted(names)[:_MAX_NAMED]
    ]
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    is_drawn = "random_state" in names
    hint = ". A RandomState differs after each fit; an int does not" if is_drawn else ""
    return f"{'; '.join(named)}{more}{hint}"
