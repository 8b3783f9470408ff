"""What all text classifiers share: reading input, predicting from class scores, warnings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import Tags, check_random_state, compute_class_weight
from sklearn.utils.validation import check_is_fitted

from fewshot.errors import CollapseWarning, InputError, TruncationWarning, warn_user
from fewshot.inputs import Examples, Label, Labels, read_examples, read_labels
from fewshot.label_entries import read_labels as read_distinct_labels
from fewshot.persistence import save_estimator

__all__ = [
    "TextClassifier",
    "TrainingData",
    "check_settings",
    "class_labels",
    "class_targets",
    "is_positive",
    "is_whole",
    "label_array",
    "labelled_part",
    "new_rng",
    "read_training_data",
    "warn_truncated",
]

_COLLAPSED_SHARE = 0.9
_COLLAPSE_MIN = 20  # predictions; fewer may well be of one class


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


class TextClassifier(ClassifierMixin, BaseEstimator):
    """Base of the classifiers of this package.

    A subclass learns in ``fit``, sets ``classes_``, and scores classes in :meth:`_class_scores`.
    """

    classes_: npt.NDArray[Any]  # int64 or object: labels are int or str

    @abstractmethod
    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        """Return unnormalised log-probabilities, [n, n_classes]."""

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Predict the class of each text.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
            See :func:`~fewshot.inputs.read_examples`.

        Returns
        -------
        ndarray of shape (n,)
            Labels of the type that was given: str or int.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If `X` is a bare string, or texts are missing or not strings.
        """
        check_is_fitted(self)
        best = self._class_scores(X).argmax(1)
        _warn_collapse(best, self.classes_)
        labels: npt.NDArray[Any] = self.classes_[best]
        return labels

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict probabilities of the classes.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, n_classes)
            Rows sum to 1; columns are in the order of ``classes_``.
        """
        check_is_fitted(self)
        proba: npt.NDArray[np.float64] = softmax(self._class_scores(X), axis=1)
        return proba

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict logarithms of the probabilities; see :meth:`predict_proba`."""
        check_is_fitted(self)
        log_proba: npt.NDArray[np.float64] = log_softmax(self._class_scores(X), axis=1)
        return log_proba

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Score the classes.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, n_classes), or (n,) for two classes
            Unnormalised log-probabilities; for two classes the log-odds of the second.
        """
        check_is_fitted(self)
        scores = self._class_scores(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def save(self, folder: str | Path) -> None:
        """Save the fitted estimator as safetensors and JSON; see :func:`fewshot.load`.

        Parameters
        ----------
        folder : str or Path
            A new folder, or one that holds a saved estimator, which is replaced. It is written
            aside and renamed, so that it is never half there.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        PersistenceError
            If the folder holds something else, or a parameter cannot be saved.
        """
        check_is_fitted(self)
        save_estimator(self, Path(folder))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


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
        If there are fewer than two, a label occurs that is not given, or what is given is no
        list.
    VerbalizerError
        If one that is given stands twice, is neither str nor int, or the two are mixed.
    """
    found = labels.classes()
    classes = found if given is None else _given_labels(given)
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


def _given_labels(given: Sequence[Label]) -> list[Label]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"labels is a list of all labels, such as ['no', 'yes'], got {given!r}")
    return sorted(read_distinct_labels(given))


def _advice(unknown: Sequence[Label], classes: Sequence[Label]) -> str:
    if isinstance(unknown[0], int) and isinstance(classes[0], str):
        return (
            "scikit-learn makes numbers of labels in cross_val_predict(method='predict_proba'), "
            "in stacking and in voting: number them yourself there, with Verbalizer.rename"
        )
    return "Add them to the verbalizer or to labels=, or drop these rows"


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


def check_settings(estimator: BaseEstimator, limits: Mapping[str, tuple[bool, str]]) -> None:
    """Check parameters of an estimator.

    Parameters
    ----------
    estimator : BaseEstimator
    limits : mapping of str to tuple of (bool, str)
        For each parameter whether it is good, and what is expected of it.

    Raises
    ------
    InputError
        If one is not good.
    """
    for name, (is_good, expected) in limits.items():
        if not is_good:
            raise InputError(f"{name} is {expected}, got {getattr(estimator, name)!r}")


def is_whole(value: Any, least: int) -> bool:
    """Tell whether a value is a whole number, and not below the least."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def is_positive(value: Any) -> bool:
    """Tell whether a value is a finite number above 0."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < np.inf


def new_rng(random_state: Any) -> np.random.Generator:
    """Return a generator that a ``random_state`` of scikit-learn decides.

    Raises
    ------
    InputError
        If it is no int, 0 or more, no RandomState and not None.
    """
    try:
        state = check_random_state(random_state)
    except ValueError as error:
        raise InputError(
            f"random_state is an int, 0 or more, a RandomState or None, got {random_state!r}"
        ) from error
    return np.random.default_rng(state.randint(2**31))


def warn_truncated(
    n_truncated: int, n_texts: int, max_length: int, advice: str = "raise max_length"
) -> None:
    """Warn once that texts were shortened."""
    if n_truncated:
        warn_user(
            f"{n_truncated} of {n_texts} texts were shortened to fit {max_length} tokens; {advice}",
            TruncationWarning,
        )


def label_array(classes: Sequence[Label]) -> npt.NDArray[Any]:
    """Return classes as ``classes_`` holds them: int64, or object for str."""
    return np.array(classes, dtype=np.int64 if isinstance(classes[0], int) else object)


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
    expected = f"class_weight holds finite numbers, 0 or more and not all 0, got {class_weight!r}"
    try:
        weights = np.array([by_class[i] for i in index], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(expected) from error
    if len(weights) and not _are_weights(weights):
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


def _warn_collapse(best: npt.NDArray[np.int64], classes: npt.NDArray[Any]) -> None:
    if len(best) < _COLLAPSE_MIN:
        return
    counts = np.bincount(best, minlength=len(classes))
    if counts.max() >= _COLLAPSED_SHARE * len(best):
        warn_user(
            f"{classes[counts.argmax()]!r} takes {counts.max()} of {len(best)} predictions. If "
            "the texts are not all of this class: calibrate (calibration='domain' with some "
            "unlabelled texts in fit), try other label words or another template",
            CollapseWarning,
        )
