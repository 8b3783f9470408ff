"""The search of a Classifier: which voices are tried in the time there is, and what came of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

from fewshot.classifiers.automatic.advice import advice_for
from fewshot.classifiers.automatic.evidence import expected_gain, situation_of
from fewshot.classifiers.automatic.expectation import Expectation, expect
from fewshot.classifiers.automatic.pool import Heard, Verdict, pool_weights, pooled
from fewshot.classifiers.automatic.report import FitPlan, FitReport, Trial
from fewshot.classifiers.automatic.task import Clock, Task
from fewshot.classifiers.automatic.voices import (
    CHEAP,
    COSTLY,
    ZERO_SHOT,
    Pace,
    Voice,
    measured_pace,
    zero_shot,
)
from fewshot.classifiers.base import TextClassifier
from fewshot.data.classes import given_thresholds
from fewshot.data.task_kind import TaskKind
from fewshot.errors import FewShotError, FewShotWarning, LabelWordWarning, warn_user
from fewshot.models.loading import load_masked_lm
from fewshot.scoring.thresholds import choose_thresholds

Array = npt.NDArray[np.float64]

_MOST_FOLDS, _MOST_OF_TUNED, _LEAST_FOLDS = 5, 3, 2
_SHARE_OF_FOLDS = 0.5  # of the time that is left, for cross-validating one voice
_LEAST_WEIGHT = 0.02  # of the largest; voices below it are left out
_BAR_DELAY, _LEAST_SECONDS = 2.0, 0.01


class Found(NamedTuple):
    """What a search ends with."""

    voices: dict[str, TextClassifier]
    weights: Array
    report: FitReport
    thresholds: Array | None = None  # of several labels, [n_classes]


@dataclass(frozen=True)
class Tried:
    """A voice that was fitted."""

    voice: Voice
    classifier: TextClassifier
    seconds: float  # of the fit and of all folds
    held_out: Array | None  # [n, n_classes], log-probabilities


class Offer(NamedTuple):
    """A voice that could be tried."""

    voice: Voice
    seconds: float  # of a fit, estimated
    objection: str | None = None  # of the evidence


def offered(task: Task, pace: Pace, seconds: float) -> list[Offer]:
    """Return the voices that suit a task: the cheap ones, then by expected gain per second."""
    offers = [Offer(voice, voice.seconds(pace)) for voice in CHEAP if voice.suits(task)]
    if offers[0].seconds > seconds and ZERO_SHOT.suits(task):
        offers.insert(0, Offer(ZERO_SHOT, 0.0))
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


def affordable_folds(voice: Voice, seconds: float, left: float) -> int:
    """Return the folds of a cross-validation, given the seconds of a fit and those left; or 0."""
    if not any(voice.passes):  # milliseconds
        return _MOST_FOLDS
    most = _MOST_FOLDS if voice in CHEAP else _MOST_OF_TUNED
    n_folds = int(min(most, _SHARE_OF_FOLDS * max(left, 0.0) / max(seconds, _LEAST_SECONDS)))
    return n_folds if n_folds >= _LEAST_FOLDS else 0


class Search:
    """One fit of a Classifier."""

    def __init__(self, task: Task, clock: Clock, *, is_shown: bool, keeps_tried: bool) -> None:
        self.task = task
        self.clock = clock
        self.is_shown = is_shown
        self.keeps_tried = keeps_tried  # when interrupted

    def run(self) -> Found:
        """Try voices while there is time; weigh and pool them."""
        if self.task.data.labeled is None:
            return self._zero_shot("There are no labels: texts are classified by class names.")
        offers = offered(self.task, measured_pace(self.task), self.clock.left())
        if offers[0].voice is ZERO_SHOT:
            reason = (
                f"time_budget, {self.clock.seconds:.3g} s, is too short for the regression on "
                f"states of {model_name(self.task)}, which takes about {offers[1].seconds:.2g} s"
            )
            warn_user(f"{reason}: names of classes count more than labels", FewShotWarning)
            if self.task.kind.has_several:  # of the names, thresholds are known only alone
                return self._zero_shot(f"Uses the names of the classes: {reason}.")
        tried: list[Tried] = []
        skipped: list[Trial] = []
        hidden = not self.is_shown
        try:
            for offer in tqdm(offers, disable=hidden, desc="trying", delay=_BAR_DELAY, leave=False):
                found = self._try(offer) if tried else self._fitted(offer.voice, is_first=True)
                (tried if isinstance(found, Tried) else skipped).append(found)  # type: ignore[arg-type]
        except KeyboardInterrupt:
            if not (tried and self.keeps_tried):
                raise
            rest = offers[len(tried) + len(skipped) :]
            skipped += [Trial(o.voice.name, None, None, 0.0, 0.0, "interrupted") for o in rest]
        return self._found(tried, skipped)

    def _zero_shot(self, reason: str) -> Found:
        pool = self.task.data.pool
        clf = zero_shot(self.task).fit(pool if len(pool) else None)
        spent = self.clock.spent()
        trial = Trial("zero-shot", None, None, spent, 1.0)
        advice = advice_for(self.task, None)
        report = FitReport((trial,), model_name(self.task), reason, None, None, advice, spent)
        return Found({"zero-shot": clf}, np.ones(1), report, clf.thresholds_)

    def _try(self, offer: Offer) -> Tried | Trial:
        """Fit a voice and cross-validate it as often as there is time for; or say why not."""
        left = max(self.clock.left(), 0.0)
        note = offer.objection
        if note is None and offer.seconds and offer.seconds >= left:
            note = f"not tried: needs about {offer.seconds:.2g} s, {left:.2g} s were left"
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
            classifier = voice.fit(self.task)
        n_folds = affordable_folds(voice, self.clock.spent() - start, self.clock.left())
        held_out = None
        if n_folds:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FewShotWarning)
                held_out = voice.held_out(self.task, n_folds)
        return Tried(voice, classifier, self.clock.spent() - start, held_out)

    def _found(self, tried: Sequence[Tried], skipped: Sequence[Trial]) -> Found:
        task = self.task
        heard = [Heard(item.voice.weight, item.held_out) for item in tried]
        weights = pool_weights(heard, *task.truth())
        asked = np.array([item.held_out is not None for item in tried])
        if task.kind.has_several and asked.any():
            weights[~asked] = 0.0  # thresholds are those of what was cross-validated
        weights[weights < _LEAST_WEIGHT * weights.max()] = 0.0
        trials = []
        for item, weight in zip(tried, weights, strict=True):
            own = task.verdict(item.held_out)
            accuracy, deviation = (None, None) if own is None else own.accuracy
            found = item.voice.name, accuracy, deviation, item.seconds, float(weight)
            trials.append(Trial(*found))
        decided = task.verdict(_pooled_held_out(tried, weights, task.kind))
        expected = Expectation() if decided is None else expect(decided)
        kept = np.flatnonzero(weights).tolist()
        report = FitReport(
            (*trials, *skipped),
            model_name(self.task),
            _reason([trials[i] for i in kept], expected),
            expected.accuracy,
            expected.interval,
            advice_for(task, decided),
            self.clock.spent(),
        )
        voices = {tried[i].voice.name: tried[i].classifier for i in kept}
        return Found(voices, weights[kept], report, _thresholds(task, decided))


def _thresholds(task: Task, decided: Verdict | None) -> Array | None:
    """Return the thresholds of several labels: given, by held-out texts, or by their shares."""
    given = given_thresholds(task.threshold, task.classes)
    if given is not None or not task.kind.has_several:
        return given
    if decided is not None:
        return decided.thresholds
    targets, sample_weight, _ = task.truth()
    return choose_thresholds(targets, sample_weight)


def model_name(task: Task) -> str:
    """Return the name of the language model, or of its class if it has none."""
    lm = load_masked_lm(task.model)
    return lm.name or type(lm.model).__name__


def plan_voices(task: Task, clock: Clock) -> FitPlan:
    """Return the voices that a search would try, and the seconds that it would take."""
    name = model_name(task)
    if task.data.labeled is None:
        cost = zero_shot(task).dry_run(task.data.pool if len(task.data.pool) else None)
        return FitPlan(**{**vars(cost), "voices": ("zero-shot",)}, model=name)
    left = clock.seconds
    voices: list[str] = []
    for offer in offered(task, measured_pace(task), left):
        if offer.objection is None and (offer.seconds < max(left, _LEAST_SECONDS) or not voices):
            voices.append(offer.voice.name)
            left -= offer.seconds
            left -= offer.seconds * affordable_folds(offer.voice, offer.seconds, left)
    spent = clock.seconds - left
    return FitPlan(
        n_texts=task.n_labeled,
        seconds=spent,
        voices=tuple(voices),
        model=name,
        time_budget=clock.seconds,
    )


def _pooled_held_out(tried: Sequence[Tried], weights: Array, kind: TaskKind) -> Array | None:
    """Return the pool's scores of held-out texts, NaN for texts that never were."""
    asked = [i for i, item in enumerate(tried) if item.held_out is not None and weights[i]]
    scores = [item.held_out for i in asked if (item := tried[i]).held_out is not None]
    return pooled(weights[asked], scores, kind) if asked else None


def _reason(kept: Sequence[Trial], expected: Expectation) -> str:
    names = ", ".join(trial.name for trial in sorted(kept, key=lambda trial: -trial.weight))
    what = f"{'Pools' if len(kept) > 1 else 'Uses'} {names}"
    if any(trial.name == ZERO_SHOT.name for trial in kept):
        what += ", since the budget allows no regression on states of the language model"
    known = [trial for trial in kept if trial.accuracy is not None]
    if expected.held_out is None or not known:
        return f"{what}: nothing could be cross-validated."
    best = max(known, key=lambda trial: trial.accuracy or 0.0)
    alone = f", where {best.name} alone has {best.accuracy:.2f}" if len(known) > 1 else ""
    rest = [trial.name for trial in kept if trial.accuracy is None]
    without = f" (without {', '.join(rest)}, not cross-validated)" if rest else ""
    return f"{what}: {expected.held_out:.2f} of held-out texts are right{without}{alone}."
