"""Calibration: dividing out what a model says of label words regardless of the text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax
from torch import Tensor

from fewshot.data.examples import Examples

Calibration: TypeAlias = Literal["auto", "none", "contextual", "generic", "domain", "pmi"]
Array: TypeAlias = npt.NDArray[np.float64]

# Zhao et al. (2021), Calibrate Before Use, section 5.
_CONTENT_FREE = ("N/A", "[MASK]", "")
_TEXTS_OF_PRIOR = 64.0  # texts that a prior without a pool is worth: the number of generic texts
_SHARPNESS = 2.0  # of the probabilities that shares are estimated from; docs/defaults.md
_ROUNDS, _EM_STEPS = 20, 100


class PoolPrior(NamedTuple):
    """A prior of label words, and the shares of the classes in the texts that it comes from."""

    words: Array  # [n_words], log-probabilities
    shares: Array  # [n_classes]


def calibration_examples(fields: tuple[str, ...], calibration: Calibration) -> Examples:
    """Return the texts of a calibration that needs none of the user's; all fields get the same."""
    # `"contextual"`: the strings of Zhao et al. (2021). `"pmi"`: the template alone (Holtzman et
    # al., 2021). `"generic"`: 64 sentences of many kinds.
    return Examples(dict.fromkeys(fields, OWN_TEXTS[calibration]()))


@cache
def generic_texts() -> list[str]:
    """Return sentences from news, reviews, requests, questions, science, law and small talk."""
    file = resources.files("fewshot.scoring") / "generic_texts.txt"
    return file.read_text(encoding="utf-8").splitlines()


# The calibrations that need no text of the user, with their texts.
OWN_TEXTS: dict[str, Callable[[], list[str]]] = {
    "contextual": lambda: list(_CONTENT_FREE),
    "generic": generic_texts,
    "pmi": lambda: [""],
}


def word_prior(log_probs: Tensor, weights: Tensor) -> Tensor:
    """Average the log-probabilities [n, n_words] of label words over texts."""
    share = (weights / weights.sum()).to(log_probs.dtype)
    return (share @ log_probs).log_softmax(-1)


def pool_prior(
    word_means: Array,  # [n_words], mean log-probabilities over the pool
    class_scores: Array,  # [n, n_classes], uncalibrated: the mean of each class's words
    class_index: npt.NDArray[np.int64],  # [n_words]
    word_shares: Array,  # [n_words], the weight of each word in its class's mean
    start: Array,  # [n_words], the prior without the pool
    weights: Array,  # [n]
    shares: Array | None = None,  # [n_classes], if they are known
) -> PoolPrior:
    """Estimate how likely words are regardless of the text, from a pool of any class shares."""
    # In a pool where a class is frequent, the mean of its words' scores holds that share beside the
    # frequency of the words, and only the latter may be divided out. A text of class `k` raises the
    # score of `k` by an effect `a` over the others, so the mean of the words of `k` is too high by
    # `a (share_k - 1 / n_classes)`. Shares are estimated on the scores by expectation maximization
    # (Saerens et al., 2002), `a` by the gap between the score of a text's class and the others. The
    # pool then counts against `start` by its number of texts and, unless the shares are known, by
    # the square of their entropy: a pool that looks skewed may be one, or may show words that are
    # frequent.
    n_classes = class_scores.shape[1]
    share = weights / weights.sum()
    n_texts = 1.0 / float((share**2).sum())
    prior = start
    for _ in range(_ROUNDS):
        scores = class_scores - np.bincount(class_index, word_shares * prior)
        found, posterior = estimate_shares(scores * _SHARPNESS, share, shares)
        others = (scores.sum(1, keepdims=True) - scores) / (n_classes - 1)
        effect = float(share @ (posterior * (scores - others)).sum(1))
        of_words = log_softmax(word_means - effect * (found[class_index] - 1.0 / n_classes))
        trust = n_texts / (n_texts + _TEXTS_OF_PRIOR)
        if shares is None:
            trust *= _entropy(found) ** 2
        prior = log_softmax(trust * of_words + (1.0 - trust) * start)
    return PoolPrior(prior, found)


def estimate_shares(
    scores: Array,  # [n, n_classes], log-probabilities up to a constant for each text
    weights: Array,  # [n], sum to 1
    shares: Array | None = None,
) -> tuple[Array, Array]:
    """Return the shares of the classes, and each text's probabilities at these shares."""
    # Expectation maximization from equal shares (Saerens et al., 2002, Adjusting the Outputs of a
    # Classifier to New a Priori Probabilities, equation 2.9). Each class counts one text beside
    # those that are there, so none vanishes. Shares that are given are kept.
    n_classes = scores.shape[1]
    n_texts = 1.0 / float((weights**2).sum())
    found = np.full(n_classes, 1.0 / n_classes) if shares is None else shares
    for _ in range(_EM_STEPS if shares is None else 0):
        counts = n_texts * (weights @ softmax(scores + np.log(found), axis=1)) + 1.0
        found = counts / counts.sum()
    return found, softmax(scores + np.log(np.maximum(found, np.finfo(float).tiny)), axis=1)


def _entropy(shares: Array) -> float:
    """Return the entropy of shares as a part of the largest possible one."""
    return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))
