"""Rows of CSV, TSV, JSON lines and Parquet files, read as a stream; errors name the line."""

# csv and json rather than pandas: pandas pads short rows, guesses types, and gives no line numbers.

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO, TypeAlias, cast, get_args

from fewshot.data.delimited import BadRow, Report, decoded, read_delimited
from fewshot.errors import InputError

Format: TypeAlias = Literal["csv", "tsv", "jsonl", "parquet"]

PIPE = Path("-")  # standard input, or output
_SUFFIXES: dict[str, Format] = {
    **{".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"},
    ".parquet": "parquet",
}
DELIMITERS = {"csv": ",", "tsv": "\t"}
_SNIFFED = ",;\t"  # spreadsheets write ";" into .csv where "," is the decimal point
_SNIFFED_CHARACTERS = 4096  # of a header; the time grows with their square
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
COMPRESSED: dict[str, Callable[..., Any]] = {".bz2": bz2.open, ".gz": gzip.open}
_PARQUET_ROWS = 1024  # read together
_TEXT_SHOWN = 60


class Row(NamedTuple):
    """A row of a table."""

    line: int  # on which it begins, from 1; in Parquet and hub data sets the number of the row
    values: dict[str, Any]  # by column; JSON and Parquet hold anything


def table_format(path: Path, given: str | None = None) -> Format:
    """Return the format of a file, which its suffix gives."""
    if given is not None or path == PIPE:
        name = "csv" if given is None else given
        if name not in get_args(Format):
            raise InputError(f"a format is one of {list(get_args(Format))}, got {name!r}")
        return cast("Format", name)
    suffix = path.with_suffix("").suffix if path.suffix in COMPRESSED else path.suffix
    if suffix.lower() not in _SUFFIXES:
        known = list(_SUFFIXES)
        raise InputError(f"{path}: the suffix gives the format and must be one of {known}")
    return _SUFFIXES[suffix.lower()]


def read_table(
    path: Path, columns: Sequence[str] | None = None, *, is_quoted: bool = True
) -> list[Row]:
    """Read a whole file."""
    rows = list(stream_table(path, columns, is_quoted=is_quoted))
    if not rows:
        raise InputError(f"{path}: the file has no rows; add texts")
    return rows


def stream_table(
    path: Path,
    columns: Sequence[str] | None = None,
    *,
    form: Format | None = None,
    is_quoted: bool = True,
    on_bad: Report | None = None,
    keeps_blank: bool = False,
) -> Iterator[Row]:
    """Read a file, or standard input, row by row."""
    # `columns` names the columns of a CSV or TSV file that may lack a header. Without `is_quoted`
    # quotes are part of the text, as in the files of GLUE. `keeps_blank` yields records whose
    # fields are all empty, but for those at the end.
    form = table_format(path, form)
    fail = _raising(path)
    report = fail if on_bad is None else on_bad
    if form == "parquet":
        yield from _read_parquet(path)
        return
    with _opened(path, form) as lines:
        if form == "jsonl":
            yield from _read_json_lines(lines, report)
            return
        has_header = columns is None
        first = next(lines, "")
        delimiter = _sniffed(first) if has_header and form == "csv" else DELIMITERS[form]
        records = read_delimited(
            *(chain([first], lines), delimiter, report, fail),
            is_quoted=is_quoted,
            has_header=has_header,
            keeps_blank=keeps_blank,
        )
        yield from (
            _with_header(records, path) if columns is None else _named(records, columns, path)
        )


def count_rows(path: Path) -> int | None:
    """Return about how many lines or rows a file has, if that is known at once."""
    if path == PIPE or path.suffix in COMPRESSED:
        return None
    if table_format(path) == "parquet":
        return int(_parquet_file(path).metadata.num_rows)
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b""))


def parquet_types(path: Path) -> dict[str, Any]:
    """Return the types of the columns of a Parquet file, as Arrow names them; of others none."""
    if path == PIPE or table_format(path) != "parquet":
        return {}
    return {field.name: field.type for field in _parquet_file(path).schema_arrow}


