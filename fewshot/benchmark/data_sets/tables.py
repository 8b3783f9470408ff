"""Reading tables of texts: CSV, TSV, JSON lines and Parquet, with errors that name the line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fewshot.benchmark.data_sets.protocols import LabelledTexts, Text
from fewshot.errors import InputError
from fewshot.yaml_files import did_you_mean

__all__ = [
    "Row",
    "read_delimited",
    "read_json_lines",
    "read_labelled",
    "read_lines",
    "read_table",
    "read_texts",
]

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_PARQUET_SUFFIX = ".parquet"
_LINES_SHOWN = 5


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


def read_texts(rows: Sequence[Row], fields: Sequence[str], where: object) -> tuple[Text, ...]:
    """Return the texts of rows, without spaces around: strings, or mappings of several fields.

    Parameters
    ----------
    rows : sequence of Row
    fields : sequence of str
        Columns that hold text.
    where : object
        The file, for messages.

    Returns
    -------
    tuple of str or of dict

    Raises
    ------
    InputError
        If a column is missing, a value is no text, or all texts of a row are blank.
    """
    columns = [_column(rows, name, where) for name in fields]
    for name, column in zip(fields, columns, strict=True):
        wrong = [i for i, value in enumerate(column) if not isinstance(value, str | None)]
        if wrong:
            raise InputError(
                f"{where}, {_lines(rows, wrong)}: the column {name!r} holds text, "
                f"got {column[wrong[0]]!r}"
            )
    records = [
        tuple("" if text is None else text.strip() for text in row)
        for row in zip(*columns, strict=True)
    ]
    blank = [i for i, record in enumerate(records) if not any(record)]
    if blank:
        raise InputError(
            f"{where}, {_lines(rows, blank)}: no text in {_named(fields)}; "
            "fill in or delete these rows"
        )
    if len(fields) == 1:
        return tuple(text for (text,) in records)
    return tuple(dict(zip(fields, record, strict=True)) for record in records)


def read_labelled(
    rows: Sequence[Row], fields: Sequence[str], label: str, where: object
) -> LabelledTexts:
    """Return the texts and labels of rows; labels that are whole numbers become strings.

    Parameters
    ----------
    rows : sequence of Row
    fields : sequence of str
        Columns that hold text.
    label : str
        Column of the labels.
    where : object
        The file, for messages.

    Returns
    -------
    LabelledTexts

    Raises
    ------
    InputError
        As :func:`read_texts`, and if a label is missing or neither text nor a whole number.
    """
    texts = read_texts(rows, fields, where)
    values = [
        value.strip() if isinstance(value, str) else value for value in _column(rows, label, where)
    ]
    missing = [i for i, value in enumerate(values) if value is None or value == ""]
    if missing:
        raise InputError(
            f"{where}, {_lines(rows, missing)}: no label in {label!r}; fill in or delete these rows"
        )
    wrong = [i for i, value in enumerate(values) if _label(value) is None]
    if wrong:
        raise InputError(
            f"{where}, {_lines(rows, wrong)}: a label is text or a whole number, "
            f"got {values[wrong[0]]!r} in {label!r}"
        )
    return LabelledTexts(texts, tuple(str(_label(value)) for value in values))


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


def _column(rows: Sequence[Row], name: str, where: object) -> list[Any]:
    lacking = [i for i, row in enumerate(rows) if name not in row.values]
    if lacking:
        found = list(rows[lacking[0]].values)
        raise InputError(
            f"{where}, {_lines(rows, lacking)}: no column {name!r}{did_you_mean(name, found)}; "
            f"the columns are {found}"
        )
    return [row.values[name] for row in rows]


def _label(value: object) -> str | int | None:
    """Return a label as it is written; 1.0 is the 1 of a column with gaps. None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, int)) else None


def _lines(rows: Sequence[Row], indices: Sequence[int]) -> str:
    shown = ", ".join(str(rows[i].line) for i in indices[:_LINES_SHOWN])
    more = len(indices) - _LINES_SHOWN
    return f"line{'s' * (len(indices) > 1)} {shown}{f' and {more} more' if more > 0 else ''}"


def _named(fields: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in fields)
