"""Calibration: dividing out what a model says of label words regardless of the text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from torch import Tensor

from fewshot.data.examples import Examples

Calibration: TypeAlias = Literal["auto", "none", "contextual", "generic", "domain", "pmi"]
Array: TypeAlias = npt.NDArray[np.float64]

# Zhao et al. (2021), Calibrate Before Use, section 5.
_CONTENT_FREE = ("N/A", "[MASK]", "")
_TEXTS_OF_PRIOR = 64.0  # texts that a prior without a pool is worth: the number of generic texts
_SHARPNESS = 2.0  # of the probabilities that shares are estimated from; docs/evidence/defaults.md
_ROUNDS, _EM_STEPS = 20, 100


class Voice(NamedTuple):
    """Scores of one kind, of label words or of names, and what they are calibrated by."""

    means: Array  # [n_words], means of the scores over the pool
    class_scores: Array  # [n, n_classes], uncalibrated: the mean of each class's words
    class_index: npt.NDArray[np.int64]  # [n_words]
    word_shares: Array  # [n_words], the weight of each word in its class's mean
    start: Array  # [n_words], the prior without the pool
    weight: float = 1.0

    def calibrated(self, prior: Array) -> Array:
        """Return the scores of classes without the prior of their words."""
        return self.class_scores - np.bincount(self.class_index, self.word_shares * prior)


class PoolPrior(NamedTuple):
    """Priors of the words of each voice, and the shares of the classes that they come from."""

    words: list[Array]  # [n_words] each, up to a constant
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
    voices: Sequence[Voice],
    weights: Array,  # [n]
    shares: Array | None = None,  # [n_classes], if they are known
) -> PoolPrior:
    """Estimate how likely words are regardless of the text, from a pool of any class shares."""
    # In a pool where a class is frequent, the mean of its words' scores holds that share beside the
    # frequency of the words, and only the latter may be divided out. A text of class `k` raises the
    # score of `k` by an effect `a` over the others, so the mean of the words of `k` is too high by
    # `a (share_k - 1 / n_classes)`. Shares are estimated on the sum of all voices by expectation
    # maximization (Saerens et al., 2002), `a` by the gap between a voice's score of a text's class
    # and the others. The pool then counts against `start` by its number of texts and, unless the
    # shares are known, by the square of their entropy: a pool that looks skewed may be one, or may
    # show words that are frequent.
    n_classes = voices[0].class_scores.shape[1]
    share = weights / weights.sum()
    n_texts = 1.0 / float((share**2).sum())
    priors = [voice.start for voice in voices]
    for _ in range(_ROUNDS):
        scores = [voice.calibrated(prior) for voice, prior in zip(voices, priors, strict=True)]
        total = np.sum([v.weight * own for v, own in zip(voices, scores, strict=True)], axis=0)
        found, posterior = estimate_shares(total * _SHARPNESS / len(voices), share, shares)
        trust = n_texts / (n_texts + _TEXTS_OF_PRIOR)
        if shares is None:
            trust *= _entropy(found) ** 2
        for number, (voice, own) in enumerate(zip(voices, scores, strict=True)):
            others = (own.sum(1, keepdims=True) - own) / (n_classes - 1)
            effect = float(share @ (posterior * (own - others)).sum(1))
            of_words = voice.means - effect * (found[voice.class_index] - 1.0 / n_classes)
            priors[number] = trust * (of_words - of_words.mean()) + (1.0 - trust) * (
                voice.start - voice.start.mean()
            )
    return PoolPrior(priors, found)


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
