"""What a Classifier would try, in which order, and what that costs."""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.automatic.distilling import is_distilled
from fewshot.classifiers.automatic.evidence import expected_gain, situation_of
from fewshot.classifiers.automatic.report import FitPlan, in_seconds
from fewshot.classifiers.automatic.task import Clock, Task
from fewshot.classifiers.automatic.voices import (
    CHEAP,
    COSTLY,
    ZERO_SHOT,
    Pace,
    Voice,
    calibrated_within,
    pool_within,
    seconds_of_texts,
    untaught,
    zero_shot_within,
)
from fewshot.data.task_kind import TaskKind
from fewshot.models.loading import load_masked_lm
from fewshot.scoring.distillation import LEAST_TAUGHT

Array = npt.NDArray[np.float64]

LEAST_FOLDS = 2
_MOST_FOLDS, _MOST_OF_TUNED = 5, 3
_SHARE_OF_FOLDS = 0.5  # of the time that is left, for cross-validating one voice
_LEAST_SECONDS, _LITTLE = 0.01, 0.05  # seconds


class Offer(NamedTuple):
    """A voice that could be tried."""

    voice: Voice
    seconds: float  # of a fit, estimated
    objection: str | None = None  # of the evidence


def offered(task: Task, pace: Pace, seconds: float) -> list[Offer]:
    """Return the voices that suit a task: the cheap ones, then by expected gain per second."""
    offers = [Offer(voice, voice.seconds(pace)) for voice in CHEAP if voice.suits(task)]
    if offers[0].seconds > seconds and ZERO_SHOT.suits(task):
        offers.insert(0, Offer(ZERO_SHOT, 0.0))  # within the time that is left, whatever that is
    situation = situation_of(task)
    ranked: list[tuple[float, int, Offer]] = []
    for voice in COSTLY:
        if voice.suits(task):
            is_known = not task.kind.has_several  # the evidence is of one label for each text
            gain = expected_gain(voice.name, situation, model_name(task)) if is_known else None
            objection = None
            if gain is not None and gain <= 0:
                objection = f"not tried: gained nothing in similar tasks ({100 * gain:+.1f} points)"
            offer = Offer(voice, voice.seconds(pace), objection)
            rank = -(gain or 0.0) / max(offer.seconds, _LEAST_SECONDS)
            ranked.append((rank, len(ranked), offer))
    return offers + [offer for _, _, offer in sorted(ranked)]


def shortage(offer: Offer, left: float, kind: TaskKind, tried: Container[str]) -> str | None:
    """Say why a voice is not begun in the seconds that are left, or nothing if it is."""
    if offer.voice.follows is not None and offer.voice.follows not in tried:
        return f"not tried, as {offer.voice.follows} was not"
    if offer.voice.needs_no_model and offer.seconds < _LITTLE:
        return None
    # Of several labels, a voice that is not cross-validated cannot be used.
    of_folds = _fits_in_folds(offer.voice, LEAST_FOLDS) * kind.has_several
    needed = offer.seconds * (1 + of_folds)
    if needed < left:
        return None
    folds = " with two folds" if kind.has_several else ""
    return f"not tried: needs about {in_seconds(needed)}{folds}, {in_seconds(left)} were left"


def affordable_folds(voice: Voice, seconds: float, left: float) -> int:
    """Return the folds of a cross-validation, given the seconds of a fit and those left; or 0."""
    if voice is ZERO_SHOT:  # is offered where not even one pass over the labelled texts fits
        return 0
    if voice.needs_no_model and seconds < _LITTLE:
        return _MOST_FOLDS
    most = _MOST_FOLDS if voice in CHEAP else _MOST_OF_TUNED
    affordable = _SHARE_OF_FOLDS * max(left, 0.0) / max(seconds, _LEAST_SECONDS)
    numbers = range(most, LEAST_FOLDS - 1, -1)
    return next((n for n in numbers if _fits_in_folds(voice, n) <= affordable), 0)


def least_seconds_of_folds(voice: Voice, seconds: float) -> float:
    """Return the seconds of the smallest cross-validation, given those of a fit."""
    return seconds * _fits_in_folds(voice, LEAST_FOLDS)


def _fits_in_folds(voice: Voice, n_folds: int) -> int:
    """Return the number of fits that take as long as a cross-validation."""
    # n folds learn from (n - 1) / n of the labelled texts each; from those without labels, all.
    return n_folds if voice.learns_from_pool else max(n_folds - 1, 0)


def plan_voices(task: Task, clock: Clock) -> FitPlan:
    """Return the voices that a search would try, and the seconds that it would take."""
    of_texts = seconds_of_texts(task)
    if task.data.labeled is None:
        return _zero_shot_plan(task, of_texts, clock)
    sampled, pace = calibrated_within(task, of_texts, clock.left())
    offers = offered(task, pace, clock.left())
    if offers[0].voice is ZERO_SHOT:
        if task.kind.has_several:
            return _zero_shot_plan(task, of_texts, clock)
        offers[0] = Offer(ZERO_SHOT, zero_shot_within(task, of_texts, clock.left())[1])
    left = clock.left()
    voices: list[str] = []
    for offer in offers:
        note = offer.objection or shortage(offer, max(left, 0.0), task.kind, voices)
        if note is None or not voices:
            voices.append(offer.voice.name)
            left -= offer.seconds
            n_folds = affordable_folds(offer.voice, offer.seconds, left)
            left -= offer.seconds * _fits_in_folds(offer.voice, n_folds)
    n_read = len(sampled.data.pool)
    n_distilled, seconds = _taught_within(task, of_texts, voices, left, n_read)
    return FitPlan(
        n_texts=task.n_labeled,
        seconds=clock.seconds - left + seconds,
        voices=tuple(voices),
        n_distilled=n_distilled,
        model=model_name(task),
        time_budget=clock.seconds,
    )


def _zero_shot_plan(task: Task, of_texts: Array, clock: Clock) -> FitPlan:
    spent = clock.spent()  # measuring, as a fit will
    sampled, seconds = zero_shot_within(task, of_texts, clock.left())
    voices = [voice.name for voice in untaught(sampled)]
    n_distilled, more = 0, 0.0
    if len(voices) > 1:
        left, n_read = clock.left() - seconds, len(sampled.data.pool)
        n_distilled, more = _taught_within(task, of_texts, voices, left, n_read)
    return FitPlan(
        n_texts=sampled.n_labeled + len(sampled.data.pool),
        seconds=spent + seconds + more,
        voices=tuple(voices),
        n_distilled=n_distilled,
        model=model_name(task),
        time_budget=clock.seconds,
    )


def _taught_within(
    task: Task, of_texts: Array, voices: list[str], seconds: float, n_read: int
) -> tuple[int, float]:
    """Return the texts that one classifier may learn from in the end, and the seconds, or none."""
    rows, needed = pool_within(task, of_texts, voices, seconds, n_read)
    is_enough = is_distilled(task) and len(rows) >= LEAST_TAUGHT
    return (len(rows), needed) if is_enough else (0, 0.0)


def model_name(task: Task) -> str:
    """Return the name of the language model, or of its class if it has none."""
    lm = load_masked_lm(task.model)
    return lm.name or type(lm.model).__name__
