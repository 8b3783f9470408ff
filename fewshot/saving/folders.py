"""Folders that appear whole or not at all, and whose files are read as they were written."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EEXIST, ENOENT, ENOTEMPTY
from pathlib import Path, PurePosixPath
from typing import TypedDict, TypeVar

from fewshot.data.files import (
    OLD,
    disk_errors,
    flush,
    is_junk,
    left_aside,
    made_aside,
    read_bytes,
    remove,
    sha256_of,
)
from fewshot.errors import FileError, PersistenceError

_LOOKS, _PAUSE = 20, 0.05  # at a folder that saves replace meanwhile; seconds
_NAME_LENGTH = 200  # characters of a file's name with its folders
# Plain data in formats of their own: no pickle, no code.
_SUFFIXES = frozenset({".jinja", ".json", ".md", ".model", ".onnx", ".safetensors", ".txt"})
_AGAIN = "save the estimator again"

_Seen = TypeVar("_Seen")


class FileEntry(TypedDict):
    """Size and SHA-256 of a file."""

    size: int
    sha256: str


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Yield a new folder, which takes the place of `target` when all is written and flushed."""
    with disk_errors(target, "cannot be written", PersistenceError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with made_aside(target, is_folder=True) as aside:
            yield aside
            mode = aside.stat().st_mode & 0o666  # safetensors makes files for their owner only
            for path in (*aside.rglob("*"), aside):
                if path.is_file():
                    path.chmod(mode)
                flush(path)
            _replace(target, aside)
            flush(target.parent)
        for left in left_aside(target):
            remove(left)


def settled(folder: Path, look: Callable[[Path], _Seen]) -> _Seen:
    """Return what `look` makes of a folder; look again if a save replaces it meanwhile."""
    for _ in range(_LOOKS):
        before = _identity(folder)
        try:
            return look(folder)
        except OSError:  # ours too
            is_moving = before is None and left_aside(folder)
            if _identity(folder) == before and not is_moving:
                raise
        time.sleep(_PAUSE)
    return look(folder)


def list_files(folder: Path) -> dict[str, FileEntry]:
    """Return size and SHA-256 of all files below a folder, by relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [file.relative_to(folder).as_posix() for file in files]
    _check_names(folder, names)
    return {
        name: {"size": file.stat().st_size, "sha256": sha256_of(file)}
        for name, file in zip(names, files, strict=True)
    }


def read_files(folder: Path, files: Mapping[str, FileEntry]) -> dict[str, bytes]:
    """Read the files that :func:`list_files` returned; refuse those that differ."""
    _check_names(folder, files)
    return {name: _read_file(folder, name, expected) for name, expected in files.items()}


def check_files(folder: Path, files: Mapping[str, FileEntry], again: str) -> None:
    """Refuse files that differ from what :func:`list_files` returned, without keeping them."""
    _check_names(folder, files)
    for name, expected in files.items():
        with _missing_files(folder, name, again), disk_errors(folder / name):
            size, digest = (folder / name).stat().st_size, sha256_of(folder / name)
        _check_file(folder, name, expected, {"size": size, "sha256": digest}, again)


def other_files(folder: Path, known: Iterable[str]) -> list[str]:
    """Return the names of files below a folder that are the user's own."""
    found = (path for path in folder.rglob("*") if not path.is_dir() and not is_junk(path.name))
    return sorted({path.relative_to(folder).as_posix() for path in found} - set(known))


def _identity(folder: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        state = folder.stat()
        return state.st_ino, state.st_ctime_ns
    return None


def _read_file(folder: Path, name: str, expected: FileEntry) -> bytes:
    with _missing_files(folder, name, _AGAIN):
        content = read_bytes(folder / name)
    digest = hashlib.sha256(content).hexdigest()
    _check_file(folder, name, expected, {"size": len(content), "sha256": digest}, _AGAIN)
    return content


@contextmanager
def _missing_files(folder: Path, name: str, again: str) -> Iterator[None]:
    try:
        yield
    except FileError as error:
        problem = f"{name} in {folder} is missing" if error.errno == ENOENT else str(error)
        raise PersistenceError(f"{problem}; {_advice(again)}") from error


def _check_file(folder: Path, name: str, expected: FileEntry, found: FileEntry, again: str) -> None:
    if found["size"] != expected["size"]:
        problem = f"has {found['size']} bytes instead of {expected['size']}"
    elif found["sha256"] != expected["sha256"]:
        problem = "was altered: its SHA-256 is another"
    else:
        return
    raise PersistenceError(f"{name} in {folder} {problem}; {_advice(again)}")


def _advice(again: str) -> str:
    return f"{again}, or copy the folder again from an intact one"


def _check_names(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\0" in name or "\\" in name:
            raise PersistenceError(f"{folder} names the file {name[:60]!r}, which is outside of it")
        if len(name) > _NAME_LENGTH:
            raise PersistenceError(
                f"{folder} names a file of {len(name)} characters: {name[:60]!r}"
            )
        if parts.suffix not in _SUFFIXES:
            raise PersistenceError(
                f"{name!r} is not plain data; a saved estimator holds {sorted(_SUFFIXES)} only, "
                "so this model or tokenizer cannot be saved or loaded"
            )


def _replace(target: Path, aside: Path) -> None:
    """Put the new folder in place; the old one goes only after that."""
    for number in range(_LOOKS):  # another save may put its own there in between
        old = aside.with_name(f"{aside.name}-{number}{OLD}")
        had_old = False
        try:
            with suppress(FileNotFoundError):
                target.rename(old)
                had_old = True
            aside.rename(target)
        except BaseException as error:
            is_taken = isinstance(error, OSError) and error.errno in (EEXIST, ENOTEMPTY)
            if had_old and not is_taken:
                old.rename(target)
            if not is_taken:
                raise
        else:
            return
    raise PersistenceError(f"other saves keep replacing {target}; give another folder")
