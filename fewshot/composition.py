"""Classifiers made of classifiers: the one that all build on, and its model, found and replaced."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from fewshot.classifier import PromptClassifier
from fewshot.fine_tune_classifier import FineTuneClassifier
from fewshot.models.masked_lm import MaskedLM
from fewshot.semi_supervised import SemiSupervisedClassifier, prompt_classifier


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
