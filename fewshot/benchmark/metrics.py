"""Metrics of one cell: how well the predictions and probabilities fit the true labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, f1_score, log_loss

from fewshot.errors import InputError

_BINS = 15  # Guo et al. (2017), table 1
_SUM_TOLERANCE = 1e-3  # what half precision and rounding may take from a row's sum of 1


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is called in a table, and which way it points.

    Parameters
    ----------
    title : str
    higher_is_better : bool
    """

    title: str
    higher_is_better: bool


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "accuracy": Metric("Accuracy", higher_is_better=True),
        "macro_f1": Metric("Macro-F1", higher_is_better=True),
        "weighted_f1": Metric("Weighted F1", higher_is_better=True),
        "log_loss": Metric("Log loss", higher_is_better=False),
        "ece": Metric("ECE", higher_is_better=False),
    }
)


def evaluate(
    truth: Sequence[str],
    predicted: Sequence[str],
    proba: NDArray[np.floating] | None,
    classes: Sequence[str],
) -> dict[str, float | None]:
    """Compute all metrics of predictions.

    F1 of a class is 0 if it is never predicted right. Macro-F1 is the plain mean over the classes
    that are true or predicted somewhere, weighted F1 the mean by the number of true examples.
    Log loss takes the natural logarithm of the probability of the true class, which is at least
    2.2e-16 (the machine epsilon, as in scikit-learn; so at most 36.04 a text); a class that the
    method does not know has that probability.

    Parameters
    ----------
    truth, predicted : sequence of str
        Labels of the test texts.
    proba : array of shape (n_texts, n_classes) or None
        None if the method has no probabilities; log loss and ECE are None then.
    classes : sequence of str
        The labels of the columns of `proba`, in their order.

    Returns
    -------
    dict of str to float or None
        By the names of :data:`METRICS`.

    Raises
    ------
    InputError
        If the lengths differ, nothing was predicted, or the rows of `proba` are no probabilities.

    Examples
    --------
    >>> scores = evaluate(["a", "b"], ["a", "a"], None, ["a", "b"])
    >>> {name: score and round(score, 3) for name, score in scores.items()}
    {'accuracy': 0.5, 'macro_f1': 0.333, 'weighted_f1': 0.333, 'log_loss': None, 'ece': None}
    """
    truth, predicted, classes = list(truth), list(predicted), list(classes)
    if len(truth) != len(predicted) or not truth:
        raise InputError(
            f"expected a prediction for each test text, got {len(predicted)} predictions for "
            f"{len(truth)} texts"
        )
    scores: dict[str, float | None] = {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(truth, predicted, average="weighted", zero_division=0)),
        "log_loss": None,
        "ece": None,
    }
    if proba is not None:
        rows = _checked(proba, predicted, classes)
        scores["log_loss"] = _log_loss(truth, rows, classes)
        columns = [classes.index(label) for label in predicted]
        confidence = rows[np.arange(len(rows)), columns]
        right = [true == label for true, label in zip(truth, predicted, strict=True)]
        scores["ece"] = expected_calibration_error(confidence, right)
    return scores


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike) -> float:
    """Compute how far confidence and accuracy are apart, over 15 bins of equal width.

    Parameters
    ----------
    confidence : array-like of float
        The probability of the predicted class, of each text.
    right : array-like of bool
        Whether the prediction was right.

    Returns
    -------
    float
        Between 0 and 1; the bins ``((m - 1) / 15, m / 15]`` are weighted by their texts.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017). On Calibration of Modern Neural Networks, equation 3.

    Examples
    --------
    >>> round(expected_calibration_error([0.9, 0.9, 0.6], [True, False, True]), 4)
    0.4
    """
    sure, hits = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    inner_edges = np.linspace(0, 1, _BINS + 1)[1:-1]
    bins = np.digitize(sure, inner_edges, right=True)
    gaps = np.bincount(bins, weights=hits - sure, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(sure))


def _checked(
    proba: NDArray[np.floating], predicted: list[str], classes: list[str]
) -> NDArray[np.float64]:
    rows = np.asarray(proba, dtype=np.float64)
    if rows.shape != (len(predicted), len(classes)):
        raise InputError(
            f"expected probabilities of shape {(len(predicted), len(classes))}, a row for each "
            f"test text and a column for each class, got {rows.shape}"
        )
    sums = rows.sum(axis=1)
    if not np.isfinite(rows).all() or rows.min() < 0 or abs(sums - 1).max() > _SUM_TOLERANCE:
        raise InputError(
            f"expected probabilities between 0 and 1 whose rows sum to 1, got values from "
            f"{rows.min()} to {rows.max()} and sums from {sums.min()} to {sums.max()}"
        )
    unknown = sorted(set(predicted) - set(classes))
    if unknown:
        raise InputError(f"predicted {unknown}, which the classes {classes} do not have")
    return rows


def _log_loss(truth: list[str], rows: NDArray[np.float64], classes: list[str]) -> float:
    # scikit-learn takes the columns as those of the sorted labels, whatever order `labels` has.
    labels = sorted({*classes, *truth})
    ordered = np.zeros((len(rows), len(labels)))
    ordered[:, [labels.index(label) for label in classes]] = rows
    ordered /= ordered.sum(axis=1, keepdims=True)
    if len(labels) == 1:
        return 0.0  # scikit-learn refuses what cannot be wrong
    return float(log_loss(truth, ordered, labels=labels))
