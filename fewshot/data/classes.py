"""Classes of a classifier, and targets and weights of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import compute_class_weight

from fewshot.data.examples import Examples, Label, Labels
from fewshot.data.label_set import read_labels as read_distinct_labels
from fewshot.data.training_data import TrainingData
from fewshot.errors import InputError


def class_labels(labels: Labels, given: Sequence[Label] | None = None) -> list[Label]:
    """Return the classes: those given, else those that occur; sorted.

    Raises
    ------
    InputError
        If there are fewer than two, or a label occurs that is not given.
    VerbalizerError
        If those given are no list, one stands twice, is neither str nor int, or the two are mixed.
    """
    found = labels.classes()
    classes = found if given is None else sorted(read_distinct_labels(given))
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
    """Return one-hot targets [n, n_classes] and weights [n]; rows without a label weigh 0.

    Raises
    ------
    InputError
        If `class_weight` is neither None, "balanced" nor a mapping of labels to weights, or
        leaves no labelled text a weight above 0.
    """
    place = {label: i for i, label in enumerate(classes)}
    labelled = data.labels.is_labelled
    index = np.array([place.get(label, 0) for label in data.labels.values.tolist()])
    targets = np.eye(len(classes))[index]
    weights = np.where(labelled, data.sample_weight, 0.0)
    present = np.unique(index[labelled])
    if class_weight is not None:
        weights[labelled] *= _class_weights(class_weight, classes, present, index[labelled])
    if labelled.any() and not weights.any():
        raise InputError(
            "no text has a label and a weight above 0: class_weight and sample_weight are "
            "multiplied; weigh at least one labelled text"
        )
    return targets, weights


def labelled_part(
    data: TrainingData, classes: Sequence[Label], class_weight: Any
) -> tuple[Examples, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the examples that have a label and a weight, with their targets and weights.

    Raises
    ------
    InputError
        If there are none; see also :func:`class_targets`.
    """
    targets, weights = class_targets(data, classes, class_weight)
    used = np.flatnonzero(weights > 0)
    if not len(used):
        raise InputError("no text has a label; label at least one")
    return data.examples.take(used), targets[used], weights[used]


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
