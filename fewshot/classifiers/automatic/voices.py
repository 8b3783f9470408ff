"""The classifiers that are heard: what each suits, and how it is made, fitted and held out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from fewshot.classifiers.automatic.task import Task
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.embedding import EmbeddingClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier
from fewshot.classifiers.semi_supervised.pcp import PCPClassifier
from fewshot.classifiers.semi_supervised.pet import PETClassifier
from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.data.training_data import TrainingData
from fewshot.errors import LabelWordError, VerbalizerError
from fewshot.models.embedded import EMBEDDED

Array = npt.NDArray[np.float64]


class Voice(NamedTuple):
    """A classifier that can be tried."""

    name: str
    make: Callable[[Task], Any]  # a classifier of this package, not fitted
    suits: Callable[[Task], bool]
    weight: float  # in the pool without evidence; docs/evidence/classifier.md

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

    def seconds(self, task: Task) -> float:
        """Estimate the seconds of a fit on this machine, from a measured batch."""
        clf = self.make(task)
        if not isinstance(clf, SemiSupervisedClassifier):
            return float(clf.dry_run(*_arguments(task.labeled)).seconds)
        tuned = _prompt(task, "full").dry_run(*_arguments(task.labeled)).seconds
        once = zero_shot(task).dry_run(task.data.pool).seconds
        n_fits, n_passes = _COSTS[self.name]
        return float(n_fits * tuned + n_passes * once)

    def held_out(self, task: Task, n_folds: int) -> Array:
        """Return log-probabilities of each text from a fit without it, [n, n_classes]; or NaN."""
        folds = task.folds(n_folds)
        scores = np.full((len(folds), len(task.classes)), np.nan)
        for fold in range(folds.max() + 1):
            rows = np.flatnonzero(folds == fold)
            clf = self.fit(task.part(np.flatnonzero(folds != fold)))
            scores[rows] = log_probabilities(clf, task.labeled.examples.take(rows))
        return scores


def log_probabilities(clf: TextClassifier, X: Any) -> Array:
    """Return log-probabilities without the offsets of class weights and shares, [n, n_classes]."""
    scores: Array = log_softmax(clf._class_scores(X), axis=1)
    return scores


def _arguments(rows: TrainingData) -> tuple[Any, Any]:
    return rows.examples, rows.labels


def _prompt(task: Task, tuning: str) -> PromptClassifier:
    return PromptClassifier(
        task.template,
        task.verbalizer,
        model=task.model,
        tuning=tuning,
        labels=task.classes if task.verbalizer is None else None,
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


def _always(_task: Task) -> bool:
    return True


def _is_embedded(task: Task) -> bool:
    return isinstance(task.model, str) and task.model in EMBEDDED


def _has_pool(task: Task) -> bool:
    return len(task.data.pool) >= _LEAST_POOL and has_words(task)


_LEAST_POOL = 50  # texts without a label
# Fits of a prompt classifier, and passes over the unlabelled texts: three for an epoch of training.
_COSTS = {"pet": (4, 4 + 3 * 3), "pcp": (1, 1 + 5 * 3)}

CHEAP = (
    Voice("head", _tuned("head"), _always, 0.6),
    Voice(
        "embedding",
        lambda task: EmbeddingClassifier(task.model, labels=task.classes),
        _is_embedded,
        0.2,
    ),
    Voice("tfidf", lambda task: TfidfClassifier(labels=task.classes), _always, 0.2),
)
COSTLY = (
    Voice("contrastive", _tuned("contrastive"), _always, 0.5),
    Voice("full", _tuned("full"), _always, 0.5),
    Voice("pet", _pet, _has_pool, 0.5),
    Voice("pcp", _pcp, _has_pool, 0.5),
)
