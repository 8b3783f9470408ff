"""Sessions of self-training: a teacher labels texts, a new student learns from them."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import clone

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.fitting import FitPlan, fit_prompt
from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.pseudo_labels import at_pool_shares, soft_labels
from fewshot.classifiers.semi_supervised.student_training import StudentTraining
from fewshot.errors import InputError, TuningError
from fewshot.scoring.heads import StateHead
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import PromptScorer
from fewshot.training.checkpoint import Arrays
from fewshot.training.history import Epoch
from fewshot.training.loop import Learner, TrainSettings
from fewshot.training.rounds import Rounds, seed_of
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.soft_templates import with_template_tokens
from fewshot.tuning.task import TuningResult, TuningTask

if TYPE_CHECKING:
    from fewshot.classifiers.semi_supervised.list import LiSTClassifier

_COLUMNS = ("loss", "labelled_loss", "agreement", "steps", "tokens", "seconds")
_PARAMETER, _HEAD, _WORDS, _PRIOR = "parameter.", "head.", "words.", "prior"
_NUMBERS = [f.name for f in fields(StateHead) if f.name not in ("mask", "kind")]
_MASK, _NAMES = "mask.", "names."
_OF_NAMES = ("vectors", "center", "prior")  # what a changed model changes

Scores: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SelfTrainingPlan(FitPlan):
    """A fit of LiST, checked."""

    settings: LiSTClassifier
    teacher: PromptClassifier  # the first one
    student: PromptClassifier
    tuning: GradientTuning  # of the student
    weights: MetaWeights | None  # None weighs all texts alike


class Sessions:
    """What sessions pass on: the newest model, and its scores for the pool."""

    def __init__(self, plan: SelfTrainingPlan, rounds: Rounds) -> None:
        self.plan, self.rounds = plan, rounds
        self.scores: Scores = np.empty((0, 0))
        self.soft_labels: Scores = np.empty((0, 0))  # [pool, classes], of the newest student
        # [pool] for each session: the mean weight of each text in the steps after the warm-up.
        self.weights: list[npt.NDArray[np.float64]] = []
        self._rows: list[list[float]] = []
        self._student: TuningResult | None = None
        self._tuned: list[str] = []  # names of the parameters that the student has of its own

    def tune(self, task: TuningTask) -> TuningResult:
        """Tune the first teacher, then student after student; return the last one."""
        self._task, self._pool = task, task.unlabeled
        n_rounds = 1 + self.plan.settings.n_sessions
        self.rounds.run_chain("session", n_rounds, self.run, self.state, self.restore)
        if self._student is None:
            raise TuningError("no session was run; n_sessions is at least 1")
        history = [
            Epoch(epoch=number, loss=row[1], steps=int(row[3]), tokens=int(row[4]), seconds=row[5])
            for number, row in enumerate(self._rows)
        ]
        return replace(self._student, history=history)

    def history(self) -> list[dict[str, Any]]:
        """Return an entry for the first teacher, and one for each session."""
        return [
            {"session": number, **dict(zip(_COLUMNS, row, strict=True))}
            for number, row in enumerate(self._rows)
        ]

    def run(self, number: int) -> None:
        """Run the session of a number; 0 tunes the first teacher."""
        started = time.perf_counter()
        if number == 0:
            history = self._fit_teacher()
            row = [np.nan, history[-1]["loss"] if history else np.nan, np.nan]
        else:
            before = self.scores.argmax(1)
            result, losses = self._learn(number)
            self._score_pool(result)
            history = result.history
            row = [*losses, float(np.mean(self.scores.argmax(1) == before))]
        steps = sum(epoch["steps"] for epoch in history)
        tokens = sum(epoch["tokens"] for epoch in history)
        self._rows.append([*row, steps, tokens, time.perf_counter() - started])

    def state(self) -> Arrays:
        """Return all that the sessions up to now have made, as arrays."""
        arrays: Arrays = {"scores": self.scores, "history": np.array(self._rows)}
        if self._student is not None:
            arrays |= {"targets": self.soft_labels, "weights": np.array(self.weights)}
            parameters = dict(self._student.scorer.lm.named_parameters())
            for name in self._tuned:
                arrays[_PARAMETER + name] = parameters[name].detach().cpu().numpy()
            arrays |= _head_arrays(self._student.head) | _scorer_arrays(self._student.scorer)
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """Go back to such a state."""
        self.scores, self._rows = arrays["scores"], arrays["history"].tolist()
        if "targets" not in arrays:  # no student yet
            return
        self.soft_labels, self.weights = arrays["targets"], list(arrays["weights"])
        task = self._task_of(len(self._rows) - 1)
        own = with_template_tokens(self.plan.tuning.prepare(task))
        parameters = own.scorer.lm.tuned_parameters()
        self._tuned = list(parameters)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(torch.from_numpy(arrays[_PARAMETER + name]))
        own.scorer.lm.freeze()
        self._student = TuningResult(_scorer_of(arrays, own.scorer), _head_of(arrays))

    def _fit_teacher(self) -> list[Epoch]:
        """Fit the estimator on the labels, as the user would, and score the pool with it."""
        teacher: PromptClassifier = clone(self.plan.teacher).set_params(
            random_state=seed_of(self.plan.seed, 2)
        )
        fit_prompt(teacher, self.plan.data.joined())
        scores = teacher._class_scores(self.plan.data.pool)
        self.scores = at_pool_shares(scores, teacher.class_prior)
        return teacher.history_

    def _score_pool(self, student: TuningResult) -> None:
        encoded = student.scorer.encode(self._task.views)
        self.scores = replace(student.scorer, head=student.head).scores(encoded)[self._pool]

    def _task_of(self, number: int) -> TuningTask:
        rng = np.random.default_rng(seed_of(self.plan.seed, 1, number))
        return replace(self._task, rng=rng, show_progress=False)

    def _learn(self, number: int) -> tuple[TuningResult, list[float]]:
        """Have a new student learn what the newest model says."""
        self.soft_labels = soft_labels(self.scores, float(self.plan.settings.temperature))
        task, runs = self._soft(self._task_of(number)), []

        def procedure(own: TuningTask, learner: Learner, settings: TrainSettings) -> list[Epoch]:
            runs.append(
                StudentTraining(
                    own,
                    learner,
                    settings,
                    n_steps=self.plan.settings.n_steps,
                    batch_size=self.plan.settings.batch_size,
                    weights=self.plan.weights,
                )
            )
            return runs[0].learn()

        self._student = None  # its labels are all that is needed of it
        self._student = self.plan.tuning.tune_by(task, procedure)
        training = runs[0]
        known = dict(self._student.scorer.lm.named_parameters())  # class vectors are none of these
        self._tuned = [name for name in training.learner.parameters if name in known]
        self.weights.append(training.mean_weights(self._pool))
        return self._student, [training.loss, training.labeled_loss]

    def _soft(self, task: TuningTask) -> TuningTask:
        """Return the task with the teacher's labels for the texts that it is sure of."""
        confidence = self.soft_labels.max(1)
        is_sure = confidence >= self.plan.settings.min_confidence
        if not is_sure.any():
            raise InputError(
                f"the teacher of session {len(self._rows)} labels no text with a probability of "
                f"{self.plan.settings.min_confidence} or more; the surest has "
                f"{confidence.max():.3f}. Lower min_confidence"
            )
        targets, weights = task.targets.copy(), task.sample_weight.copy()
        targets[self._pool] = self.soft_labels
        weights[self._pool] = is_sure.astype(np.float64)
        return replace(task, targets=targets, sample_weight=weights, distillation_temperature=1.0)


