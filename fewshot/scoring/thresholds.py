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

_HALF_WAY = 16.0  # texts of a label for which two rules count alike
_ZERO_SHOT = 0.35  # both: docs/evidence/several_labels.md
_CUTS = np.linspace(0.0, 1.0, 101)  # shares of probabilities, tried for all labels together
_LEAST = 1e-4  # of a threshold, and its distance from 1


def choose_thresholds(
    targets: Array,  # [n, n_labels]
    sample_weight: Array,  # [n]
    held_out: Array | None = None,  # [n, n_labels], probabilities; NaN where there is none
) -> Array:
    """Return a threshold for each label, [n_labels]."""
    # All mixtures are of log-odds. By held-out texts: the cut of the best F1 of a label counts
    # `n / (n + 16)` by its `n` texts, the one cut of the best mean F1 of all labels the rest.
    # Without: 0.5 counts `n / (n + 16)`, the label's share the rest.
    counts = (targets[sample_weight > 0] > 0).sum(0)
    trust = counts / (counts + _HALF_WAY)
    known = None if held_out is None else np.flatnonzero(np.isfinite(held_out).all(1))
    if held_out is None or known is None or not targets[known].any():
        return np.asarray(expit((1.0 - trust) * logit(_shares(targets, sample_weight))))
    found, own, weight = held_out[known], targets[known], sample_weight[known]
    together = _log_odds(_best_for_all(found, own, weight))
    cuts = np.full(len(counts), together)
    for label in np.flatnonzero(own.any(0)):
        best = _best_f1(found[:, label], own[:, label], weight)
        cuts[label] = trust[label] * _log_odds(best) + (1.0 - trust[label]) * together
    return np.asarray(expit(cuts))


def share_thresholds(data: LabeledTexts) -> Array | None:
    """Return thresholds that the user sets, else the shares of the labels."""
    # What was tuned on all texts, without a prior of its own, is as sure of others as the shares.
    if data.thresholds is not None or not data.kind.has_several:
        return data.thresholds
    return _shares(data.targets, data.weights)


def linear_thresholds(
    features: Features, data: LabeledTexts, C: float, names: Array | None = None
) -> Array | None:
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
        head = fit_linear_head(*part, C=C, kind=data.kind, names=names)
        held_out[~rest] = data.kind.probabilities(head.scores(features[~rest]))
    return choose_thresholds(data.targets, data.weights, held_out)


def zero_shot_thresholds(n_classes: int) -> Array:
    """Return the thresholds of scores that no label has taught, [n_classes]."""
    return np.full(n_classes, _ZERO_SHOT)


def _shares(targets: Array, sample_weight: Array) -> Array:
    return np.clip(np.average(targets, axis=0, weights=sample_weight), _LEAST, 0.5)


def _log_odds(threshold: float) -> float:
    return float(logit(np.clip(threshold, _LEAST, 1.0 - _LEAST)))


def _best_for_all(probabilities: Array, targets: Array, weights: Array) -> float:
    """Return the threshold of the best F1, averaged over the labels that occur."""
    occurs = targets.any(0)
    probabilities, targets = probabilities[:, occurs], targets[:, occurs]
    cuts = np.unique(np.quantile(probabilities, _CUTS, method="nearest"))
    of_label = weights @ targets

    def mean_f1(cut: float) -> float:
        found = probabilities >= cut
        hits, taken = weights @ (found * targets), weights @ found
        return float((2.0 * hits / (taken + of_label)).mean())

    return float(cuts[np.argmax([mean_f1(cut) for cut in cuts])])


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
