"""Pseudo-labels: merging models' scores, softening them, drawing examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from fewshot.scoring.shares import estimate_shares

Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_BELIEVED = 0.5  # power of the estimated shares of a pool; docs/evidence/defaults.md
_GROWTH = 5  # Schick and Schütze (2021), section 4: d, by which a generation's set grows
_MODELS_SHARE = 0.25  # the share of the other models that label a model's examples


@dataclass(frozen=True)
class Drawn:
    """Pseudo-labeled examples."""

    rows: Rows  # [n], their numbers in the pool, ascending
    labels: Rows  # [n], numbers of their classes


def merge_scores(
    scores: Scores,  # [models, n, classes]
    weights: npt.NDArray[np.float64],  # [models]; all zero counts as all equal
) -> Scores:
    """Average the unnormalized scores of several models, never their probabilities."""
    used = weights if weights.any() else np.ones(len(weights))
    merged: Scores = np.einsum("m,mnc->nc", used / used.sum(), scores)
    return merged


def soft_labels(scores: Scores, temperature: float = 1.0) -> Scores:
    """Return probabilities at a temperature: the higher, the flatter (Hinton et al., 2015)."""
    probabilities: Scores = softmax(scores / temperature, axis=1)
    return probabilities


def at_pool_shares(scores: Scores, class_prior: Any) -> Scores:
    """Return a teacher's scores for a pool at the shares of the classes that they show."""
    # A class that hardly occurs otherwise gets most of the teacher's errors as labels. A pool in
    # which a class is frequent looks just like scores that favour it, so the shares are believed by
    # half: their square root counts. Shares that the user knows count in the decision instead.
    if class_prior is not None or not len(scores):
        return scores
    shares, _ = estimate_shares(scores, np.full(len(scores), 1.0 / len(scores)))
    shifted: Scores = scores + _BELIEVED * np.log(shares)
    return shifted


def n_new_examples(n_labelled: int, generation: int) -> int:
    """Return the number of pseudo-labeled examples of a generation, counted from 1."""
    # With them its training set is five times as large as that of the generation before.
    return n_labelled * int(_GROWTH**generation) - n_labelled


def n_labeling_models(n_others: int) -> int:
    """Return how many of the other models label a model's examples: a quarter, at least one."""
    return max(1, round(_MODELS_SHARE * n_others))


def share_quota(n_new: int, counts: Sequence[int]) -> tuple[int, ...]:
    """Divide new examples among the classes, in the proportions of the labeled ones."""
    total = sum(counts)
    return tuple(count * n_new // total for count in counts)


def draw_pseudo_labels(
    probabilities: Scores,
    quota: Sequence[int],
    rng: np.random.Generator,
    *,
    # Draw from so many examples that are likeliest of each class, whatever they are predicted
    # as: models that were never shown a label may predict few classes only.
    n_likeliest: int | None = None,
) -> Drawn:
    """Draw each class's quota from the examples predicted as that class (iPET, section 3.4)."""
    # The probability of an example is proportional to its confidence. A class with fewer such
    # examples than its quota gets all of them. One that is never predicted gets the single example
    # that is likeliest to belong to it, so that it is not lost: no class can block the drawing.
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    is_free = np.ones(len(probabilities), dtype=bool)
    labels = np.full(len(probabilities), -1, dtype=np.int64)
    # Rare classes first: where lists of the likeliest overlap, they have least to choose from.
    for label in np.argsort(np.bincount(predicted, minlength=len(quota)), kind="stable"):
        if quota[label] == 0:
            continue
        by_likelihood = np.argsort(-probabilities[:, label], kind="stable")
        by_likelihood = by_likelihood[is_free[by_likelihood]]
        if n_likeliest is not None:
            candidates, odds = by_likelihood[:n_likeliest], probabilities[:, label]
        else:
            candidates = np.flatnonzero(is_free & (predicted == label))
            odds = confidence
            if not len(candidates):
                candidates = by_likelihood[:1]
        if not len(candidates):
            continue
        drawn = _draw(candidates, odds[candidates], quota[label], rng)
        labels[drawn] = label
        is_free[drawn] = False
    rows = np.flatnonzero(labels >= 0)
    return Drawn(rows, labels[rows])


def _draw(
    candidates: Rows, odds: npt.NDArray[np.float64], wanted: int, rng: np.random.Generator
) -> Rows:
    if wanted >= len(candidates):
        return candidates
    usable = np.maximum(odds, np.finfo(np.float64).tiny)  # choice wants enough of them above 0
    chosen: Rows = rng.choice(candidates, wanted, replace=False, p=usable / usable.sum())
    return chosen
