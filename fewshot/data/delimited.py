"""Records of CSV and TSV files as a stream, which broken ones do not end."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeAlias

from fewshot.data.examples import can_be_encoded

_LONGEST_FIELD = 2**22  # characters; a quote that is never closed takes as many into memory


class BadRow(NamedTuple):
    """What cannot be read as a row."""

    line: int
    problem: str  # without the file and the line
    content: str


Report: TypeAlias = Callable[[BadRow], object]


class _Lines:
    """Lines of a file; those of a record that is broken can be taken back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._back = iter(lines), deque[str]()
        self.taken: list[str] = []  # by the record that is being read
        self.number = 1  # of the first of these

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        return line

    def keep(self, n_lines: int | None = None) -> None:
        """Finish a record of so many of the lines taken; the others are read again."""
        n_lines = len(self.taken) if n_lines is None else n_lines
        self._back.extendleft(reversed(self.taken[n_lines:]))
        self.number += n_lines
        self.taken = []


def read_delimited(
    file: Iterable[str],
    delimiter: str,
    report: Report,
    fail: Report,
    *,
    is_quoted: bool,
    has_header: bool,
    keeps_blank: bool,
) -> Iterator[tuple[int, list[str]]]:
    """Yield the records, the header too, and the lines on which they begin; no blank ones."""
    # `keeps_blank` yields blank ones, too, but for those at the end, which are of spreadsheets
    # whose rows were cleared. An empty line is no record where there are two columns.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))  # of the whole process
    reader = csv.reader(
        lines := _Lines(file),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
        strict=True,
    )
    n_columns = 0
    blank: list[tuple[int, list[str]]] = []
    for line, record in _records(reader, lines, report, fail, has_header=has_header):
        if any(value.strip() for value in record):
            n_columns = n_columns or len(record)
            yield from blank
            blank.clear()
            yield line, record
        elif keeps_blank and n_columns and (record or n_columns == 1):
            blank.append((line, record + [""] * (n_columns - len(record))))


def _records(
    reader: Iterator[list[str]], lines: _Lines, report: Report, fail: Report, *, has_header: bool
) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that can be read, blank ones too, and the lines on which they begin."""
    # A broken header fails: no other record may take its place. Empty fields beyond its last name
    # are those of spreadsheets whose columns were cleared.
    first: tuple[int, list[str]] | None = None
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            problem = (
                f"{error}; put fields that hold quotes in quotes and double those inside, or save "
                "the file as JSON lines"
            )
            # A quote that is never closed swallows good rows, which are read again.
            bad = BadRow(lines.number, problem, shown(lines.taken[0]))
            lines.keep(1)
            (fail if first is None else report)(bad)
            continue
        if record is None:
            return
        n_named = 0 if first is None else len(first[1])
        while has_header and len(record) > n_named and not record[-1].strip():
            record.pop()
        bad_row = _bad_row(record, lines, first)
        line = lines.number
        lines.keep()
        if bad_row is not None:
            (fail if first is None else report)(bad_row)
            continue
        if first is None and any(value.strip() for value in record):
            first = line, record
        yield line, record


def _bad_row(
    record: list[str], lines: _Lines, first: tuple[int, list[str]] | None
) -> BadRow | None:
    """Return what is wrong with a record."""
    for number, line in enumerate(lines.taken, start=lines.number):
        problem = not_utf8(line)
        if problem is not None:
            return BadRow(number, problem, shown("".join(lines.taken)))
    is_blank = not any(value.strip() for value in record)
    if first is None or is_blank or len(record) == len(first[1]):
        return None
    problem = (
        f"expected {len(first[1])} columns as in line {first[0]}, got {len(record)}; put fields "
        "that hold the delimiter in quotes"
    )
    return BadRow(lines.number, problem, shown("".join(lines.taken)))


def decoded(lines: Iterable[str], report: Report) -> Iterator[tuple[int, str]]:
    """Yield lines that are UTF-8, with their numbers."""
    for number, line in enumerate(lines, start=1):
        problem = not_utf8(line)
        if problem is None:
            yield number, line
        else:
            report(BadRow(number, problem, shown(line)))


def not_utf8(line: str) -> str | None:
    """Return what is wrong with a line that is not UTF-8."""
    if "\0" in line[:2]:  # half of a character of two bytes
        return (
            "not UTF-8 text (it holds zero bytes); save the file as UTF-8, for example: "
            "iconv -f utf-16le -t utf-8 FILE > utf8-FILE"
        )
    if line.isascii() or can_be_encoded(line):
        return None
    try:
        line.encode(errors="surrogateescape").decode()
    except UnicodeDecodeError as error:
        return (
            f"not UTF-8 text ({error.reason}); save the file as UTF-8, for example: "
            "iconv -f windows-1252 -t utf-8 FILE > utf8-FILE"
        )
    return None


def shown(line: str) -> str:
    """Return a line as it can be written: bytes that are not UTF-8 as escapes."""
    return line.encode(errors="surrogateescape").decode(errors="backslashreplace")
