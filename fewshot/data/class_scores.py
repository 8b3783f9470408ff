"""Class scores of texts: computed part by part, checked, and what they give reason to warn of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.data.examples import Examples
from fewshot.errors import CollapseWarning, ModelError, TruncationWarning, warn_user

_AT_ONCE = 8192  # texts; bounds the memory of a prediction
_BAR_DELAY = 2.0  # seconds; a short run shows no bar
_COLLAPSED_SHARE = 0.9
_COLLAPSE_MIN = 20  # predictions; fewer may well be of one class


def check_finite(scores: npt.NDArray[np.float64], name: str) -> None:
    """Refuse scores that are not finite, which would make the first class of every text."""
    bad = np.flatnonzero(~np.isfinite(scores).all(1))
    if len(bad):
        raise ModelError(
            f"{name} of {len(bad)} of {len(scores)} texts are not finite numbers (rows "
            f"{bad[:5].tolist()}): the model's weights or states hold NaN or infinity for these "
            "texts. Load the model again, in float32 if it was in half precision"
        )


def warn_truncated(
    n_truncated: int, n_texts: int, max_length: int, advice: str = "raise max_length"
) -> None:
    """Warn once that texts were shortened."""
    if n_truncated:
        warn_user(
            f"{n_truncated} of {n_texts} texts were shortened to fit {max_length} tokens; {advice}",
            TruncationWarning,
        )


def score_in_parts(
    examples: Examples,
    score: Callable[[Examples], tuple[npt.NDArray[np.float64], int]],  # and n_truncated
    max_length: int,
    advice: str = "raise max_length",
    *,
    show_progress: bool = False,
) -> npt.NDArray[np.float64]:
    """Score texts part by part, so that memory stays flat; warn once of those shortened."""
    scores, n_truncated = [], 0
    starts: Iterable[int] = range(0, len(examples), _AT_ONCE)
    if show_progress:
        from tqdm.auto import tqdm  # is not needed to predict

        starts = tqdm(starts, desc="predicting", delay=_BAR_DELAY)
    for start in starts:
        part = examples.take(range(start, min(start + _AT_ONCE, len(examples))))
        values, n_shortened = score(part)
        scores.append(values)
        n_truncated += n_shortened
    warn_truncated(n_truncated, len(examples), max_length, advice)
    return np.concatenate(scores)


def warn_collapse(best: npt.NDArray[np.int64], classes: npt.NDArray[Any]) -> None:
    """Warn if one class takes nearly all predictions."""
    if len(best) < _COLLAPSE_MIN:
        return
    counts = np.bincount(best, minlength=len(classes))
    if counts.max() >= _COLLAPSED_SHARE * len(best):
        warn_user(
            f"{classes[counts.argmax()]!r} takes {counts.max()} of {len(best)} predictions. If "
            "the texts are not all of this class: label more texts of the others, pass texts "
            "without a label to fit, which calibrate classes that are known by words, or choose "
            "other words, descriptions or another template for these",
            CollapseWarning,
        )
