"""Write a results file: one whole line per cell, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fewshot import __version__
from fewshot.benchmark.results import Cell, CellKey, Header, read_results
from fewshot.benchmark.spec import Spec
from fewshot.data.files import disk_errors, read_bytes, user_path
from fewshot.errors import BenchmarkError, FileError

_DIFFERENCES_SHOWN = 5
_HEADER_START = len('{"kind": "header"')  # bytes that identify a truncated header


@dataclass(frozen=True)
class ResultsFile:
    """A results file open for writing; see :func:`open_results`."""

    path: Path | None  # None keeps the cells in memory only
    descriptor: int | None  # of the open file
    header: Header
    cells: dict[CellKey, Cell]  # those in the file

    def append(self, cell: Cell) -> None:
        """Write a cell to the disk."""
        if self.descriptor is not None and self.path is not None:
            _append(self.descriptor, cell.to_line(), self.path)
        self.cells[cell.key] = cell


@contextmanager
def open_results(path: str | Path | None, spec: Spec) -> Iterator[ResultsFile]:
    """Open a new results file, or that of an interrupted run of the same spec."""
    # A truncated last line is removed. The file `.<name>.lock` beside it is locked while the
    # results file is open; the system unlocks it when the process ends, however it ends.
    if path is None:
        yield ResultsFile(None, None, _new_header(spec), {})
        return
    path = user_path(path)
    if not path.name:
        raise BenchmarkError(f"{path}: results go to a file, and this is a folder; name a file")
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    try:
        with disk_errors(path, "cannot be written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except Timeout as error:
        raise BenchmarkError(
            f"{path}: another benchmark is writing this file; wait until it is done, or name "
            "another results file"
        ) from error
    except OSError:
        lock.release()
        raise
    try:
        yield _resume(path, descriptor, spec)
    finally:
        os.close(descriptor)
        lock.release()


def _new_header(spec: Spec) -> Header:
    """Return the header of a benchmark that starts now."""
    return Header(spec.to_dict(), spec.hash, now(), __version__)


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _resume(path: Path, descriptor: int, spec: Spec) -> ResultsFile:
    """Read the cells, and only then remove a truncated last line."""
    content = read_bytes(path)
    end = content.rfind(b"\n") + 1
    if end:
        results = read_results(path)
        _check_same(path, results.header, spec)
        os.ftruncate(descriptor, end)
        known = {cell.key: cell for cell in results.cells}
        return ResultsFile(path, descriptor, results.header, known)
    header = _new_header(spec)
    line = header.to_line()
    if content[:_HEADER_START] != line.encode()[: len(content)][:_HEADER_START]:
        raise BenchmarkError(f"{path}: this is not a results file; name another one")
    os.ftruncate(descriptor, 0)
    _append(descriptor, line, path)
    return ResultsFile(path, descriptor, header, {})


def _append(descriptor: int, line: str, path: Path) -> None:
    content = line.encode()
    with disk_errors(path, "has no room for a cell"):
        written = os.write(descriptor, content)
        os.fsync(descriptor)
    if written < len(content):
        raise FileError(f"{path}: the disk is full; make room and run the same command again")


def _check_same(path: Path, header: Header, spec: Spec) -> None:
    advice = "name another results file, or delete this one if it is no longer needed"
    if header.fewshot != __version__:
        raise BenchmarkError(
            f"{path}: the results are of fewshot {header.fewshot}, this is {__version__}, and "
            f"results of two versions must not be mixed; {advice}"
        )
    if header.spec_hash == spec.hash:
        return
    differences = list(_differences(header.spec, spec.to_dict(), ""))
    shown = "; ".join(differences[:_DIFFERENCES_SHOWN])
    more = len(differences) - _DIFFERENCES_SHOWN
    raise BenchmarkError(
        f"{path}: the results are of a different spec: {shown}"
        f"{f'; and {more} more differences' if more > 0 else ''}. Use that "
        f"spec, {advice}"
    )


def _differences(old: Any, new: Any, place: str) -> Iterator[str]:
    """Yield the differences of two specs; entries with a name are matched by it."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            inside = f"{place}.{key}" if place else str(key)
            yield from _differences(old.get(key), new.get(key), inside)
    elif _are_named(old) and _are_named(new):
        yield from _differences(_by_name(old), _by_name(new), place)
    elif old != new:
        yield f"{place} was {old!r} and is {new!r}"


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, dict) and "name" in x for x in value)


def _by_name(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["name"]: entry for entry in entries}
