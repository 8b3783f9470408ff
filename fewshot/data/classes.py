"""Classes of a classifier, and targets and weights of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import compute_class_weight

from fewshot.data.examples import Examples
from fewshot.data.labels import Label, Labels, read_label_set
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.errors import InputError


@dataclass(frozen=True)
class LabeledTexts:
    """The texts that have a label and a weight, with the classes that all texts are of."""

    classes: list[Label]
    examples: Examples
    targets: npt.NDArray[np.float64]  # [n, classes], one-hot
    weights: npt.NDArray[np.float64]  # [n], above 0


def read_labeled_texts(
    X: Any, y: Any, sample_weight: Any, *, labels: Sequence[Label] | None, class_weight: Any
) -> LabeledTexts:
    """Check what was passed to the ``fit`` of a classifier that learns from labels only."""
    if y is None:
        raise InputError(
            "requires y to be passed, but the target y is None: y is a sequence of labels"
        )
    data = read_training_data(X, y, sample_weight)
    classes = class_labels(data.labels, labels)
    targets, weights = class_targets(data, classes, class_weight)
    used = np.flatnonzero(weights > 0)
    if not len(used):
        has_label = data.labels.is_labeled.any()
        missing = "no text has a label and a weight above 0" if has_label else "no text has a label"
        raise InputError(f"{missing}; label at least one")
    return LabeledTexts(classes, data.examples.take(used), targets[used], weights[used])


def class_labels(labels: Labels | None, given: Sequence[Label] | None = None) -> list[Label]:
    """Return the classes: those given, else those that occur; sorted."""
    found = [] if labels is None else labels.classes()
    classes = found if given is None else sorted(read_label_set(given))
    unknown = [label for label in found if label not in classes]
    if unknown:
        raise InputError(
            f"y holds the labels {unknown[:5]}, which are unknown; known are {classes}. "
            f"{_advice(unknown, classes)}"
        )
    if len(classes) < 2:
        raise InputError(
            f"a classifier needs 2 classes at least, got {len(classes)} class: {classes}. "
            "Name all of them with labels= if some have no example"
        )
    return classes


def class_targets(
    data: TrainingData, classes: Sequence[Label], class_weight: Any
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return one-hot targets [n, n_classes] and weights [n]; rows without a label weigh 0."""
    place = {label: i for i, label in enumerate(classes)}
    labeled = data.labels.is_labeled
    index = np.array([place.get(label, 0) for label in data.labels.values.tolist()])
    targets = np.eye(len(classes))[index]
    weights = np.where(labeled, data.sample_weight, 0.0)
    if class_weight is None:
        return targets, weights
    present = np.unique(index[labeled])
    weights[labeled] *= _class_weights(class_weight, classes, present, index[labeled])
    if labeled.any() and not weights.any():
        raise InputError(
            "no text has a label and a weight above 0: class_weight and sample_weight are "
            "multiplied; weigh at least one labelled text"
        )
    return targets, weights


def label_array(classes: Sequence[Label]) -> npt.NDArray[Any]:
    """Return classes as ``classes_`` holds them: int64, or object for str."""
    return np.array(classes, dtype=np.int64 if isinstance(classes[0], int) else object)


def _advice(unknown: Sequence[Label], classes: Sequence[Label]) -> str:
    if isinstance(unknown[0], int) and isinstance(classes[0], str):
        return (
            "scikit-learn makes numbers of labels in cross_val_predict(method='predict_proba'), "
            "in stacking and in voting: number them yourself there, with Verbalizer.rename"
        )
    return "Add them to the verbalizer or to labels=, or drop these rows"


def _class_weights(
    class_weight: Any, classes: Sequence[Label], present: npt.NDArray[Any], index: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    if isinstance(class_weight, str) and class_weight == "balanced":
        by_class = dict(
            zip(present, compute_class_weight("balanced", classes=present, y=index), strict=True)
        )
    elif isinstance(class_weight, dict):
        unknown = [label for label in class_weight if label not in classes]
        if unknown:
            raise InputError(f"class_weight has unknown labels {unknown}; known are {classes}")
        by_class = {i: class_weight.get(label, 1.0) for i, label in enumerate(classes)}
    else:
        raise InputError(
            "class_weight is None, 'balanced' or a mapping of labels to weights, "
            f"got {class_weight!r}"
        )
    expected = f"class_weight holds finite numbers, 0 or more, got {class_weight!r}"
    try:
        weights = np.array([by_class[i] for i in index], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(expected) from error
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise InputError(expected)
    return weights
