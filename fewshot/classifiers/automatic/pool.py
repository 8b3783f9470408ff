"""How much each voice counts, from what it said of held-out texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from fewshot.scoring.log_pool import pool_factors

Array = npt.NDArray[np.float64]

# docs/evidence/classifier.md
_SCALE_PENALTY, _WEIGHT_PENALTY = 3.0, 10.0
_LEAST_SCALE = 0.05


@dataclass(frozen=True)
class Heard:
    """What a voice said of held-out texts, and how much it counts without evidence."""

    weight: float
    held_out: Array | None  # log-probabilities [n, n_classes], NaN where it was not asked


def pool_weights(
    voices: Sequence[Heard], classes: npt.NDArray[np.int64], sample_weight: Array
) -> Array:
    """Return the weight of each voice's log-probabilities, [n_voices]."""
    # First each voice alone gets a temperature, since one may be far less sure than it could be;
    # then all get weights together.
    start: Array = np.array([voice.weight for voice in voices])
    start /= start.sum()
    asked = [i for i, voice in enumerate(voices) if voice.held_out is not None]
    held_out = np.array([voice.held_out for voice in voices if voice.held_out is not None])
    is_known = np.isfinite(held_out).all((0, 2)) if asked else np.zeros(1, bool)
    if not is_known.any():
        return start
    held_out, of_class = held_out[:, is_known], classes[is_known]
    share = sample_weight[is_known] / np.log(held_out.shape[2])
    for i, scores in zip(asked, held_out, strict=True):
        [scale] = pool_factors(scores[None], of_class, share, [_LEAST_SCALE], _SCALE_PENALTY)
        start[i] *= scale
    scaled = held_out * start[asked][:, None, None]
    start[asked] *= pool_factors(scaled, of_class, share, [0.0] * len(asked), _WEIGHT_PENALTY)
    return start


def pooled(weights: Array, scores: Sequence[Array]) -> Array:
    """Return the weighted sum of log-probabilities, normalized, [n, n_classes]."""
    total: Array = log_softmax(np.tensordot(weights, np.stack(scores), 1), axis=1)
    return total
