"""Thresholds of several labels: the probability from which a text is taken to have a label."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from fewshot.data.classes import LabeledTexts
from fewshot.scoring.folds import held_out_folds
from fewshot.scoring.heads import Features, fit_linear_head

Array: TypeAlias = npt.NDArray[np.float64]

_HALF_WAY = (
    16.0  # texts of a label for which two rules count alike; docs/evidence/several_labels.md
)
_ZERO_SHOT = 0.35
_LEAST = 1e-4  # of a threshold, and its distance from 1


def choose_thresholds(
    targets: Array,  # [n, n_labels]
    sample_weight: Array,  # [n]
    held_out: Array | None = None,  # [n, n_labels], probabilities; NaN where there is none
) -> Array:
    """Return a threshold for each label, [n_labels]."""
    # With the share `lambda = n / (n + 16)` for `n` texts of a label: in log-odds, 0.5 is shrunk
    # towards the label's share by `1 - lambda`, and the best F1 of held-out texts counts `lambda`
    # against that. With few labels the share decides, with many the held-out texts.
    counts = (targets[sample_weight > 0] > 0).sum(0)
    trust = counts / (counts + _HALF_WAY)
    shares = np.average(targets, axis=0, weights=sample_weight)
    found = (1.0 - trust) * logit(np.clip(shares, _LEAST, 0.5))
    for label in range(targets.shape[1]):
        if held_out is None or not counts[label]:
            continue
        known = np.isfinite(held_out[:, label]) & (sample_weight > 0)
        if not targets[known, label].any():
            continue
        best = _best_f1(held_out[known, label], targets[known, label], sample_weight[known])
        own = logit(np.clip(best, _LEAST, 1.0 - _LEAST))
        found[label] = trust[label] * own + (1.0 - trust[label]) * found[label]
    return np.asarray(expit(found))


def resolve_thresholds(data: LabeledTexts, held_out: Array | None = None) -> Array | None:
    """Return the thresholds of a fit: those that the user sets, else those chosen; or None."""
    if data.thresholds is not None or not data.kind.has_several:
        return data.thresholds
    return choose_thresholds(data.targets, data.weights, held_out)


def linear_thresholds(features: Features, data: LabeledTexts, C: float) -> Array | None:
    """Return thresholds for regressions on features, by texts that are held out in turn."""
    if data.thresholds is not None or not data.kind.has_several:
        return data.thresholds
    texts = np.array(data.examples.joined(), dtype=object)
    rows = np.unique(texts, return_inverse=True)[1][:, None]
    folds = held_out_folds(rows, data.targets, data.weights, data.kind)
    held_out = np.full(data.targets.shape, np.nan)
    for fold in range(folds.max() + 1):
        rest = folds != fold
        part = features[rest], data.targets[rest], data.weights[rest]
        head = fit_linear_head(*part, C=C, kind=data.kind)
        held_out[~rest] = data.kind.probabilities(head.scores(features[~rest]))
    return resolve_thresholds(data, held_out)


def zero_shot_thresholds(n_classes: int) -> Array:
    """Return the thresholds of scores that no label has taught, [n_classes]."""
    return np.full(n_classes, _ZERO_SHOT)


def _best_f1(probabilities: Array, targets: Array, weights: Array) -> float:
    """Return the threshold of the best F1: the middle between two probabilities."""
    order = np.argsort(-probabilities, kind="stable")
    found, weight = probabilities[order], weights[order]
    hits = np.cumsum(weight * targets[order])
    f1 = 2.0 * hits / (np.cumsum(weight) + (weights * targets).sum())
    is_last = np.append(found[1:] < found[:-1], True)  # of equal probabilities
    best = int(np.argmax(np.where(is_last, f1, -1.0)))
    below = found[best + 1] if best + 1 < len(found) else 0.0
    return float((found[best] + below) / 2.0)