def _head_arrays(head: StateHead | None) -> Arrays:
    if head is None:
        return {}
    own = {name: getattr(head, name) for name in _NUMBERS}
    return {f"{_HEAD}{name}": np.asarray(a) for name, a in own.items() if a is not None} | {
        f"{_MASK}{name}": a for name, a in _head_arrays(head.mask).items()
    }


def _scorer_arrays(scorer: PromptScorer) -> Arrays:
    """Return the prior, and the vectors of words or classes if they were learned."""
    arrays: Arrays = {}
    if scorer.prior is not None:
        arrays[_PRIOR] = scorer.prior.detach().cpu().numpy()
    for name in _OF_NAMES if scorer.names is not None else ():
        arrays[_NAMES + name] = getattr(scorer.names, name)
    if scorer.words.vectors is not None:
        arrays[f"{_WORDS}vectors"] = scorer.words.vectors.detach().cpu().numpy()
    if isinstance(scorer.words, LabelEmbeddings):
        arrays[f"{_WORDS}temperature"] = np.asarray(scorer.words.temperature)
    return arrays


def _scorer_of(arrays: Arrays, scorer: PromptScorer) -> PromptScorer:
    if _PRIOR in arrays:
        scorer = replace(scorer, prior=torch.from_numpy(arrays[_PRIOR]))
    if scorer.names is not None:
        learned: dict[str, Any] = {name: arrays[_NAMES + name] for name in _OF_NAMES}
        scorer = replace(scorer, names=replace(scorer.names, **learned))
    if f"{_WORDS}vectors" not in arrays:
        return scorer
    vectors, words = torch.from_numpy(arrays[f"{_WORDS}vectors"]), scorer.words
    if isinstance(words, LabelWords):
        return replace(scorer, words=replace(words, vectors=vectors))
    temperature = float(arrays[f"{_WORDS}temperature"])
    return replace(scorer, words=replace(words, vectors=vectors, temperature=temperature))


def _head_of(arrays: Arrays, prefix: str = _HEAD) -> StateHead | None:
    if f"{prefix}coef" not in arrays:
        return None
    found = {name: arrays[prefix + name] for name in _NUMBERS if prefix + name in arrays}
    values: dict[str, Any] = {name: a if a.ndim else float(a) for name, a in found.items()}
    return StateHead(**values, mask=_head_of(arrays, _MASK + prefix))
