"""Filters and weights of terms: pure functions of scores."""

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
    scores: npt.NDArray[np.float64],
    how: Weighting,  # "softmax" is SciPrompt's, step 10; "learnable" starts like it
    temperature: float = 1.0,
) -> npt.NDArray[np.float64]:
    """Return the weights of a class's words, which sum to 1, from scores of 0 to 1."""
    if how not in get_args(Weighting):
        raise VerbalizerError(f"weights is one of {list(get_args(Weighting))}, got {how!r}")
    values: npt.NDArray[np.float64] = np.ones(len(scores))
    if how == "score":
        values = scores
    elif how != "uniform":
        values = np.exp((scores - scores.max()) / temperature)
    shares: npt.NDArray[np.float64] = values / values.sum()
    return shares


def frequent_tokens(
    mean_logits: npt.NDArray[np.float64],  # [vocabulary], at the mask, averaged over texts
    cut: float,
) -> npt.NDArray[np.bool_]:
    """Return a mask that leaves out the share of tokens that the model predicts least."""
    is_frequent = np.ones(len(mean_logits), dtype=bool)
    lowest = np.argsort(mean_logits, kind="stable")[: int(cut * len(mean_logits))]
    is_frequent[lowest] = False
    return is_frequent


def similarity_to_names(
    scores: npt.NDArray[np.float64],  # [n_texts, n_words]
    names: Sequence[int],  # the column of each class's name
) -> npt.NDArray[np.float64]:
    """Return KPT's r(v, c), [n_words, n_classes]: cosines of centred scores over texts."""
    centred = scores - scores.mean(0)
    norms = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(norms > 0, norms, 1.0)
    similarity: npt.NDArray[np.float64] = unit.T @ unit[:, list(names)]
    return similarity


def relevance(
    similarity: npt.NDArray[np.float64],  # [n_words, n_classes]
    own: npt.NDArray[np.int64],  # the class of each word
) -> npt.NDArray[np.float64]:
    """Score words by their own class against the others, as KPT's code does: ``tf * idf``."""
    # Similarity to the own class's name, over the power mean of the others.
    n_classes = similarity.shape[1]
    power = 10 / (n_classes - 2 + 0.01) + 1
    rows = np.arange(len(own))
    is_other = np.ones(similarity.shape, dtype=bool)
    is_other[rows, own] = False
    others = np.abs(similarity[is_other].reshape(len(own), n_classes - 1))
    # Taken out of the power mean, which underflows otherwise for two classes.
    largest = np.maximum(others.max(1, keepdims=True), np.finfo(np.float64).tiny)
    mean = largest[:, 0] * ((others / largest) ** power).mean(1) ** (1 / power)
    tf = similarity[rows, own]
    scores: npt.NDArray[np.float64] = np.where(tf < 0, _NEGATIVE, tf / mean)
    return scores


def paper_relevance(
    similarity: npt.NDArray[np.float64], own: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Score words as KPT's paper does; words below 1 are dropped."""
    tf = similarity[np.arange(len(own)), own]
    others = similarity.sum(1) - tf
    is_plain = others > 0  # else no other class is close, and the ratio means nothing
    ratio = tf * (similarity.shape[1] - 1) / np.where(is_plain, others, 1.0)
    scores: npt.NDArray[np.float64] = np.where(is_plain, ratio, np.where(tf > 0, np.inf, -np.inf))
    return scores


def common_cut(
    rows: Sequence[npt.NDArray[np.float64]],  # the scores of each class's words, the best first
) -> list[int]:
    """Return how many of its best words each class keeps: one share for all classes (KPT)."""
    # At that share the scores of the last words kept are closest to 1.
    longest = max(map(len, rows))

    def cut(share: float) -> list[int]:
        return [min(int(share * len(row)), len(row) - 1) for row in rows]

    def distance(share: float) -> float:
        ranks = cut(share)
        last = np.array([row[rank] for row, rank in zip(rows, ranks, strict=True)])
        return float(((last - 1.0) ** 2).sum())

    best = min((step / longest for step in range(longest)), key=distance)
    return [max(1, int(best * len(row))) for row in rows]
