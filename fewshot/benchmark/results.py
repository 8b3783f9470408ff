"""Results of a benchmark: a header, and a cell per method, data set, shots and seed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_type_hints

from fewshot.data.files import content_sha256, parse_json, read_bytes, user_path
from fewshot.data.forms import misfit
from fewshot.errors import BenchmarkError

FORMAT = 2  # with a digest in each line
_FORMAT_WITHOUT_DIGESTS = 1
_TEXT_SHOWN = 60  # characters of a line


class CellKey(NamedTuple):
    """The identity of a cell: no two cells of a benchmark share one."""

    method: str
    data_set: str
    shots: int
    seed: int


@dataclass(frozen=True, slots=True)
class Cell:
    """The result of one method on one split of one data set.

    Parameters
    ----------
    method, data_set : str
    shots, seed : int
    status : {"done", "failed"}
    metric : str
        The metric of the data set's protocol, or of the spec.
    title : str
        Name of the data set for readers.
    error, traceback : str
        The error of a failed cell and the end of its traceback; else empty.
    scores : dict of str to (float or None)
        By metric; None for lack of probabilities. Empty if the cell failed.
    fit_seconds, predict_seconds : float or None
    tokens : int or None
        Tokens read by the encoder, in fit and prediction; None where they are not counted.
    trainable_parameters : int or None
        Numbers that ``fit`` may change; None where they are not known.
    peak_memory_mb : float or None
        Peak memory of the process while the cell ran, in MiB.
    peak_gpu_memory_mb : float or None
        Peak memory on the GPU, in MiB; None without one.
    n_train, n_test, n_unlabeled : int
        Labeled texts, test texts, and texts used without labels.
    chosen : dict
        Settings chosen by validation.
    settings : dict
        Settings of the method.
    estimator : str
        Import path of the estimator's class.
    data_hash : str
        SHA-256 of the data set.
    split : str
        Description of the split.
    warnings : tuple of str
        Warnings of the method, each once.
    versions, host : dict
    finished : str
        Time of the end, in UTC.

    See Also
    --------
    Results : The cells of a benchmark.

    Examples
    --------
    >>> from fewshot.benchmark import Cell
    >>> Cell("TF-IDF", "bbc_news", 8, 1, "failed", "accuracy", "BBC News", error="no memory").error
    'no memory'
    """

    method: str
    data_set: str
    shots: int
    seed: int
    status: Literal["done", "failed"]
    metric: str
    title: str
    error: str = ""
    traceback: str = ""
    scores: dict[str, float | None] = field(default_factory=dict)
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    tokens: int | None = None
    trainable_parameters: int | None = None
    peak_memory_mb: float | None = None
    peak_gpu_memory_mb: float | None = None
    n_train: int = 0
    n_test: int = 0
    n_unlabeled: int = 0
    chosen: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    estimator: str = ""
    data_hash: str = ""
    split: str = ""
    warnings: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    finished: str = ""

    @property
    def key(self) -> CellKey:
        """Identity of the cell: method, data set, shots and seed."""
        return CellKey(self.method, self.data_set, self.shots, self.seed)

    @property
    def is_done(self) -> bool:
        """Whether the cell has not failed."""
        return self.status == "done"

    def to_line(self) -> str:
        """Return the line of the results file, with its line end."""
        return _line({"kind": "cell"} | asdict(self))


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a results file."""

    spec: dict[str, Any]  # with all defaults filled in
    spec_hash: str
    created: str  # in UTC
    fewshot: str  # version of the package
    format: int = FORMAT  # older ones are read, and continued as they are

    def to_line(self) -> str:
        """Return the line of the results file, with its line end."""
        return _line({"kind": "header"} | asdict(self))


@dataclass(frozen=True, slots=True)
class Results:
    """The header and the cells of a benchmark.

    Parameters
    ----------
    header : Header
        With the ``spec`` as a dict, its ``spec_hash``, and the time and version of the run.
    cells : tuple of Cell
        In the order in which they were first finished; for a cell that was run again after a
        failure, the last result.

    See Also
    --------
    read_results : Read them from a file.
    summarize : Means, intervals and tests over the seeds.

    Examples
    --------
    >>> from fewshot.benchmark import read_results
    >>> len(read_results("quick.jsonl").cells)  # doctest: +SKIP
    24
    """

    header: Header
    cells: tuple[Cell, ...]


