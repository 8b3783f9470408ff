"""Reading tables of texts: CSV, TSV, JSON lines and Parquet, with errors that name the line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fewshot.errors import InputError

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_PARQUET_SUFFIX = ".parquet"


class Row(NamedTuple):
    """A row of a table, and where it stands in the file.

    Parameters
    ----------
    line : int
        The line on which it begins, from 1; in a Parquet file the number of the row.
    values : dict of str to object
        By column.
    """

    line: int
    values: dict[str, Any]  # JSON and Parquet hold anything


def read_table(path: Path) -> list[Row]:
    """Read a file whose suffix tells the format.

    Parameters
    ----------
    path : Path
        ``.csv`` or ``.tsv`` with a header, quoted as spreadsheets do; ``.jsonl`` or ``.parquet``.

    Returns
    -------
    list of Row

    Raises
    ------
    InputError
        If the file is missing, not UTF-8, empty or not well formed.
    """
    suffix = path.suffix.lower()
    if suffix in _DELIMITERS:
        rows = _with_header(read_delimited(path, is_quoted=True), path)
    elif suffix in _JSON_SUFFIXES:
        rows = read_json_lines(path)
    elif suffix == _PARQUET_SUFFIX:
        rows = _read_parquet(path)
    else:
        known = [*_DELIMITERS, *_JSON_SUFFIXES, _PARQUET_SUFFIX]
        raise InputError(f"{path}: the suffix tells the format and is one of {known}")
    if not rows:
        raise InputError(f"{path}: the file has no rows; add texts")
    return rows


def read_delimited(path: Path, *, is_quoted: bool) -> list[tuple[int, list[str]]]:
    """Read a CSV or TSV file, header and all.

    Parameters
    ----------
    path : Path
    is_quoted : bool
        Whether fields may stand in quotes, and hold line ends and delimiters then. If not,
        quotes are text, as in the files of GLUE.

    Returns
    -------
    list of (int, list of str)
        Each row that is not blank, with the line on which it begins.

    Raises
    ------
    InputError
        If the file cannot be read, or rows differ in length.
    """
    reader = csv.reader(
        io.StringIO(_read_text(path), newline=""),
        delimiter=_DELIMITERS[path.suffix.lower()],
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
        strict=True,
    )
    rows = list(_numbered(reader, path))
    for line, row in rows:
        if len(row) != len(rows[0][1]):
            raise InputError(
                f"{path}, line {line}: expected {len(rows[0][1])} columns as in line "
                f"{rows[0][0]}, got {len(row)}; put fields that hold the delimiter in quotes"
            )
    return rows


def read_json_lines(path: Path) -> list[Row]:
    """Read a file with a JSON object on each line.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of Row

    Raises
    ------
    InputError
        If the file cannot be read, or a line is no JSON object.
    """
    rows = []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON: {error}") from error
        if not isinstance(values, dict):
            raise InputError(
                f'{path}, line {number}: expected an object such as {{"text": ...}}, '
                f"got {line.strip()[:60]}"
            )
        rows.append(Row(number, values))
    return rows


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If the file cannot be read, or is not UTF-8.
    """
    # Not splitlines(): it takes other characters for line ends, which JSON may hold.
    return _read_text(path).split("\n")


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: not UTF-8 text ({error.reason}); save the file as UTF-8, "
            f"for example: iconv -f windows-1252 -t utf-8 {path.name} > utf8{path.suffix}"
        ) from error


def _numbered(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:  # csv has no type
    line = 1
    try:
        for row in reader:
            if any(value.strip() for value in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}, line {line}: {error}; put a field with quotes in it into quotes and double "
            "those inside, or save the file as JSON lines"
        ) from error


def _with_header(rows: list[tuple[int, list[str]]], path: Path) -> list[Row]:
    if not rows:
        return []
    header = [name.strip() for name in rows[0][1]]
    if len(set(header)) < len(header) or "" in header:
        raise InputError(
            f"{path}, line {rows[0][0]}: expected a header with distinct names, got {header}"
        )
    return [Row(line, dict(zip(header, row, strict=True))) for line, row in rows[1:]]


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        records = parquet.read_table(path).to_pylist()
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read: {error}") from error
    except pyarrow.ArrowException as error:
        raise InputError(f"{path}: not a Parquet file: {error}") from error
    return [Row(number, values) for number, values in enumerate(records, start=1)]
