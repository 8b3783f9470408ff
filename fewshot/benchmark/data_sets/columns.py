"""Texts and labels out of the columns of a table, with errors that name the lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fewshot.benchmark.data_sets.protocols import LabelledTexts, Text
from fewshot.benchmark.data_sets.tables import Row
from fewshot.errors import InputError, did_you_mean

_LINES_SHOWN = 5


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
        If a column is missing, a value is no text or damaged, or all texts of a row are blank.
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
    broken = [i for i, record in enumerate(records) if not _can_be_encoded("".join(record))]
    if broken:
        raise InputError(
            f"{where}, {_lines(rows, broken)}: a lone surrogate in {_named(fields)}: the text was "
            "decoded with the wrong encoding before it was saved; write it anew"
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


def _column(rows: Sequence[Row], name: str, where: object) -> list[Any]:
    lacking = [i for i, row in enumerate(rows) if name not in row.values]
    if lacking:
        found = list(rows[lacking[0]].values)
        raise InputError(
            f"{where}, {_lines(rows, lacking)}: no column {name!r}{did_you_mean(name, found)}; "
            f"the columns are {found}"
        )
    return [row.values[name] for row in rows]


def _can_be_encoded(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


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
