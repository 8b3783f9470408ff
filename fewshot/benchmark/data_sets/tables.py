"""Texts and labels from CSV, TSV, JSON lines, Parquet and hub data sets; errors name the line."""

# csv and json rather than pandas: pandas pads short rows, guesses types, and gives no line numbers.

from __future__ import annotations

import bz2
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fewshot.benchmark.data_sets.splits import LabeledTexts, Text
from fewshot.data.examples import can_be_encoded
from fewshot.errors import HubError, InputError, did_you_mean
from fewshot.models.hub import hub_answers

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_SUFFIXES = (".jsonl", ".ndjson")
_PARQUET_SUFFIX = ".parquet"
_COMPRESSED = ".bz2"
_LINES_SHOWN, _TEXT_SHOWN = 5, 60


class Row(NamedTuple):
    """A row of a table."""

    line: int  # on which it begins, from 1; in Parquet and hub data sets the number of the row
    values: dict[str, Any]  # by column; JSON and Parquet hold anything


def read_table(
    path: Path, columns: Sequence[str] | None = None, *, is_quoted: bool = True
) -> list[Row]:
    """Read a file in the format of its suffix."""
    # `columns` names the columns of a CSV or TSV file that may lack a header. Without `is_quoted`
    # quotes are part of the text, as in the files of GLUE.
    suffix = path.with_suffix("").suffix if path.suffix == _COMPRESSED else path.suffix
    suffix = suffix.lower()
    if suffix in _DELIMITERS:
        numbered = _read_delimited(path, _DELIMITERS[suffix], is_quoted=is_quoted)
        rows = _with_header(numbered, path) if columns is None else _named(numbered, columns, path)
    elif suffix in _JSON_SUFFIXES:
        rows = _read_json_lines(path)
    elif suffix == _PARQUET_SUFFIX:
        rows = _read_parquet(path)
    else:
        known = [*_DELIMITERS, *_JSON_SUFFIXES, _PARQUET_SUFFIX]
        raise InputError(f"{path}: the suffix gives the format and must be one of {known}")
    if not rows:
        raise InputError(f"{path}: the file has no rows; add texts")
    return rows


def read_lines(path: Path) -> list[str]:
    """Read the lines of a UTF-8 file."""
    # Not splitlines(), which splits at other characters too, and JSON may hold those.
    return _read_text(path).split("\n")


def read_hub(path: str, config: str | None, split: str, label: str) -> list[Row]:
    """Read a split of a hub data set, or of a folder that `datasets` can load."""
    # Numbered labels with names are replaced by their names.
    import datasets  # takes a second

    if not Path(path).is_dir() and not datasets.config.HF_HUB_OFFLINE:
        _check_hub(path)
    try:
        loaded = datasets.load_dataset(path, config, split=split)
    except OSError as error:
        raise HubError(
            f"cannot load the data set {path!r}: {error}; check the id, or use local files: "
            "train: texts.csv"
        ) from error
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{describe_hub(path, config, split)}: {error}") from error
    names = getattr(loaded.features.get(label), "names", None)
    rows = [Row(number, dict(values)) for number, values in enumerate(loaded, start=1)]
    if names is not None:
        for row in rows:
            value = row.values[label]
            row.values[label] = names[value] if value >= 0 else None  # -1: a hidden label
    return rows


def describe_hub(path: str, config: str | None, split: str) -> str:
    """Return the name of a split of a hub data set, for messages."""
    return f"{path}{'' if config is None else f' ({config})'}, split {split!r}"


def read_texts(rows: Sequence[Row], fields: Sequence[str], source: object) -> tuple[Text, ...]:
    """Return stripped texts: strings for one column, mappings for several columns (`fields`)."""
    columns = [_column(rows, name, source) for name in fields]
    for name, column in zip(fields, columns, strict=True):
        wrong = [i for i, value in enumerate(column) if not isinstance(value, str | None)]
        if wrong:
            raise InputError(
                f"{source}, {_lines(rows, wrong)}: the column {name!r} holds text, "
                f"got {column[wrong[0]]!r}"
            )
    records = [
        tuple("" if text is None else text.strip() for text in row)
        for row in zip(*columns, strict=True)
    ]
    names = " or ".join(map(repr, fields))
    blank = [i for i, record in enumerate(records) if not any(record)]
    if blank:
        raise InputError(
            f"{source}, {_lines(rows, blank)}: no text in {names}; fill in or delete the rows"
        )
    broken = [i for i, record in enumerate(records) if not can_be_encoded("".join(record))]
    if broken:
        raise InputError(
            f"{source}, {_lines(rows, broken)}: a lone surrogate in {names}: the text was decoded "
            "with the wrong encoding before it was saved; export it again"
        )
    if len(fields) == 1:
        return tuple(text for (text,) in records)
    return tuple(dict(zip(fields, record, strict=True)) for record in records)


