"""Calibration by a pool of texts without labels, whose classes may be of any frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from fewshot.scoring.aggregation import aggregate
from fewshot.scoring.names import ClassNames
from fewshot.scoring.scorer import Encoded, PromptScorer
from fewshot.scoring.shares import SHARPNESS, estimate_shares, evenness

Array: TypeAlias = npt.NDArray[np.float64]
Start: TypeAlias = Literal["texts", "labels"]  # the origin of the prior without the pool

_TEXTS_OF_PRIOR = 64.0  # texts that a prior without a pool is worth: the number of generic texts
_ROUNDS = 20


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


def calibrate_by_pool(
    scorer: PromptScorer,
    encoded: Encoded,
    weights: Array,  # [n]
    shares: Array | None = None,  # [n_classes], if they are known
    start: Start = "texts",
) -> tuple[PromptScorer, Array]:
    """Return a scorer whose prior is moved towards a pool's, and the class shares in it."""
    voices = [_of_words(scorer, encoded, weights)]
    if scorer.names is not None:
        voices.append(_of_names(scorer.names, scorer.mean_states(encoded), weights))
        voices[0] = voices[0]._replace(weight=scorer.names.word_weight)
    found = pool_prior(voices, weights, shares, start)
    dtype = torch.float32 if scorer.prior is None else scorer.prior.dtype
    prior = torch.from_numpy(found.words[0]).to(dtype).log_softmax(-1)
    names = scorer.names and replace(scorer.names, prior=found.words[1])
    return replace(scorer, prior=prior, names=names), found.shares


def _of_words(scorer: PromptScorer, encoded: Encoded, weights: Array) -> Voice:
    index, of_words = scorer.label_words.class_index, scorer.label_words.weights.double()
    if scorer.aggregation != "weighted":
        of_words = torch.ones_like(of_words)
    means, scores, start = torch.zeros(len(index), dtype=torch.float64), [], 0
    share = torch.from_numpy(weights / weights.sum())
    for part in scorer.parts(encoded):
        log_probs = scorer.word_log_probs(part)
        means += share[start : start + len(log_probs)] @ log_probs
        scores.append(aggregate(log_probs, index, "weighted", of_words))
        start += len(log_probs)
    before = torch.zeros(len(index)) if scorer.prior is None else scorer.prior
    of_class = (of_words / torch.bincount(index, of_words)[index]).numpy()
    return Voice(
        means.numpy(), torch.cat(scores).numpy(), index.numpy(), of_class, before.double().numpy()
    )


def _of_names(names: ClassNames, states: Array, weights: Array) -> Voice:
    similarities = names.similarities(states)
    n_classes = similarities.shape[1]
    mean = weights / weights.sum() @ similarities
    of_one = np.arange(n_classes), np.ones(n_classes)
    return Voice(mean, similarities, *of_one, names.prior, names.weight)


def pool_prior(
    voices: Sequence[Voice],
    weights: Array,  # [n]
    shares: Array | None = None,  # [n_classes], if they are known
    start: Start = "texts",
) -> PoolPrior:
    """Estimate how likely words are regardless of the text, from a pool of any class shares."""
    # In a pool where a class is frequent, the mean of its words' scores holds that share beside the
    # frequency of the words, and only the latter may be divided out. A text of class `k` raises the
    # score of `k` by an effect `a` over the others, so the mean of the words of `k` is too high by
    # `a (share_k - 1 / n_classes)`. Shares are estimated on the sum of all voices by expectation
    # maximization (Saerens et al., 2002), `a` by the gap between a voice's score of a text's class
    # and the others. The pool then counts against `start` by its number of texts and, unless the
    # shares are known, by the square of their entropy: a pool that looks skewed may be one, or may
    # show words that are frequent. Where labels gave the start, whose shares are known, it also
    # counts by the square of what scores tell of classes: weak ones hide how skewed the pool is.
    n_classes = voices[0].class_scores.shape[1]
    share = weights / weights.sum()
    n_texts = 1.0 / float((share**2).sum())
    priors = [voice.start for voice in voices]
    for _ in range(_ROUNDS):
        scores = [voice.calibrated(prior) for voice, prior in zip(voices, priors, strict=True)]
        total = np.sum([v.weight * own for v, own in zip(voices, scores, strict=True)], axis=0)
        found, posterior = estimate_shares(total * SHARPNESS / len(voices), share, shares)
        trust = n_texts / (n_texts + _TEXTS_OF_PRIOR)
        if shares is None:
            trust *= evenness(found) ** 2
            trust *= 1.0 if start == "texts" else _told(found, share @ posterior**2) ** 2
        for number, (voice, own) in enumerate(zip(voices, scores, strict=True)):
            others = (own.sum(1, keepdims=True) - own) / (n_classes - 1)
            effect = float(share @ (posterior * (own - others)).sum(1))
            of_words = voice.means - effect * (found[voice.class_index] - 1.0 / n_classes)
            priors[number] = trust * (of_words - of_words.mean()) + (1.0 - trust) * (
                voice.start - voice.start.mean()
            )
    return PoolPrior(priors, found)


def _told(shares: Array, squares: Array) -> float:
    """Return how much of the variance of classes their probabilities explain, from 0 to 1."""
    # Between texts, of all: Var(y) = Var(E[y|x]) + E[Var(y|x)]; squares are means of p(y|x)^2.
    of_all = (shares * (1.0 - shares)).sum()
    within = (shares - squares).sum()
    return float(np.clip(1.0 - within / of_all, 0.0, 1.0))
