"""The logarithmic opinion pool: a weighted sum of log-probabilities (Genest and Zidek, 1986)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

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