def read_labeled(
    rows: Sequence[Row], fields: Sequence[str], label: str, source: object
) -> LabeledTexts:
    """Return texts and their labels; labels that are whole numbers become strings."""
    texts = read_texts(rows, fields, source)
    values = [
        value.strip() if isinstance(value, str) else value for value in _column(rows, label, source)
    ]
    missing = [i for i, value in enumerate(values) if value is None or value == ""]
    if missing:
        raise InputError(
            f"{source}, {_lines(rows, missing)}: no label in {label!r}; fill in or delete the rows"
        )
    wrong = [i for i, value in enumerate(values) if _label(value) is None]
    if wrong:
        raise InputError(
            f"{source}, {_lines(rows, wrong)}: a label is text or a whole number, "
            f"got {values[wrong[0]]!r} in {label!r}"
        )
    return LabeledTexts(texts, tuple(str(_label(value)) for value in values))


def _read_delimited(path: Path, delimiter: str, *, is_quoted: bool) -> list[tuple[int, list[str]]]:
    """Return all rows that are not blank, the header too, with the lines on which they begin."""
    reader = csv.reader(
        io.StringIO(_read_text(path), newline=""),
        delimiter=delimiter,
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


def _numbered(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:  # csv has no type
    line = 1
    try:
        for row in reader:
            if any(value.strip() for value in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}, line {line}: {error}; put fields that hold quotes in quotes and double "
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


def _named(rows: list[tuple[int, list[str]]], columns: Sequence[str], path: Path) -> list[Row]:
    """Return the rows of a file that may begin with a header, of which the last name is known."""
    if rows and rows[0][1][-1] == columns[-1]:
        rows = rows[1:]
    if not rows or len(rows[0][1]) != len(columns):
        raise InputError(f"{path}: expected rows of {', '.join(columns)}; download the file again")
    return [Row(line, dict(zip(columns, row, strict=True))) for line, row in rows]


def _read_json_lines(path: Path) -> list[Row]:
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
                f"got {line.strip()[:_TEXT_SHOWN]}"
            )
        rows.append(Row(number, values))
    return rows


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


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read: {error.strerror}") from error
    try:
        if path.suffix == _COMPRESSED:
            content = bz2.decompress(content)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: not a bzip2 file: {error}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: not UTF-8 text ({error.reason}); save the file as UTF-8, "
            f"for example: iconv -f windows-1252 -t utf-8 {path.name} > utf8{path.suffix}"
        ) from error


def _check_hub(path: str) -> None:
    """Fail within seconds; the hub's client would retry for half a minute."""
    if not hub_answers():
        raise HubError(
            f"the data set {path!r} is on the hub, which cannot be reached; go online, set "
            "HF_HUB_OFFLINE=1 if it is in the local cache, or use local files: train: texts.csv"
        )


def _column(rows: Sequence[Row], name: str, source: object) -> list[Any]:
    lacking = [i for i, row in enumerate(rows) if name not in row.values]
    if lacking:
        # A column that no row has is an error in the header or the settings, not in some lines.
        lines = "" if len(lacking) == len(rows) else f", {_lines(rows, lacking)}"
        found = list(rows[lacking[0]].values)
        raise InputError(
            f"{source}{lines}: no column {name!r}{did_you_mean(name, found)}; "
            f"the columns are {found}"
        )
    return [row.values[name] for row in rows]


def _label(value: object) -> str | int | None:
    """Return a label; 1.0 is the 1 of a column with gaps. None if it is not a label."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, (str, int)) else None


def _lines(rows: Sequence[Row], indices: Sequence[int]) -> str:
    shown = ", ".join(str(rows[i].line) for i in indices[:_LINES_SHOWN])
    more = len(indices) - _LINES_SHOWN
    return f"line{'s' * (len(indices) > 1)} {shown}{f' and {more} more' if more > 0 else ''}"
