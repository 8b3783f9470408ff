"""Texts and labels in the rows of files and of hub data sets; errors name the line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fewshot.data.examples import can_be_encoded, is_blank
from fewshot.data.table_files import Row
from fewshot.errors import HubError, InputError, did_you_mean

if TYPE_CHECKING:
    from fewshot.benchmark.data_sets.splits import LabeledTexts, Text

_LINES_SHOWN = 5


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
    """Return texts and their labels, or lists of labels; whole numbers become strings."""
    texts = read_texts(rows, fields, source)
    values: list[Any] = [
        value.strip() if isinstance(value, str) else value for value in _column(rows, label, source)
    ]
    lists = [_list_in(value) for value in values]
    values = values if None in lists else lists
    missing = [i for i, value in enumerate(values) if value is None or is_blank(value)]
    if missing:
        raise InputError(
            f"{source}, {_lines(rows, missing)}: no label in {label!r}; fill in or delete the rows"
        )
    has_several = any(isinstance(value, list) for value in values)
    read = _label_list if has_several else _label
    labels = [read(value) for value in values]
    wrong = [i for i, found in enumerate(labels) if found is None]
    if wrong:
        expected = "labels are a list of texts or whole numbers in each row"
        raise InputError(
            f"{source}, {_lines(rows, wrong)}: "
            f"{expected if has_several else 'a label is text or a whole number'}, "
            f"got {values[wrong[0]]!r} in {label!r}"
        )
    from fewshot.benchmark.data_sets.splits import LabeledTexts  # loads scikit-learn

    return LabeledTexts(texts, tuple(found for found in labels if found is not None))


def split_labels(rows: Sequence[Row], column: str, separator: str | None) -> Sequence[Row]:
    """Return rows whose labels are lists, if a separator says that a text may have several."""
    if separator is None:
        return rows
    return [
        Row(row.line, {**row.values, column: _parts(row.values[column], separator)})
        if column in row.values
        else row
        for row in rows
    ]


def _check_hub(path: str) -> None:
    """Fail within seconds; the hub's client would retry for half a minute."""
    from fewshot.models.hub import hub_answers  # reading a file needs no hub

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


def _label(value: object) -> str | None:
    """Return a label as text; 1.0 is the 1 of a column with gaps. None if it is not a label."""
    if isinstance(value, bool) or is_blank(value):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, (str, int)) else None


def _label_list(value: object) -> tuple[str, ...] | None:
    """Return the labels of a list, sorted; None if it is none."""
    if not isinstance(value, list):
        return None
    labels = [label for item in value if (label := _label(item)) is not None]
    return tuple(sorted(set(labels))) if len(labels) == len(value) else None


def _list_in(value: object) -> list[Any] | None:
    """Return the list in a cell of CSV, as `predict` writes several labels."""
    if not (isinstance(value, str) and value.startswith("[")):
        return None
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return listed if isinstance(listed, list) else None


def _parts(value: object, separator: str) -> object:
    if value is None:  # an empty cell of Parquet or JSON
        return []
    if not isinstance(value, str):
        return value if isinstance(value, list) else [value]
    if (listed := _list_in(value)) is not None:
        return listed
    return [part.strip() for part in value.split(separator) if part.strip()]


def _lines(rows: Sequence[Row], indices: Sequence[int]) -> str:
    shown = ", ".join(str(rows[i].line) for i in indices[:_LINES_SHOWN])
    more = len(indices) - _LINES_SHOWN
    return f"line{'s' * (len(indices) > 1)} {shown}{f' and {more} more' if more > 0 else ''}"
