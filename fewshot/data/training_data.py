"""What is passed to ``fit``, checked: texts, labels, weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.data.examples import Examples, concatenated, is_missing, read_examples
from fewshot.data.label_sets import LabelSets, holds_label_sets, joined_labels, read_label_sets
from fewshot.data.labels import Label, Labels, check_length, read_labels
from fewshot.errors import FewShotWarning, InputError, warn_user

_LOST = frozenset({"nan", "<NA>", "NaT"})  # missing values as strings; "None" may be a class


class TrainingData(NamedTuple):
    """Texts with labels and weights; some or all labels may be missing."""

    examples: Examples
    labels: Labels | LabelSets
    sample_weight: npt.NDArray[np.float64]  # [n]

    @property
    def one_each(self) -> Labels:
        """The labels, of which each text has one at most; an InputError if it may have several."""
        if isinstance(self.labels, LabelSets):
            raise InputError("y holds several labels for a text; pass one for each here")
        return self.labels

    def take(self, indices: npt.NDArray[np.int64]) -> TrainingData:
        """Return the rows at these positions."""
        labels = self.labels.take(indices)
        return TrainingData(self.examples.take(indices), labels, self.sample_weight[indices])


def read_training_data(
    X: Any, y: Any, sample_weight: Any = None, fields: Sequence[str] | None = None
) -> TrainingData:
    """Check what was passed to ``fit``; without `y` no text has a label."""
    # Data that is checked already (Examples, Labels, TrainingData as `X`) is not checked again.
    if isinstance(X, TrainingData):
        return X._replace(examples=read_examples(X.examples, fields))
    examples = read_examples(X, fields)
    n_examples = len(examples)
    labels = _read_y([None] * n_examples if y is None else y, n_examples)
    if not isinstance(X, Examples):
        _refuse_label_column(examples, labels)
    weights = read_weights(sample_weight, n_examples)
    for rows in (labels.is_labeled, ~labels.is_labeled):
        weights[rows] /= _mean_weight(weights[rows])
    return TrainingData(examples, labels, weights)


def concatenate(parts: Sequence[TrainingData]) -> TrainingData:
    """Return the rows of all parts, which have the same fields, in one."""
    examples = concatenated([part.examples for part in parts])
    labels = joined_labels([part.labels for part in parts])
    weights = np.concatenate([part.sample_weight for part in parts])
    return TrainingData(examples, labels, weights)


def _refuse_label_column(examples: Examples, labels: Labels | LabelSets) -> None:
    """Refuse texts of several fields of which one is the label."""
    if isinstance(labels, LabelSets) or len(examples.columns) < 2 or len(labels.classes()) < 2:
        return
    names = [str(label) for label in labels.values[labels.is_labeled]]
    texts = examples.take(np.flatnonzero(labels.is_labeled)).columns
    copies = [name for name, column in texts.items() if column == names]
    if copies:
        raise InputError(
            f"the column {copies[0]!r} of X equals y, and it is read as text: drop it (of a "
            f"DataFrame: X.drop(columns={copies[0]!r})), pass one column as X, or leave it out of "
            "the template"
        )


def _read_y(y: Any, n_examples: int) -> Labels | LabelSets:
    """Read labels, one for each text or several."""
    if isinstance(y, (Labels, LabelSets)):
        check_length(len(y), n_examples)
        return y
    rows = list(y) if isinstance(y, Iterator) else y
    labels: Labels | LabelSets = (
        read_label_sets(rows, n_examples)
        if holds_label_sets(rows)
        else read_labels(flat(rows), n_examples)
    )
    _warn_of_unseen(labels.classes())
    return labels


def _warn_of_unseen(found: Sequence[Label]) -> None:
    """Warn of labels that were no class before they were read or typed."""
    lost = [label for label in found if label in _LOST]
    if lost:
        warn_user(
            f"{lost[0]!r} in y is a class: NumPy and pandas make it of a missing label among "
            "strings. If it was one, pass y as a list, with None there",
            FewShotWarning,
        )
    seen: dict[str, Label] = {}
    for label in found:
        other = seen.setdefault(str(label).strip(), label)
        if other != label:
            warn_user(
                f"{other!r} and {label!r} in y are two classes, which differ in spaces at the ends "
                "only: if they are one, strip the labels",
                FewShotWarning,
            )
            return


def flat(y: Any) -> Any:
    """Flatten a column vector, with scikit-learn's warning."""
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] == 1:
        from sklearn.exceptions import DataConversionWarning  # not where nothing is fitted

        warn_user(
            "A column-vector y was passed when a 1d array was expected; it is flattened",
            DataConversionWarning,
        )
        return np.asarray(y).ravel()
    if len(shape) > 1:
        raise InputError(f"y is one label for each text, got an array of shape {tuple(shape)}")
    return y


def read_weights(sample_weight: Any, n_examples: int) -> npt.NDArray[np.float64]:
    """Read the weights of texts; without any, all weigh 1."""
    if sample_weight is None:
        return np.ones(n_examples)
    expected = f"sample_weight is {n_examples} finite numbers, 0 or more and not all zero"
    try:
        is_plain = isinstance(sample_weight, (Iterator, list, tuple))
        given = [_number(value) for value in sample_weight] if is_plain else sample_weight
        weights = np.ma.array(given, dtype=np.float64, copy=True).filled(np.nan)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{expected}, one for each text: {error}") from error
    if weights.shape != (n_examples,):
        raise InputError(f"{expected}, one for each text; got shape {weights.shape}")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise InputError(f"{expected}; got {weights[bad[0]]} in row {bad[0]}; 0 leaves a row out")
    with np.errstate(over="ignore"):
        total = weights.sum()
    if not 0 < total < np.inf:
        raise InputError(f"{expected}, and so is their sum; got a sum of {total}")
    return weights


def _number(value: Any) -> Any:
    """Return a missing weight as NaN, which numpy cannot make of pandas' NA."""
    return np.nan if is_missing(value) else value


def _mean_weight(weights: npt.NDArray[np.float64]) -> float:
    """Return the mean of the weights above 0, so that only ratios of weights count."""
    used = weights[weights > 0]
    return float(used.mean()) if len(used) else 1.0
