"""The classifiers that are heard: what each suits, and how it is made, fitted and held out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.automatic.task import Task
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.embedding import EmbeddingClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier
from fewshot.classifiers.semi_supervised.pcp import PCPClassifier
from fewshot.classifiers.semi_supervised.pet import PETClassifier
from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.data.training_data import TrainingData
from fewshot.errors import FewShotWarning, LabelWordError, VerbalizerError
from fewshot.models.embedded import EMBEDDED
from fewshot.tuning import resolve_tuning

Array = npt.NDArray[np.float64]


class Pace(NamedTuple):
    """Seconds of one pass of the model over the texts with labels, and over those without."""

    labeled: float
    unlabeled: float


def measured_pace(task: Task) -> Pace:
    """Measure on a batch how fast the model reads these texts on this machine."""
    rows = task.data.joined()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewShotWarning)  # the fits give them
        cost = _prompt(task, "head").dry_run(*_arguments(rows))
    per_text = cost.seconds / cost.n_texts
    return Pace(per_text * task.n_labeled, per_text * len(task.data.pool))


class Voice(NamedTuple):
    """A classifier that can be tried."""

    name: str
    make: Callable[[Task], Any]  # a classifier of this package, not fitted
    suits: Callable[[Task], bool]
    weight: float  # in the pool without evidence; docs/evidence/classifier.md
    passes: tuple[float, float]  # of the model over the texts with and without labels

    def fit(self, task: Task) -> TextClassifier:
        """Fit it to what it can learn from: labelled texts, and others where those serve."""
        clf, rows = self.make(task), task.labeled
        more: dict[str, Any] = {}
        if isinstance(clf, SemiSupervisedClassifier):
            more = {"unlabeled": task.data.pool}
        if isinstance(clf, PromptClassifier):
            rows = task.data.joined()
        clf.fit(*_arguments(rows), sample_weight=rows.sample_weight, **more)
        fitted: TextClassifier = clf
        return fitted

    def seconds(self, pace: Pace) -> float:
        """Estimate the seconds of a fit."""
        return self.passes[0] * pace.labeled + self.passes[1] * pace.unlabeled

    def held_out(self, task: Task, n_folds: int) -> Array:
        """Return log-probabilities of each text from a fit without it, [n, n_classes]; or NaN."""
        folds = task.folds(n_folds)
        scores = np.full((len(folds), len(task.classes)), np.nan)
        for fold in range(folds.max() + 1):
            rows = np.flatnonzero(folds == fold)
            clf = self.fit(task.part(np.flatnonzero(folds != fold)))
            scores[rows] = class_scores(clf, task.labeled.examples.take(rows))
        return scores


def class_scores(clf: TextClassifier, X: Any) -> Array:
    """Return scores without the offsets of class weights and shares, [n, n_classes]."""
    return clf.task_kind_.normalized(clf._class_scores(X))


def _arguments(rows: TrainingData) -> tuple[Any, Any]:
    return rows.examples, rows.labels


def _prompt(task: Task, tuning: str) -> PromptClassifier:
    return PromptClassifier(
        task.template,
        task.verbalizer,
        model=task.model,
        tuning=tuning,
        labels=task.classes if task.verbalizer is None else None,
        threshold=task.threshold,
        class_weight=task.class_weight,
        class_prior=task.class_prior,
        random_state=task.seed,
        verbose=0,
    )


def zero_shot(task: Task) -> PromptClassifier:
    """Return the classifier that needs no label."""
    return _prompt(task, "none")


def has_words(task: Task) -> bool:
    """Return whether texts can be classified by words for the classes, without any label."""
    try:
        zero_shot(task).dry_run()
    except (VerbalizerError, LabelWordError):
        return False
    return True


def _tuned(name: str) -> Callable[[Task], TextClassifier]:
    return lambda task: _prompt(task, name)


def _pet(task: Task) -> PETClassifier:
    return PETClassifier(_prompt(task, "full"), random_state=task.seed, verbose=0)


def _pcp(task: Task) -> PCPClassifier:
    return PCPClassifier(_prompt(task, "full"), random_state=task.seed, verbose=0)


def _embedding(task: Task) -> EmbeddingClassifier:
    return EmbeddingClassifier(
        task.model,
        task.verbalizer,
        labels=task.classes if task.verbalizer is None else None,
        class_weight=task.class_weight,
        threshold=task.threshold,
    )


def _tfidf(task: Task) -> TfidfClassifier:
    return TfidfClassifier(
        labels=task.classes, class_weight=task.class_weight, threshold=task.threshold
    )


def _always(_task: Task) -> bool:
    return True


def _has_one_label(task: Task) -> bool:
    return not task.kind.has_several


def _is_embedded(task: Task) -> bool:
    return isinstance(task.model, str) and task.model in EMBEDDED


def _has_pool(task: Task) -> bool:
    return len(task.data.pool) >= _LEAST_POOL and _has_one_label(task) and has_words(task)


_LEAST_POOL = 50  # texts without a label
_FULL, _CONTRASTIVE = (1 + resolve_tuning(name).passes() for name in ("full", "contrastive"))
_MEMBERS, _EPOCH = 4, 3  # of PET; passes of an epoch of training

CHEAP = (
    Voice("head", _tuned("head"), _always, 0.3, (1, 1)),
    Voice("embedding", _embedding, _is_embedded, 0.3, (1, 0)),
    Voice("tfidf", _tfidf, _always, 0.2, (0, 0)),
)
COSTLY = (
    Voice("contrastive", _tuned("contrastive"), _has_one_label, 0.6, (_CONTRASTIVE, 1)),
    Voice("full", _tuned("full"), _always, 0.5, (_FULL, 1)),
    Voice("pet", _pet, _has_pool, 0.5, (_MEMBERS * _FULL, 2 * _MEMBERS + 3 * _EPOCH)),
    Voice("pcp", _pcp, _has_pool, 0.5, (_FULL, 2 + 5 * _EPOCH)),
)
ZERO_SHOT = Voice("zero-shot", zero_shot, has_words, 0.3, (0, 1))  # where head takes too long
