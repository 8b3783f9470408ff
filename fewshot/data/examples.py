"""The texts that users pass as ``X``, read into plain columns."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewshot.errors import InputError

_TEXT = "text"
_ROWS_SHOWN = 5
_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Examples:
    """Texts by field, one list per field, all of the same length."""

    columns: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return tuple(self.columns)

    def take(self, indices: Iterable[int]) -> Examples:
        """Return the examples at these positions."""
        chosen = list(indices)
        return Examples({name: [texts[i] for i in chosen] for name, texts in self.columns.items()})

    def joined(self, separator: str = " ") -> list[str]:
        """Return one text per example: its fields, joined."""
        return [separator.join(row) for row in zip(*self.columns.values(), strict=True)]


def concatenated(parts: Sequence[Examples]) -> Examples:
    """Return the examples of all parts, which have the same fields, in one."""
    names = parts[0].fields
    return Examples({name: [text for p in parts for text in p.columns[name]] for name in names})


def read_examples(X: Any, fields: Sequence[str] | None = None) -> Examples:
    """Read ``X`` into columns of text; the fields that are needed, else all."""
    # Texts come as list, tuple, object array, Series or column of a `datasets.Dataset`; several
    # fields as tuples in the order of `fields`, or by name as mappings, named tuples, or a table.
    # Examples were checked when they were made, so that only the fields are selected.
    if isinstance(X, Examples):
        return _selected(X, fields)
    columns = _table_columns(X)
    if columns is None:
        if not is_sequence(X):
            raise InputError(
                f"X is a sequence of texts, got {shorten_repr(X)}; for one text write X=[text], "
                "for a lazy table X.collect()"
            )
        rows = _rows(X)
        columns = _row_columns(rows, fields) if rows else {}
    else:
        _check_index(X, columns, fields)
    columns = _needed(columns, fields)
    return Examples({name: _checked_texts(texts, name) for name, texts in columns.items()})


def is_sequence(values: object) -> bool:
    """Return whether values are rows in an order, such as those of a list or an array."""
    if isinstance(values, (str, bytes, Mapping, Set)) or hasattr(values, "toarray"):
        return False
    if hasattr(values, "collect"):  # a lazy table, whose iteration raises errors of its own
        return False
    return isinstance(values, Iterable) and getattr(values, "ndim", 1) > 0


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, masked, or pandas' NA or NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def is_blank(value: Any) -> bool:
    """Return whether a value is a string of no characters, or of spaces alone."""
    return isinstance(value, str) and not value.strip()


def plain_text(text: str) -> str:
    """Return a str as it is; of an Enum of str, str() would give the member's name."""
    return str.__str__(text)


def as_list(values: Iterable[Any]) -> list[Any]:
    """Return rows as a list; scalars of Arrow, NumPy's arrays and torch become Python's values."""
    values = _plain(values) if getattr(values, "ndim", 0) else values
    rows = values.to_pylist() if hasattr(values, "to_pylist") else values
    return [_plain(row) if getattr(row, "ndim", 1) == 0 else row for row in rows]


def _plain(value: Any) -> Any:
    """Return a tensor as a list or number, and an array without dimensions as its value."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        if value.is_meta:
            raise InputError("a tensor on the meta device holds no values; pass a list")
        return value.detach().to_dense().tolist()
    if type(value) is np.ndarray and not value.ndim and value.dtype.kind in "biufU":
        return value.item()
    return value


def shorten(value: Any) -> str:
    """Return the beginning of a value's repr, for a message."""
    try:
        shown = repr(value)
    except ValueError:  # an int of more digits than Python prints
        return "an int of thousands of digits"
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."


def shorten_repr(value: Any) -> str:
    """Return the type and the beginning of a value, for a message."""
    return f"{type(value).__name__} {shorten(value)}"


def _selected(examples: Examples, fields: Sequence[str] | None) -> Examples:
    columns = _needed(examples.columns, fields)
    return examples if list(columns) == list(examples.columns) else Examples(columns)


def _table_columns(X: Any) -> dict[str, list[Any]] | None:
    """Return the columns of a table, else None."""
    keys = column_keys(X)
    if keys is None:
        return None
    names = [str(name) for name in keys]
    if len(set(names)) < len(names):
        raise InputError(f"X has two columns of one name among {names}; rename or drop one")
    if hasattr(X, "iloc"):
        return {name: list(X.iloc[:, i]) for i, name in enumerate(names)}
    return {name: as_list(X[key]) for name, key in zip(names, keys, strict=True)}


def _check_index(X: Any, columns: Mapping[str, Any], fields: Sequence[str] | None) -> None:
    """Refuse a table of pandas whose index, which is not read, has the name of a field."""
    names = [str(name) for name in getattr(getattr(X, "index", None), "names", [])]
    hidden = [name for name in names if name in (fields or ()) and name not in columns]
    if hidden:
        raise InputError(
            f"the field {hidden[0]!r} is the index of X, which is not read; the columns are "
            f"{list(columns)}: pass X.reset_index()"
        )


