"""Bases of all classifiers: prediction from class scores, saving."""

from __future__ import annotations

import functools
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from fewshot.data.class_scores import check_finite, warn_collapse
from fewshot.data.examples import Examples, is_sequence, read_examples, shorten_repr
from fewshot.data.label_sets import holds_label_sets, read_label_sets
from fewshot.data.labels import read_labels
from fewshot.data.task_kind import ONE_LABEL, TaskKind, decide
from fewshot.data.training_data import flat, read_weights
from fewshot.errors import InputError

if TYPE_CHECKING:
    from fewshot.models.masked_lm import MaskedLM

_NO_LABEL = "no row of y has a label to score by; pass labelled texts"
_Method = TypeVar("_Method", bound=Callable[..., Any])


def in_plain_torch(method: _Method) -> _Method:
    """Run a method as if the caller had set no autocast, inference mode or default device."""

    @functools.wraps(method)
    def run(*args: Any, **kwargs: Any) -> Any:
        if "torch" not in sys.modules:  # nobody has set any
            return method(*args, **kwargs)
        from fewshot.models.reproducible import plain_torch

        with plain_torch():
            return method(*args, **kwargs)

    return run  # type: ignore[return-value]  # of the method's signature


class TextClassifier(ClassifierMixin, BaseEstimator):
    """Base of the classifiers of this package.

    A subclass learns in ``fit``, sets ``classes_``, and scores classes in :meth:`_class_scores`.
    """

    classes_: npt.NDArray[Any]  # int64 or object: labels are int or str
    class_offset_: npt.NDArray[np.float64]
    task_kind_: TaskKind = ONE_LABEL  # as of estimators that were saved before there were others
    thresholds_: npt.NDArray[np.float64] | None = None
    _takes_several_labels: ClassVar[bool] = True
    fields_: list[str]
    history_: list[Any]
    n_truncated_: int

    @abstractmethod
    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        """Return log-probabilities or log-odds but for the offset, [n, n_classes]."""

    @in_plain_torch
    def _decision_scores(self, X: Any) -> npt.NDArray[np.float64]:
        """Return finite scores with the offsets of class weights and shares, [n, n_classes]."""
        check_is_fitted(self)
        scores = self._class_scores(X)
        check_finite(scores, "the class scores")
        return scores + self._offset

    @property
    def _offset(self) -> npt.NDArray[np.float64]:
        """What class weights and shares add to the scores, [n_classes] or [1]."""
        # Estimators that were saved before there were offsets have none.
        offset: npt.NDArray[np.float64] = getattr(self, "class_offset_", np.zeros(1))
        return offset

    def predict(self, X: Any) -> Any:
        """Predict the class of each text, or its labels.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
            Texts, or several fields per example.

        Returns
        -------
        ndarray of shape (n,)
            Labels of the type that was given: str or int. Where texts have several labels, they
            are returned in the form that ``fit`` was given: an ndarray or a sparse matrix of
            shape (n, n_classes) of 0 and 1, or a list of n lists, tuples or sets of labels. A text
            has the labels whose probabilities reach ``thresholds_``; it may have none.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If `X` is a bare string, or texts are missing or not strings.
        """
        scores = self._decision_scores(X)
        if self.thresholds_ is not None:
            found = decide(self._probabilities(scores), self.thresholds_)
            return self.task_kind_.restored(found, self.classes_.tolist())
        best = scores.argmax(1)
        warn_collapse(best, self.classes_)
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
            Columns are in the order of ``classes_``. Rows sum to 1, but where texts have several
            labels, whose probabilities are independent of each other.
        """
        return self._probabilities(self._decision_scores(X))

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Predict logarithms of the probabilities.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns are in the order of ``classes_``.
        """
        scores = self._decision_scores(X)
        return self.task_kind_.log_probabilities(scores)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """Score the classes.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, n_classes), or (n,) for two classes
            Unnormalized log-probabilities; for two classes the log-odds of the second. Of several
            labels, shape (n, n_classes): log-odds less those of the thresholds, so that a text has
            the labels whose scores are 0 or more.
        """
        scores = self._decision_scores(X)
        if self.thresholds_ is not None:
            above, least = scores - logit(self.thresholds_), np.finfo(np.float64).tiny
            found = decide(self._probabilities(scores), self.thresholds_)  # to the last bit
            return np.asarray(np.where(found, np.maximum(above, 0.0), np.minimum(above, -least)))
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy on the texts that have a label.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
        y : sequence of str or int; of several labels in any form that ``fit`` takes
            Rows without a label, -1 among ints or None, do not count. Members of an Enum of str
            count as their values, as in ``fit``.
        sample_weight : sequence of float, optional

        Returns
        -------
        float
            The share of texts whose label is right; of several labels, whose labels all are.

        Raises
        ------
        InputError
            If `y` or `sample_weight` cannot be used, no row that weighs anything has a label, or
            `y` holds one label for each text where ``fit`` was given several, or the reverse.
        """
        check_is_fitted(self)
        rows = list(y) if isinstance(y, Iterator) else y
        examples = read_examples(X, self._fields())
        if is_sequence(rows) and all(label is None for label in rows):
            raise InputError(_NO_LABEL)
        has_sets = holds_label_sets(rows) or self.task_kind_.has_several
        return (_subset_accuracy if has_sets else _accuracy)(self, examples, rows, sample_weight)

    def save(self, folder: str | Path, *, backbone: str | Path | MaskedLM | None = None) -> None:
        """Save the fitted estimator as safetensors and JSON; see :func:`fewshot.load`.

        Parameters
        ----------
        folder : str or Path
            A new folder, or one that holds a saved estimator, which is replaced. It appears
            whole or not at all.
        backbone : str, Path or MaskedLM, optional
            The model that this was tuned from, which is left out: only the tensors that tuning
            changed or added are saved, and ``fewshot.load(folder, model=backbone)`` needs it
            again. ``"fewshot-mini"`` is always left out.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        PersistenceError
            If the folder holds something else or cannot be written (it is an ``OSError`` too), a
            parameter cannot be saved, or this was not tuned from `backbone`.
        """
        from fewshot.saving.estimators import save_estimator  # loads torch

        check_is_fitted(self)
        save_estimator(self, folder, backbone)

    def _probabilities(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the probabilities of decision scores, [n, n_classes]."""
        return self.task_kind_.probabilities(scores)

    def _load_models(self) -> None:
        """Load the models given by name, before a measured fit; forget models adapted in others."""

    def _fields(self) -> Sequence[str]:
        """Return the fields of texts."""
        return self.fields_

    def _uses_labels(self) -> bool:
        """Return whether ``fit`` learns from labels where there are any."""
        return bool(get_tags(self).target_tags.required)

    def _n_trainable(self) -> int:
        """Count the numbers that ``fit`` changed or added: here those of a linear model."""
        return int(np.size(self.coef_) + np.size(self.intercept_))

    def _n_tokens(self, X: Any) -> int | None:
        """Count tokens read in fit and in predicting X, less those that ``model`` has counted."""
        del X  # a masked language model counts what it reads
        trained = sum(int(epoch.get("tokens", 0)) for epoch in getattr(self, "history_", ()))
        # Tuning leaves `model` as it is, and counts on a copy.
        given, tuned = getattr(self, "model", None), getattr(self, "model_", None)
        return trained if tuned is None or tuned is given else trained + tuned.counts.tokens

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_label = self._takes_several_labels
        return tags


