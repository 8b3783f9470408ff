"""Learning from a model's own labels: merging scores, softening them, and choosing examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

Scores = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_GROWTH = 5  # Schick and Schütze (2021), section 4: d, by which a generation's set grows
_MODELS_SHARE = 0.25  # the share of the other models that label a model's examples


@dataclass(frozen=True)
class Drawn:
    """Pseudo-labelled examples.

    Parameters
    ----------
    rows : ndarray of shape (n,)
        Their numbers in the pool, ascending.
    labels : ndarray of shape (n,)
        Their classes.
    """

    rows: Rows
    labels: Rows


def merge_scores(scores: Scores, weights: npt.NDArray[np.float64]) -> Scores:
    """Average the unnormalised scores of several models; never their probabilities.

    Parameters
    ----------
    scores : ndarray of shape (n_models, n, n_classes)
    weights : ndarray of shape (n_models,)
        All zero counts as all equal.

    Returns
    -------
    ndarray of shape (n, n_classes)

    Examples
    --------
    >>> scores = np.array([[[2.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]])
    >>> merge_scores(scores, np.array([0.5, 0.25, 0.25])).tolist()
    [[1.25, 0.5]]
    """
    used = weights if weights.any() else np.ones(len(weights))
    merged: Scores = np.einsum("m,mnc->nc", used / used.sum(), scores)
    return merged


def soft_labels(scores: Scores, temperature: float = 1.0) -> Scores:
    """Return probabilities at a temperature: the higher, the more alike.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
    temperature : float, default=1.0

    Returns
    -------
    ndarray of shape (n, n_classes)

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the Knowledge in a Neural Network.

    Examples
    --------
    >>> soft_labels(np.array([[1.25, 0.5]]), temperature=2.0).round(6).tolist()
    [[0.592667, 0.407333]]
    """
    probabilities: Scores = softmax(scores / temperature, axis=1)
    return probabilities


def n_new_examples(n_labelled: int, generation: int) -> int:
    """Return how many pseudo-labelled examples a generation's training set gets.

    With them it holds five times as many examples as that of the generation before.

    Parameters
    ----------
    n_labelled : int
    generation : int
        From 1; generation 0 learns from the labelled examples alone.

    Returns
    -------
    int

    Examples
    --------
    >>> [n_new_examples(10, generation) for generation in (1, 2, 3)]
    [40, 240, 1240]
    """
    return n_labelled * int(_GROWTH**generation) - n_labelled


def n_labelling_models(n_others: int) -> int:
    """Return how many of the other models label a model's examples: a quarter, at least one.

    Parameters
    ----------
    n_others : int

    Returns
    -------
    int

    Examples
    --------
    >>> [n_labelling_models(n) for n in (2, 5, 8, 11, 14)]
    [1, 1, 2, 3, 4]
    """
    return max(1, round(_MODELS_SHARE * n_others))


def share_quota(n_new: int, counts: Sequence[int]) -> tuple[int, ...]:
    """Divide new examples among the classes, in the proportions of the labelled ones.

    Parameters
    ----------
    n_new : int
    counts : sequence of int
        Labelled examples of each class.

    Returns
    -------
    tuple of int
        Rounded down.
    """
    total = sum(counts)
    return tuple(count * n_new // total for count in counts)


def draw_pseudo_labels(
    probabilities: Scores,
    quota: Sequence[int],
    rng: np.random.Generator,
    *,
    n_likeliest: int | None = None,
) -> Drawn:
    """Draw each class's quota from the examples that are predicted as it, the surer the likelier.

    A class with fewer such examples than its quota gets all of them. One that is never predicted
    gets the single example that is likeliest to belong to it, so that it is not lost: no class
    can hold up the drawing.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
    quota : sequence of int
        Examples wanted of each class.
    rng : numpy.random.Generator
    n_likeliest : int, optional
        Draw from so many examples that are likeliest of each class, whatever they are predicted
        as; for models that were never shown a label, which may predict few classes only.

    Returns
    -------
    Drawn

    References
    ----------
    Schick and Schütze (2021), section 3.4 (iPET).
    """
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
