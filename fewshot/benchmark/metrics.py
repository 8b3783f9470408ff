"""The metrics of a cell. A new one is an entry of METRICS: scores, tables and charts follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, f1_score, log_loss

from fewshot.errors import InputError

_BINS = 15  # Guo et al. (2017), table 1
_SUM_TOLERANCE = 1e-3  # half precision and rounding may keep a row's sum that far from 1


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions for the test texts, checked."""

    truth: list[str]
    labels: list[str]  # predicted
    proba: NDArray[np.float64] | None  # [n, classes]; None if the method has no probabilities
    classes: list[str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A score of predictions."""

    title: str
    definition: str  # for reports
    compute: Callable[[Predictions], float | None]  # None for lack of probabilities
    higher_is_better: bool = True
    scoring: str | None = None  # scikit-learn's name, as the library's files have it


def evaluate(
    truth: Sequence[str],
    predicted: Sequence[str],
    proba: NDArray[np.floating] | None,  # [n, classes]
    classes: Sequence[str],
) -> dict[str, float | None]:
    """Compute all METRICS; those that need probabilities are None where `proba` is None."""
    truth, predicted, classes = list(truth), list(predicted), list(classes)
    if len(truth) != len(predicted) or not truth:
        raise InputError(
            f"expected a prediction for each test text, got {len(predicted)} predictions for "
            f"{len(truth)} texts"
        )
    rows = None if proba is None else _checked(proba, predicted, classes)
    predictions = Predictions(truth, predicted, rows, classes)
    return {name: metric.compute(predictions) for name, metric in METRICS.items()}


def expected_calibration_error(confidence: ArrayLike, is_right: ArrayLike) -> float:
    """Average the gap between confidence and accuracy over 15 bins of equal width."""
    # Guo, Pleiss, Sun, Weinberger (2017). On Calibration of Modern Neural Networks, equation 3;
    # the bins are ((m - 1) / 15, m / 15].
    sure, hits = np.asarray(confidence, dtype=np.float64), np.asarray(is_right, dtype=np.float64)
    inner_edges = np.linspace(0, 1, _BINS + 1)[1:-1]
    bins = np.digitize(sure, inner_edges, right=True)
    gaps = np.bincount(bins, weights=hits - sure, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(sure))


def _accuracy(predictions: Predictions) -> float:
    return float(accuracy_score(predictions.truth, predictions.labels))


def _f1(predictions: Predictions, average: str) -> float:
    truth, labels = predictions.truth, predictions.labels
    return float(f1_score(truth, labels, average=average, zero_division=0))


def _log_loss(predictions: Predictions) -> float | None:
    truth, rows, classes = predictions.truth, predictions.proba, predictions.classes
    if rows is None:
        return None
    # scikit-learn takes the columns as those of the sorted labels, whatever order `labels` has.
    # A class that the method does not know has the least probability, as in scikit-learn.
    labels = sorted({*classes, *truth})
    ordered = np.zeros((len(rows), len(labels)))
    ordered[:, [labels.index(label) for label in classes]] = rows
    ordered /= ordered.sum(axis=1, keepdims=True)
    if len(labels) == 1:
        return 0.0  # scikit-learn refuses a single class
    return float(log_loss(truth, ordered, labels=labels))


def _ece(predictions: Predictions) -> float | None:
    rows, classes = predictions.proba, predictions.classes
    if rows is None:
        return None
    columns = [classes.index(label) for label in predictions.labels]
    confidence = rows[np.arange(len(rows)), columns]
    pairs = zip(predictions.truth, predictions.labels, strict=True)
    return expected_calibration_error(confidence, [true == label for true, label in pairs])


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "accuracy": Metric(
            "Accuracy",
            "the share of test texts classified correctly.",
            _accuracy,
            scoring="accuracy",
        ),
        "macro_f1": Metric(
            "Macro-F1",
            "the unweighted average of F1 over all classes that occur among the true or the "
            "predicted labels; a class that is never predicted correctly counts as 0.",
            partial(_f1, average="macro"),
            scoring="f1_macro",
        ),
        "weighted_f1": Metric(
            "Weighted F1",
            "the average of F1 over the classes, weighted by their numbers of test texts.",
            partial(_f1, average="weighted"),
            scoring="f1_weighted",
        ),
        "log_loss": Metric(
            "Log loss",
            "the average negative natural logarithm of the probability of the true class, which "
            "counts as at least 2.2e-16.",
            _log_loss,
            higher_is_better=False,
        ),
        "ece": Metric(
            "ECE",
            "expected calibration error, the gap between the probability of the predicted class "
            "and accuracy, averaged over 15 bins of equal width (Guo et al., 2017, equation 3).",
            _ece,
            higher_is_better=False,
        ),
    }
)


def _checked(
    proba: NDArray[np.floating], predicted: list[str], classes: list[str]
) -> NDArray[np.float64]:
    rows = np.asarray(proba, dtype=np.float64)
    if rows.shape != (len(predicted), len(classes)):
        raise InputError(
            f"expected probabilities of shape {(len(predicted), len(classes))}, a row per test "
            f"text and a column per class, got {rows.shape}"
        )
    sums = rows.sum(axis=1)
    if not np.isfinite(rows).all() or rows.min() < 0 or abs(sums - 1).max() > _SUM_TOLERANCE:
        raise InputError(
            f"expected probabilities between 0 and 1 whose rows sum to 1, got values from "
            f"{rows.min()} to {rows.max()} and sums from {sums.min()} to {sums.max()}"
        )
    unknown = sorted(set(predicted) - set(classes))
    if unknown:
        raise InputError(f"predicted {unknown}, which are not among the classes {classes}")
    return rows
