"""Learned weights of label words on a frozen model: few-shot knowledgeable prompt tuning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import word_log_probs
from fewshot.scoring.learned_verbalizer import VerbalizerTask

_MAX_ITERATIONS = 200
_PENALTY = 1.0


def learn_weights(verbalizer: Verbalizer, task: VerbalizerTask) -> Verbalizer:
    """Return the verbalizer with weights that fit the labelled texts of a task."""
    scorer = task.scorer(verbalizer)
    scores = scorer.word_scores(task.encoded(scorer))
    log_probs = word_log_probs(scores, scorer.prior).numpy()
    labelled = np.flatnonzero(task.sample_weight > 0)
    own = scorer.label_words.class_index.numpy()
    weights = fit_weights(
        log_probs[labelled],
        own,
        task.targets[labelled],
        task.sample_weight[labelled],
        scorer.label_words.weights.double().numpy(),
    )
    starts = np.searchsorted(own, np.arange(len(task.classes)))
    rows = dict(zip(task.classes, np.split(weights, starts[1:]), strict=True))
    return verbalizer.with_weights({c: (row * len(row)).tolist() for c, row in rows.items()})


def fit_weights(
    log_probs: npt.NDArray[np.float64],  # [n, n_words], calibrated
    own: npt.NDArray[np.int64],  # the class of each word, sorted
    targets: npt.NDArray[np.float64],  # [n, n_classes]
    sample_weight: npt.NDArray[np.float64],
    start: npt.NDArray[np.float64],  # [n_words]: the weights that the fit is drawn to
) -> npt.NDArray[np.float64]:
    """Fit the shares of words in their classes' scores (Hu et al., 2022, equation 5)."""
    # Minimizes sum_i w_i CE(targets_i, s_i) + ||omega - log(start)||^2 / 2, where
    # s_c = sum_t softmax(omega)_t log_probs_t over the words t of class c.
    n_classes = targets.shape[1]
    is_own = np.eye(n_classes)[own]  # [words, classes]
    anchor = np.log(np.maximum(start, np.finfo(np.float64).tiny))

    def shares(omega: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        parts = np.split(omega, np.searchsorted(own, np.arange(1, n_classes)))
        joined: npt.NDArray[np.float64] = np.concatenate([softmax(part) for part in parts])
        return joined

    def objective(omega: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        alpha = shares(omega)
        scores = (log_probs * alpha) @ is_own
        loss = -(sample_weight[:, None] * targets * log_softmax(scores, axis=1)).sum()
        error = sample_weight[:, None] * (softmax(scores, axis=1) - targets)
        gradient = alpha * (error[:, own] * (log_probs - scores[:, own])).sum(0)
        drift = omega - anchor
        return loss + _PENALTY * (drift**2).sum() / 2, gradient + _PENALTY * drift

    options = {"maxiter": _MAX_ITERATIONS}
    found = minimize(objective, anchor, jac=True, method="L-BFGS-B", options=options)
    return shares(found.x)
