"""Which terms become label words, and what they weigh: pure functions of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from fewshot.errors import VerbalizerError

Relevance: TypeAlias = Literal["none", "cut", "ratio"]
Weighting: TypeAlias = Literal["score", "softmax", "uniform", "learnable"]

_NEGATIVE = -100.0  # the score of a word that points away from its own class's name


def term_weights(
    scores: npt.NDArray[np.float64], how: Weighting, temperature: float = 1.0
) -> npt.NDArray[np.float64]:
    """Return the weights of a class's words, which sum to 1.

    Parameters
    ----------
    scores : ndarray of shape (n_words,)
        From 0 to 1.
    how : {"score", "softmax", "uniform", "learnable"}
        ``"softmax"`` is SciPrompt's, step 10; ``"learnable"`` starts like it.
    temperature : float, default=1.0
        Scores are divided by it before the softmax.

    Returns
    -------
    ndarray of shape (n_words,)

    Examples
    --------
    >>> term_weights(np.array([1.0, 0.6]), "softmax").round(6)
    array([0.598688, 0.401312])
    >>> term_weights(np.array([1.0, 0.6]), "score")
    array([0.625, 0.375])
    """
    if how not in get_args(Weighting):
        raise VerbalizerError(f"weights is one of {list(get_args(Weighting))}, got {how!r}")
    values: npt.NDArray[np.float64] = np.ones(len(scores))
    if how == "score":
        values = scores
    elif how != "uniform":
        values = np.exp((scores - scores.max()) / temperature)
    shares: npt.NDArray[np.float64] = values / values.sum()
    return shares


def frequent_tokens(mean_logits: npt.NDArray[np.float64], cut: float) -> npt.NDArray[np.bool_]:
    """Tell which tokens are not among the share that the model predicts least.

    Parameters
    ----------
    mean_logits : ndarray of shape (vocabulary,)
        Logits at the mask, averaged over texts.
    cut : float
        Share of the vocabulary, such as KPT's 0.5.

    Returns
    -------
    ndarray of shape (vocabulary,)

    Examples
    --------
    >>> frequent_tokens(np.array([5.0, 1, 2, 3, 4, 0]), 0.5).tolist()
    [True, False, False, True, True, False]
    """
    is_frequent = np.ones(len(mean_logits), dtype=bool)
    lowest = np.argsort(mean_logits, kind="stable")[: int(cut * len(mean_logits))]
    is_frequent[lowest] = False
    return is_frequent


def similarity_to_names(
    scores: npt.NDArray[np.float64], names: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Return how alike words and class names rise and fall over texts: KPT's r(v, c).

    Parameters
    ----------
    scores : ndarray of shape (n_texts, n_words)
        Logits of the words.
    names : sequence of int
        The column of each class's name.

    Returns
    -------
    ndarray of shape (n_words, n_classes)
        Cosines of columns about their means.
    """
    centred = scores - scores.mean(0)
    norms = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(norms > 0, norms, 1.0)
    similarity: npt.NDArray[np.float64] = unit.T @ unit[:, list(names)]
    return similarity


def relevance(
    similarity: npt.NDArray[np.float64], own: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Score words by their own class against the others, as the code of KPT does.

    ``tf * idf``: similarity to the own class's name, times the inverse power mean of the absolute
    similarities to the others, with the exponent ``10 / (C - 2 + 0.01) + 1``. The largest is
    taken out of the power mean first, which underflows otherwise for two classes.

    Parameters
    ----------
    similarity : ndarray of shape (n_words, n_classes)
        See :func:`similarity_to_names`.
    own : ndarray of shape (n_words,)
        The class of each word.

    Returns
    -------
    ndarray of shape (n_words,)

    Examples
    --------
    >>> relevance(np.array([[0.8, 0.2, 0.1, 0.4]]), np.array([0])).round(6)
    array([2.397269])
    """
    n_classes = similarity.shape[1]
    power = 10 / (n_classes - 2 + 0.01) + 1
    rows = np.arange(len(own))
    is_other = np.ones(similarity.shape, dtype=bool)
    is_other[rows, own] = False
    others = np.abs(similarity[is_other].reshape(len(own), n_classes - 1))
    largest = np.maximum(others.max(1, keepdims=True), np.finfo(np.float64).tiny)
    mean = largest[:, 0] * ((others / largest) ** power).mean(1) ** (1 / power)
    tf = similarity[rows, own]
    scores: npt.NDArray[np.float64] = np.where(tf < 0, _NEGATIVE, tf / mean)
    return scores


def paper_relevance(
    similarity: npt.NDArray[np.float64], own: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Score words as the paper of KPT does: words below 1 are dropped.

    Examples
    --------
    >>> paper_relevance(np.array([[0.8, 0.2, 0.1, 0.4]]), np.array([0])).round(6)
    array([3.428571])
    """
    tf = similarity[np.arange(len(own)), own]
    others = similarity.sum(1) - tf
    is_plain = others > 0  # else no other class is near, and the ratio means nothing
    ratio = tf * (similarity.shape[1] - 1) / np.where(is_plain, others, 1.0)
    scores: npt.NDArray[np.float64] = np.where(is_plain, ratio, np.where(tf > 0, np.inf, -np.inf))
    return scores


def common_cut(rows: Sequence[npt.NDArray[np.float64]]) -> list[int]:
    """Return how many of the best words each class keeps, by one share for all (KPT).

    The share is that at which the scores of the last words kept are nearest to 1.

    Parameters
    ----------
    rows : sequence of ndarray
        The scores of each class's words, from the best down.

    Returns
    -------
    list of int
        At least 1 each.
    """
    longest = max(map(len, rows))

    def cut(share: float) -> list[int]:
        return [min(int(share * len(row)), len(row) - 1) for row in rows]

    def distance(share: float) -> float:
        ranks = cut(share)
        last = np.array([row[rank] for row, rank in zip(rows, ranks, strict=True)])
        return float(((last - 1.0) ** 2).sum())

    best = min((step / longest for step in range(longest)), key=distance)
    return [max(1, int(best * len(row))) for row in rows]
