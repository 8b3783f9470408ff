"""Results of a benchmark: a header, and a cell per method, data set, shots and seed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fewshot.errors import BenchmarkError

FORMAT = 1
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
    format: int = FORMAT

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


def read_results(path: str | Path) -> Results:
    """Read a results file.

    A last line without a line end is ignored: its writing was interrupted, and the cell is run
    again on resume.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Results

    Raises
    ------
    BenchmarkError
        If the file cannot be read, has a newer format, or is not a results file.

    See Also
    --------
    run : Write a results file, or resume it.
    write_report : Write its report.

    Examples
    --------
    >>> from fewshot.benchmark import read_results
    >>> cells = read_results("quick.jsonl").cells  # doctest: +SKIP
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise BenchmarkError(f"{path}: cannot be read: {error}") from error
    lines = text.split("\n")[:-1]
    if not lines:
        raise BenchmarkError(
            f"{path}: not a results file: it has no complete line; run the benchmark"
        )
    header = _header(lines[0], path)
    cells: dict[CellKey, Cell] = {}
    for number, line in enumerate(lines[1:], start=2):
        place = f"{path}, line {number}"
        cell = _cell(_content(line, "cell", place), place)
        cells[cell.key] = cell
    return Results(header, tuple(cells.values()))


def _content(line: str, kind: str, place: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise BenchmarkError(f"{place}: not JSON: {error}; repair or delete the line") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise BenchmarkError(
            f"{place}: expected a {kind} of a benchmark, got {line[:_TEXT_SHOWN]!r}"
        )
    return content


def _header(line: str, path: Path) -> Header:
    try:
        content = _content(line, "header", f"{path}, line 1")
    except BenchmarkError as error:  # repairing or deleting that line would not help
        raise BenchmarkError(
            f"{path}: not a results file: it begins with {line[:_TEXT_SHOWN]!r}; name another one"
        ) from error
    found = content.get("format")
    if found != FORMAT:
        raise BenchmarkError(
            f"{path}: the file's format is {found!r}, this version of fewshot reads {FORMAT}; "
            "use the version that wrote it, or another results file"
        )
    try:
        return Header(content["spec"], content["spec_hash"], content["created"], content["fewshot"])
    except KeyError as error:
        raise BenchmarkError(f"{path}, line 1: the header has no {error}") from error


def _cell(content: dict[str, Any], place: str) -> Cell:
    known = {item.name for item in fields(Cell)}
    values = {name: value for name, value in content.items() if name in known}
    values["warnings"] = tuple(content.get("warnings", ()))  # JSON has lists only
    try:
        return Cell(**values)
    except TypeError as error:
        raise BenchmarkError(f"{place}: not a cell of this format: {error}") from error


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(_plain(content), ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return a value of JSON's types; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
