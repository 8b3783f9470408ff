"""Which columns of a table hold the texts and the labels: given, or guessed and said."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from fewshot.benchmark.data_sets.tables import split_labels
from fewshot.classifiers.batch_predictor import text_columns
from fewshot.cli.show import note
from fewshot.data.table_files import Row
from fewshot.errors import InputError, did_you_mean

_TEXT_NAMES = (
    *("text", "texts", "body", "message", "sentence", "content", "review", "comment", "question"),
    *("utterance", "query", "ticket", "description", "abstract", "document", "title"),
)
_LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "topic", "intent", "sentiment", "y"),
)


def find_text(
    rows: Sequence[Row],
    given: Sequence[str] | None,
    fields: Sequence[str] | None = None,  # None: those that are given
    label: str | None = None,
) -> dict[str, str]:
    """Return the columns of the texts by field."""
    found = _names(rows)
    names = [name for name in found if name != label]
    if any(label == (item if item in found else _column_of(item)) for item in given or ()):
        raise InputError(
            f"the column {label!r} cannot hold both the texts and the labels: name another with "
            f"--text or --label; the columns are {found}"
        )
    if not given:
        if fields is not None and len(fields) > 1:
            if all(name in names for name in fields):
                return {name: name for name in fields}
            raise InputError(
                f"the texts have the fields {list(fields)}, and the columns are {names}; give "
                f"--text {fields[0]}=COLUMN, and so on"
            )
        is_field = fields is not None and fields[0] in names
        column = fields[0] if fields is not None and is_field else _guess(rows, names)
        others = [name for name in names if name != column and name.lower() in _TEXT_NAMES]
        if others or not (is_field or column == "text"):
            note(f"Texts are in the column {column!r}; --text names another.")
        return {"text" if fields is None else fields[0]: column}
    if any(name not in names and "=" in name for name in given):
        by_field = dict(name.partition("=")[::2] for name in given)
        return text_columns(list(by_field) if fields is None else fields, by_field, names)
    if fields is None:
        fields = ["text"] if len(given) == 1 else given
    return text_columns(fields, given, names)


def find_label(rows: Sequence[Row], given: str | None) -> str:
    """Return the column of the labels."""
    names = _names(rows)
    if given is None:
        known = [name for name in _LABEL_NAMES for own in names if own.lower() == name]
        if known:
            return next(name for name in names if name.lower() == known[0])
        raise InputError(f"which column holds the labels? Give --label, one of {names}")
    if given not in names:
        raise InputError(
            f"no column {given!r}{did_you_mean(given, names)}; the columns are {names}"
        )
    return given


def labels_apart(rows: Sequence[Row], column: str, separator: str | None) -> Sequence[Row]:
    """Return rows whose labels are lists, if a separator says that a text may have several."""
    if separator is not None and not separator.strip():
        raise InputError(f"--label-separator is a character such as ';', got {separator!r}")
    return split_labels(rows, column, separator)


def _names(rows: Sequence[Row]) -> list[str]:
    """Return the columns that there are; rows of JSON may lack some."""
    return list(dict.fromkeys(name for row in rows for name in row.values))


def _column_of(item: str) -> str:
    """Return the column of FIELD=COLUMN."""
    return item.partition("=")[2]


def _guess(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return a column that is named as those of texts are, or has the longest texts."""
    by_name = {name.lower(): name for name in reversed(names)}
    for known in _TEXT_NAMES:
        if known in by_name:
            return by_name[known]
    lengths = {}
    for name in names:
        texts = [value for row in rows if isinstance(value := row.values.get(name), str)]
        if texts:
            lengths[name] = fmean(map(len, texts))
    if not lengths:
        raise InputError(f"no column holds text; the columns are {list(names)}")
    return max(lengths, key=lambda name: lengths[name])
