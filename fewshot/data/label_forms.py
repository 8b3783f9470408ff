"""The forms in which the labels of texts are given, and returned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

# One label for each text; or several, as rows of 0 and 1 or as collections of labels.
LabelForm: TypeAlias = Literal["label", "indicators", "sparse", "lists", "tuples", "sets"]

_ROWS: dict[str, type[Any]] = {"lists": list, "tuples": tuple, "sets": set}


def restored(form: LabelForm, indicators: npt.NDArray[np.bool_], classes: Sequence[Any]) -> Any:
    """Return several labels [n, n_classes] in a form."""
    if form == "indicators":
        return indicators.astype(np.int64)
    if form == "sparse":
        from scipy.sparse import csr_matrix  # the other forms need no SciPy

        return csr_matrix(indicators.astype(np.int64))
    make = _ROWS[form]
    columns = [np.flatnonzero(row).tolist() for row in indicators]
    return [make(classes[column] for column in row) for row in columns]
