"""The plan of a prompt classifier's fit: checked before any work, then run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.class_words import (
    check_head,
    read_verbalizer,
    resolve_aggregation,
    resolve_classes,
    resolve_words,
)
from fewshot.data.classes import class_targets
from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, checked_state, new_rng, one_of
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.errors import CalibrationWarning, InputError, TemplateError, TuningError, warn_user
from fewshot.models.loading import load_masked_lm
from fewshot.prompting.prompts import tokenize_slots
from fewshot.prompting.template import DEFAULT_TEMPLATE, Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.calibration import Calibration
from fewshot.scoring.learned_verbalizer import VerbalizerTask
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import PromptScorer, Views
from fewshot.tuning import NoTuning, Tuning, resolve_tuning
from fewshot.tuning.soft_templates import check_template_tokens
from fewshot.tuning.task import TuningResult, TuningTask

if TYPE_CHECKING:
    from fewshot.classifiers.prompt import PromptClassifier

# Tunes a calibrated scorer: a strategy's `tune`, or another procedure in its place.
TuningProcedure: TypeAlias = Callable[[TuningTask], TuningResult]

_ENOUGH_TEXTS = 8  # for a mean over texts to say more about the words than about these texts


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """A fit whose settings, texts and labels are checked, and whose prompts are built."""

    settings: PromptClassifier
    tuning: Tuning
    verbalizer: Verbalizer | None  # the words, found or given
    scorer: PromptScorer  # not calibrated yet
    data: TrainingData | None = None  # None for zero-shot classification without texts
    targets: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))  # one-hot
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # 0: no label
    views: Views = field(default_factory=dict)
    # The texts in the other wordings that the tuning asks for.
    wordings: dict[Template, Views] = field(default_factory=dict)

    @property
    def classes(self) -> list[Label]:
        """The labels, in the order of the scores."""
        return list(self.scorer.words.classes)

    @property
    def n_texts(self) -> int:
        """Texts that were passed."""
        return 0 if self.data is None else len(self.data.examples)

    @property
    def n_truncated(self) -> int:
        """Texts that were shortened."""
        return self.views[min(self.views)].n_truncated if self.views else 0

    def calibrate(self) -> tuple[PromptScorer, Calibration]:
        """Calibrate the scorer; return it with the calibration that "auto" stands for."""
        scorer, calibration = self.scorer, self.settings.calibration
        if isinstance(scorer.words, LabelEmbeddings):
            return scorer, "none"
        if calibration == "auto":
            calibration = "domain" if self.n_texts >= _ENOUGH_TEXTS else "contextual"
            if isinstance(self.tuning, NoTuning) and calibration == "contextual":
                warn_user(
                    "zero-shot scores are calibrated by texts without content "
                    f"(calibration='contextual'); {_ENOUGH_TEXTS} or more unlabelled texts of "
                    "yours in fit do it much better. Name the calibration to silence this",
                    CalibrationWarning,
                )
        if calibration != "domain":
            return scorer.calibrate(calibration, {}, np.ones(0)), calibration
        if self.data is None:
            raise InputError(
                "calibration='domain' needs texts in fit (labels may be left out); pass some, or "
                "use calibration='contextual'"
            )
        weights = _domain_weights(self, self.data)
        return scorer.calibrate("domain", scorer.encode(self.views), weights), calibration

    def tune(
        self,
        scorer: PromptScorer,
        calibration: Calibration,
        procedure: TuningProcedure | None = None,
    ) -> TuningResult:
        """Tune a calibrated scorer, by the strategy or by another procedure in its place."""
        if self.data is None or isinstance(self.tuning, NoTuning):
            return TuningResult(scorer)
        is_labeled, sample_weight = self.data.labels.is_labeled, self.data.sample_weight
        task = TuningTask(
            scorer,
            self.views,
            self.targets,
            self.weights,
            new_rng(self.settings.random_state),
            self.settings.verbose > 0,
            self.wordings,
            np.flatnonzero(~is_labeled & (sample_weight > 0)),
            calibration_weight=_recalibration(self.data) if calibration == "domain" else None,
        )
        return self.tuning.tune(task) if procedure is None else procedure(task)


def plan_fit(settings: PromptClassifier, X: Any, y: Any, sample_weight: Any) -> PromptPlan:
    """Check everything that can be checked before any text is encoded.

    Texts that a calibration lacks and training that diverges are found later.
    """
    tuning = resolve_tuning(settings.tuning)
    template = resolve_template(settings, tuning)
    _check_settings(settings)
    given = read_verbalizer(settings.verbalizer)
    data = _read(X, y, sample_weight, template, tuning)
    lm = load_masked_lm(settings.model)
    tuning.check(lm, template)
    check_template_tokens(lm, template, is_tuned=tuning.tunes_virtual_tokens)
    max_length = lm.checked_max_length(settings.max_length)
    room = tuning.room(max_length, template)
    classes = resolve_classes(given, settings.labels, data)
    task = VerbalizerTask(tuple(classes), lm, template, room, settings.multi_token)
    if data is not None:
        class_weight = None if isinstance(tuning, NoTuning) else settings.class_weight
        targets, weights = class_targets(data, classes, class_weight)
        counted = np.where(data.labels.is_labeled, data.sample_weight, 0.0)
        task = replace(task, examples=data.examples, targets=targets, sample_weight=counted)
    verbalizer, words = resolve_words(given, tuning, task)
    check_head(words, lm)
    aggregation = resolve_aggregation(settings.aggregation, verbalizer)
    scorer = PromptScorer(lm, template, words, aggregation, room)
    if data is None:
        return PromptPlan(settings, tuning, verbalizer, scorer)
    views, wordings = _prompts(scorer, data, tuning, max_length)
    return PromptPlan(settings, tuning, verbalizer, scorer, data, targets, weights, views, wordings)


def resolve_template(settings: PromptClassifier, tuning: Tuning | None = None) -> Template:
    """Return the template as an object; by default that of the tuning, or of the library."""
    if isinstance(settings.template, Template):
        return settings.template
    if settings.template is not None:
        return Template(settings.template)
    tuning = resolve_tuning(settings.tuning) if tuning is None else tuning
    default = tuning.default_template
    return Template(DEFAULT_TEMPLATE if default is None else default)


def _check_settings(settings: PromptClassifier) -> None:
    limits = {
        "calibration": one_of(settings.calibration, get_args(Calibration)),
        "aggregation": one_of(settings.aggregation, ("auto", *get_args(Aggregation))),
        "verbose": one_of(settings.verbose, (0, 1)),
    }
    check_settings(settings, limits)
    checked_state(settings.random_state)


def _read(
    X: Any, y: Any, sample_weight: Any, template: Template, tuning: Tuning
) -> TrainingData | None:
    """Read the training data; zero-shot classification needs no labels, and no texts."""
    if isinstance(tuning, NoTuning):
        if X is None and y is not None:
            raise InputError("y was passed without X; pass the texts too, or neither")
        if X is None:
            return None
    elif X is None or y is None:
        raise InputError(
            f"requires y to be passed, but the target y is None or X is: {tuning} learns from "
            "labelled texts; pass X and y, or use tuning='none' for zero-shot classification"
        )
    data = read_training_data(X, y, sample_weight, template.field_names)
    has_label = bool((data.sample_weight * data.labels.is_labeled).any())
    if not has_label and not isinstance(tuning, NoTuning):
        raise InputError(
            f"{tuning} needs labelled texts, but no row of y has a label (and a weight above 0)"
        )
    return data


def _prompts(
    scorer: PromptScorer, data: TrainingData, tuning: Tuning, max_length: int
) -> tuple[Views, dict[Template, Views]]:
    """Build the prompts of the texts, and those in the other wordings of the tuning."""
    template, lm = scorer.template, scorer.lm
    wordings = tuning.wordings(template)
    slots = tokenize_slots(lm.tokenizer, [template, *wordings], data.examples, lm.tokens)
    try:
        views = scorer.views_of(slots)
        return views, {w: replace(scorer, template=w).views_of(slots) for w in wordings}
    except TemplateError as error:
        n_inserted = max_length - scorer.max_length
        if not n_inserted:
            raise
        raise TuningError(
            f"{tuning} puts {n_inserted} virtual tokens into a prompt of {max_length} "
            f"tokens; of the rest, {error}"
        ) from error


def _recalibration(data: TrainingData) -> npt.NDArray[np.float64] | None:
    """Return the weights of the texts that a tuned model is calibrated by again, if it is.

    Tuning on few labels shifts the scores of all texts. The labelled texts do not show that
    shift, because the model has memorised them.
    """
    weights = np.where(data.labels.is_labeled, 0.0, data.sample_weight)
    return weights if np.count_nonzero(weights) >= _ENOUGH_TEXTS else None


def _domain_weights(plan: PromptPlan, data: TrainingData) -> npt.NDArray[np.float64]:
    """Weigh classes alike if tuning learns from labels and all texts have one; else texts alike."""
    weights = data.sample_weight
    if isinstance(plan.tuning, NoTuning) or not data.labels.is_labeled.all():
        return weights
    of_class = weights @ plan.targets
    shares = np.divide(1.0, of_class, out=np.zeros_like(of_class), where=of_class > 0)
    balanced: npt.NDArray[np.float64] = weights * (plan.targets @ shares)
    return balanced