def column_keys(X: Any) -> Sequence[Any] | None:
    """Return the names of a table's columns, or None for what is no table."""
    if hasattr(X, "iloc") or hasattr(X, "get_columns"):  # a DataFrame of pandas, of polars
        keys = getattr(X, "columns", None)
    elif hasattr(X, "column_names"):  # a datasets.Dataset, a pyarrow.Table
        keys = X.column_names
    else:  # a structured array of NumPy
        keys = getattr(getattr(X, "dtype", None), "names", None)
    return None if keys is None else list(keys)


def can_be_encoded(text: str) -> bool:
    """Return whether a text holds no lone surrogate, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rows(X: Iterable[Any]) -> list[Any]:
    if getattr(X, "ndim", 1) > 1:
        return [row[0] if len(row) == 1 else tuple(row) for row in X]
    return as_list(X)


def _row_columns(rows: list[Any], fields: Sequence[str] | None) -> dict[str, list[Any]]:
    first = next((row for row in rows if not is_missing(row)), None)
    if isinstance(first, Mapping):
        return _mapping_columns(rows, list(first) if fields is None else list(fields))
    if isinstance(first, (tuple, list)):
        is_named = hasattr(first, "_fields") and not (len(first) == 1 and len(fields or ()) == 1)
        if is_named:  # an order of their own, such as that of the columns of a frame
            return _row_columns([_as_mapping(row) for row in rows], fields)
        return _tuple_columns(rows, len(first), fields)
    if fields is not None and len(fields) > 1:
        raise InputError(
            f"the template has the fields {tuple(fields)}, but X holds single texts; pass tuples "
            "in this order, mappings, or a DataFrame with these columns"
        )
    return {_TEXT if fields is None else fields[0]: rows}


def _as_mapping(row: Any) -> Any:
    return row._asdict() if hasattr(row, "_fields") else row


def _mapping_columns(rows: list[Any], fields: list[str]) -> dict[str, list[Any]]:
    bad = [i for i, row in enumerate(rows) if not isinstance(row, Mapping)]
    if bad:
        raise InputError(
            f"X holds mappings, but {name_rows(bad)} not: {shorten_repr(rows[bad[0]])}"
        )
    for name in fields:
        lacking = [i for i, row in enumerate(rows) if name not in row]
        if lacking:
            raise InputError(
                f"the field {name!r} is missing in {name_rows(lacking)}; "
                f"row {lacking[0]} has {sorted(map(str, rows[lacking[0]]))}"
            )
    return {name: [row[name] for row in rows] for name in fields}


def _tuple_columns(
    rows: list[Any], n_fields: int, fields: Sequence[str] | None
) -> dict[str, list[Any]]:
    names = [f"{_TEXT}_{i}" for i in range(n_fields)] if fields is None else list(fields)
    bad = [
        i
        for i, row in enumerate(rows)
        if not isinstance(row, (tuple, list)) or len(row) != len(names)
    ]
    if bad:
        raise InputError(
            f"rows of X are tuples of {len(names)} texts ({', '.join(names)}), "
            f"but {name_rows(bad)} not: {shorten_repr(rows[bad[0]])}"
        )
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _needed(columns: dict[str, list[Any]], fields: Sequence[str] | None) -> dict[str, list[Any]]:
    if not columns or not len(next(iter(columns.values()))):
        raise InputError("X has 0 sample(s), and a minimum of 1 is required: X is empty")
    if fields is None:
        return columns
    if len(fields) == 1 and len(columns) == 1:
        return {fields[0]: next(iter(columns.values()))}
    lacking = [name for name in fields if name not in columns]
    if lacking:
        raise InputError(
            f"the field {lacking[0]!r} is missing in X, which has the columns {list(columns)}"
        )
    return {name: columns[name] for name in fields}


def _checked_texts(texts: list[Any], field: str) -> list[str]:
    missing = [i for i, text in enumerate(texts) if is_missing(text)]
    if missing:
        raise InputError(
            f"{field!r} is None or NaN in {name_rows(missing)}; "
            "drop these rows or put an empty string"
        )
    wrong = [i for i, text in enumerate(texts) if not isinstance(text, str)]
    if wrong:
        raise InputError(
            f"{field!r} is a string in every row, but not in {name_rows(wrong)}: "
            f"{shorten_repr(texts[wrong[0]])}"
        )
    broken = [i for i, text in enumerate(texts) if not can_be_encoded(text)]
    if broken:
        raise InputError(
            f"{field!r} holds a lone surrogate in {name_rows(broken)}: the text was decoded with "
            "the wrong encoding; decode it with errors='replace'"
        )
    return [plain_text(text) for text in texts]


def name_rows(rows: Sequence[int]) -> str:
    """Return the numbers of rows for a message; of many, the first."""
    shown = ", ".join(map(str, rows[:_ROWS_SHOWN]))
    rest = f" and {len(rows) - _ROWS_SHOWN} more" if len(rows) > _ROWS_SHOWN else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}{rest}"
