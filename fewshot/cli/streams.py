"""Predictions from a file to a file of any size: in parts, which an interruption leaves."""

# A part is named by a digest of its rows and of the settings, so that a repeated command finds the
# parts that are done, also in a file that was mended or read from a pipe; no other part is taken.

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fewshot.classifiers.batch_predictor import (
    Classifier,
    added_names,
    check_added,
    label_columns,
)
from fewshot.cli.source import Part, Source
from fewshot.data.files import file_aside, write_whole
from fewshot.data.table_files import COMPRESSED, PIPE, Format, Row, parquet_types, table_format
from fewshot.data.table_writing import encode_header, encode_rows, join_parts
from fewshot.errors import InputError

_LOCK = "running.lock"


@dataclass(frozen=True)
class Target:
    """The file, or pipe, that is written."""

    path: Path
    given_form: str | None = None
    columns: tuple[str, ...] = ()
    types: Mapping[str, Any] = field(default_factory=dict)  # of columns of Parquet, in Parquet

    @cached_property
    def form(self) -> Format:
        """Format, which the suffix gives."""
        form = table_format(self.path, self.given_form)
        if self.path.suffix in COMPRESSED:
            raise InputError(
                f"{self.path}: what is written is not compressed; leave {self.path.suffix} out"
            )
        if form == "parquet" and self.path == PIPE:
            raise InputError("Parquet is not written to a pipe; give a file, or --format jsonl")
        return form

    @property
    def folder(self) -> Path:
        """Folder of the parts."""
        return self.path.with_name(f".{self.path.name}.parts")

    @property
    def bad_file(self) -> Path:
        """File of the rows that are set aside."""
        return self.path.with_name(f"{self.path.name}.bad.jsonl")

    def encode(self, rows: Sequence[Row], source: Path) -> bytes:
        """Return rows as a part of the file."""
        if self.form != "jsonl":
            for row in rows:
                others = [name for name in row.values if name not in self.columns]
                if others:
                    raise InputError(
                        f"{source}, line {row.line}: the column {others[0]!r} is not in the first "
                        "row; write JSON lines instead, whose rows may differ"
                    )
        return encode_rows([row.values for row in rows], self.columns, self.form, self.types)


@dataclass
class Summary:
    """What was done."""

    output: str
    rows: int = 0
    labels: dict[str, int] = field(default_factory=dict)  # rows by label
    unsure: int = 0  # rows without a label, for lack of confidence
    bad: int = 0  # rows that were set aside
    resumed: int = 0  # rows of an earlier run
    seconds: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """How rows are predicted."""

    classifier: Classifier
    digest: str  # of the classifier
    columns: Mapping[str, str]  # by field
    proba: bool = False
    min_confidence: float | None = None
    prefix: str = ""
    separator: str | None = None  # between several labels of a text; else they are a list

    def __post_init__(self) -> None:
        for label in map(str, self.classifier.classes_):
            if self.separator is not None and self.separator in label:
                raise InputError(
                    f"the label {label!r} holds the separator {self.separator!r}; choose another"
                )

    def settings(self) -> str:
        """Describe what a part depends on, besides its rows."""
        own = (self.digest, dict(self.columns), self.proba, self.min_confidence, self.prefix)
        return json.dumps([*own, *([] if self.separator is None else [self.separator])])

    def written(self, row: Row) -> Row:
        """Return a row as it is written."""
        name = f"{self.prefix}label"
        labels = row.values[name]
        if self.separator is None or not isinstance(labels, list):
            return row
        return Row(row.line, {**row.values, name: self.separator.join(map(str, labels))})

    def added(self) -> list[str]:
        """Return the names of the new columns."""
        return added_names(self.classifier, self.proba, self.prefix)

    def predict(self, rows: Sequence[Row], texts: Sequence[Any]) -> list[Row]:
        """Return rows with the new columns."""
        added = label_columns(
            self.classifier, texts, self.proba, self.min_confidence, prefix=self.prefix
        )
        names, values = list(added), zip(*added.values(), strict=True)
        return [
            Row(row.line, {**row.values, **dict(zip(names, found, strict=True))})
            for row, found in zip(rows, values, strict=True)
        ]


