"""One classifier in place of a pool of several: it learns what the pool says of texts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.fitting import fit_soft_labels
from fewshot.data.examples import Examples
from fewshot.data.unlabeled import text_keys
from fewshot.errors import InputError, LabelWordWarning

_LEAST_TEXTS = 100  # of Head, for learning from soft labels alone


def check_texts(examples: Examples) -> Examples:
    """Refuse too few texts to learn from."""
    n_texts = len(np.unique(text_keys(examples)))
    if n_texts < _LEAST_TEXTS:
        raise InputError(
            f"distill learns from {_LEAST_TEXTS} different texts or more, got {n_texts}; they need "
            "no labels. With fewer, keep the Classifier: save it, or export one of its voices_"
        )
    return examples


def best_prompt(
    voices: Mapping[str, TextClassifier], weights: npt.NDArray[np.float64]
) -> PromptClassifier | None:
    """Return the prompt classifier, or what another has learned as one, of the largest weight."""
    for place in np.argsort(-weights, kind="stable").tolist():
        voice = list(voices.values())[place]
        while hasattr(voice, "estimator_"):
            voice = voice.estimator_
        if isinstance(voice, PromptClassifier):
            return voice
    return None


def distilled(
    voice: PromptClassifier,
    examples: Examples,
    soft_labels: npt.NDArray[np.float64],  # [n, n_classes]
) -> PromptClassifier:
    """Fit a regression on states of a voice's model to soft labels."""
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
        fit_soft_labels(student, examples, labels, soft_labels, temperature=1.0)
    # Weights of texts have done their work; those of classes hold for the decision, and a refit.
    return student.set_params(class_weight=voice.class_weight, class_prior=voice.class_prior)