def _subset_accuracy(
    classifier: TextClassifier, examples: Examples, y: Any, sample_weight: Any
) -> float:
    """Return the share of texts all of whose labels are predicted."""
    if not (classifier.task_kind_.has_several and holds_label_sets(y)):
        learned = "several labels" if classifier.task_kind_.has_several else "one label"
        raise InputError(
            f"the classifier was fitted to {learned} for each text, and y is of another form: "
            f"{shorten_repr(y)}; pass y in a form that fit takes for that"
        )
    labels, classes = read_label_sets(y, len(examples)), classifier.classes_.tolist()
    labels.resolve(classes)  # refuses unknown ones
    rows, weights = _labeled_rows(labels.is_labeled, sample_weight)
    found = classifier.decision_function(examples.take(rows)) >= 0
    is_right = ((labels.targets(classes)[rows] > 0) == found).all(1)
    return float(np.average(is_right, weights=weights))


def _accuracy(classifier: TextClassifier, examples: Examples, y: Any, sample_weight: Any) -> float:
    """Return the share of predictions that are the label, of texts that have one."""
    labels = read_labels(flat(y), len(examples))
    rows, weights = _labeled_rows(labels.is_labeled, sample_weight)
    found, known = classifier.predict(examples.take(rows)).tolist(), labels.classes()
    if isinstance(known[0], str) != isinstance(found[0], str):
        raise InputError(
            f"the classifier was fitted to labels such as {found[0]!r}, and y holds {known[0]!r}: "
            "pass labels of the same type"
        )
    is_right = [a == b for a, b in zip(labels.values[rows].tolist(), found, strict=True)]
    return float(np.average(is_right, weights=weights))


def _labeled_rows(
    is_labeled: npt.NDArray[np.bool_], sample_weight: Any
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the rows that have a label, and their weights."""
    rows = np.flatnonzero(is_labeled)
    weights = read_weights(sample_weight, len(is_labeled))[rows]
    if not weights.any():
        raise InputError(_NO_LABEL)
    return rows, weights


@dataclass(frozen=True)
class DryRun:
    """Estimated costs of a fit, from ``dry_run`` of a classifier."""

    n_texts: int = 0
    n_tokens: int = 0  # of all prompts, read once
    n_truncated: int = 0  # texts that would be shortened
    n_steps: int = 0  # of the optimizer
    seconds: float = 0.0  # estimated from a measured batch

    def __str__(self) -> str:
        return (
            f"{self.n_texts} texts, {self.n_tokens} tokens, {self.n_truncated} texts shortened, "
            f"{self.n_steps} steps, about {self.seconds:.0f} s"
        )
