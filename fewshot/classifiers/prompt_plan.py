"""What the fit of a prompt classifier is going to do: checked before any work, then done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.class_words import (
    check_head,
    resolve_aggregation,
    resolve_verbalizer,
    verbalizer_classes,
)
from fewshot.data.classes import class_labels, class_targets
from fewshot.data.examples import read_examples
from fewshot.data.labels import Label
from fewshot.data.settings import checked_state, new_rng
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.errors import CalibrationWarning, InputError, TemplateError, TuningError, warn_user
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import tokenize_slots
from fewshot.prompting.template import DEFAULT_TEMPLATE, Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.calibration import Calibration
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.learned_verbalizer import LearnedVerbalizer, VerbalizerTask
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
    """What ``fit`` is going to do, checked.

    Parameters
    ----------
    settings : PromptClassifier
    tuning : Tuning
    verbalizer : Verbalizer or None
        The words, found or given.
    data : TrainingData or None
        None for zero-shot classification without texts.
    scorer : PromptScorer
        Not calibrated yet.
    views : dict of int to Prompts
        The prompts of the texts.
    wordings : dict of Template to dict of int to Prompts
        The texts in the other wordings that the tuning asks for.
    """

    settings: PromptClassifier
    tuning: Tuning
    verbalizer: Verbalizer | None
    data: TrainingData | None
    scorer: PromptScorer
    views: Views
    wordings: dict[Template, Views]

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
        """Those that were shortened."""
        return self.views[min(self.views)].n_truncated if self.views else 0

    def calibrate(self) -> tuple[PromptScorer, Calibration]:
        """Calibrate the scorer.

        Returns
        -------
        scorer : PromptScorer
        calibration : str
            The one that was chosen, where the settings say "auto".
        """
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
        if not self.views:
            raise InputError(
                "calibration='domain' needs texts in fit (labels may be left out); pass some, or "
                "use calibration='contextual'"
            )
        encoded = scorer.encode(self.views)
        return scorer.calibrate("domain", encoded, _domain_weights(self)), calibration

    def tune(
        self,
        scorer: PromptScorer,
        calibration: Calibration,
        procedure: TuningProcedure | None = None,
    ) -> TuningResult:
        """Tune from a calibrated scorer, by the strategy or by another procedure in its place."""
        if self.data is None or isinstance(self.tuning, NoTuning):
            return TuningResult(scorer)
        settings, data = self.settings, self.data
        targets, weights = class_targets(data, scorer.words.classes, settings.class_weight)
        task = TuningTask(
            scorer,
            self.views,
            targets,
            weights,
            new_rng(settings.random_state),
            settings.verbose > 0,
            self.wordings,
            np.flatnonzero(~data.labels.is_labelled & (data.sample_weight > 0)),
            calibration_weight=_recalibration(self, calibration),
        )
        return self.tuning.tune(task) if procedure is None else procedure(task)


def plan_fit(settings: PromptClassifier, X: Any, y: Any, sample_weight: Any) -> PromptPlan:
    """Check everything that can be checked before any text is encoded.

    Parameters
    ----------
    settings : PromptClassifier
    X, y, sample_weight
        See :meth:`fewshot.PromptClassifier.fit`.

    Returns
    -------
    PromptPlan

    Raises
    ------
    TemplateError, VerbalizerError, LabelWordError, InputError, TuningError, ModelError, HubError
        What ``fit`` raises, but for texts that a calibration lacks and training that diverges.
    """
    tuning = resolve_tuning(settings.tuning)
    template = resolve_template(settings)
    _check_choice("calibration", settings.calibration, get_args(Calibration))
    _check_choice("aggregation", settings.aggregation, ("auto", *get_args(Aggregation)))
    _check_choice("verbose", settings.verbose, (0, 1))
    checked_state(settings.random_state)
    data = _read(X, y, sample_weight, template, tuning)
    lm = load_masked_lm(settings.model)
    tuning.check(lm, template)
    check_template_tokens(lm, template, is_tuned=tuning.tunes_virtual_tokens)
    max_length = lm.checked_max_length(settings.max_length)
    room = tuning.room(max_length, template)
    verbalizer, words = _resolve_words(settings, tuning, data, lm, template, room)
    check_head(words, lm)
    aggregation = resolve_aggregation(settings.aggregation, verbalizer)
    scorer = PromptScorer(lm, template, words, aggregation, room)
    wordings = tuning.wordings(template)
    if data is None:
        return PromptPlan(settings, tuning, verbalizer, None, scorer, {}, {})
    slots = tokenize_slots(lm.tokenizer, [template, *wordings], data.examples, lm.tokens)
    try:
        views = scorer.views_of(slots)
        others = {w: replace(scorer, template=w).views_of(slots) for w in wordings}
    except TemplateError as error:
        if room == max_length:
            raise
        raise TuningError(
            f"{tuning} puts {max_length - room} virtual tokens into a prompt of {max_length} "
            f"tokens; of the rest, {error}"
        ) from error
    return PromptPlan(settings, tuning, verbalizer, data, scorer, views, others)


def resolve_template(settings: PromptClassifier) -> Template:
    """Return the template as an object; by default that of the tuning, or of the library."""
    if isinstance(settings.template, Template):
        return settings.template
    if settings.template is not None:
        return Template(settings.template)
    default = resolve_tuning(settings.tuning).default_template
    return Template(DEFAULT_TEMPLATE if default is None else default)


def _resolve_words(
    settings: PromptClassifier,
    tuning: Tuning,
    data: TrainingData | None,
    lm: MaskedLM,
    template: Template,
    max_length: int,
) -> tuple[Verbalizer | None, LabelWords | LabelEmbeddings]:
    """Return the verbalizer and what stands for the classes: its words, or what tuning has."""
    if not tuning.uses_label_words and settings.verbalizer is None and data is not None:
        classes = class_labels(data.labels, settings.labels)
        return None, tuning.label_embeddings(classes, lm)
    verbalizer = resolve_verbalizer(settings.verbalizer, settings.labels, data)
    classes = verbalizer_classes(verbalizer, settings.labels, data)
    if not tuning.uses_label_words:
        plain = None if isinstance(verbalizer, LearnedVerbalizer) else verbalizer
        return plain, tuning.label_embeddings(classes, lm)
    if isinstance(verbalizer, LearnedVerbalizer):
        task = VerbalizerTask.of(
            classes, lm, template, data, max_length=max_length, multi_token=settings.multi_token
        )
        found = verbalizer.resolve_words(task)
        return found.verbalizer, found.label_words(task)
    return verbalizer, LabelWords.resolve(verbalizer, classes, lm.tokenizer, settings.multi_token)


def _check_choice(name: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        raise InputError(f"{name} is one of {list(known)}, got {value!r}")


def _read(
    X: Any, y: Any, sample_weight: Any, template: Template, tuning: Tuning
) -> TrainingData | None:
    """Read the training data; zero-shot classification needs no labels, and no texts."""
    if not isinstance(tuning, NoTuning):
        if X is None or y is None:
            raise InputError(
                f"requires y to be passed, but the target y is None or X is: {tuning} learns from "
                "labelled texts; pass X and y, or use tuning='none' for zero-shot classification"
            )
    elif X is None:
        if y is not None:
            raise InputError("y was passed without X; pass the texts too, or neither")
        return None
    X = list(X) if isinstance(X, Iterator) else X  # which can be read once only
    if y is None:
        y = [None] * len(read_examples(X, template.field_names))
    data = read_training_data(X, y, sample_weight, template.field_names)
    if (
        not isinstance(tuning, NoTuning)
        and not (data.sample_weight * data.labels.is_labelled).any()
    ):
        raise InputError(
            f"{tuning} needs labelled texts, but no row of y has a label (and a weight above 0)"
        )
    return data


def _recalibration(plan: PromptPlan, calibration: Calibration) -> npt.NDArray[np.float64] | None:
    """Return the weights of the texts that a tuned model is calibrated by again, if there are some.

    Tuning on few labels moves what the model says regardless of the text. The labelled texts do
    not show it, for it knows them by heart.
    """
    if plan.data is None or calibration != "domain":
        return None
    weights = np.where(plan.data.labels.is_labelled, 0.0, plan.data.sample_weight)
    return weights if np.count_nonzero(weights) >= _ENOUGH_TEXTS else None


def _domain_weights(plan: PromptPlan) -> npt.NDArray[np.float64]:
    """Weigh classes alike where all labels are there to learn from; else texts alike."""
    if plan.data is None:
        return np.ones(0)
    weights = plan.data.sample_weight
    if isinstance(plan.tuning, NoTuning) or not plan.data.labels.is_labelled.all():
        return weights
    targets, _ = class_targets(plan.data, plan.scorer.words.classes, None)
    of_class = weights @ targets
    shares = np.divide(1.0, of_class, out=np.zeros_like(of_class), where=of_class > 0)
    balanced: npt.NDArray[np.float64] = weights * (targets @ shares)
    return balanced