def read_lines(path: Path) -> list[str]:
    """Read the lines of a UTF-8 file."""
    report = _raising(path)
    with _opened(path, "jsonl") as lines:
        return [line for _, line in decoded(lines, report)]


@contextmanager
def _opened(path: Path, form: Format) -> Iterator[TextIO]:
    """Open a file of UTF-8, whose other bytes become surrogates, or of UTF-16 that says so."""
    # Not the default, which splits lines at other characters too, and JSON may hold those.
    # Any: the keywords of TextIOWrapper.
    text: dict[str, Any] = {"errors": "surrogateescape", "newline": "\n" if form == "jsonl" else ""}
    try:
        if path == PIPE:
            wrapper = io.TextIOWrapper(sys.stdin.buffer, _encoding(sys.stdin.buffer), **text)
            yield wrapper
            wrapper.detach()
            return
        opened = COMPRESSED.get(path.suffix, open)
        with (
            opened(path, "rb") as binary,
            io.TextIOWrapper(binary, _encoding(binary), **text) as lines,
        ):
            yield lines
    except (OSError, EOFError, UnicodeError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{path}: the file cannot be read: {reason}") from error


def _encoding(binary: Any) -> str:  # of open, gzip and bz2
    """Return the encoding that the first bytes of a stream mean, and leave them there."""
    return "utf-16" if binary.peek(2).startswith(_UTF16) else "utf-8-sig"


def _sniffed(header: str) -> str:
    """Return the delimiter of a header."""
    with suppress(csv.Error):  # of a single column
        return csv.Sniffer().sniff(header[:_SNIFFED_CHARACTERS], _SNIFFED).delimiter
    return DELIMITERS["csv"]


def _raising(path: Path) -> Report:
    def report(bad: BadRow) -> None:
        raise InputError(f"{path}, line {bad.line}: {bad.problem}")

    return report


def _with_header(records: Iterator[tuple[int, list[str]]], path: Path) -> Iterator[Row]:
    line, first = next(records, (1, None))
    if first is None:
        return
    header = [name.strip() for name in first]
    if len(set(header)) < len(header) or "" in header:
        raise InputError(
            f"{path}, line {line}: expected a header with distinct names, got {header}"
        )
    for line, record in records:
        yield Row(line, dict(zip(header, record, strict=True)))


def _named(
    records: Iterator[tuple[int, list[str]]], columns: Sequence[str], path: Path
) -> Iterator[Row]:
    """Yield the rows of a file that may begin with a header, of which the last name is known."""
    for position, (line, record) in enumerate(records):
        if position == 0 and record[-1] == columns[-1]:
            continue
        if len(record) != len(columns):
            raise InputError(
                f"{path}: expected rows of {', '.join(columns)}; download the file again"
            )
        yield Row(line, dict(zip(columns, record, strict=True)))


def _read_json_lines(lines: Iterable[str], report: Report) -> Iterator[Row]:
    for number, line in decoded(lines, report):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            report(BadRow(number, f"not JSON: {error}", line))
            continue
        if isinstance(values, dict):
            yield Row(number, values)
        else:
            problem = (
                f'expected an object such as {{"text": ...}}, got {line[:_TEXT_SHOWN].strip()}'
            )
            report(BadRow(number, problem, line))


def _parquet_file(path: Path) -> Any:  # pyarrow has no types
    import pyarrow
    from pyarrow import parquet

    if path == PIPE:
        raise InputError("Parquet is not read from a pipe; give a file, or --format jsonl")
    try:
        return parquet.ParquetFile(path)
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read: {error}") from error
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: not a Parquet file: {error}") from error


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow

    number = 0
    file = _parquet_file(path)
    names = file.schema_arrow.names
    if len(set(names)) < len(names):
        raise InputError(f"{path}: expected columns with distinct names, got {names}")
    try:
        for batch in file.iter_batches(_PARQUET_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield Row(number, values)
    except (OSError, pyarrow.ArrowException, ValueError, OverflowError) as error:
        raise InputError(f"{path}: the rows after {number} cannot be read: {error}") from error
