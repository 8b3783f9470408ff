"""The mixture of voices: words, names and regressions on states, with weights that labels teach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from fewshot.scoring.heads import StateHead, fit_state_head
from fewshot.scoring.log_pool import pool_factors

Array = npt.NDArray[np.float64]

# Weights of the regressions without evidence, and the penalty on moving any of the four by its own
# size; docs/evidence/defaults.md.
_MEAN_WEIGHT, _MASK_WEIGHT, _PENALTY = 2.0, 1.0, 1.0
_MOST_FOLDS = 5
_LEAST_MEAN_WEIGHT = 0.05  # the others are given relative to it
_ROUGH = {"maxiter": 200, "ftol": 1e-7}


@dataclass(frozen=True)
class Voices:
    """What speaks for the classes of labelled texts."""

    words: Array  # [n, n_classes], log-probabilities
    names: Array | None  # [n, n_classes], calibrated similarities
    states: Array  # [n, hidden], means
    mask_states: Array  # [n, hidden]
    word_weight: float = 1.0
    name_weight: float = 0.0


def fit_mixture(
    voices: Voices,
    targets: Array,
    sample_weight: Array,
    *,
    C: float,
    learns_weights: bool,
    temperature: float = 1.0,
) -> StateHead:
    """Fit both regressions, and how much each voice counts where labels can tell."""
    mean, mask = (
        fit_state_head(states, targets, sample_weight, C=C)
        for states in (voices.states, voices.mask_states)
    )
    weights = np.array([voices.word_weight, voices.name_weight, _MEAN_WEIGHT, _MASK_WEIGHT])
    if learns_weights:
        weights = _learned(voices, targets, sample_weight, C, weights)
    word, name, of_mean, of_mask = (weights / temperature).tolist()
    return replace(
        mean,
        temperature=1.0 / of_mean,
        prompt_share=word / of_mean,
        name_share=name / of_mean,
        mask=mask,
        mask_share=of_mask / of_mean,
    )


def _learned(voices: Voices, targets: Array, sample_weight: Array, C: float, start: Array) -> Array:
    """Return the weights of the least cross-validated log loss, kept near those they start at."""
    classes = targets.argmax(1)
    folds = held_out_folds(voices.states, classes, sample_weight)
    if folds.max() < 1:
        return start
    parts = [log_softmax(voices.words, axis=1)]
    parts += [np.zeros_like(parts[0]) if voices.names is None else voices.names]
    parts += [
        _held_out_scores(states, targets, sample_weight, folds, C)
        for states in (voices.states, voices.mask_states)
    ]
    is_known = folds >= 0
    scaled = np.stack(parts)[:, is_known] * start[:, None, None]
    share = sample_weight[is_known] / np.log(targets.shape[1])
    least = [0.0, 0.0, _LEAST_MEAN_WEIGHT, 0.0]
    return start * pool_factors(scaled, classes[is_known], share, least, _PENALTY)


def held_out_folds(
    features: npt.NDArray[Any],  # [n, n_features]; equal rows are the same text
    classes: npt.NDArray[np.int64],
    sample_weight: Array,
    most_folds: int = _MOST_FOLDS,
) -> npt.NDArray[np.int64]:
    """Return the fold in which each text is held out, or -1 for one that never is."""
    # Equal texts of a class go together, and the order of rows does not matter. The only text of a
    # class is never held out, nor is one without weight.
    folds = np.full(len(features), -1)
    used = np.flatnonzero(sample_weight > 0)
    distinct = np.unique(features[used], axis=0, return_inverse=True)[1].reshape(-1)
    groups = [np.unique(distinct[classes[used] == c]) for c in np.unique(classes[used])]
    n_folds = min(most_folds, max(len(group) for group in groups))
    for c, group in zip(np.unique(classes[used]), groups, strict=True):
        if len(group) > 1:
            rows = used[classes[used] == c]
            places = np.searchsorted(group, distinct[classes[used] == c])
            folds[rows] = places % n_folds
    return folds


def _held_out_scores(
    states: Array,
    targets: Array,
    sample_weight: Array,
    folds: npt.NDArray[np.int64],
    C: float,
) -> Array:
    """Score each held-out text by a regression on the others, as log-probabilities."""
    scores = np.zeros_like(targets)
    total = sample_weight.sum()
    for fold in range(folds.max() + 1):
        rows, rest = folds == fold, (folds != fold) & (sample_weight > 0)
        if rows.any():
            part = sample_weight[rest]
            share = max(part.sum() / total, np.finfo(float).eps)
            head = fit_state_head(states[rest], targets[rest], part, C=C * share, options=_ROUGH)
            scores[rows] = log_softmax(head.logits(states[rows]), axis=1)
    return scores
