"""The logarithmic opinion pool: a weighted sum of log-probabilities (Genest and Zidek, 1986)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

Array = npt.NDArray[np.float64]


def pool_factors(
    voices: Array,  # [n_voices, n, n_classes], each at the weight that it has without evidence
    classes: npt.NDArray[np.int64],  # [n], the true ones
    share: Array,  # [n], of the texts in the loss
    least: Sequence[float],  # of each factor
    penalty: float,
) -> Array:
    """Return the factors of least log loss, kept near 1 by a penalty, [n_voices]."""
    rows = np.arange(len(classes))

    def loss(factors: Array) -> tuple[float, Array]:
        log_probs = log_softmax(np.tensordot(factors, voices, 1), axis=1)
        expected = (np.exp(log_probs) * voices).sum(2)
        gradient = ((expected - voices[:, rows, classes]) * share).sum(1)
        change = factors - 1.0
        value = -float(share @ log_probs[rows, classes]) + penalty * float(change @ change)
        return value, gradient + 2 * penalty * change

    bounds = [(number, None) for number in least]
    found = minimize(loss, np.ones(len(voices)), jac=True, method="L-BFGS-B", bounds=bounds)
    factors: Array = found.x
    return factors


def pool_label_factors(
    voices: Array,  # [n_voices, n, n_labels], log-odds without the shares of the labels
    targets: Array,  # [n, n_labels], 1 for the labels of a text
    share: Array,  # [n], of the texts in the loss
    base: Array,  # [n_labels], log-odds of the shares, which are added once
    least: Sequence[float],  # of each factor
    penalty: float,
) -> tuple[Array, float]:
    """Return the factors of several labels, and a constant that is added to all log-odds."""

    def loss(flat: Array) -> tuple[float, Array]:
        factors, constant = flat[:-1], flat[-1]
        log_odds = np.tensordot(factors, voices, 1) + base + constant
        losses = np.logaddexp(0.0, log_odds) - targets * log_odds
        error = share[:, None] * (expit(log_odds) - targets)
        change = factors - 1.0
        gradient = (voices * error).sum((1, 2)) + 2 * penalty * change
        value = float(share @ losses.sum(1)) + penalty * float(change @ change)
        return value, np.append(gradient, error.sum())

    start = np.append(np.ones(len(voices)), 0.0)
    bounds = [*((number, None) for number in least), (None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1], float(found[-1])
