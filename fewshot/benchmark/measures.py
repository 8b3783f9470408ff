"""What a fitted method has cost: tokens read, parameters that learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline

from fewshot.benchmark.data_sets.splits import Text
from fewshot.benchmark.methods import parts
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.data.examples import read_examples
from fewshot.models.masked_lm import MaskedLM

# Any: an estimator, for which scikit-learn has no type.
Estimator = Any


class TokenCount:
    """Tokens that the encoder reads while a cell runs, in training and in prediction.

    Parameters
    ----------
    estimator : estimator
        Not fitted; its model has not encoded anything yet.
    """

    def __init__(self, estimator: Estimator) -> None:
        self._model = getattr(estimator, "model", None)
        self._own: int | None = 0

    def add(self, fitted: Estimator, texts: Sequence[Text]) -> None:
        """Add what a clone has read of its own, besides what the shared model has.

        Parameters
        ----------
        fitted : estimator
        texts : sequence of str or of dict
            What it was fitted with and has predicted.
        """
        own = self._read(fitted, texts)
        self._own = None if own is None or self._own is None else self._own + own

    @property
    def total(self) -> int | None:
        """All tokens so far; None if nobody counts them."""
        if self._own is None or not isinstance(self._model, MaskedLM):
            return self._own
        return self._own + self._model.counts.tokens

    def _read(self, fitted: Estimator, texts: Sequence[Text]) -> int | None:
        if isinstance(fitted, (DummyClassifier, TfidfClassifier)):
            return 0
        if isinstance(fitted, (PromptClassifier, FineTuneClassifier)):
            # Tuning leaves the model that was passed as it is, and counts on a copy.
            is_copy = fitted.model_ is not self._model
            return _trained(fitted) + (fitted.model_.counts.tokens if is_copy else 0)
        if isinstance(fitted, SetFitClassifier):  # embeds each text once, besides training
            from fewshot.models.sentence_encoder import (
                SentenceEncoder,  # loads sentence-transformers
            )

            joined = read_examples(texts, fitted.fields_).joined()
            lengths = SentenceEncoder(fitted.encoder_).tokenize(joined).lengths
            return _trained(fitted) + int(lengths.sum())
        return None


def trainable_parameters(fitted: Estimator) -> int | None:
    """Count the numbers that ``fit`` may change or add.

    Of a classifier that learns from other classifiers, PET, those of the one that it ends with.

    Parameters
    ----------
    fitted : estimator

    Returns
    -------
    int or None
        None for estimators that are neither of this package nor linear.
    """
    if isinstance(fitted, Pipeline):
        return trainable_parameters(fitted[-1])
    if isinstance(fitted, DummyClassifier):
        return 0
    if isinstance(fitted, SemiSupervisedClassifier):
        return _of_semi_supervised(fitted)
    if isinstance(fitted, PromptClassifier):
        report = fitted.parameter_report_
        return report.n_tuned + report.n_head
    n_own = 0
    if isinstance(fitted, FineTuneClassifier):
        n_own = _unshared(fitted.model, fitted.model_)
    if isinstance(fitted, SetFitClassifier) and fitted.num_epochs:
        n_own = sum(parameter.numel() for parameter in fitted.encoder_.parameters())
    if not hasattr(fitted, "coef_"):
        return None
    return int(n_own + np.size(fitted.coef_) + np.size(fitted.intercept_))


def _of_semi_supervised(fitted: SemiSupervisedClassifier) -> int | None:
    """Count what has changed from the model at first to the classifier at the end."""
    final = fitted.estimator_
    while isinstance(final, SemiSupervisedClassifier):
        final = final.estimator_
    if not isinstance(final, PromptClassifier):
        return trainable_parameters(final)
    base = next(part for part in parts(fitted) if isinstance(part, PromptClassifier)).model
    return _unshared(base, final.model_) + final.parameter_report_.n_head


def _trained(fitted: Estimator) -> int:
    return sum(int(epoch.get("tokens", 0)) for epoch in fitted.history_)


def _unshared(base: Any, tuned: MaskedLM) -> int:  # Any: a model by name is loaded by now
    """Count the parameters that a tuned model does not share with the one it was copied from."""
    shared = {parameter.data_ptr() for _, parameter in base.named_parameters()}
    return sum(p.numel() for _, p in tuned.named_parameters() if p.data_ptr() not in shared)
