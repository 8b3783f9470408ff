"""How much each voice counts, from what it said of held-out texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import log_expit

from fewshot.data.task_kind import ONE_LABEL, TaskKind, decide
from fewshot.scoring.heads import rounded
from fewshot.scoring.log_pool import pool_factors
from fewshot.scoring.thresholds import choose_thresholds

Array: TypeAlias = npt.NDArray[np.float64]
Evidence: TypeAlias = tuple[Array, npt.NDArray[np.int64], Array]

# docs/evidence/classifier.md
_SCALE_PENALTY, _WEIGHT_PENALTY = 1.0, 10.0
_LEAST_SCALE = 0.05


@dataclass(frozen=True)
class Heard:
    """What a voice said of held-out texts, and how much it counts without evidence."""

    weight: float
    held_out: Array | None  # log-probabilities [n, n_classes], NaN where it was not asked


@dataclass(frozen=True)
class Verdict:
    """What was decided of held-out texts, and their labels."""

    found: npt.NDArray[np.bool_]  # [n_known, n_classes]
    true: npt.NDArray[np.bool_]  # [n_known, n_classes]
    sample_weight: Array  # [n_known]
    thresholds: Array | None = None  # [n_classes], of several labels
    n_texts: float = 0.0  # that say something of their own: copies and unequal weights say less

    @property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """Whether a text has just the labels that were found, [n_known]."""
        right: npt.NDArray[np.bool_] = (self.found == self.true).all(1)
        return right

    @property
    def accuracy(self) -> tuple[float, float]:
        """The share of right texts, and its standard error."""
        share = float(np.average(self.is_right, weights=self.sample_weight))
        return share, float(np.sqrt(share * (1 - share) / self.n_texts))


def verdict(
    scores: Array | None,
    targets: Array,
    sample_weight: Array,
    kind: TaskKind = ONE_LABEL,
    *,
    offset: Array | float = 0.0,  # of the decision, [n_classes]
    thresholds: Array | None = None,  # that were given, [n_classes]
    keys: npt.NDArray[Any] | None = None,  # [n], equal for equal texts
) -> Verdict | None:
    """Decide by the scores of held-out texts, [n, n_classes]; None if there are none."""
    if scores is None:
        return None
    is_known = np.isfinite(scores).all(1)
    if not is_known.any():
        return None
    if kind.has_several and thresholds is None:
        thresholds = choose_thresholds(targets, sample_weight, kind.probabilities(scores))
    found = decide(kind.probabilities(scores + offset), thresholds)
    weights = sample_weight[is_known]
    places = np.arange(len(weights)) if keys is None else keys[is_known]
    of_text = np.bincount(np.unique(places, return_inverse=True)[1], weights=weights)
    n_texts = float(of_text.sum() ** 2 / (of_text**2).sum()) if of_text.any() else 0.0
    return Verdict(found[is_known], targets[is_known] > 0, weights, thresholds, n_texts)


def pool_weights(
    voices: Sequence[Heard], targets: Array, sample_weight: Array, kind: TaskKind = ONE_LABEL
) -> Array:
    """Return the weight of each voice's log-probabilities, or log-odds, [n_voices]."""
    # First each voice alone gets a temperature, since one may be far less sure than it could be;
    # then all get weights together.
    start: Array = np.array([voice.weight for voice in voices])
    start /= start.sum()
    asked = [i for i, voice in enumerate(voices) if voice.held_out is not None]
    held_out = np.array([voice.held_out for voice in voices if voice.held_out is not None])
    is_known = np.isfinite(held_out).all((0, 2)) if asked else np.zeros(1, bool)
    if not is_known.any():
        return start
    evidence = _decisions if kind.has_several else _choices
    scores, of_class, share = evidence(
        held_out[:, is_known], targets[is_known], sample_weight[is_known]
    )
    for i, own in zip(asked, scores, strict=True):
        [scale] = pool_factors(own[None], of_class, share, [_LEAST_SCALE], _SCALE_PENALTY)
        start[i] *= scale
    scaled = scores * start[asked][:, None, None]
    start[asked] *= pool_factors(scaled, of_class, share, [0.0] * len(asked), _WEIGHT_PENALTY)
    return start


def _choices(held_out: Array, targets: Array, sample_weight: Array) -> Evidence:
    """Return log-probabilities, true classes, and shares of the texts in the log loss."""
    return held_out, targets.argmax(1), sample_weight / np.log(targets.shape[1])


def _decisions(held_out: Array, targets: Array, sample_weight: Array) -> Evidence:
    """Return the same for each label of each text, which it has (the first class) or not."""
    n_labels = targets.shape[1]
    pairs = np.stack([log_expit(held_out), log_expit(-held_out)], axis=-1)
    share = np.repeat(sample_weight / (n_labels * np.log(2.0)), n_labels)
    return pairs.reshape(len(held_out), -1, 2), (targets == 0).ravel().astype(np.int64), share


def pooled(weights: Array, scores: Sequence[Array], kind: TaskKind = ONE_LABEL) -> Array:
    """Return the weighted sum of scores, normalized, [n, n_classes]."""
    return rounded(kind.normalized(np.tensordot(weights, np.stack(scores), 1)))
