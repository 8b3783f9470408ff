"""Sessions of self-training: a teacher labels texts, a new student learns from them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.pseudo_labels import soft_labels
from fewshot.classifiers.semi_supervised.student_training import StudentTraining
from fewshot.errors import InputError, TuningError
from fewshot.scoring.heads import StateHead, scores_with_head
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import PromptScorer
from fewshot.training.checkpoint import Arrays
from fewshot.training.history import Epoch
from fewshot.training.loop import Learner, TrainSettings
from fewshot.training.rounds import Rounds, seed_of
from fewshot.tuning.delegated import DelegatedTuning
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.soft_templates import with_template_tokens
from fewshot.tuning.task import TuningResult, TuningTask

# Gives class scores of the pool [n_pool, n_classes], and the epochs that it took.
FirstTeacher: TypeAlias = "Callable[[], tuple[Scores, list[Epoch]]]"

_COLUMNS = ("loss", "labelled_loss", "agreement", "steps", "tokens", "seconds")
_PARAMETER, _HEAD, _WORDS, _PRIOR = "parameter.", "head.", "words.", "prior"

Scores: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SessionRecord:
    """What happened in the sessions.

    Parameters
    ----------
    soft_labels : ndarray of shape (n_pool, n_classes)
        What the last student learned from.
    weights : ndarray of shape (n_sessions, n_pool)
        Mean weight of each text in a session's steps after the warm-up, 1 for one that counts as
        with uniform weights; 0 for one that was left out, NaN for one that was not drawn.
    history : list of dict
        One entry for the first teacher, then one a session.
    """

    soft_labels: Scores
    weights: npt.NDArray[np.float64]
    history: list[dict[str, float]]


class Sessions(DelegatedTuning):
    """LiST's procedure as a strategy: another one says what students tune.

    Beside its settings it has ``record_`` after :meth:`tune`.

    Parameters
    ----------
    teacher : callable
        Tunes the first teacher, and returns the scores of the pool and its history.
    student : GradientTuning
        Of each student; it starts from the model as it was before any tuning.
    n_sessions, n_steps, batch_size : int
        Steps of a session on unlabelled texts, and how many of these a step has.
    weights : MetaWeights or None
        None weighs all alike.
    temperature : float
        Of the soft labels; below 1 they are sharpened.
    min_confidence : float
        Texts whose likeliest class is less probable are left out of a session.
    seed : int
    rounds : Rounds
    """

    def __init__(
        self,
        teacher: FirstTeacher,
        student: GradientTuning,
        *,
        n_sessions: int,
        n_steps: int,
        batch_size: int,
        weights: MetaWeights | None,
        temperature: float,
        min_confidence: float,
        seed: int,
        rounds: Rounds,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.n_sessions = n_sessions
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.weights = weights
        self.temperature = temperature
        self.min_confidence = min_confidence
        self.seed = seed
        self.rounds = rounds

    def tune(self, task: TuningTask) -> TuningResult:
        """Tune the first teacher, then student after student; the last one is the result."""
        run = _Run(self, task)
        self.rounds.run_chain("session", 1 + self.n_sessions, run.session, run.state, run.restore)
        self.record_ = run.record()
        return run.result()

    @property
    def delegate(self) -> GradientTuning:
        """What students tune by."""
        return self.student


class _Run:
    """The state that sessions hand on: what the newest model says of the pool, and the model."""

    def __init__(self, settings: Sessions, task: TuningTask) -> None:
        self.settings, self.task = settings, task
        self.pool = task.unlabeled
        self.scores: Scores = np.empty((0, 0))
        self.targets: Scores = np.empty((0, 0))
        self.weights: list[npt.NDArray[np.float64]] = []
        self.rows: list[list[float]] = []
        self.student: TuningResult | None = None
        self.tuned: list[str] = []  # names of the parameters that the student has of its own

    def session(self, number: int) -> None:
        """Do the session of a number; 0 tunes the first teacher."""
        started = time.perf_counter()
        if number == 0:
            self.scores, history = self.settings.teacher()
            row = [np.nan, history[-1]["loss"] if history else np.nan, np.nan]
        else:
            before = self.scores.argmax(1)
            result, losses = self._learn(number)
            encoded = result.scorer.encode(self.task.views)
            head = result.head
            if head is not None and head.prompt_share == 0:
                head = replace(head, temperature=1.0)  # what it says in the end is sharper
            self.scores = scores_with_head(result.scorer, head, encoded)[self.pool]
            history = result.history
            row = [*losses, float(np.mean(self.scores.argmax(1) == before))]
        steps = sum(epoch["steps"] for epoch in history)
        tokens = sum(epoch["tokens"] for epoch in history)
        self.rows.append([*row, steps, tokens, time.perf_counter() - started])

    def state(self) -> Arrays:
        """Return all that the sessions up to now have made, as arrays."""
        arrays: Arrays = {"scores": self.scores, "history": np.array(self.rows)}
        if self.student is not None:
            arrays |= {"targets": self.targets, "weights": np.array(self.weights)}
            parameters = dict(self.student.scorer.lm.named_parameters())
            for name in self.tuned:
                arrays[_PARAMETER + name] = parameters[name].detach().cpu().numpy()
            arrays |= _head_arrays(self.student.head) | _scorer_arrays(self.student.scorer)
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """Go back to such a state."""
        self.scores, self.rows = arrays["scores"], arrays["history"].tolist()
        if "targets" not in arrays:  # no student yet
            return
        self.targets, self.weights = arrays["targets"], list(arrays["weights"])
        task = self._task_of(len(self.rows) - 1)
        own = with_template_tokens(self.settings.student.prepare(task))
        parameters = own.scorer.lm.tuned_parameters()
        self.tuned = list(parameters)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(torch.from_numpy(arrays[_PARAMETER + name]))
        own.scorer.lm.freeze()
        self.student = TuningResult(_scorer_of(arrays, own.scorer), _head_of(arrays))

    def result(self) -> TuningResult:
        """Return the last student."""
        if self.student is None:
            raise TuningError("no session was run; n_sessions is at least 1")
        history = [
            Epoch(epoch=number, loss=row[1], steps=int(row[3]), tokens=int(row[4]), seconds=row[5])
            for number, row in enumerate(self.rows)
        ]
        return replace(self.student, history=history)

    def record(self) -> SessionRecord:
        """Return what is told of the sessions."""
        history = [
            {"session": number, **dict(zip(_COLUMNS, row, strict=True))}
            for number, row in enumerate(self.rows)
        ]
        return SessionRecord(self.targets, np.array(self.weights), history)

    def _task_of(self, number: int) -> TuningTask:
        rng = np.random.default_rng(seed_of(self.settings.seed, 1, number))
        return replace(self.task, rng=rng, show_progress=False)

    def _learn(self, number: int) -> tuple[TuningResult, list[float]]:
        """Have a new student learn what the newest model says."""
        self.targets = soft_labels(self.scores, self.settings.temperature)
        task, runs = self._soft(self._task_of(number)), []

        def procedure(own: TuningTask, learner: Learner, settings: TrainSettings) -> list[Epoch]:
            runs.append(
                StudentTraining(
                    own,
                    learner,
                    settings,
                    n_steps=self.settings.n_steps,
                    batch_size=self.settings.batch_size,
                    weights=self.settings.weights,
                )
            )
            return runs[0].learn()

        self.student = None  # its labels are all that is needed of it
        self.student = self.settings.student.tune_by(task, procedure)
        training = runs[0]
        known = dict(self.student.scorer.lm.named_parameters())  # class vectors are none of these
        self.tuned = [name for name in training.learner.parameters if name in known]
        self.weights.append(training.mean_weights(self.pool))
        return self.student, [training.loss, training.labelled_loss]

    def _soft(self, task: TuningTask) -> TuningTask:
        """Return the task with the teacher's labels for the texts that it is sure of."""
        confidence = self.targets.max(1)
        is_sure = confidence >= self.settings.min_confidence
        if not is_sure.any():
            raise InputError(
                f"the teacher of session {len(self.rows)} labels no text with a probability of "
                f"{self.settings.min_confidence} or more; the surest has {confidence.max():.3f}. "
                "Lower min_confidence"
            )
        targets, weights = task.targets.copy(), task.sample_weight.copy()
        targets[self.pool] = self.targets
        weights[self.pool] = is_sure.astype(np.float64)
        return replace(task, targets=targets, sample_weight=weights, distillation_temperature=1.0)


