"""Labels as estimators take them, and what they predict, for one label of a text or several."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.benchmark.data_sets.data_set import DataSetInfo
from fewshot.benchmark.data_sets.splits import Text
from fewshot.benchmark.measures import Estimator
from fewshot.benchmark.metrics import TextLabels
from fewshot.classifiers.base import TextClassifier
from fewshot.data.task_kind import decide
from fewshot.errors import InputError

Probabilities = npt.NDArray[Any]  # [n, n_classes]


def given_labels(estimator: Estimator, labels: Sequence[TextLabels], data: DataSetInfo) -> Any:
    """Return labels as `fit` takes them: our estimators take lists, others rows of 0 and 1."""
    if not data.has_several:
        return list(labels)
    if isinstance(estimator, TextClassifier):
        return [list(found) for found in labels]
    return np.array([[int(name in found) for name in data.labels] for found in labels])


def predict(
    estimator: Estimator, texts: Sequence[Text], data: DataSetInfo
) -> tuple[list[TextLabels], Probabilities | None]:
    """Predict labels, and probabilities if both come from one pass over the texts."""
    if isinstance(estimator, TextClassifier):
        proba = estimator.predict_proba(texts)
        return labels_of(estimator, proba), proba
    predicted = np.asarray(estimator.predict(copied(texts)))
    if data.has_several:
        _check_shape("predict", predicted, (len(texts), len(data.labels)))
        return _named(predicted > 0, data.labels), None
    if predicted.ndim != 1:
        raise InputError(f"predict gives an array of shape {predicted.shape}, expected labels")
    return [str(label) for label in predicted], None


def labels_of(classifier: Any, proba: Probabilities) -> list[TextLabels]:
    """Return the names of what a classifier of this library predicts by its probabilities."""
    if classifier.thresholds_ is None:
        return [str(label) for label in classifier.classes_[proba.argmax(1)]]
    return _named(decide(proba, classifier.thresholds_), classifier.classes_)


def predict_probabilities(estimator: Estimator, texts: Sequence[Text]) -> Probabilities | None:
    """Predict probabilities in a pass of their own; None if an estimator has none."""
    # Without classes_ the columns of the probabilities are unknown.
    if not (hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_")):
        return None
    found = estimator.predict_proba(copied(texts))
    if isinstance(found, list):  # of scikit-learn: for each label, its values and their shares
        shares = zip(found, estimator.classes_, strict=True)
        found = np.column_stack([rows @ (np.asarray(values) == 1) for rows, values in shares])
    return np.asarray(found)


def class_names(estimator: Estimator, data: DataSetInfo) -> list[str]:
    """Return the names of the columns of probabilities."""
    if data.has_several and not isinstance(estimator, TextClassifier):
        return [str(label) for label in data.labels]
    return [str(label) for label in getattr(estimator, "classes_", data.labels)]


def copied(texts: Sequence[Text]) -> list[Text]:
    """Copy texts, so that a method that changes them does not affect others."""
    return copy.deepcopy(list(texts))


def _named(has_label: npt.NDArray[np.bool_], names: Any) -> list[TextLabels]:
    return [tuple(str(names[i]) for i in np.flatnonzero(row)) for row in has_label]


def _check_shape(method: str, found: npt.NDArray[Any], shape: tuple[int, int]) -> None:
    if found.shape != shape:
        raise InputError(
            f"{method} gives an array of shape {found.shape}, expected {shape}, a row per text and "
            "a column per label"
        )
