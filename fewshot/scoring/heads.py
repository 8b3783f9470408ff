"""Logistic regressions with a column for every class, even one without an example."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from fewshot.data.task_kind import ONE_LABEL, TaskKind

_PRECISE = {"maxiter": 1000, "ftol": 1e-12, "gtol": 1e-8}
_MAX_ITERATIONS = 1000
# A class without an example is unlikely, but not impossible: log-losses stay finite.
_LEAST = 1e-6
LEAST_LOG_PROBABILITY = float(np.log(_LEAST))

# Any: dense or scipy-sparse, which share no static type.
Features = Any


def rounded(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return scores that are those of a text alone, whatever the number of rows."""
    # Sums in float64 differ in the last bits with the number of rows; float32 has fewer.
    return scores.astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class StateHead:
    """Logistic regression on mean states, and its place among the voices."""

    # Multinomial, or of several labels one for each. These have intercepts, and so have those that
    # learned a teacher's labels for many texts.

    center: npt.NDArray[np.float64]  # is subtracted from states, [hidden]
    scale: float  # divides them
    coef: npt.NDArray[np.float64]  # [hidden, n_classes]
    temperature: float = 1.0  # divides the sum of `add`
    prompt_share: float = 1.0  # factor of the prompt's log-probabilities in it; 0 leaves them out
    name_share: float = 0.0  # factor of the similarities to the names of the classes
    mask: StateHead | None = None  # on the states at the mask
    mask_share: float = 0.0  # factor of its log-probabilities
    intercept: npt.NDArray[np.float64] | None = None  # [n_classes]
    kind: TaskKind = ONE_LABEL

    def logits(self, states: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the scores of the regression alone, [n, n_classes]."""
        logits: npt.NDArray[np.float64] = ((states - self.center) / self.scale) @ self.coef
        return logits if self.intercept is None else logits + self.intercept

    def add(
        self,
        words: npt.NDArray[np.float64],
        states: npt.NDArray[np.float64],
        names: npt.NDArray[np.float64] | None = None,
        mask_states: npt.NDArray[np.float64] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Return the weighted sum of all voices, [n, n_classes]."""
        prompt = self.prompt_share * self.kind.normalized(words)
        total: npt.NDArray[np.float64] = prompt + self.kind.normalized(self.logits(states))
        if names is not None and self.name_share:
            total += self.name_share * names
        if self.mask is not None and mask_states is not None:
            total += self.mask_share * self.kind.normalized(self.mask.logits(mask_states))
        return rounded(total / self.temperature)


def fit_state_head(
    states: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
    *,
    C: float,
    start: npt.NDArray[np.float64] | None = None,
    options: Mapping[str, float] = _PRECISE,
    kind: TaskKind = ONE_LABEL,
) -> StateHead:
    """Fit logistic regression, of one class without intercept, to soft or hard targets."""
    # Minimises `sum_i w_i CE(targets_i, z_i @ coef) + ||coef - scale start||^2 / (2 C)`, where `z`
    # are the centred states, divided by one number so that their mean squared norm is 1. scikit-
    # learn's has no soft targets. A class without an example keeps the coefficients that it starts
    # with; from 0, its prompt score decides. The options are those of L-BFGS-B. Of several labels
    # each has a regression with an intercept, and CE is the sum of their cross-entropies.
    shares = sample_weight[:, None] * targets
    is_present = shares.sum(0) > 0
    if kind.has_several:
        is_present &= shares.sum(0) < sample_weight.sum()
        center = np.average(states, axis=0, weights=sample_weight)
    else:
        # The mean of the class means: without an intercept, the larger class must not hold the
        # middle.
        class_means = (shares[:, is_present] / shares[:, is_present].sum(0)).T @ states
        center = class_means.mean(0)
    centred = states - center
    norm = float(np.sqrt(np.average((centred**2).sum(1), weights=sample_weight)))
    scale = norm if norm > 0 else 1.0
    coef = np.zeros((states.shape[1], targets.shape[1])) if start is None else scale * start
    intercept = base_log_odds(targets, sample_weight) if kind.has_several else None
    objective = _Objective(
        centred / scale,
        targets[:, is_present],
        sample_weight,
        C,
        coef[:, is_present],
        None if intercept is None else intercept[is_present],
        kind,
    )
    found = objective.minimum(options)
    coef[:, is_present] = found[0]
    if intercept is not None:
        intercept[is_present] = found[1]
    return StateHead(center, scale, coef, intercept=intercept, kind=kind)


def base_log_odds(
    targets: npt.NDArray[np.float64], sample_weight: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the log-odds of the labels' shares, [n_labels]; one more text has their mean share."""
    shares = np.average(targets, axis=0, weights=sample_weight)
    total = sample_weight.sum()
    smoothed = (total * shares + shares.mean()) / (total + 1.0)
    found: npt.NDArray[np.float64] = logit(np.clip(smoothed, _LEAST, 1.0 - _LEAST))
    return found


@dataclass(frozen=True)
class _Objective:
    """The penalized cross-entropy of a regression, as a function of the change of its weights."""

    z: npt.NDArray[np.float64]  # [n, hidden]
    targets: npt.NDArray[np.float64]  # [n, n_classes]
    sample_weight: npt.NDArray[np.float64]  # [n]
    C: float
    coef: npt.NDArray[np.float64]  # [hidden, n_classes], before
    intercept: npt.NDArray[np.float64] | None  # [n_classes], before
    kind: TaskKind

    def minimum(
        self, options: Mapping[str, float]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | float]:
        """Return the coefficients and intercepts of the least loss."""
        n_rows = len(self.coef) + (self.intercept is not None)
        zeros = np.zeros(n_rows * self.coef.shape[1])
        if not len(zeros):  # each label is one that no text has, or all texts have
            return self.coef, 0.0
        found = minimize(self, zeros, jac=True, method="L-BFGS-B", options=dict(options)).x
        return self._moved(found.reshape(n_rows, -1))

    def _moved(
        self, change: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | float]:
        own = self.coef + change[: len(self.coef)]
        return own, 0.0 if self.intercept is None else self.intercept + change[-1]

    def __call__(self, flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        change = flat.reshape(-1, self.coef.shape[1])
        coef, intercept = self._moved(change)
        logits = self.z @ coef + intercept
        of_coef = change[: len(coef)]
        losses = self.sample_weight * self.kind.cross_entropies(logits, self.targets)
        error = self.sample_weight[:, None] * (self.kind.probabilities(logits) - self.targets)
        gradient = self.z.T @ error + of_coef / self.C
        if self.intercept is not None:
            gradient = np.vstack([gradient, error.sum(0)])
        return float(losses.sum() + (of_coef**2).sum() / (2 * self.C)), gradient.ravel()


@dataclass(frozen=True)
class LinearHead:
    """Coefficients of a linear classifier."""

    coef: npt.NDArray[np.float64]  # [n_features, n_classes]
    intercept: npt.NDArray[np.float64]  # [n_classes]; minus infinity for a class without examples
    kind: TaskKind = ONE_LABEL

    def scores(self, features: Features) -> npt.NDArray[np.float64]:
        """Return scores [n, n_classes]; an absent class has a probability of one in a million."""
        scores = np.asarray(features @ self.coef) + self.intercept
        scores = rounded(self.kind.normalized(scores))
        scores[:, np.isneginf(self.intercept)] = LEAST_LOG_PROBABILITY
        return scores


def fit_linear_head(
    features: Features,
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
    *,
    C: float,
    kind: TaskKind = ONE_LABEL,
    names: npt.NDArray[np.float64] | None = None,
) -> LinearHead:
    """Fit scikit-learn's logistic regression, or one per label; without features, the shares."""
    if names is not None:  # [n_classes, n_features], one more example of each class
        features = np.vstack([features, names])
        targets = np.vstack([targets, np.eye(len(names))])
        sample_weight = np.append(sample_weight, np.ones(len(names)))
    if kind.has_several:
        return _one_versus_rest(features, targets, sample_weight, C, kind)
    n_features, n_classes = features.shape[1], targets.shape[1]
    index = targets.argmax(1)
    totals = np.bincount(index, weights=sample_weight, minlength=n_classes)
    present = np.flatnonzero(totals)
    coef = np.zeros((n_features, n_classes))
    intercept = np.full(n_classes, -np.inf)
    if n_features == 0 or len(present) == 1:
        intercept[present] = np.log(totals[present] / totals.sum())
        return LinearHead(coef, intercept)
    regression = _regression(features, index, sample_weight, C)
    # Two classes have one row of log-odds, of the second.
    chosen = present[1:] if len(present) == 2 else present
    intercept[present] = 0.0
    coef[:, chosen] = regression.coef_.T
    intercept[chosen] = regression.intercept_
    return LinearHead(coef, intercept)


def _regression(
    features: Features, labels: npt.NDArray[Any], sample_weight: npt.NDArray[np.float64], C: float
) -> LogisticRegression:
    with warnings.catch_warnings():  # which is usual with one label per class
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        regression = LogisticRegression(C=C, max_iter=_MAX_ITERATIONS)
        return regression.fit(features, labels, sample_weight=sample_weight)


def _one_versus_rest(
    features: Features,
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
    C: float,
    kind: TaskKind,
) -> LinearHead:
    """Fit a regression for each label; one that no text has, or all, keeps its share."""
    shares = np.average(targets, axis=0, weights=sample_weight)
    intercept = logit(np.clip(shares, _LEAST, 1.0 - _LEAST))
    coef = np.zeros((features.shape[1], targets.shape[1]))
    for label in np.flatnonzero((shares > 0) & (shares < 1)) if features.shape[1] else ():
        regression = _regression(features, targets[:, label] > 0, sample_weight, C)
        coef[:, label], intercept[label] = regression.coef_[0], regression.intercept_[0]
    return LinearHead(coef, intercept, kind)
