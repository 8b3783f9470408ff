"""The accuracy to expect on new texts, with an interval, from held-out texts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

# Fitted to development sets by `python -m benchmarks.classifier`; docs/evidence/classifier.md.
_PRIOR_HITS, _PRIOR_MISSES = 3.0, 1.0
_SHARE_OF_TEXTS = 0.5  # held-out texts count less: their fits share texts, and so do the weights
_LEVEL = 0.9


class Expectation(NamedTuple):
    """An accuracy and its interval; None without held-out texts."""

    held_out: float | None = None  # share of held-out texts that is right
    accuracy: float | None = None
    interval: tuple[float, float] | None = None


def expect(
    scores: npt.NDArray[np.float64] | None, classes: npt.NDArray[np.int64], sample_weight: Any
) -> Expectation:
    """Return what the scores of held-out texts, [n, n_classes], let expect."""
    is_known = np.zeros(len(classes), bool) if scores is None else np.isfinite(scores).all(1)
    if scores is None or not is_known.any():
        return Expectation()
    is_right = scores[is_known].argmax(1) == classes[is_known]
    share = float(np.average(is_right, weights=sample_weight[is_known]))
    n = is_known.sum() * _SHARE_OF_TEXTS
    found = beta(n * share + _PRIOR_HITS, n * (1 - share) + _PRIOR_MISSES)
    tail = (1.0 - _LEVEL) / 2
    interval = float(found.ppf(tail)), float(found.ppf(1 - tail))
    return Expectation(share, float(found.mean()), interval)
