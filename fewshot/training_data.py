"""What was passed to ``fit``, checked: examples, labels, weights, classes and targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import compute_class_weight

from fewshot.errors import InputError, warn_user
from fewshot.inputs import Examples, Label, Labels, read_examples, read_labels
from fewshot.label_entries import read_labels as read_distinct_labels


class TrainingData(NamedTuple):
    """Checked input of ``fit``.

    Parameters
    ----------
    examples : Examples
    labels : Labels
    sample_weight : ndarray of shape (n,)
    """

    examples: Examples
    labels: Labels
    sample_weight: npt.NDArray[np.float64]


def read_training_data(
    X: Any, y: Any, sample_weight: Any, fields: Sequence[str] | None = None
) -> TrainingData:
    """Check what was passed to ``fit``.

    Parameters
    ----------
    X : sequence of texts
        See :func:`~fewshot.inputs.read_examples`.
    y : sequence of str or int
        See :func:`~fewshot.inputs.read_labels`; a column vector is flattened with a warning.
    sample_weight : sequence of float, optional
    fields : sequence of str, optional
        The fields that are needed.

    Returns
    -------
    TrainingData

    Raises
    ------
    InputError
        If `X`, `y` or `sample_weight` cannot be used, or differ in length.
    """
    examples = read_examples(X, fields)
    labels = read_labels(_flat(y), len(examples))
    return TrainingData(examples, labels, _weights(sample_weight, len(examples)))


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


def _flat(y: Any) -> Any:
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] == 1:
        warn_user(
            "A column-vector y was passed when a 1d array was expected; it is flattened",
            DataConversionWarning,
        )
        return np.asarray(y).ravel()
    if len(shape) > 1:
        raise InputError(f"y is one label for each text, got an array of shape {tuple(shape)}")
    return y


def _weights(sample_weight: Any, n_examples: int) -> npt.NDArray[np.float64]:
    if sample_weight is None:
        return np.ones(n_examples)
    expected = f"sample_weight is {n_examples} finite numbers, 0 or more and not all 0"
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{expected}, one for each text: {error}") from error
    if weights.shape != (n_examples,) or not _are_weights(weights):
        raise InputError(f"{expected}, one for each text; got shape {weights.shape}")
    return weights


def _are_weights(values: npt.NDArray[np.float64]) -> bool:
    return bool(np.isfinite(values).all() and (values >= 0).all() and values.any())
