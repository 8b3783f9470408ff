"""Measure the peak memory of a long prediction."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from fewshot import PromptClassifier

_WARM_UP = 20_000


def run(n_texts: int) -> Iterator[str]:
    """Yield lines of a report."""
    clf = PromptClassifier(
        "{text} {mask}",
        {"good": ["good"], "bad": ["bad"]},
        tuning="none",
        calibration="contextual",
        verbose=0,
    ).fit()
    texts = [f"good {i}" for i in range(n_texts)]
    clf.predict_proba(texts[:_WARM_UP])  # fills the bounded cache of states
    before = _peak_megabytes()
    clf.predict_proba(texts)
    after = _peak_megabytes()
    yield f"\nPeak memory of predicting {n_texts} short texts"
    yield f"after {_WARM_UP}: {before:6.0f} MB"
    yield f"after all:   {after:6.0f} MB ({after - before:+.0f} MB)"


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
