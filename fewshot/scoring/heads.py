"""Logistic regressions with a column for every class, even one without an example."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

_PRECISE = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-8}
_MAX_ITERATIONS = 1000
# A class without an example is unlikely, but not impossible: log-losses stay finite.
_LEAST_LOG_PROBABILITY = float(np.log(1e-6))

# Any: dense or scipy-sparse, which share no static type.
Features = Any


@dataclass(frozen=True)
class StateHead:
    """Multinomial logistic regression on mean states, and its place among the voices."""

    center: npt.NDArray[np.float64]  # is subtracted from states, [hidden]
    scale: float  # divides them
    coef: npt.NDArray[np.float64]  # [hidden, n_classes]
    temperature: float = 1.0  # divides the sum of `add`
    prompt_share: float = 1.0  # factor of the prompt's log-probabilities in it; 0 leaves them out
    name_share: float = 0.0  # factor of the similarities to the names of the classes
    mask: StateHead | None = None  # on the states at the mask
    mask_share: float = 0.0  # factor of its log-probabilities

    def logits(self, states: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the scores of the regression alone, [n, n_classes]."""
        logits: npt.NDArray[np.float64] = ((states - self.center) / self.scale) @ self.coef
        return logits

    def add(
        self,
        words: npt.NDArray[np.float64],
        states: npt.NDArray[np.float64],
        names: npt.NDArray[np.float64] | None = None,
        mask_states: npt.NDArray[np.float64] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return the weighted sum of all voices, [n, n_classes]."""
        prompt = self.prompt_share * log_softmax(words, axis=1)
        total: npt.NDArray[np.float64] = prompt + log_softmax(self.logits(states), axis=1)
        if names is not None and self.name_share:
            total += self.name_share * names
        if self.mask is not None and mask_states is not None:
            total += self.mask_share * log_softmax(self.mask.logits(mask_states), axis=1)
        # Sums differ in the last bits with the number of rows; float32 has fewer.
        return (total / self.temperature).astype(np.float32).astype(np.float64)


def fit_state_head(
    states: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
    *,
    C: float,
    start: npt.NDArray[np.float64] | None = None,
    options: Mapping[str, float] = _PRECISE,
) -> StateHead:
    """Fit multinomial logistic regression without intercept to soft or hard targets."""
    # Minimises `sum_i w_i CE(targets_i, z_i @ coef) + ||coef - scale start||^2 / (2 C)`, where `z`
    # are the centred states, divided by one number so that their mean squared norm is 1. scikit-
    # learn's has no soft targets. A class without an example keeps the coefficients that it starts
    # with; from 0, its prompt score decides. The options are those of L-BFGS-B.
    shares = sample_weight[:, None] * targets
    is_present = shares.sum(0) > 0
    # The mean of the class means: without an intercept, the larger class must not hold the middle.
    class_means = (shares[:, is_present] / shares[:, is_present].sum(0)).T @ states
    center = class_means.mean(0)
    centred = states - center
    norm = float(np.sqrt(np.average((centred**2).sum(1), weights=sample_weight)))
    scale = norm if norm > 0 else 1.0
    z, present = centred / scale, targets[:, is_present]
    coef = np.zeros((z.shape[1], targets.shape[1])) if start is None else scale * start
    first = coef[:, is_present]

    def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        change = flat.reshape(first.shape)
        logits = z @ (first + change)
        loss = -(sample_weight[:, None] * present * log_softmax(logits, axis=1)).sum()
        error = sample_weight[:, None] * (softmax(logits, axis=1) - present)
        gradient = z.T @ error + change / C
        return loss + (change**2).sum() / (2 * C), gradient.ravel()

    zeros = np.zeros(first.size)
    found = minimize(objective, zeros, jac=True, method="L-BFGS-B", options=dict(options))
    coef[:, is_present] = first + found.x.reshape(first.shape)
    return StateHead(center, scale, coef)


@dataclass(frozen=True)
class LinearHead:
    """Coefficients of a linear classifier."""

    coef: npt.NDArray[np.float64]  # [n_features, n_classes]
    intercept: npt.NDArray[np.float64]  # [n_classes]; minus infinity for a class without examples

    def log_probabilities(self, features: Features) -> npt.NDArray[np.float64]:
        """Return log-probabilities [n, n_classes]; one in a million for an absent class."""
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
    """Fit scikit-learn's logistic regression to one-hot targets; without features, the shares."""
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
