"""Regressions that learn what another classifier says of texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

from fewshot.scoring.heads import LinearHead, StateHead, fit_state_head

LEAST_TAUGHT = 100  # texts, for a regression alone; docs/evidence/self_training.md
_FACTORS = (0.02, 50.0)


def fit_taught_head(
    features: npt.NDArray[np.float64],  # [n, n_features]
    sample_weight: npt.NDArray[np.float64],  # [n]
    targets: npt.NDArray[np.float64],  # [n, n_classes], probabilities
    C: float,  # inverse strength of the penalty, times the weight of all texts
) -> LinearHead:
    """Fit a regression to what a teacher says of texts."""
    own = C / float(sample_weight.sum())
    head = fit_state_head(features, targets, sample_weight, C=own)
    head = calibrated(head, features, np.zeros_like(targets), targets, sample_weight)
    coef = head.coef / (head.scale * head.temperature)
    return LinearHead(coef, head.logits(np.zeros_like(features[:1]))[0] / head.temperature)


def calibrated(
    head: StateHead,
    states: npt.NDArray[np.float64],
    words: npt.NDArray[np.float64],
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
) -> StateHead:
    """Return a regression beside the words that says each class as surely and often as targets."""
    # Its penalty makes a regression follow the teacher only roughly, and makes it flat; without an
    # intercept it holds all classes to be equally frequent, which those of a pool need not be. The
    # factors and the intercept of least cross-entropy undo that (bias-corrected temperature
    # scaling: Alexandari et al., 2020, Maximum Likelihood with Bias-Corrected Calibration is
    # Hard-To-Beat at Label Shift Adaptation, section 4), and say how much the words still add.
    voices = np.stack([head.logits(states), words])
    weights = sample_weight[:, None]

    def loss(values: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        found = log_softmax(np.tensordot(values[:2], voices, 1) + values[2:], axis=1)
        error = weights * (np.exp(found) - targets)
        gradient = np.array([*(error * voices).sum((1, 2)), *error.sum(0)])
        return -float((weights * targets * found).sum()), gradient

    start = np.array([1.0, 0.0, *np.zeros(targets.shape[1])])
    bounds = [_FACTORS, (0.0, _FACTORS[1]), *[(None, None)] * targets.shape[1]]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    own = 1.0 / found[0]
    return replace(
        head, intercept=own * found[2:], prompt_share=float(own * found[1]), temperature=float(own)
    )
