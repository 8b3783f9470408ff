"""How frequent the classes are in texts without labels, by what is said of each text."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

SHARPNESS = 2.0  # of the probabilities that shares are estimated from; docs/evidence/defaults.md
_EM_STEPS = 100


def estimate_shares(
    scores: Array,  # [n, n_classes], log-probabilities up to a constant for each text
    weights: Array,  # [n], sum to 1
    shares: Array | None = None,
) -> tuple[Array, Array]:
    """Return the shares of the classes, and each text's probabilities at these shares."""
    # Expectation maximization from equal shares (Saerens et al., 2002, Adjusting the Outputs of a
    # Classifier to New a Priori Probabilities, equation 2.9). Each class counts one text beside
    # those that are there, so none vanishes. Shares that are given are kept.
    n_classes = scores.shape[1]
    n_texts = 1.0 / float((weights**2).sum())
    likelihoods = np.exp(scores - scores.max(1, keepdims=True))
    found = np.full(n_classes, 1.0 / n_classes) if shares is None else shares
    for _ in range(_EM_STEPS if shares is None else 0):
        counts = n_texts * (weights @ _posterior(likelihoods, found)) + 1.0
        found = counts / counts.sum()
    return found, _posterior(likelihoods, np.maximum(found, np.finfo(float).tiny))


def _posterior(likelihoods: Array, shares: Array) -> Array:
    joint = likelihoods * shares
    found: Array = joint / joint.sum(1, keepdims=True)
    return found


def evenness(shares: Array) -> float:
    """Return the entropy of shares as a part of the largest possible one."""
    return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))
