"""Rows as files: CSV, TSV, JSON lines and Parquet, in parts that are joined."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fewshot.data.table_files import DELIMITERS, Format
from fewshot.errors import InputError


def encode_header(columns: Sequence[str], form: Format) -> bytes:
    """Return what a file begins with."""
    return _delimited([columns], form) if form in DELIMITERS else b""


def encode_rows(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    form: Format,
    types: Mapping[str, Any] | None = None,  # of Arrow; those of other columns are inferred
) -> bytes:
    """Return rows as a part of a file; of Parquet, as a file of its own."""
    if form == "jsonl":
        return "".join(f"{_json(row)}\n" for row in rows).encode(errors="backslashreplace")
    if form != "parquet":
        return _delimited(((_cell(row.get(name)) for name in columns) for row in rows), form)
    with _parquet() as (pyarrow, parquet):
        known = types or {}
        table = pyarrow.table(
            {n: pyarrow.array([row.get(n) for row in rows], known.get(n)) for n in columns}
        )
        buffer = io.BytesIO()
        parquet.write_table(table, buffer)
        return buffer.getvalue()


def join_parts(parts: Sequence[Path], header: bytes, form: Format, path: Path) -> None:
    """Write a file of its parts, one at a time in memory."""
    if form != "parquet":
        with path.open("wb") as file:
            file.write(header)
            for part in parts:
                file.write(part.read_bytes())
        return
    with _parquet() as (pyarrow, parquet):
        # A column may have no value in some part, or whole numbers only.
        schemas = [parquet.read_schema(part) for part in parts]
        schema = pyarrow.unify_schemas(schemas, promote_options="permissive")
        with parquet.ParquetWriter(path, schema) as writer:
            for part in parts:
                writer.write_table(parquet.read_table(part).cast(schema))


@contextmanager
def _parquet() -> Iterator[tuple[Any, Any]]:  # pyarrow has no types
    """Yield the modules that write Parquet; refuse what it cannot hold."""
    import pyarrow
    from pyarrow import parquet

    try:
        yield pyarrow, parquet
    except (pyarrow.ArrowException, OverflowError, UnicodeError) as error:
        raise InputError(
            f"Parquet, whose columns hold values of one type each, cannot hold these: {error}; "
            "write JSON lines instead"
        ) from error


def _cell(value: Any) -> Any:  # what a CSV file can hold, of what JSON can
    return _json(value) if isinstance(value, (dict, list)) else value


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # of numbers that JSON has no name for
        return json.dumps(_named(value), ensure_ascii=False, default=str)


def _named(value: Any) -> Any:
    """Return a value with null in place of not-a-number, and the names of infinite numbers."""
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_named(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _delimited(records: Iterable[Iterable[Any]], form: Format) -> bytes:
    lines: list[str] = []
    # Before Python 3.13 csv quotes a line end within a field only if its own rows end so: "\r" too.
    file = SimpleNamespace(write=lines.append)
    csv.writer(file, delimiter=DELIMITERS[form], lineterminator="\r\n").writerows(records)
    text = "".join(line.removesuffix("\r\n") + "\n" for line in lines)
    return text.encode(errors="backslashreplace")