def read_results(path: str | os.PathLike[str]) -> Results:
    """Read a results file.

    A last line without a line end is ignored: its writing was interrupted, and the cell is run
    again on resume. All other lines are checked: the types of their fields, their SHA-256 (files
    of format 1, from before 2026-11-28, have none), and that no cell is there twice, unless it
    had failed.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Results

    Raises
    ------
    BenchmarkError
        If the file has a newer format, is not a results file, or is damaged; names the line.
    FileError
        If the file cannot be read.

    See Also
    --------
    run : Write a results file, or resume it.
    write_report : Write its report.

    Examples
    --------
    >>> from fewshot.benchmark import read_results
    >>> cells = read_results("quick.jsonl").cells  # doctest: +SKIP
    """
    path = user_path(path)
    lines = read_bytes(path).split(b"\n")[:-1]
    if not lines:
        raise BenchmarkError(
            f"{path}: not a results file: it has no complete line; run the benchmark"
        )
    header = _header(lines[0], path)
    cells: dict[CellKey, Cell] = {}
    for number, line in enumerate(lines[1:], start=2):
        place = f"{path}, line {number}"
        content = _content(line, "cell", place)
        _check_digest(content, header.format, place)
        cell = _cell(content, place)
        before = cells.get(cell.key)
        if before is not None and (before.is_done or before == cell):
            raise BenchmarkError(f"{place}: {cell.key} is there already; delete one of its lines")
        cells[cell.key] = cell
    return Results(header, tuple(cells.values()))


def _content(line: bytes, kind: str, place: str) -> dict[str, Any]:
    try:
        content = parse_json(line, parse_constant=_refuse_constant)
    except ValueError as error:  # also for what is not UTF-8
        raise BenchmarkError(f"{place}: not JSON: {error}; repair or delete the line") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise BenchmarkError(f"{place}: expected a {kind} of a benchmark, got {_shown(line)}")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _shown(line: bytes) -> str:
    return repr(line[:_TEXT_SHOWN].decode(errors="replace"))


def _check_digest(content: dict[str, Any], found: int, place: str) -> None:
    """Check the digest of a line; those of format 1 may have none."""
    digest = content.pop("sha256", None)
    if digest is None and found == _FORMAT_WITHOUT_DIGESTS:
        return
    if digest != content_sha256(content):
        raise BenchmarkError(
            f"{place}: the line was altered: its SHA-256 is another; delete it to have the cell "
            "run again"
        )


def _header(line: bytes, path: Path) -> Header:
    try:
        content = _content(line, "header", f"{path}, line 1")
    except BenchmarkError as error:  # repairing or deleting that line would not help
        raise BenchmarkError(
            f"{path}: not a results file: it begins with {_shown(line)}; name another one"
        ) from error
    found = content.get("format")
    if type(found) is not int or found not in (_FORMAT_WITHOUT_DIGESTS, FORMAT):
        raise BenchmarkError(
            f"{path}: the file's format is {found!r:.20}, this version of fewshot reads 1 to "
            f"{FORMAT}; use the version that wrote it, or another results file"
        )
    _check_digest(content, found, f"{path}, line 1")
    return Header(**_values(content, Header, f"{path}, line 1"))


def _cell(content: dict[str, Any], place: str) -> Cell:
    values = _values(content, Cell, place)
    values["warnings"] = tuple(values.get("warnings", ()))  # JSON has lists only
    return Cell(**values)


def _values(content: dict[str, Any], kind: type[Cell | Header], place: str) -> dict[str, Any]:
    """Return the values of a dataclass's fields if they have its types."""
    hints = get_type_hints(kind)
    values = {name: value for name, value in content.items() if name in hints}
    problems = [
        f"it has no {item.name!r}"
        for item in fields(kind)
        if item.name not in values and item.default is item.default_factory is MISSING
    ]
    problems += filter(None, (misfit(values[name], hints[name], name, []) for name in values))
    if problems:
        raise BenchmarkError(
            f"{place}: not a {kind.__name__.lower()} of this format: {problems[0]}; delete the line"
        )
    return values


def _line(content: Mapping[str, Any]) -> str:
    plain = _plain(content)
    signed = plain | {"sha256": content_sha256(plain)}
    return json.dumps(signed, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return a value of JSON's types; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