def predict_stream(
    prediction: Prediction,
    source: Source,
    parts: Iterable[Part],
    target: Target,
    progress: Callable[[int, int], object],  # of the last line read and the rows done
) -> Summary:
    """Predict all parts; the output appears whole or not at all."""
    summary = Summary(str(target.path))
    written: list[Path] = []
    with _open_parts(target) as folder:
        for number, part in enumerate(parts):
            check_added(prediction.added(), {name for row in part.rows for name in row.values})
            if not number:
                names = list(part.rows[0].values) if part.rows else []
                types = parquet_types(source.path) if target.form == "parquet" else {}
                target = replace(target, columns=(*names, *prediction.added()), types=types)
            name = f"{number:08d}-{_digest(part, prediction, source, target)}"
            content, done = _part(prediction, source, part, target, folder, name)
            _count(summary, done)
            if folder is not None:
                written.append(folder / name)
            else:
                header = encode_header(target.columns, target.form) if not number else b""
                sys.stdout.buffer.write(header + content)
                sys.stdout.buffer.flush()
            progress(part.rows[-1].line if part.rows else 0, summary.rows)
        if folder is not None:
            header = encode_header(target.columns, target.form)
            with file_aside(target.path) as aside:
                join_parts(written, header, target.form, aside)
                if source.skip_bad:
                    _set_aside(target.bad_file, written)
    return summary


def _part(
    prediction: Prediction,
    source: Source,
    part: Part,
    target: Target,
    folder: Path | None,
    name: str,
) -> tuple[bytes, dict[str, Any]]:
    """Predict a part and write it, unless that was done before."""
    if folder is not None and _done_file(folder / name).is_file():
        done: dict[str, Any] = json.loads(_done_file(folder / name).read_text(encoding="utf-8"))
        return b"", done | {"resumed": done["rows"]}
    kept, texts = source.texts(part, prediction.columns)
    rows = prediction.predict(kept.rows, texts)
    content = target.encode(list(map(prediction.written, rows)), source.path)
    label = f"{prediction.prefix}label"
    found = [row.values[label] for row in rows]
    labels = Counter(chain(*(one if isinstance(one, list) else [one] for one in found)))
    unsure = labels.pop(None, 0)
    done = {
        "rows": len(rows),
        "unsure": unsure,
        "labels": {str(name): count for name, count in labels.items()},
        "bad": [{"line": b.line, "problem": b.problem, "content": b.content} for b in kept.bad],
    }
    if folder is not None:
        write_whole(folder / name, content)
        write_whole(_done_file(folder / name), json.dumps(done))
    return content, done | {"resumed": 0}


def _count(summary: Summary, done: Mapping[str, Any]) -> None:
    summary.rows += done["rows"]
    summary.unsure += done["unsure"]
    summary.bad += len(done["bad"])
    summary.resumed += done["resumed"]
    for label, count in done["labels"].items():
        summary.labels[label] = summary.labels.get(label, 0) + count


@contextmanager
def _open_parts(target: Target) -> Iterator[Path | None]:
    """Yield the folder of the parts, which no other run uses; None for a pipe."""
    if target.path == PIPE:
        yield None
        return
    target.folder.mkdir(exist_ok=True)
    try:
        with FileLock(target.folder / _LOCK, timeout=0):
            yield target.folder
    except Timeout as error:
        raise InputError(f"another run is writing {target.path}; wait for its end") from error
    shutil.rmtree(target.folder, ignore_errors=True)


def _set_aside(bad_file: Path, written: Sequence[Path]) -> None:
    """Write the file of the rows that were set aside, if there are any."""
    with file_aside(bad_file) as aside, aside.open("wb") as file:
        for part in written:
            bad = json.loads(_done_file(part).read_text(encoding="utf-8"))["bad"]
            file.write(encode_rows(bad, (), "jsonl"))
    if not bad_file.stat().st_size:
        bad_file.unlink()


def _done_file(part: Path) -> Path:
    """Return the file that is written after a part, which is whole if it is there."""
    return part.with_name(f"{part.name}.json")


def _digest(part: Part, prediction: Prediction, source: Source, target: Target) -> str:
    digest = hashlib.blake2b(digest_size=16)
    settings = (prediction.settings(), source.skip_bad, target.form, target.columns)
    for value in (*settings, part.bad, part.rows):
        digest.update(json.dumps(value, default=str).encode())
    return digest.hexdigest()
