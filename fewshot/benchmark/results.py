"""What a benchmark has found: a header and a cell for each method, data set, shots and seed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fewshot.errors import BenchmarkError

FORMAT = 1
_SHOWN = 60  # characters of a line


class CellKey(NamedTuple):
    """Which cell of the grid: no two cells of a benchmark share one."""

    method: str
    data_set: str
    shots: int
    seed: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What one method did on one split of one data set.

    Parameters
    ----------
    method, data_set : str
    shots, seed : int
    status : {"done", "failed"}
    metric : str
        The score that the data set's protocol reports.
    title : str
        The data set's name for readers.
    error, traceback : str
        Why the cell failed, and where; empty if it did not.
    scores : dict of str to (float or None)
        None for a score that cannot be computed, for want of probabilities. Empty if failed.
    fit_seconds, predict_seconds : float or None
    tokens : int or None
        Tokens that the encoder has read, in fit and prediction; None where nobody counts them.
    trainable_parameters : int or None
        Numbers that fit may change.
    peak_memory_mb : float or None
        The most memory of the process while the cell ran.
    peak_gpu_memory_mb : float or None
        The most memory on the GPU, if there is one.
    n_train, n_test, n_unlabeled : int
    chosen : dict
        Settings that model selection has chosen.
    settings : dict
        Settings of the method.
    estimator : str
        Import path of the estimator's class.
    data_hash : str
        SHA-256 of the data set.
    split : str
        How the split was drawn.
    warnings : tuple of str
        What the method has warned of, each once.
    versions, host : dict
    finished : str
        When, in UTC.
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
        """Which cell of the grid this is."""
        return CellKey(self.method, self.data_set, self.shots, self.seed)

    @property
    def is_done(self) -> bool:
        """Whether the method did not fail."""
        return self.status == "done"

    def to_line(self) -> str:
        """Return the line of the results file, with its end."""
        return _line({"kind": "cell"} | asdict(self))


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a results file: what was asked for.

    Parameters
    ----------
    spec : dict
        The spec, with all defaults filled in.
    spec_hash : str
        SHA-256 of the spec.
    created : str
        When, in UTC.
    fewshot : str
        Version of the package.
    format : int
        Version of the file's format.
    """

    spec: dict[str, Any]
    spec_hash: str
    created: str
    fewshot: str
    format: int = FORMAT

    def to_line(self) -> str:
        """Return the line of the results file, with its end."""
        return _line({"kind": "header"} | asdict(self))


@dataclass(frozen=True, slots=True)
class Results:
    """A benchmark's header and cells.

    Parameters
    ----------
    header : Header
    cells : tuple of Cell
        In the order in which they were first finished; of a cell that was run again after it
        failed, the last outcome.
    """

    header: Header
    cells: tuple[Cell, ...]


def read_results(path: str | Path) -> Results:
    """Read a results file.

    A last line without an end is what is left of a write that was cut short: it is left out, and
    the cell is run again on resume.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Results

    Raises
    ------
    BenchmarkError
        If the file cannot be read, is of a newer format, or is no results file.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise BenchmarkError(f"{path}: cannot be read: {error}") from error
    lines = text.split("\n")[:-1]
    if not lines:
        raise BenchmarkError(f"{path}: no results file: it holds no whole line; run the benchmark")
    header = _header(lines[0], path)
    cells: dict[CellKey, Cell] = {}
    for number, line in enumerate(lines[1:], start=2):
        where = f"{path}, line {number}"
        cell = _cell(_content(line, "cell", where), where)
        cells[cell.key] = cell
    return Results(header, tuple(cells.values()))


def _content(line: str, kind: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise BenchmarkError(f"{where}: not JSON: {error}; mend or delete the line") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise BenchmarkError(f"{where}: expected a {kind} of a benchmark, got {line[:_SHOWN]!r}")
    return content


def _header(line: str, path: Path) -> Header:
    try:
        content = _content(line, "header", f"{path}, line 1")
    except BenchmarkError as error:  # to mend or delete that line would not help
        raise BenchmarkError(
            f"{path}: no results file: it begins with {line[:_SHOWN]!r}; name another one"
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


def _cell(content: dict[str, Any], where: str) -> Cell:
    known = {item.name for item in fields(Cell)}
    values = {name: value for name, value in content.items() if name in known}
    values["warnings"] = tuple(content.get("warnings", ()))  # JSON has lists only
    try:
        return Cell(**values)
    except TypeError as error:
        raise BenchmarkError(f"{where}: not a cell of this format: {error}") from error


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(_plain(content), ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return a value that JSON has; a number that is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
