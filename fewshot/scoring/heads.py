"""Logistic regression as a head: a column for every class, even one without an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:  # the baselines' head needs no torch
    from fewshot.scoring.scorer import Encoded, PromptScorer


@dataclass(frozen=True)
class StateHead:
    """Multinomial logistic regression on states.

    Parameters
    ----------
    center : ndarray of shape (hidden,)
        What is subtracted from states.
    scale : float
        What they are divided by.
    coef : ndarray of shape (hidden, n_classes)
    temperature : float
        What the sum is divided by.
    prompt_share : float
        What the prompt's log-probabilities are multiplied with: 0 leaves them out.
    """

    center: npt.NDArray[np.float64]
    scale: float
    coef: npt.NDArray[np.float64]
    temperature: float = 1.0
    prompt_share: float = 1.0

    def logits(self, states: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return what the regression alone says of states, [n, n_classes]."""
        logits: npt.NDArray[np.float64] = ((states - self.center) / self.scale) @ self.coef
        return logits

    def add(
        self, scores: npt.NDArray[np.float64], states: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return the log-probabilities of scores and of this model, summed, [n, n_classes]."""
        prompt = self.prompt_share * log_softmax(scores, axis=1)
        total: npt.NDArray[np.float64] = prompt + log_softmax(self.logits(states), axis=1)
        # Sums differ in the last bits with the number of rows; float32 has fewer.
        return (total / self.temperature).astype(np.float32).astype(np.float64)


def scores_with_head(
    scorer: PromptScorer, head: StateHead | None, encoded: Encoded
) -> npt.NDArray[np.float64]:
    """Score classes by the prompt, and by a regression on mean states if there is one.

    Parameters
    ----------
    scorer : PromptScorer
    head : StateHead or None
    encoded : dict
        From the scorer's ``encode``.

    Returns
    -------
    ndarray of shape (n_examples, n_classes)
    """
    scores = scorer.class_scores(encoded)
    return scores if head is None else head.add(scores, scorer.mean_states(encoded))


_MAX_ITERATIONS = 1000
# A class without an example is unlikely, but not impossible: log-losses stay finite.
_LEAST_LOG_PROBABILITY = float(np.log(1e-6))

# Any: dense or scipy-sparse, which share no static type.
Features = Any


@dataclass(frozen=True)
class LinearHead:
    """Coefficients of a linear classifier.

    Parameters
    ----------
    coef : ndarray of shape (n_features, n_classes)
    intercept : ndarray of shape (n_classes,)
        Minus infinity for a class that had no example.
    """

    coef: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]

    def log_probabilities(self, features: Features) -> npt.NDArray[np.float64]:
        """Score classes.

        Parameters
        ----------
        features : array or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_classes)
            Log-probabilities; a class that had no example gets one in a million.
        """
        scores = np.asarray(features @ self.coef) + self.intercept
        log_probabilities: npt.NDArray[np.float64] = log_softmax(scores, axis=1)
        log_probabilities[:, np.isneginf(self.intercept)] = _LEAST_LOG_PROBABILITY
        return log_probabilities


def fit_linear_head(
    features: Features,
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
    *,
    C: float,
) -> LinearHead:
    """Fit scikit-learn's logistic regression.

    Parameters
    ----------
    features : array or sparse matrix of shape (n, n_features)
        With no feature at all, the classes' shares are learned.
    targets : ndarray of shape (n, n_classes)
        One-hot.
    sample_weight : ndarray of shape (n,)
    C : float
        Inverse strength of the penalty.

    Returns
    -------
    LinearHead

    Examples
    --------
    >>> import numpy as np
    >>> head = fit_linear_head(np.empty((4, 0)), np.eye(2)[[0, 0, 0, 1]], np.ones(4), C=1.0)
    >>> np.exp(head.log_probabilities(np.empty((1, 0)))).round(2).tolist()
    [[0.75, 0.25]]
    """
    n_features, n_classes = features.shape[1], targets.shape[1]
    index = targets.argmax(1)
    totals = np.bincount(index, weights=sample_weight, minlength=n_classes)
    present = np.flatnonzero(totals)
    coef = np.zeros((n_features, n_classes))
    intercept = np.full(n_classes, -np.inf)
    if n_features == 0 or len(present) == 1:
        intercept[present] = np.log(totals[present] / totals.sum())
        return LinearHead(coef, intercept)
    regression = LogisticRegression(C=C, max_iter=_MAX_ITERATIONS)
    regression.fit(features, index, sample_weight=sample_weight)
    # Two classes have one row of log-odds, of the second.
    chosen = present[1:] if len(present) == 2 else present
    intercept[present] = 0.0
    coef[:, chosen] = regression.coef_.T
    intercept[chosen] = regression.intercept_
    return LinearHead(coef, intercept)
