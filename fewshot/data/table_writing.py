"""Rows as files: CSV, TSV, JSON lines and Parquet, in parts that are joined."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewshot.data.table_files import DELIMITERS, Format


def encode_header(columns: Sequence[str], form: Format) -> bytes:
    """Return what a file begins with."""
    return _delimited([columns], form) if form in DELIMITERS else b""


def encode_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], form: Format) -> bytes:
    """Return rows as a part of a file; of Parquet, as a file of its own."""
    if form == "jsonl":
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
        return "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")
    if form != "parquet":
        return _delimited(((_cell(row.get(name)) for name in columns) for row in rows), form)
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({name: [row.get(name) for row in rows] for name in columns})
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
    import pyarrow
    from pyarrow import parquet

    # A column may have no value in some part, or whole numbers only.
    schemas = [parquet.read_schema(part) for part in parts]
    schema = pyarrow.unify_schemas(schemas, promote_options="permissive")
    with parquet.ParquetWriter(path, schema) as writer:
        for part in parts:
            writer.write_table(parquet.read_table(part).cast(schema))


def _cell(value: Any) -> Any:  # what a CSV file can hold, of what JSON can
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _delimited(records: Iterable[Iterable[Any]], form: Format) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=DELIMITERS[form], lineterminator="\n").writerows(records)
    return text.getvalue().encode(errors="backslashreplace")
