"""Several labels for a text: rows of 0 and 1, or collections of labels, some of them missing."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fewshot.data.examples import (
    as_list,
    column_keys,
    is_blank,
    is_missing,
    is_sequence,
    name_rows,
    shorten_repr,
)
from fewshot.data.label_forms import LabelForm
from fewshot.data.labels import (
    UNLABELED,
    Label,
    Labels,
    check_alike,
    check_length,
    read_label,
    read_label_set,
    read_labels,
)
from fewshot.data.task_kind import TaskKind
from fewshot.errors import InputError

_HOW = "for several labels, y is rows of 0 and 1, or a list of labels for each text"
_FORMS: dict[type, LabelForm] = {tuple: "tuples", set: "sets", frozenset: "sets"}


@dataclass(frozen=True)
class LabelSets:
    """Labels of texts that may have several, or none; those of some texts may be missing."""

    n_minus_one: ClassVar[int] = 0  # as of `Labels`; -1 marks nothing here

    indicators: npt.NDArray[np.bool_]  # [n, n_columns]; False where labels are missing
    is_labeled: npt.NDArray[np.bool_]  # [n]
    names: tuple[Label, ...]  # of the columns; numbers from 0 if they have none
    kind: TaskKind
    is_named: bool  # whether the names were in y

    def __len__(self) -> int:
        return len(self.indicators)

    def classes(self) -> list[Label]:
        """Return the labels that occur, in the order of the columns."""
        return [self.names[column] for column in np.flatnonzero(self.indicators.any(0))]

    def take(self, rows: npt.NDArray[np.int64]) -> LabelSets:
        """Return the labels at these positions."""
        return replace(self, indicators=self.indicators[rows], is_labeled=self.is_labeled[rows])

    def targets(self, classes: Sequence[Label]) -> npt.NDArray[np.float64]:
        """Return 1 for the labels that a text has and 0 for others, [n, n_classes]."""
        if not self.is_named:
            return self.indicators.astype(np.float64)
        found = np.zeros((len(self), len(classes)))
        place = {label: column for column, label in enumerate(classes)}
        for column, label in enumerate(self.names):
            found[:, place[label]] = self.indicators[:, column]
        return found

    def resolve(self, given: Sequence[Label] | None) -> list[Label]:
        """Return the classes: in the order of the columns of y, else sorted."""
        names = None if given is None else list(read_label_set(given))
        if not self.names and names is None:
            raise InputError(
                "no text has a label: the lists in y are all empty. Label some texts, or, if no "
                "examples are needed, name all labels with labels="
            )
        if names is None:
            self._check_all_occur()
        elif self.is_named:
            self._check_known(names)
        elif len(names) != len(self.names):
            raise InputError(
                f"y has {len(self.names)} columns, and {len(names)} labels are named: "
                f"{shorten_repr(names)}; name each column, in their order"
            )
        if self._is_table or names is None:
            names = list(self.names)
        classes = sorted(names) if self.is_named and not self._is_table else names
        if len(classes) < 2:
            raise InputError(
                f"several labels are two at least, got {classes}; for one label pass y as a list "
                "of 0 and 1, or name all labels with labels= if some have no example"
            )
        return classes

    def check_order(self, names: Sequence[Label]) -> None:
        """Refuse names of columns without a name of their own, if their order may be another."""
        if not self.is_named and list(names) != sorted(names):
            raise InputError(
                f"the columns of y have no names, and the verbalizer names {list(names)}, which "
                "are not sorted: say which column is which with labels=, in the order of the "
                "columns, or pass y as a DataFrame"
            )

    @property
    def _is_table(self) -> bool:
        return self.is_named and self.kind.form == "indicators"

    def _check_all_occur(self) -> None:
        absent = [label for label in self.names if label not in self.classes()]
        if absent:
            raise InputError(
                f"no text has the label {absent[0]!r}: {len(absent)} of {len(self.names)} columns "
                "of y are never 1. Drop them, or, if labels may be missing in a fold, name all "
                "with labels="
            )

    def _check_known(self, names: Sequence[Label]) -> None:
        unknown = [label for label in self.names if label not in names]
        if unknown:
            raise InputError(
                f"y holds the labels {unknown[:5]}, which are unknown; known are {names}. Name "
                "them, too, where you name the others (labels=, words), or drop them"
            )
        if self._is_table and len(names) > len(self.names):
            lacking = [name for name in names if name not in self.names]
            raise InputError(
                f"y has no column {lacking[0]!r}, which is among the labels {names}; add it, with "
                "0 in every row if no text has it"
            )


def joined_labels(parts: Sequence[Labels | LabelSets]) -> Labels | LabelSets:
    """Return the rows of all parts in one; where one has several labels, the others have none."""
    several = [part for part in parts if isinstance(part, LabelSets)]
    if not several:
        values = [value for part in parts if isinstance(part, Labels) for value in part.known()]
        return read_labels(values, len(values))
    if len({part.names for part in several}) > 1 or any(
        part.is_labeled.any() for part in parts if isinstance(part, Labels)
    ):
        raise InputError("parts of y hold several labels for a text in different forms")
    none = np.zeros(len(several[0].names), dtype=bool)
    rows = [
        part.indicators if isinstance(part, LabelSets) else np.tile(none, (len(part), 1))
        for part in parts
    ]
    is_labeled = np.concatenate([part.is_labeled for part in parts])
    return replace(several[0], indicators=np.concatenate(rows), is_labeled=is_labeled)


def holds_label_sets(y: Any) -> bool:
    """Return whether ``y`` gives several labels for a text: as columns, or as collections."""
    if isinstance(y, LabelSets) or hasattr(y, "toarray"):
        return True
    keys = column_keys(y)
    if keys is not None:
        return len(keys) > 1
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) > 1:
        return len(shape) == 2 and shape[1] > 1
    return is_sequence(y) and any(map(_is_collection, as_list(y)))


def read_label_sets(y: Any, n_examples: int) -> LabelSets:
    """Read ``y`` that holds several labels; a row of None, or of NaN alone, has none known."""
    if isinstance(y, LabelSets):
        labels = y
    elif hasattr(y, "toarray"):
        labels = _from_matrix(y.toarray(), "sparse")
    elif column_keys(y) is not None:
        labels = _from_table(y)
    elif len(getattr(y, "shape", ())) > 1:
        labels = _from_matrix(y, "indicators")
    else:
        labels = _from_rows([_plain_row(row) for row in as_list(y)])
    check_length(len(labels), n_examples)
    return labels


def _from_table(y: Any) -> LabelSets:
    keys = column_keys(y) or ()
    names = [read_label(key, 0) for key in keys]
    labels = [name for name in names if name is not None]
    check_alike(labels)
    is_odd = UNLABELED in labels or any(map(is_blank, labels))
    if is_odd or len(set(labels)) < len(keys):
        raise InputError(f"the columns of y are different labels, got {shorten_repr(names)}")
    is_frame = hasattr(y, "iloc")
    columns = [y.iloc[:, i] if is_frame else y[key] for i, key in enumerate(keys)]
    rows = np.array([[_read_flag(value) for value in as_list(column)] for column in columns]).T
    return _from_flags(rows, "indicators", tuple(labels))


def _from_matrix(y: Any, form: LabelForm) -> LabelSets:
    """Read rows of 0 and 1 whose columns have no names."""
    if isinstance(y, np.ma.MaskedArray):
        y = np.ma.filled(y.astype(np.float64), np.nan)
    is_numeric = isinstance(y, np.ndarray) and y.dtype.kind in "biuf"
    rows = np.array(
        y if is_numeric else [[*map(_read_flag, as_list(row))] for row in y], np.float64
    )
    return _from_flags(rows, form, None)


def _from_flags(
    rows: npt.NDArray[np.float64], form: LabelForm, names: tuple[Label, ...] | None
) -> LabelSets:
    is_missing = np.isnan(rows)
    is_labeled: npt.NDArray[np.bool_] = np.asarray(~is_missing.all(1))
    wrong = np.argwhere(~((rows == 0) | (rows == 1)) & is_labeled[:, None])
    if len(wrong):
        row, column = wrong[0].tolist()
        raise InputError(
            f"an indicator matrix of labels holds 0 and 1, got {rows[row, column]:g} in row {row}, "
            f"column {column}; {_HOW}. A row of None or NaN alone has no known labels"
        )
    numbers = tuple(range(rows.shape[1]))
    is_named = names is not None
    return LabelSets(rows == 1, is_labeled, names or numbers, TaskKind(form), is_named)


def _read_flag(value: Any) -> float:
    if is_missing(value):
        return float("nan")
    if isinstance(value, (bool, np.bool_, int, float, np.integer, np.floating)):
        return float(value)
    raise InputError(
        f"an indicator matrix of labels holds 0 and 1, got {shorten_repr(value)}; {_HOW}"
    )


def _from_rows(rows: list[Any]) -> LabelSets:
    """Read collections of labels, or, as scikit-learn does, rows of 0 and 1 of one length."""
    wrong = [number for number, row in enumerate(rows) if not (row is None or _is_collection(row))]
    if wrong:
        raise InputError(
            f"y holds collections of labels, but not in row {wrong[0]}: "
            f"{shorten_repr(rows[wrong[0]])}; write a list for each text, of one label if it has "
            "one, empty if it has none, and None if its labels are not known"
        )
    known = [row for row in rows if row is not None]
    if _are_flags(known):
        missing = [None] * len(known[0])
        return _from_matrix([missing if row is None else row for row in rows], "indicators")
    blank = [number for number, row in enumerate(rows) if any(map(is_blank, row or ()))]
    if blank:
        raise InputError(
            f"a label is blank in {name_rows(blank)} of y: {shorten_repr(rows[blank[0]])}, as an "
            "empty cell of a table is read; write [] for a text that has no label"
        )
    sets = [_read_set(row, number) for number, row in enumerate(rows)]
    labels = [label for labels in sets for label in labels]
    check_alike(labels)
    names = tuple(sorted(set(labels)))
    indicators = np.zeros((len(rows), len(names)), dtype=bool)
    place = {label: column for column, label in enumerate(names)}
    for row, found in zip(indicators, sets, strict=True):
        row[[place[label] for label in found]] = True
    is_labeled = np.array([row is not None for row in rows])
    kind = TaskKind(_FORMS.get(type(known[0]), "lists"))
    return LabelSets(indicators, is_labeled, names, kind, is_named=True)


def _read_set(row: Any, number: int) -> list[Label]:
    labels = [read_label(value, number) for value in (() if row is None else row)]
    if None in labels or UNLABELED in labels:
        raise InputError(
            f"row {number} of y holds a label that is None or -1: {shorten_repr(row)}; write None "
            "in place of the whole list if the labels of a text are not known, [] if it has none"
        )
    if len(set(labels)) < len(labels):
        raise InputError(
            f"row {number} of y lists a label twice: {shorten_repr(row)}; name each label once. "
            "Rows of an indicator matrix hold only 0 and 1"
        )
    return [label for label in labels if label is not None]


def _plain_row(row: Any) -> Any:
    """Return None for a missing row, and rows of arrays as lists."""
    is_plain = isinstance(row, (str, list, tuple, Set))
    if is_plain or not _is_collection(row):
        return None if is_missing(row) else row
    return as_list(row)


def _is_collection(row: Any) -> bool:
    return isinstance(row, Set) or is_sequence(row)


def _are_flags(rows: list[Any]) -> bool:
    """Return whether rows are of 0 and 1, of one length: no set has a label twice."""
    lengths = {len(row) if isinstance(row, (list, tuple)) else 0 for row in rows}
    if len(lengths) != 1 or max(lengths) < 2:
        return False
    numbers = (bool, int, float, np.bool_, np.integer, np.floating)
    return all(isinstance(value, numbers) and value in (0, 1) for row in rows for value in row)
