"""One classifier in place of a pool of several: it learns what the pool says of texts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.automatic.pool import pooled
from fewshot.classifiers.automatic.task import Task
from fewshot.classifiers.automatic.voices import class_scores, pool_within
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.embedding import EmbeddingClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.fitting import fit_soft_labels
from fewshot.data.examples import Examples
from fewshot.data.labels import Label
from fewshot.data.unlabeled import text_keys
from fewshot.errors import FewShotWarning, InputError, LabelWordWarning
from fewshot.scoring.distillation import LEAST_TAUGHT

Array: TypeAlias = npt.NDArray[np.float64]

_MOST_CHANGED = 0.15  # of held-out texts; docs/evidence/classifier.md, as the next
_MOST_CHANGED_BY_GAUSSIANS = 0.3
_FOLDS = 5
_C_TAUGHT = 1000.0  # of embeddings; docs/evidence/classifier.md

Learner: TypeAlias = EmbeddingClassifier | PromptClassifier


class Told(NamedTuple):
    """What a student learns from: the labelled texts, and others with what the pool says."""

    examples: Examples
    soft_labels: Array  # [n, n_classes]
    sample_weight: Array  # [n]
    n_labeled: int = 0  # the first ones

    def take(self, rows: npt.NDArray[np.int64]) -> Told:
        """Return some rows."""
        own = self.soft_labels[rows], self.sample_weight[rows]
        n_labeled = int(np.sum(rows < self.n_labeled))
        return Told(self.examples.take(rows), *own, n_labeled)


def is_distilled(task: Task) -> bool:
    """Return whether a fit may end with a classifier that learns from the texts without labels."""
    if task.kind.has_several or len(task.data.pool) < LEAST_TAUGHT:
        return False
    return not task.n_labeled or bool(task.truth()[0].any(0).all())


def check_texts(examples: Examples) -> Examples:
    """Return the texts, each once; refuse too few to learn from."""
    distinct = np.sort(np.unique(text_keys(examples), return_index=True)[1])
    n_texts = len(distinct)
    if n_texts < LEAST_TAUGHT:
        raise InputError(
            f"distill learns from {LEAST_TAUGHT} different texts or more, got {n_texts}; they need "
            "no labels. With fewer, keep the Classifier: save it, or export one of its voices_"
        )
    return examples.take(distinct)


def starts_of(voices: Mapping[str, TextClassifier], weights: Array) -> list[Learner]:
    """Return the voices on whose states a student may learn, those to be tried first in front."""
    # Sentence embeddings, and the prompt classifier, or what another has learned as one, of the
    # largest weight: docs/evidence/classifier.md
    ranked = [list(voices.values())[i] for i in np.argsort(-weights, kind="stable").tolist()]
    embeddings = [voice for voice in ranked if isinstance(voice, EmbeddingClassifier)]
    prompts = [prompt for voice in ranked if (prompt := prompt_of(voice)) is not None]
    return [*embeddings[:1], *prompts[:1]]


def prompt_of(voice: TextClassifier) -> PromptClassifier | None:
    """Return a prompt classifier, or what another has learned as one, if it is one."""
    while hasattr(voice, "estimator_"):
        voice = voice.estimator_
    return voice if isinstance(voice, PromptClassifier) else None


def student_of(
    task: Task,
    of_texts: Array,  # seconds of each text, [n]
    seconds: float,
    voices: Mapping[str, TextClassifier],
    weights: Array,
    n_read: int = 0,  # texts without labels, by the voices
) -> tuple[Learner | None, str]:
    """Return the classifier that a fit ends with, or none, and what to say of it."""
    starts = starts_of(voices, weights)
    rows, _ = pool_within(task, of_texts, voices, seconds, n_read)
    if not starts or len(rows) < LEAST_TAUGHT:
        lack = f"no time for {LEAST_TAUGHT} texts" if starts else "no voice runs a model"
        return None, f"not tried: {lack}"
    n, targets, of_labeled = task.n_labeled, np.zeros((0, len(task.classes))), np.zeros(0)
    if n:
        targets, of_labeled, _ = task.truth()
        of_labeled = of_labeled / of_labeled.mean()
    said = np.exp(pooled(weights, scores_of(voices, task.data.pool.take(rows))))
    told = Told(
        task.data.joined().examples.take(np.concatenate([np.arange(n), n + rows])),
        np.concatenate([targets, said]),
        np.concatenate([of_labeled, np.ones(len(rows))]),
        n,
    )
    start, change = chosen_start(starts, told)
    if change.is_too_much:
        return None, f"left out: puts {change} of held-out texts into another class"
    note = f"predicts: learned from {len(rows)} texts without labels what the others say"
    return distilled(start, told, as_gaussians=change.is_gaussian), note


class Change(NamedTuple):
    """The share of held-out texts that a student puts into another class than it is told."""

    share: float
    is_gaussian: bool = False

    @property
    def is_too_much(self) -> bool:
        """Whether the pool is kept in its place."""
        return self.share > (_MOST_CHANGED_BY_GAUSSIANS if self.is_gaussian else _MOST_CHANGED)

    def __str__(self) -> str:
        return f"{100 * self.share:.3g} %"


def chosen_start(starts: Sequence[Learner], told: Told) -> tuple[Learner, Change]:
    """Return the first start whose student says what it is told, or the best, and what changes."""
    changes: list[Change] = []
    for start in starts:
        changes.append(change_of(start, told))
        if not changes[-1].is_too_much:
            return start, changes[-1]
    best = int(np.argmin([change.share for change in changes]))
    return starts[best], changes[best]


def change_of(start: Learner, told: Told) -> Change:
    """Return what a student of the other texts changes of a fifth of them."""
    n = len(told.examples) - told.n_labeled
    rest = told.n_labeled + np.random.default_rng(0).permutation(n)[: n // _FOLDS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewShotWarning)  # the fit on all texts gives them
        student = distilled(start, told.take(np.delete(np.arange(len(told.examples)), rest)))
        found = student._class_scores(told.examples.take(rest)).argmax(1)
    share = float(np.mean(found != told.soft_labels[rest].argmax(1)))
    is_embedding = isinstance(student, EmbeddingClassifier)
    return Change(share, is_embedding and student.head_ == "gaussians")


def scores_of(voices: Mapping[str, TextClassifier], texts: Examples) -> list[Array]:
    """Return the scores of each voice, [n, n_classes], without the warnings of its fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewShotWarning)
        return [class_scores(voice, texts) for voice in voices.values()]


def distilled(start: Learner, told: Told, *, as_gaussians: bool = True) -> Learner:
    """Fit classes on states of a voice's model to soft labels; Gaussians if these are enough."""
    labels = start.classes_[told.soft_labels.argmax(1)].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWordWarning)  # the pool's fit has given them
        return _learned(start, told, labels, as_gaussians=as_gaussians)


def _learned(start: Learner, told: Told, labels: list[Label], *, as_gaussians: bool) -> Learner:
    if isinstance(start, EmbeddingClassifier):
        embedding = EmbeddingClassifier(
            start.model,
            start.verbalizer,
            max_length=start.max_length,
            labels=start.classes_.tolist() if start.verbalizer is None else None,
        )
        given = told.examples, labels, told.soft_labels, told.sample_weight
        n_labeled = told.n_labeled if as_gaussians else None
        return embedding._fit_soft(*given, C=_C_TAUGHT, n_labeled=n_labeled)
    student = PromptClassifier(
        start.template,
        start.verbalizer,
        model=start.model_,
        tuning="head",
        labels=start.labels,
        max_length=start.max_length,
        random_state=0,
        verbose=0,
    )
    return fit_soft_labels(
        student, told.examples, labels, told.soft_labels, 1.0, told.sample_weight
    )
