"""Labels: those of texts, some of which may be missing, and those that a caller names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.data.examples import (
    as_list,
    can_be_encoded,
    is_blank,
    is_missing,
    is_sequence,
    name_rows,
    plain_text,
    shorten_repr,
)
from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.errors import InputError, VerbalizerError, warn_user

Label: TypeAlias = str | int | bool  # files are checked by it, where True is not an int

UNLABELED = -1  # among ints, as in sklearn.semi_supervised


@dataclass(frozen=True)
class Labels:
    """Labels of texts, some of which may be missing."""

    values: npt.NDArray[Any]  # [n], int64, bool or object; -1 or None where there is no label
    is_labeled: npt.NDArray[np.bool_]  # [n]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_minus_one(self) -> int:
        """Rows that have no label because they hold -1."""
        return int(np.count_nonzero(self.values == UNLABELED))

    @property
    def kind(self) -> TaskKind:
        """Each text has one label at most."""
        return ONE_LABEL

    def classes(self) -> list[Label]:
        """Return the labels that occur, sorted."""
        return sorted(set(self.values[self.is_labeled].tolist()))

    def take(self, rows: npt.NDArray[np.int64]) -> Labels:
        """Return the labels at these positions."""
        return read_labels(self.values[rows].tolist(), len(rows))

    def known(self) -> list[Label | None]:
        """Return the labels, None where there is none."""
        rows = zip(self.values.tolist(), self.is_labeled, strict=True)
        return [label if is_labeled else None for label, is_labeled in rows]

    def targets(self, classes: Sequence[Label]) -> npt.NDArray[np.float64]:
        """Return one-hot rows, [n, n_classes]; those without a label mean nothing."""
        place = {label: column for column, label in enumerate(classes)}
        return np.eye(len(classes))[[place.get(label, 0) for label in self.values.tolist()]]


def read_labels(y: Any, n_examples: int) -> Labels:
    """Read ``y``; -1 among ints, or None, marks a row without a label."""
    if isinstance(y, Labels):
        labels = y
    elif is_sequence(y):
        values = as_list(y)
        _refuse_blank(values)
        labels = _to_array([read_label(value, row) for row, value in enumerate(values)])
        _warn_members(values)
    else:
        raise InputError(
            "requires y to be passed, but the target y is None: y is a sequence of labels"
            if y is None
            else f"y is a sequence of labels, one for each row of X, got {shorten_repr(y)}"
        )
    check_length(len(labels), n_examples)
    return labels


def check_length(n_labels: int, n_examples: int) -> None:
    """Refuse labels of more or fewer rows than there are texts."""
    if n_labels != n_examples:
        raise InputError(
            f"X and y differ in length (inconsistent numbers of samples): "
            f"{n_examples} texts, {n_labels} labels"
        )


def read_label_set(labels: Any) -> tuple[Label, ...]:
    """Read the distinct labels that a caller names, in their order."""
    # Raises VerbalizerError: they come from `labels=` or from a verbalizer.
    # An iterator would be empty in the next fit.
    is_list = isinstance(labels, Iterable) and getattr(labels, "ndim", 1) == 1
    if isinstance(labels, (str, Iterator)) or not is_list:
        raise VerbalizerError(
            f"labels is a list of all labels, such as ['no', 'yes'], got {labels!r}"
        )
    read = tuple(_read_named_label(label) for label in as_list(labels))
    if len(read) < 2:
        raise VerbalizerError(f"expected at least two labels, got {list(read)}")
    if len({type(label) for label in read}) > 1:
        raise VerbalizerError(f"expected labels all of str, of int or of bool, got {list(read)}")
    repeated = [label for label, count in Counter(read).items() if count > 1]
    if repeated:
        raise VerbalizerError(f"the label {repeated[0]!r} is duplicated in {list(read)}")
    return read


def _to_array(labels: list[Label | None]) -> Labels:
    kinds = {type(label) for label in labels if label is not None}
    check_alike(label for label in labels if label is not None)
    if kinds <= {int, bool} and None not in labels:
        values: npt.NDArray[Any] = np.array(labels, dtype=np.int64 if kinds == {int} else bool)
        return Labels(values, values != UNLABELED)
    values = np.empty(len(labels), dtype=object)
    values[:] = labels
    is_labeled = np.array([label not in (None, UNLABELED) for label in labels], dtype=bool)
    return Labels(values, is_labeled)


def check_alike(labels: Iterable[Label]) -> None:
    """Refuse labels of several types, and numbers that no array holds."""
    by_type: dict[type, Label] = {}
    for label in labels:
        by_type.setdefault(type(label), label)
        if isinstance(label, int) and not _fits(label):
            raise InputError(f"labels that are int have 64 bits at most, got {shorten_repr(label)}")
    if len(by_type) > 1:
        found = list(by_type.values())
        raise InputError(f"labels are all str or all int (or all bool), got for example {found}")


def _fits(label: int) -> bool:
    return -(2**63) <= label < 2**63


def _refuse_blank(values: Sequence[Any]) -> None:
    blank = [row for row, value in enumerate(values) if is_blank(value)]
    if blank:
        raise InputError(
            f"the label is {values[blank[0]]!r} in {name_rows(blank)}, as an empty cell of a table "
            "is read: fill it in or drop the row; None marks a text whose label is not known"
        )


def _warn_members(values: list[Any]) -> None:
    """Warn of members of an Enum of str, which NumPy makes other strings of than we do."""
    for value in values:
        if isinstance(value, str) and str(value) != plain_text(value):
            from sklearn.exceptions import DataConversionWarning  # not where nothing is fitted

            warn_user(
                f"labels that are members of an Enum count as their values, {plain_text(value)!r} "
                f"for {value!r}; scikit-learn's metrics take the names instead and find that no "
                "prediction is right: pass y=[label.value for label in y]",
                DataConversionWarning,
            )
            return


def read_label(value: Any, row: int) -> Label | None:
    """Read one label; None is returned for a missing one."""
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str):
        if not can_be_encoded(value):
            raise InputError(f"the label {value!r} in row {row} holds a lone surrogate")
        return plain_text(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)  # a column of ints with gaps becomes float in pandas
    raise InputError(
        f"Unknown label type: continuous or other; labels are str or int, "
        f"got {shorten_repr(value)} in row {row}"
    )


def _read_named_label(label: object) -> Label:
    if isinstance(label, str):
        if not can_be_encoded(label):
            raise VerbalizerError(f"the label {label!r} holds a lone surrogate")
        if is_blank(label):
            raise VerbalizerError(f"a label is not blank, got {label!r}; name or remove it")
        return plain_text(label)
    if isinstance(label, (bool, np.bool_)):
        return bool(label)
    if not isinstance(label, Integral):
        raise VerbalizerError(f"a label is a str or an int, got {type(label).__name__}: {label!r}")
    if label == UNLABELED:
        raise VerbalizerError("the label -1 marks unlabelled rows; use another number, such as 0")
    if not _fits(int(label)):
        raise VerbalizerError(
            f"labels that are int have 64 bits at most, got {shorten_repr(label)}"
        )
    return int(label)
