"""Classes as Gaussians of one covariance, learned from texts with and without labels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from fewshot.scoring.heads import LinearHead
from fewshot.scoring.shares import SHARPNESS, estimate_shares, evenness

Array: TypeAlias = npt.NDArray[np.float64]

_ROUNDS = 3
_SHRINKAGE = 0.8  # of the covariance towards equal variances; docs/evidence/classifier.md
_LEAST_TEXTS, _LEAST_OF_CLASS = 200, 5  # without labels, and for each class on average
_LEAST_EVENNESS = 0.9  # of the shares of the classes
_LOG_FACTORS = (-12.0, 4.0)  # scores grow with the number of features
_LEAST = np.finfo(np.float64).tiny


def fit_gaussian_classes(
    features: Array,  # [n, n_features]
    soft_labels: Array,  # [n, n_classes]; where classes are equally frequent
    sample_weight: Array,  # [n]
    n_labeled: int,  # texts whose labels are known, the first ones
) -> LinearHead | None:
    """Learn classes from soft labels; None if texts are too few, or classes look uneven."""
    # Expectation maximization (Nigam et al., 2000, Text Classification from Labeled and Unlabeled
    # Documents using EM, table 1), with Gaussians in place of multinomials: the classes of linear
    # discriminant analysis. The errors of a frequent class would be most of the texts of others.
    told = np.log(np.maximum(soft_labels[n_labeled:], _LEAST))
    n_needed = max(_LEAST_TEXTS, _LEAST_OF_CLASS * soft_labels.shape[1])
    if len(told) < n_needed or soft_labels.sum(0).min() < 1.0:  # a class of no text has no mean
        return None
    shares, _ = estimate_shares(SHARPNESS * told, np.full(len(told), 1.0 / len(told)))
    if evenness(shares) < _LEAST_EVENNESS:
        return None
    found = soft_labels.copy()
    for _ in range(_ROUNDS):
        head = _discriminant(features, found, sample_weight * _inverse_shares(found, n_labeled))
        found[n_labeled:] = softmax(head.scores(features[n_labeled:]), axis=1)
    factor = _sureness(head.scores(features), soft_labels, sample_weight)
    return LinearHead(factor * head.coef, factor * head.intercept)


def _inverse_shares(found: Array, n_labeled: int) -> Array:
    """Return weights at which all classes are equally frequent in the texts without labels."""
    counts = found[n_labeled:].sum(0) + 1.0
    weights: Array = (found * (counts.sum() / (counts * len(counts)))).sum(1)
    weights[:n_labeled] = 1.0
    return weights


def _discriminant(features: Array, targets: Array, weights: Array) -> LinearHead:
    """Return linear discriminant analysis of equal shares, its covariance shrunk."""
    weighted = targets * weights[:, None]
    counts = np.maximum(weighted.sum(0), _LEAST)
    means = (weighted.T @ features) / counts[:, None]
    scatter = (features * weights[:, None]).T @ features - (means.T * counts) @ means
    covariance = scatter / weights.sum()
    n_features = features.shape[1]
    variance = max(float(np.trace(covariance)) / n_features, _LEAST)
    covariance = (1.0 - _SHRINKAGE) * covariance + _SHRINKAGE * variance * np.eye(n_features)
    coef = np.linalg.solve(covariance, means.T)
    return LinearHead(coef, -0.5 * (means.T * coef).sum(0))


def _sureness(scores: Array, targets: Array, weights: Array) -> float:
    """Return the factor at which scores say classes as surely as targets, of least log loss."""

    def loss(log_factor: float) -> float:
        found = log_softmax(np.exp(log_factor) * scores, axis=1)
        return -float(weights @ (targets * found).sum(1))

    return float(np.exp(minimize_scalar(loss, bounds=_LOG_FACTORS, method="bounded").x))
