"""The costs of a fitted method: tokens read, and parameters learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import Pipeline

from fewshot.benchmark.data_sets.splits import Text
from fewshot.classifiers.base import TextClassifier
from fewshot.models.masked_lm import MaskedLM

# Any: an estimator, for which scikit-learn has no type; it need not be a BaseEstimator.
Estimator = Any


class TokenCount:
    """A count of the tokens that the encoder reads while a cell runs."""

    def __init__(self, estimator: Estimator) -> None:
        self._model = getattr(estimator, "model", None)  # has not encoded anything yet
        self._own: int | None = 0

    def add(self, fitted: Estimator, texts: Sequence[Text]) -> None:
        """Add the tokens of a clone's fit and predictions, but for those of the shared model."""
        if isinstance(fitted, DummyClassifier):
            return
        own = fitted._n_tokens(texts) if isinstance(fitted, TextClassifier) else None
        self._own = None if own is None or self._own is None else self._own + own

    @property
    def total(self) -> int | None:
        """All tokens so far; None if they are not counted."""
        if self._own is None or not isinstance(self._model, MaskedLM):
            return self._own
        return self._own + self._model.counts.tokens


def trainable_parameters(fitted: Estimator) -> int | None:
    """Count the numbers that ``fit`` may change or add; None if they are not known."""
    # For a classifier that trains other classifiers, such as PET, those of the final one count.
    if isinstance(fitted, Pipeline):
        return trainable_parameters(fitted[-1])
    if isinstance(fitted, TextClassifier):
        return fitted._n_trainable()
    if isinstance(fitted, DummyClassifier):
        return 0
    if not hasattr(fitted, "coef_"):
        return None
    return int(np.size(fitted.coef_) + np.size(fitted.intercept_))
