"""The file, or pipe, whose rows are predicted: read in parts, in which some rows may be bad."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from fewshot.benchmark.data_sets.tables import read_texts
from fewshot.data.delimited import BadRow
from fewshot.data.table_files import PIPE, Row, count_rows, stream_table, table_format
from fewshot.errors import InputError

_PART_CHARACTERS = 2**25


class Part(NamedTuple):
    """Rows that are predicted together, and what could not be read among them."""

    rows: list[Row]
    bad: list[BadRow]


@dataclass(frozen=True)
class Source:
    """The file, or pipe, that is read."""

    path: Path
    form: str | None = None  # by default that of the suffix
    skip_bad: bool = False
    part_rows: int = 8192  # as many as classifiers score at once

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once."""
        return self.path == PIPE or self.path.is_fifo()

    def n_lines(self) -> int | None:
        """Return how many lines there are, for the time that is left; None if nobody knows."""
        return None if self.is_pipe else count_rows(self.path)

    def parts(self) -> Iterator[Part]:
        """Yield all rows in parts; at least one."""
        part, n_characters, n_rows = Part([], []), 0, 0
        on_bad = (lambda bad: part.bad.append(bad)) if self.skip_bad else None
        form = table_format(self.path, self.form)
        for row in stream_table(self.path, form=form, on_bad=on_bad, keeps_blank=True):
            part.rows.append(row)
            n_rows += 1
            n_characters += sum(len(v) for v in row.values.values() if isinstance(v, str))
            if len(part.rows) >= self.part_rows or n_characters >= _PART_CHARACTERS:
                yield part
                part, n_characters = Part([], []), 0
        if not n_rows and part.bad:  # the fault is the header's
            line, problem, _ = part.bad[0]
            raise InputError(f"{self.path}, line {line}, and so all rows: {problem}")
        if not n_rows:
            raise InputError(f"{self.path}: the file has no rows; add texts")
        if part.rows or part.bad:
            yield part

    def texts(self, part: Part, columns: Mapping[str, str]) -> tuple[Part, list[Any]]:
        """Return the texts of a part, which is left without rows that have none."""
        names = list(columns.values())
        kept, bad = part.rows, list(part.bad)
        try:
            found = read_texts(kept, names, self.path)
        except InputError:
            if not self.skip_bad:
                raise
            kept = [row for row in kept if self._has_text(row, names, bad)]
            found = read_texts(kept, names, self.path)
        texts: list[Any] = list(found)
        if len(columns) > 1:
            texts = [{name: text[columns[name]] for name in columns} for text in texts]
        return Part(kept, bad), texts

    def sample(self, parts: Iterable[Part], columns: Mapping[str, str], least: int) -> list[Any]:
        """Return texts from all over the parts: all, or so many and less than twice of them."""
        kept: list[Any] = []
        step = 1
        texts = chain.from_iterable(self.texts(part, columns)[1] for part in parts)
        for number, text in enumerate(texts):
            if number % step == 0:
                kept.append(text)
            if len(kept) == 2 * least:
                kept, step = kept[::2], 2 * step
        if not kept:
            raise InputError(f"{self.path}: no row has a text; add texts")
        return kept

    def _has_text(self, row: Row, names: Sequence[str], bad: list[BadRow]) -> bool:
        try:
            read_texts([row], names, self.path)
        except InputError as error:
            problem = str(error).removeprefix(f"{self.path}, line {row.line}: ")
            bad.append(BadRow(row.line, problem, json.dumps(row.values, default=str)))
            return False
        return True
