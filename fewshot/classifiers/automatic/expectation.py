"""The accuracy to expect on new texts, with an interval, from held-out texts."""

from __future__ import annotations

from typing import NamedTuple

from scipy.stats import beta

from fewshot.classifiers.automatic.pool import Verdict

# docs/evidence/classifier.md. Few texts have all of several labels right.
_PRIOR, _PRIOR_OF_SEVERAL = (3.0, 1.0), (0.5, 0.5)  # hits and misses
_SHARE_OF_TEXTS = 0.5  # held-out texts count less: their fits share texts, and so do the weights
_LEVEL = 0.9


class Expectation(NamedTuple):
    """An accuracy and its interval; None without held-out texts."""

    held_out: float | None = None  # share of held-out texts that is right
    accuracy: float | None = None
    interval: tuple[float, float] | None = None


def expect(decided: Verdict) -> Expectation:
    """Return what the decisions on held-out texts let expect."""
    share, _ = decided.accuracy
    n = decided.n_texts * _SHARE_OF_TEXTS
    hits, misses = _PRIOR if decided.thresholds is None else _PRIOR_OF_SEVERAL
    found = beta(n * share + hits, n * (1 - share) + misses)
    tail = (1.0 - _LEVEL) / 2
    interval = float(found.ppf(tail)), float(found.ppf(1 - tail))
    return Expectation(share, float(found.mean()), interval)
