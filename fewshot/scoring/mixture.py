"""The mixture of voices: words, names and regressions on states, with weights that labels teach."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.scoring.folds import held_out_folds
from fewshot.scoring.heads import StateHead, base_log_odds, fit_state_head
from fewshot.scoring.log_pool import pool_factors, pool_label_factors

Array = npt.NDArray[np.float64]

# Weights of the regressions without evidence, and the penalty on moving any of the four by its own
# size; docs/evidence/defaults.md.
_MEAN_WEIGHT, _MASK_WEIGHT, _PENALTY = 2.0, 1.0, 1.0
_OF_SEVERAL = 0.5  # all four, where texts have several labels; docs/evidence/several_labels.md
_LEAST_MEAN_WEIGHT = 0.05  # the others are given relative to it
_ROUGH = {"maxiter": 200, "ftol": 1e-7}


@dataclass(frozen=True)
class Voices:
    """What speaks for the classes of labelled texts."""

    words: Array  # [n, n_classes], log-probabilities, or log-odds of several labels
    names: Array | None  # [n, n_classes], calibrated similarities
    states: Array  # [n, hidden], means
    mask_states: Array  # [n, hidden]
    word_weight: float = 1.0
    name_weight: float = 0.0


@dataclass(frozen=True)
class Mixture:
    """What was learned from voices, and what it says of texts that were held out in turn."""

    head: StateHead
    held_out: Array | None = None  # [n, n_classes], scores, NaN where there is none; if learned


def fit_mixture(
    voices: Voices,
    targets: Array,
    sample_weight: Array,
    *,
    C: float,
    learns_weights: bool,
    temperature: float = 1.0,
    kind: TaskKind = ONE_LABEL,
) -> Mixture:
    """Fit both regressions, and how much each voice counts where labels can tell."""
    mean, mask = (
        fit_state_head(states, targets, sample_weight, C=C, kind=kind)
        for states in (voices.states, voices.mask_states)
    )
    weights = np.array([voices.word_weight, voices.name_weight, _MEAN_WEIGHT, _MASK_WEIGHT])
    if kind.has_several:
        weights *= _OF_SEVERAL
    base, bias, held_out = base_log_odds(targets, sample_weight), 0.0, None
    if learns_weights:
        weights, bias, held_out = _learned(voices, targets, sample_weight, C, weights, kind)
    word, name, of_mean, of_mask = (weights / temperature).tolist()
    if mean.intercept is not None and mask.intercept is not None:
        # Each voice counts from the shares of the labels, which are added once.
        start = (base + bias) / of_mean
        mean = replace(mean, intercept=mean.intercept - base + start)
        mask = replace(mask, intercept=mask.intercept - base)
    head = replace(
        mean,
        temperature=1.0 / of_mean,
        prompt_share=word / of_mean,
        name_share=name / of_mean,
        mask=mask,
        mask_share=of_mask / of_mean,
    )
    return Mixture(head, held_out)


def _learned(
    voices: Voices, targets: Array, sample_weight: Array, C: float, start: Array, kind: TaskKind
) -> tuple[Array, float, Array | None]:
    """Return the weights of the least cross-validated log loss, kept near those they start at."""
    # Of several labels also a constant, which all their scores share; and the scores of held-out
    # texts.
    folds = held_out_folds(voices.states, targets, sample_weight, kind)
    if folds.max() < 1:
        return start, 0.0, None
    parts = [kind.normalized(voices.words)]
    parts += [np.zeros_like(parts[0]) if voices.names is None else voices.names]
    parts += [
        _held_out_scores(states, targets, sample_weight, folds, C, kind)
        for states in (voices.states, voices.mask_states)
    ]
    is_known = folds >= 0
    scaled = np.stack(parts)[:, is_known] * start[:, None, None]
    least = [0.0, 0.0, _LEAST_MEAN_WEIGHT, 0.0]
    weight = sample_weight[is_known] / _surprise(targets, kind)
    if not kind.has_several:
        classes = targets[is_known].argmax(1)
        return start * pool_factors(scaled, classes, weight, least, _PENALTY), 0.0, None
    base = base_log_odds(targets, sample_weight)
    factors, bias = pool_label_factors(scaled, targets[is_known], weight, base, least, _PENALTY)
    held_out = np.full(targets.shape, np.nan)
    held_out[is_known] = np.tensordot(factors, scaled, 1) + base + bias
    return factors * start, bias, held_out


def _surprise(targets: Array, kind: TaskKind) -> float:
    """Return the log loss of a text by chance, in which the losses of texts are measured."""
    return float(targets.shape[1] * np.log(2.0) if kind.has_several else np.log(targets.shape[1]))


def _held_out_scores(
    states: Array,
    targets: Array,
    sample_weight: Array,
    folds: npt.NDArray[np.int64],
    C: float,
    kind: TaskKind,
) -> Array:
    """Score each held-out text by a regression on the others, without the shares of labels."""
    scores = np.zeros_like(targets)
    total = sample_weight.sum()
    for fold in range(folds.max() + 1):
        rows, rest = folds == fold, (folds != fold) & (sample_weight > 0)
        if rows.any():
            part = sample_weight[rest]
            share = max(part.sum() / total, np.finfo(float).eps)
            head = fit_state_head(
                states[rest], targets[rest], part, C=C * share, options=_ROUGH, kind=kind
            )
            scores[rows] = kind.normalized(head.logits(states[rows]))
            if kind.has_several:
                scores[rows] -= base_log_odds(targets[rest], part)
    return scores
