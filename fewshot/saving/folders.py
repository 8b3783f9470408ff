"""Folders that appear whole or not at all, and checks that their files are as they were."""

from __future__ import annotations

import glob
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from fewshot.data.files import flush, sha256_of
from fewshot.errors import PersistenceError

_MARK = "fewshot-saving"  # in the name of a folder while it is written beside its place
# Plain data in formats of their own: no pickle, no code.
_SUFFIXES = frozenset({".jinja", ".json", ".md", ".model", ".safetensors", ".txt"})


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Yield a new folder, which takes the place of `target` when all is written and flushed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{_MARK}-{uuid.uuid4().hex}")
    try:
        aside.mkdir()
        yield aside
        mode = aside.stat().st_mode & 0o666  # safetensors makes files for their owner only
        for path in (*aside.rglob("*"), aside):
            if path.is_file():
                path.chmod(mode)
            flush(path)
        _replace(target, aside)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def left_aside(target: Path) -> list[Path]:
    """Return former contents of a place that a crash left between two renames."""
    return sorted(target.parent.glob(f".{glob.escape(target.name)}.{_MARK}-*-old"))


def list_files(folder: Path) -> dict[str, dict[str, int | str]]:
    """Return size and SHA-256 of all files below a folder, by relative name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [file.relative_to(folder).as_posix() for file in files]
    _check_suffixes(names)
    return {
        name: {"size": file.stat().st_size, "sha256": sha256_of(file)}
        for name, file in zip(names, files, strict=True)
    }


def check_files(folder: Path, files: Mapping[str, Any]) -> None:
    """Refuse files that differ from what :func:`list_files` returned; others are ignored."""
    _check_suffixes(files)
    for name, expected in files.items():
        file = folder / name
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise PersistenceError(f"{folder} names the file {name!r}, which is outside of it")
        if not file.is_file():
            problem = "is missing"
        elif file.stat().st_size != expected["size"]:
            problem = f"has {file.stat().st_size} bytes instead of {expected['size']}"
        elif sha256_of(file) != expected["sha256"]:
            problem = "was altered: its SHA-256 is another"
        else:
            continue
        raise PersistenceError(
            f"{name} in {folder} {problem}; save the estimator again, or copy the folder again "
            "from an intact one"
        )


def _check_suffixes(names: Iterable[str]) -> None:
    others = [name for name in names if PurePosixPath(name).suffix not in _SUFFIXES]
    if others:
        raise PersistenceError(
            f"{others[:3]} are not plain data; a saved estimator holds {sorted(_SUFFIXES)} only, "
            "so this model or tokenizer cannot be saved or loaded"
        )


def _replace(target: Path, aside: Path) -> None:
    """Put the new folder in place; the old one goes only after that."""
    old = aside.with_name(f"{aside.name}-old")
    had_old = target.exists()
    if had_old:
        target.rename(old)
    try:
        aside.rename(target)
    except BaseException:
        if had_old:
            old.rename(target)
        raise
    flush(target.parent)
    shutil.rmtree(old, ignore_errors=True)
