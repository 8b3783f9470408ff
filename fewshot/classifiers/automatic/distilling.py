"""One classifier in place of a pool of several: it learns what the pool says of texts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.automatic.pool import pooled
from fewshot.classifiers.automatic.task import Task
from fewshot.classifiers.automatic.voices import class_scores, pool_within
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.fitting import fit_soft_labels
from fewshot.data.examples import Examples
from fewshot.data.unlabeled import text_keys
from fewshot.errors import FewShotWarning, InputError, LabelWordWarning

Array: TypeAlias = npt.NDArray[np.float64]

LEAST_TEXTS = 100  # of Head, for learning from soft labels alone
MOST_CHANGED = 0.1  # of held-out texts; docs/evidence/classifier.md
_FOLDS = 5


def is_distilled(task: Task) -> bool:
    """Return whether a fit may end with a classifier that learns from the texts without labels."""
    if task.kind.has_several or len(task.data.pool) < LEAST_TEXTS:
        return False
    return task.data.labeled is not None and bool(task.truth()[0].any(0).all())


def check_texts(examples: Examples) -> Examples:
    """Refuse too few texts to learn from."""
    n_texts = len(np.unique(text_keys(examples)))
    if n_texts < LEAST_TEXTS:
        raise InputError(
            f"distill learns from {LEAST_TEXTS} different texts or more, got {n_texts}; they need "
            "no labels. With fewer, keep the Classifier: save it, or export one of its voices_"
        )
    return examples


def best_prompt(voices: Mapping[str, TextClassifier], weights: Array) -> PromptClassifier | None:
    """Return the prompt classifier, or what another has learned as one, of the largest weight."""
    places = np.argsort(-weights, kind="stable").tolist()
    found = (prompt_of(list(voices.values())[place]) for place in places)
    return next((prompt for prompt in found if prompt is not None), None)


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
) -> tuple[PromptClassifier | None, str]:
    """Return the classifier that a fit ends with, or none, and what to say of it."""
    voice = best_prompt(voices, weights)
    rows, _ = pool_within(task, of_texts, voices, seconds)
    if voice is None or len(rows) < LEAST_TEXTS:
        lack = "no voice has a prompt" if voice is None else f"no time for {LEAST_TEXTS} texts"
        return None, f"not tried: {lack}"
    n, (targets, of_labeled, _) = task.n_labeled, task.truth()
    said = np.exp(pooled(weights, scores_of(voices, task.data.pool.take(rows))))
    examples = task.data.joined().examples.take(np.concatenate([np.arange(n), n + rows]))
    soft_labels = np.concatenate([targets, said])
    sample_weight = np.concatenate([of_labeled / of_labeled.mean(), np.ones(len(rows))])
    share = changed_share(voice, examples, soft_labels, sample_weight, n)
    if share > MOST_CHANGED:
        return None, f"left out: puts {share:.0%} of held-out texts into another class"
    student = distilled(voice, examples, soft_labels, sample_weight)
    return student, f"predicts: learned from {len(rows)} texts without labels what the others say"


def changed_share(
    voice: PromptClassifier,
    examples: Examples,
    soft_labels: Array,  # [n, n_classes]
    sample_weight: Array,  # [n]
    n_labeled: int = 0,
) -> float:
    """Return the share of texts that a student without them puts into another class than told."""
    held = np.arange(len(examples)) % _FOLDS == _FOLDS - 1
    held[:n_labeled] = False
    kept, rest = np.flatnonzero(~held), np.flatnonzero(held)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewShotWarning)  # the fit on all texts gives them
        student = distilled(voice, examples.take(kept), soft_labels[kept], sample_weight[kept])
        found = student._class_scores(examples.take(rest)).argmax(1)
    return float(np.mean(found != soft_labels[rest].argmax(1)))


def scores_of(voices: Mapping[str, TextClassifier], texts: Examples) -> list[Array]:
    """Return the scores of each voice, [n, n_classes], without the warnings of its fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewShotWarning)
        return [class_scores(voice, texts) for voice in voices.values()]


def distilled(
    voice: PromptClassifier,
    examples: Examples,
    soft_labels: Array,  # [n, n_classes]
    sample_weight: Array,  # [n]
) -> PromptClassifier:
    """Fit a regression on states of a voice's model to soft labels; it weighs no class."""
    student = PromptClassifier(
        voice.template,
        voice.verbalizer,
        model=voice.model_,
        tuning="head",
        labels=voice.labels,
        max_length=voice.max_length,
        random_state=0,
        verbose=0,
    )
    labels = voice.classes_[soft_labels.argmax(1)].tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabelWordWarning)  # the pool's fit has given them
        return fit_soft_labels(student, examples, labels, soft_labels, 1.0, sample_weight)
