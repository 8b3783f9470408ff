"""Batches of any engine: the names of their columns, their texts, and columns that are added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.errors import InputError


def _is_pandas(batch: Any) -> bool:
    return hasattr(batch, "iloc") and hasattr(batch, "columns")


def _is_polars(batch: Any) -> bool:
    return hasattr(batch, "hstack") and hasattr(batch, "columns")


def _is_arrow(batch: Any) -> bool:
    return hasattr(batch, "append_column")


def column_names(batch: Any) -> list[str] | None:
    """Return the names of the columns; None for a list of texts."""
    if _is_arrow(batch) or _is_pandas(batch) or _is_polars(batch):
        names = list(batch.column_names if _is_arrow(batch) else batch.columns)
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise InputError(f"the batch has several columns {twice[0]!r}; name them apart")
        return names
    if isinstance(batch, Mapping):
        lone = [name for name, values in batch.items() if isinstance(values, str)]
        if lone:
            raise InputError(
                f"{lone[0]!r} of the batch is a text, and a mapping holds columns: pass lists (in "
                "Dataset.map, batched=True)"
            )
        return list(batch)
    if not isinstance(batch, (list, tuple)):
        raise InputError(
            "a batch is a list of texts or of mappings, a mapping of columns, a DataFrame of "
            f"pandas or polars, or an Arrow table; got {type(batch).__name__}"
        )
    found = dict.fromkeys(name for row in batch if isinstance(row, Mapping) for name in row)
    return list(found) or None


def texts_of(batch: Any, columns: Mapping[str, str]) -> list[Any]:
    """Return texts, or for several fields mappings."""
    if isinstance(batch, (list, tuple)):
        rows = [row if isinstance(row, Mapping) else {} for row in batch]
        if batch and not isinstance(batch[0], Mapping):
            return list(batch)
        values = [[row.get(name) for row in rows] for name in columns.values()]
    elif _is_arrow(batch):
        values = [batch.column(name).to_pylist() for name in columns.values()]
    else:
        values = [list(batch[name]) for name in columns.values()]
    if len(values) == 1:
        return list(values[0])
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def extended(batch: Any, added: Mapping[str, list[Any]], field_name: str, classifier: Any) -> Any:
    """Return a batch with further columns; of Arrow and polars their types are always the same."""
    if _is_arrow(batch):
        for name, column in _typed(added, classifier).items():
            batch = batch.append_column(name, column)
        return batch
    if _is_pandas(batch):
        return batch.assign(**added)
    if _is_polars(batch):
        import polars

        typed = _typed(added, classifier)
        return batch.hstack([polars.Series(name, column) for name, column in typed.items()])
    if isinstance(batch, Mapping):
        is_array = any(isinstance(values, np.ndarray) for values in batch.values())
        return {**batch, **(_arrays(added, classifier) if is_array else added)}
    rows = [row if isinstance(row, Mapping) else {field_name: row} for row in batch]
    return [
        {**row, **{name: values[i] for name, values in added.items()}} for i, row in enumerate(rows)
    ]


def _typed(added: Mapping[str, list[Any]], classifier: Any) -> dict[str, Any]:
    """Return columns of Arrow: the labels, then numbers."""
    import pyarrow

    label = pyarrow.array(classifier.classes_.tolist()).type
    if classifier.thresholds_ is not None:
        label = pyarrow.list_(label)
    types = [label, *[pyarrow.float64()] * (len(added) - 1)]
    return {
        name: pyarrow.array(values, kind)
        for (name, values), kind in zip(added.items(), types, strict=True)
    }


def _arrays(added: Mapping[str, list[Any]], classifier: Any) -> dict[str, npt.NDArray[Any]]:
    """Return columns as arrays; one of lists has an element for each."""
    (name, labels), *numbers = added.items()
    has_lists = classifier.thresholds_ is not None
    found = np.fromiter(labels, dtype=object) if has_lists else np.array(labels)
    return {name: found, **{other: np.array(values, dtype=float) for other, values in numbers}}
