"""What classifiers share that learn from unlabelled texts too."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import accuracy_score

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.data.examples import Examples, read_examples
from fewshot.data.training_data import read_training_data
from fewshot.data.unlabeled import Keys, text_keys
from fewshot.errors import InputError, LeakageWarning, warn_user
from fewshot.models.masked_lm import MaskedLM


class SemiSupervisedClassifier(TextClassifier):
    """Base of the classifiers that learn from labelled and unlabelled texts.

    A subclass takes an ``estimator`` and a ``checkpoint_dir``, and sets ``estimator_``, the
    classifier that it ends with, ``fields_`` and ``pool_keys_``.
    """

    estimator: Any  # a PromptClassifier or another of this kind; checked in fit
    checkpoint_dir: str | Path | None
    estimator_: TextClassifier
    fields_: list[str]
    pool_keys_: Keys

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy over the rows that have a label.

        Cross-validation over rows with and without labels tests on both; those without say
        nothing about the accuracy.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
        y : sequence of str or int
            Rows with -1 (among ints) or None do not count.
        sample_weight : sequence of float, optional

        Returns
        -------
        float

        Raises
        ------
        InputError
            If no row has a label.
        """
        data = read_training_data(X, y, sample_weight, self.fields_)
        labelled = np.flatnonzero(data.labels.is_labelled)
        if not len(labelled):
            raise InputError("no row of y has a label to score by; pass labelled texts")
        predicted = self.predict(data.examples.take(labelled).rows())
        truth = data.labels.values[labelled].tolist()
        weights = None if sample_weight is None else data.sample_weight[labelled]
        return float(accuracy_score(truth, predicted.tolist(), sample_weight=weights))

    def set_params(self, **params: Any) -> SemiSupervisedClassifier:  # scikit-learn's signature
        """Set parameters by name; settings of one of them as ``<parameter>__<setting>``.

        One that is left at its default, or given by name, becomes the object it stands for first.

        Returns
        -------
        SemiSupervisedClassifier
            The estimator itself.

        Raises
        ------
        InputError
            If a parameter has no settings.
        """
        given = self.get_params(deep=False) | params
        objects = {}
        for name in {key.partition("__")[0] for key in params if "__" in key} & given.keys():
            objects[name] = self._spelled_out(name, given)
            if not isinstance(objects[name], BaseEstimator):
                raise InputError(
                    f"{name}={objects[name]!r} has no settings of its own; set {name} to an object "
                    "that has some"
                )
        super().set_params(**(params | objects))
        return self

    def _spelled_out(self, name: str, given: Mapping[str, Any]) -> Any:
        """Return the object that the value of a parameter stands for, or the value."""
        is_default = name == "estimator" and given[name] is None
        return PromptClassifier() if is_default else given[name]

    @abstractmethod
    def _check_fit(self, X: Any, y: Any, sample_weight: Any, unlabeled: Any) -> None:
        """Make all checks of ``fit``, and nothing else."""

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        examples = read_examples(X, self.fields_)
        self._warn_seen(examples)
        return self.estimator_._class_scores(examples.rows())

    def _warn_seen(self, examples: Examples) -> None:
        n_seen = int(np.isin(text_keys(examples), self.pool_keys_).sum())
        if n_seen:
            warn_user(
                f"{n_seen} of {len(examples)} texts were among the unlabelled texts of fit. That "
                "is fine if you want their labels; a score on them says too much: take test texts "
                "out of what is passed as unlabelled",
                LeakageWarning,
            )


def prompt_classifier(estimator: Any, owner: str) -> PromptClassifier:
    """Return a clone of the classifier that a method builds on; without one, the default.

    Parameters
    ----------
    estimator : PromptClassifier or None
    owner : str
        The method, for the message.

    Returns
    -------
    PromptClassifier

    Raises
    ------
    InputError
        If it is something else.
    """
    if estimator is None:
        return PromptClassifier()
    if not isinstance(estimator, PromptClassifier):
        kind = type(estimator).__name__ if isinstance(estimator, BaseEstimator) else repr(estimator)
        raise InputError(
            f"estimator of {owner} is a PromptClassifier, got {kind}; pass for example "
            f"{owner}(PromptClassifier(template, verbalizer))"
        )
    cloned: PromptClassifier = clone(estimator)
    return cloned


def innermost(estimator: Any, owner: str) -> PromptClassifier:
    """Return a clone of the classifier that an estimator is, or is made of.

    Parameters
    ----------
    estimator : PromptClassifier, SemiSupervisedClassifier or None
        None is the default classifier.
    owner : str
        The method that asks, for the message.

    Returns
    -------
    PromptClassifier

    Raises
    ------
    InputError
        If it is something else.
    """
    while isinstance(estimator, SemiSupervisedClassifier):
        estimator = estimator.estimator
    return prompt_classifier(estimator, owner)


def with_model(estimator: Any, lm: MaskedLM, owner: str) -> Any:  # of the estimator's own class
    """Return a clone of an estimator with another model wherever the innermost classifier's is.

    A final classifier or a predictor with a model of its own keeps that.

    Parameters
    ----------
    estimator : PromptClassifier, SemiSupervisedClassifier or None
    lm : MaskedLM
    owner : str
        The method that asks, for the message.

    Returns
    -------
    estimator

    Raises
    ------
    InputError
        If it is something else.
    """
    if not isinstance(estimator, SemiSupervisedClassifier):
        return prompt_classifier(estimator, owner).set_params(model=lm)
    twin = clone(estimator).set_params(estimator=with_model(estimator.estimator, lm, owner))
    base = innermost(estimator, owner)
    for name, other in estimator.get_params(deep=False).items():
        # A final classifier or a predictor; the estimator has it already.
        is_other = name != "estimator" and isinstance(other, (PromptClassifier, FineTuneClassifier))
        if is_other and other.model == base.model:
            twin.set_params(**{f"{name}__model": lm})
    return twin
