"""Steps that all semi-supervised fits share: open one, check it, fit a prompt classifier in it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.class_words import read_verbalizer, resolve_classes
from fewshot.classifiers.prompt_plan import PromptPlan, TuningProcedure, plan_fit
from fewshot.data.examples import Examples
from fewshot.data.labels import Label
from fewshot.data.semi_supervised_data import SemiSupervisedData, read_semi_supervised_data
from fewshot.data.settings import new_rng
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.errors import InputError
from fewshot.models.fingerprint import (
    UnknownContentError,
    fingerprint,
    model_fingerprint,
    settings_of,
)
from fewshot.models.masked_lm import MaskedLM
from fewshot.training.checkpoint import Checkpoint
from fewshot.training.rounds import seed_of
from fewshot.tuning import resolve_tuning
from fewshot.tuning.task import TuningResult, TuningTask

if TYPE_CHECKING:
    from fewshot.classifiers.prompt import PromptClassifier
    from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier


class FitArguments(NamedTuple):
    """Arguments of ``fit``: as the user passed them, or checked by the fit around this one."""

    X: Any
    y: Any
    sample_weight: Any
    unlabeled: Any

    @classmethod
    def of(cls, data: SemiSupervisedData) -> FitArguments:
        """Return checked data as the arguments of a nested fit."""
        return cls(data.labeled, None, None, data.pool if len(data.pool) else None)


class OpenFit(NamedTuple):
    """A fit whose texts are read."""

    data: SemiSupervisedData
    checkpoint: Checkpoint
    seed: int  # that of the interrupted fit, if random_state fixes none


@dataclass(frozen=True)
class FitPlan:
    """A fit, checked; each method adds what it needs."""

    data: SemiSupervisedData
    checkpoint: Checkpoint
    seed: int
    lm: MaskedLM  # from which all classifiers start
    classes: list[Label]
    n_rounds: int

    def begin(self, settings: SemiSupervisedClassifier) -> None:
        """Start or resume the checkpoint of the fit."""
        configuration = {}
        if self.checkpoint.is_kept:
            configuration = {**settings_of(settings), **digests_of(self.data, self.lm)}
        self.checkpoint.begin(self.seed, configuration)


def open_fit(
    settings: SemiSupervisedClassifier, given: FitArguments, fields: tuple[str, ...]
) -> OpenFit:
    """Read what was passed to ``fit``, and find what an interrupted fit on it left."""
    if given.X is None and given.y is not None:
        raise InputError("y was passed without X; pass the texts too, or neither")
    rows = None
    if given.X is not None:
        rows = read_training_data(given.X, given.y, given.sample_weight, fields)
    _check_kind(settings, rows)
    digest = ""
    if settings.checkpoint_dir is not None:
        try:
            digest = fingerprint([settings_of(settings), None if rows is None else tuple(rows)])
        except UnknownContentError as error:
            raise InputError(
                f"checkpoint_dir resumes a fit if all settings are the same, and there is {error} "
                "among them; leave checkpoint_dir out, or pass GivenTerms in place of a Lookup"
            ) from error
    checkpoint = Checkpoint(settings.checkpoint_dir, digest)
    drawn = int(new_rng(settings.random_state).integers(2**31))
    seed = checkpoint.seed(drawn, is_fixed=settings.random_state is not None)
    data = read_semi_supervised_data(
        rows,
        given.unlabeled,
        fields=fields,
        max_unlabeled=settings.max_unlabeled,
        rng=np.random.default_rng(seed_of(seed, 0)),
    )
    return OpenFit(data, checkpoint, seed)


def _check_kind(settings: SemiSupervisedClassifier, rows: TrainingData | None) -> None:
    """Refuse several labels for a text where the method's rules are those of one class."""
    several = rows is not None and rows.labels.kind.has_several
    if several and not settings._takes_several_labels:
        raise InputError(
            f"{type(settings).__name__} learns one label for each text: it trusts a prediction by "
            "how far its class is ahead of the others. For several labels use PromptClassifier, "
            "with tuning='head' or 'full'"
        )


def digests_of(data: SemiSupervisedData, lm: MaskedLM) -> dict[str, str]:
    """Return digests of the texts and of a model's weights, for a checkpoint."""
    return {
        "labelled data": fingerprint(None if data.labeled is None else tuple(data.labeled)),
        "unlabelled texts": fingerprint(data.pool),
        "weights of the model": model_fingerprint(lm),
    }


def plan_prompt(classifier: PromptClassifier, data: TrainingData | None) -> PromptPlan:
    """Check the fit of a classifier; without labels it becomes a zero-shot classifier."""
    if data is None or not data.labels.is_labeled.any():
        classifier.set_params(tuning="none")
    if data is None:
        return plan_fit(classifier, None, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the plan gives them
        given = read_verbalizer(classifier.verbalizer)
        classes, names = resolve_classes(given, classifier.labels, data)
    if list(names) != list(classes):
        raise InputError(
            f"y holds {classes} and the classes are named {list(names)}: pass the names in y, "
            f"or name the numbers (labels={classes}; of words, Verbalizer.rename)"
        )
    return plan_fit(classifier, data.examples, data.labels, data.sample_weight)


def fit_prompt(
    classifier: PromptClassifier, data: TrainingData, tune: TuningProcedure | None = None
) -> PromptClassifier:
    """Fit a classifier on checked data; `tune` stands in for its strategy's own procedure."""
    return classifier._fit(plan_prompt(classifier, data), tune)


def fit_soft_labels(
    classifier: PromptClassifier,
    examples: Examples,
    labels: Sequence[Label],  # the likeliest of each text
    soft_labels: npt.NDArray[np.float64],  # [n, n_classes]
    temperature: float,
    sample_weight: npt.NDArray[np.float64] | None = None,  # [n]
) -> PromptClassifier:
    """Fit a classifier to what another says of texts (Hinton et al., 2015)."""
    tuning = resolve_tuning(classifier.tuning)

    def tune(task: TuningTask) -> TuningResult:
        return tuning.tune(replace(task, targets=soft_labels, distillation_temperature=temperature))

    rows = read_training_data(examples, labels, sample_weight)
    return fit_prompt(classifier.set_params(tuning=tuning), rows, tune)
