"""The search of a Classifier: it tries voices while there is time, and pools what helps."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from fewshot.classifiers.automatic.advice import advice_for
from fewshot.classifiers.automatic.distilling import Learner, is_distilled, student_of
from fewshot.classifiers.automatic.expectation import Expectation, expect
from fewshot.classifiers.automatic.offers import (
    LEAST_FOLDS,
    Offer,
    affordable_folds,
    least_seconds_of_folds,
    model_name,
    offered,
    shortage,
)
from fewshot.classifiers.automatic.pool import Heard, Verdict, pool_weights, pooled
from fewshot.classifiers.automatic.report import FitReport, Trial, in_seconds, reason_for
from fewshot.classifiers.automatic.task import Clock, Task
from fewshot.classifiers.automatic.voices import (
    ZERO_SHOT,
    Voice,
    calibrated_within,
    calibration_note,
    seconds_of_texts,
    untaught,
    words_of_classes,
    zero_shot_within,
)
from fewshot.classifiers.base import TextClassifier
from fewshot.data.classes import given_thresholds
from fewshot.data.task_kind import TaskKind
from fewshot.errors import FewShotError, FewShotWarning, LabelWordWarning, warn_user
from fewshot.scoring.thresholds import choose_thresholds

Array = npt.NDArray[np.float64]

_LEAST_SHARE = 0.5  # of the weight, of voices whose held-out texts say what to expect of all
_LEAST_WEIGHT = 0.02  # of the largest; voices below it are left out
_BAR_DELAY = 2.0  # seconds


class Found(NamedTuple):
    """What a search ends with."""

    voices: dict[str, TextClassifier]
    weights: Array
    report: FitReport
    thresholds: Array | None = None  # of several labels, [n_classes]
    student: Learner | None = None  # that predicts in place of the voices


@dataclass(frozen=True)
class Tried:
    """A voice that was fitted."""

    voice: Voice
    classifier: TextClassifier
    seconds: float  # of the fit and of all folds
    held_out: Array | None  # [n, n_classes], log-probabilities
    note: str = ""


class Search:
    """One fit of a Classifier."""

    def __init__(self, task: Task, clock: Clock, *, is_shown: bool, keeps_tried: bool) -> None:
        self.task = task
        self.clock = clock
        self.is_shown = is_shown
        self.keeps_tried = keeps_tried  # when interrupted

    def run(self) -> Found:
        """Try voices while there is time; weigh and pool them."""
        self.of_texts = seconds_of_texts(self.task)  # [n]
        if self.task.data.labeled is None:
            return self._zero_shot(
                f"There are no labels: texts are classified by {words_of_classes(self.task)}."
            )
        self.sampled, pace = calibrated_within(self.task, self.of_texts, self.clock.left())
        offers = offered(self.task, pace, self.clock.left())
        if offers[0].voice is ZERO_SHOT:
            reason = (
                f"time_budget, {self.clock.seconds:.3g} s, is too short for the regression on "
                f"states of {model_name(self.task)}, which takes about "
                f"{in_seconds(offers[1].seconds)}"
            )
            warn_user(
                f"{reason}: {words_of_classes(self.task)} count more than labels", FewShotWarning
            )
            if self.task.kind.has_several:  # of the names, thresholds are known only alone
                return self._zero_shot(f"Uses {words_of_classes(self.task)}: {reason}.")
        tried: list[Tried] = []
        skipped: list[Trial] = []
        hidden = not self.is_shown
        try:
            for offer in tqdm(offers, disable=hidden, desc="trying", delay=_BAR_DELAY, leave=False):
                found = (
                    self._try(offer, tried) if tried else self._fitted(offer.voice, is_first=True)
                )
                (tried if isinstance(found, Tried) else skipped).append(found)  # type: ignore[arg-type]
            return self._distilled(self._found(tried, skipped), len(self.sampled.data.pool))
        except KeyboardInterrupt:
            if not (tried and self.keeps_tried):
                raise
            rest = offers[len(tried) + len(skipped) :]
            left = [offer.voice.name for offer in rest] + ["distilled"] * is_distilled(self.task)
            skipped += [Trial(name, None, None, 0.0, 0.0, "interrupted") for name in left]
            return self._found(tried, skipped)

    def _zero_shot(self, reason: str) -> Found:
        task, _ = zero_shot_within(self.task, self.of_texts, self.clock.left())
        voices: dict[str, TextClassifier] = {}
        trials: list[Trial] = []
        for voice in untaught(task):
            start = self.clock.spent()
            voices[voice.name] = voice.fit(task)
            note = calibration_note(voice, task, self.task)
            spent = self.clock.spent() - start
            trials.append(Trial(voice.name, None, None, spent, voice.weight, note))
        weights = np.array([trial.weight for trial in trials])
        weights /= weights.sum()
        trials = [replace(t, weight=float(w)) for t, w in zip(trials, weights, strict=True)]
        advice, spent = advice_for(self.task, None), self.clock.spent()
        report = FitReport(tuple(trials), model_name(self.task), reason, None, None, advice, spent)
        found = Found(voices, weights, report, voices[ZERO_SHOT.name].thresholds_)
        return self._distilled(found, len(task.data.pool)) if len(voices) > 1 else found

    def _try(self, offer: Offer, tried: Sequence[Tried]) -> Tried | Trial:
        """Fit a voice and cross-validate it as often as there is time for; or say why not."""
        left = max(self.clock.left(), 0.0)
        names = [item.voice.name for item in tried]
        note = offer.objection or shortage(offer, left, self.task.kind, names)
        if note is None:
            try:
                return self._fitted(offer.voice)
            except FewShotError as error:  # the texts and labels suit the voices before
                note = f"cannot be used: {error}"
        return Trial(offer.voice.name, None, None, 0.0, 0.0, note)

    def _fitted(self, voice: Voice, *, is_first: bool = False) -> Tried:
        start = self.clock.spent()
        with warnings.catch_warnings():
            if not is_first:  # the first one has said what is wrong with names
                warnings.simplefilter("ignore", LabelWordWarning)
            task = self._read_by(voice)
            classifier = voice.fit(task)
        seconds = self.clock.spent() - start
        n_folds = affordable_folds(voice, seconds, self.clock.left())
        is_needed = self.task.kind.has_several
        if is_needed and self.clock.left() > least_seconds_of_folds(voice, seconds):
            n_folds = max(n_folds, LEAST_FOLDS)  # without held-out texts it was fitted in vain
        held_out = None
        if n_folds:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FewShotWarning)
                held_out = voice.held_out(task, n_folds)
        note = calibration_note(voice, task, self.task)
        return Tried(voice, classifier, self.clock.spent() - start, held_out, note)

    def _read_by(self, voice: Voice) -> Task:
        """Return the task with the texts that there is time for."""
        if voice is ZERO_SHOT:
            return zero_shot_within(self.task, self.of_texts, self.clock.left())[0]
        return self.task if voice.learns_from_pool else self.sampled

    def _found(self, tried: Sequence[Tried], skipped: Sequence[Trial]) -> Found:
        task = self.task
        held_out = _weighable(tried, task.kind)
        heard = [Heard(t.voice.weight, own) for t, own in zip(tried, held_out, strict=True)]
        weights = pool_weights(heard, *task.truth())
        asked = np.array([own is not None for own in held_out])
        if task.kind.has_several and asked.any():
            weights[~asked] = 0.0  # thresholds are those of what was cross-validated
        weights[weights < _LEAST_WEIGHT * weights.max()] = 0.0
        trials = []
        for item, weight in zip(tried, weights, strict=True):
            own = task.verdict(item.held_out)
            accuracy, deviation = (None, None) if own is None else own.accuracy
            note = item.note if weight else _why_left_out(item)
            found = item.voice.name, accuracy, deviation, item.seconds, float(weight), note
            trials.append(Trial(*found))
        decided = task.verdict(_pooled_held_out(held_out, weights, task.kind))
        known = decided if _is_most(weights, asked) else None
        expected = Expectation() if known is None else expect(known)
        kept = np.flatnonzero(weights).tolist()
        report = FitReport(
            (*trials, *skipped),
            model_name(self.task),
            reason_for([trials[i] for i in kept], expected.held_out),
            expected.accuracy,
            expected.interval,
            advice_for(task, known),
            self.clock.spent(),
        )
        voices = {tried[i].voice.name: tried[i].classifier for i in kept}
        return Found(voices, weights[kept], report, _thresholds(task, decided))

    def _distilled(self, found: Found, n_read: int) -> Found:
        """Let one classifier learn what the voices say of the texts without labels."""
        if not is_distilled(self.task):
            return found
        start, report = self.clock.spent(), found.report
        left, voices, weights = self.clock.left(), found.voices, found.weights
        student, note = student_of(self.task, self.of_texts, left, voices, weights, n_read)
        trial = Trial("distilled", None, None, self.clock.spent() - start, 0.0, note)
        more = " One classifier that has learned what they say predicts"
        more += "." if report.expected_accuracy is None else "; the figures are theirs."
        report = replace(
            report,
            trials=(*report.trials, trial),
            reason=report.reason + more * (student is not None),
            seconds=self.clock.spent(),
        )
        return found._replace(report=report, student=student)


def _weighable(tried: Sequence[Tried], kind: TaskKind) -> list[Array | None]:
    """Return the scores of held-out texts; of several labels none unless most voices have some."""
    # Thresholds are those of what was cross-validated, so that other voices are left out.
    start = np.array([item.voice.weight for item in tried])
    asked = np.array([item.held_out is not None for item in tried])
    is_heard = not kind.has_several or _is_most(start, asked)
    return [item.held_out if is_heard else None for item in tried]


def _is_most(weights: Array, asked: npt.NDArray[np.bool_]) -> bool:
    """Return whether the voices that were cross-validated hold enough of the weight."""
    return bool(weights[asked].sum() >= _LEAST_SHARE * weights.sum())


def _why_left_out(item: Tried) -> str:
    if item.held_out is None:
        return "left out: there was no time to cross-validate it"
    return "left out: it adds nothing to the others"


def _thresholds(task: Task, decided: Verdict | None) -> Array | None:
    """Return the thresholds of several labels: given, by held-out texts, or by their shares."""
    given = given_thresholds(task.threshold, task.classes)
    if given is not None or not task.kind.has_several:
        return given
    if decided is not None:
        return decided.thresholds
    targets, sample_weight, _ = task.truth()
    return choose_thresholds(targets, sample_weight)


def _pooled_held_out(
    held_out: Sequence[Array | None], weights: Array, kind: TaskKind
) -> Array | None:
    """Return the pool's scores of held-out texts, NaN for texts that never were."""
    asked = [i for i, own in enumerate(held_out) if own is not None and weights[i]]
    scores = [own for i in asked if (own := held_out[i]) is not None]
    return pooled(weights[asked], scores, kind) if asked else None