def _head_arrays(head: StateHead | None) -> Arrays:
    if head is None:
        return {}
    return {f"{_HEAD}{field.name}": np.asarray(getattr(head, field.name)) for field in fields(head)}


def _scorer_arrays(scorer: PromptScorer) -> Arrays:
    """Return the prior, and what stands for the classes if it was learned."""
    arrays: Arrays = {}
    if scorer.prior is not None:
        arrays[_PRIOR] = scorer.prior.detach().cpu().numpy()
    if scorer.words.vectors is not None:
        arrays[f"{_WORDS}vectors"] = scorer.words.vectors.detach().cpu().numpy()
    if isinstance(scorer.words, LabelEmbeddings):
        arrays[f"{_WORDS}temperature"] = np.asarray(scorer.words.temperature)
    return arrays


def _scorer_of(arrays: Arrays, scorer: PromptScorer) -> PromptScorer:
    if _PRIOR in arrays:
        scorer = replace(scorer, prior=torch.from_numpy(arrays[_PRIOR]))
    if f"{_WORDS}vectors" not in arrays:
        return scorer
    vectors, words = torch.from_numpy(arrays[f"{_WORDS}vectors"]), scorer.words
    if isinstance(words, LabelWords):
        return replace(scorer, words=replace(words, vectors=vectors))
    temperature = float(arrays[f"{_WORDS}temperature"])
    return replace(scorer, words=replace(words, vectors=vectors, temperature=temperature))


def _head_of(arrays: Arrays) -> StateHead | None:
    if f"{_HEAD}coef" not in arrays:
        return None
    return StateHead(
        arrays[f"{_HEAD}center"],
        float(arrays[f"{_HEAD}scale"]),
        arrays[f"{_HEAD}coef"],
        float(arrays[f"{_HEAD}temperature"]),
        float(arrays[f"{_HEAD}prompt_share"]),
    )
