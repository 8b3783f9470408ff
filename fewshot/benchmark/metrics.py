"""The metrics of a cell. A new one is an entry of METRICS: scores, tables and charts follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, log_loss

from fewshot.errors import InputError

_BINS = 15  # Guo et al. (2017), table 1
_SUM_TOLERANCE = 1e-3  # half precision and rounding may keep a row's sum that far from 1


# The label of a text; or all its labels, sorted, where it may have several.
TextLabels: TypeAlias = str | tuple[str, ...]
Tasks: TypeAlias = Literal["one label", "several labels", "both"]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions for the test texts, checked."""

    truth: Any  # list of str; with several labels for a text, an array of bool, [n, classes]
    labels: Any  # predicted, in the same form
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
    tasks: Tasks = "one label"  # those that it is computed for


def evaluate(
    truth: Sequence[TextLabels],
    predicted: Sequence[TextLabels],
    proba: NDArray[np.floating] | None,  # [n, classes]
    classes: Sequence[str],
) -> dict[str, float | None]:
    """Compute METRICS that fit the task; those of probabilities are None where there are none."""
    truth, predicted, classes = list(truth), list(predicted), list(classes)
    if len(truth) != len(predicted) or not truth:
        raise InputError(
            f"expected a prediction for each test text, got {len(predicted)} predictions for "
            f"{len(truth)} texts"
        )
    has_several = not isinstance(truth[0], str)
    if proba is not None or has_several:
        _check_known(predicted, classes)
    rows = None if proba is None else _checked(proba, len(truth), len(classes), has_several)
    if has_several:
        predictions = Predictions(
            _indicators(truth, classes), _indicators(predicted, classes), rows, classes
        )
    else:
        predictions = Predictions(truth, predicted, rows, classes)
    return {name: METRICS[name].compute(predictions) for name in metrics_of(has_several)}


def metrics_of(has_several: bool) -> list[str]:
    """Return the METRICS of tasks in which a text has one label, or may have several."""
    tasks = {"both", "several labels" if has_several else "one label"}
    return [name for name, metric in METRICS.items() if metric.tasks in tasks]


def label_names(labels: Iterable[TextLabels]) -> set[str]:
    """Return the names of all labels of some texts."""
    return {name for found in labels for name in ((found,) if isinstance(found, str) else found)}


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


def _f1(predictions: Predictions, average: str) -> float | None:
    truth, labels = predictions.truth, predictions.labels
    if isinstance(truth, np.ndarray):  # scikit-learn would count labels that do not occur as 0
        occurs = truth.any(0) | labels.any(0)
        if not occurs.any():
            return None
        truth, labels = truth[:, occurs], labels[:, occurs]
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


def _average_precision(predictions: Predictions) -> float | None:
    occurs = predictions.truth.any(0)
    if predictions.proba is None or not occurs.any():
        return None
    truth, proba = predictions.truth[:, occurs], predictions.proba[:, occurs]
    return float(average_precision_score(truth, proba, average="macro"))


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
            tasks="both",
        ),
        "weighted_f1": Metric(
            "Weighted F1",
            "the average of F1 over the classes, weighted by their numbers of test texts.",
            partial(_f1, average="weighted"),
            scoring="f1_weighted",
            tasks="both",
        ),
        "micro_f1": Metric(
            "Micro-F1",
            "of several labels for a text: F1 over all pairs of a text and a label.",
            partial(_f1, average="micro"),
            tasks="several labels",
        ),
        "average_precision": Metric(
            "Average precision",
            "of several labels for a text: the precision at each rank of the probabilities where "
            "recall rises, weighted by the rise, averaged over the labels of the test texts.",
            _average_precision,
            tasks="several labels",
        ),
        "subset_accuracy": Metric(
            "Subset accuracy",
            "the share of test texts for which exactly the right set of labels is predicted.",
            _accuracy,  # as scikit-learn defines it for indicators
            tasks="several labels",
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


def _indicators(labels: Sequence[TextLabels], classes: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([[name in found for name in classes] for found in labels], dtype=np.bool_)


def _check_known(predicted: Sequence[TextLabels], classes: Sequence[str]) -> None:
    if unknown := sorted(label_names(predicted) - set(classes)):
        raise InputError(f"predicted {unknown}, which are not among the classes {classes}")


def _checked(
    proba: NDArray[np.floating], n_texts: int, n_classes: int, has_several: bool
) -> NDArray[np.float64]:
    rows = np.asarray(proba, dtype=np.float64)
    if rows.shape != (n_texts, n_classes):
        raise InputError(
            f"expected probabilities of shape {(n_texts, n_classes)}, a row per test "
            f"text and a column per class, got {rows.shape}"
        )
    is_good = np.isfinite(rows).all() and rows.min() >= 0
    if has_several and not (is_good and rows.max() <= 1):
        raise InputError(
            f"expected probabilities between 0 and 1, got values from {rows.min()} to {rows.max()}"
        )
    sums = rows.sum(axis=1)
    if not has_several and not (is_good and abs(sums - 1).max() <= _SUM_TOLERANCE):
        raise InputError(
            f"expected probabilities between 0 and 1 whose rows sum to 1, got values from "
            f"{rows.min()} to {rows.max()} and sums from {sums.min()} to {sums.max()}"
        )
    return rows
