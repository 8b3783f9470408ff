"""The plan of a prompt classifier's fit: checked before any work, then run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.class_words import (
    check_head,
    read_verbalizer,
    resolve_aggregation,
    resolve_classes,
    resolve_words,
)
from fewshot.data.classes import (
    check_any_label,
    class_offset,
    class_shares,
    class_targets,
    given_thresholds,
    task_kind,
)
from fewshot.data.examples import Examples
from fewshot.data.labels import Label
from fewshot.data.settings import check_settings, checked_state, new_rng, not_negative, one_of
from fewshot.data.task_kind import TaskKind
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.errors import InputError, LabelWordError, TemplateError, TuningError
from fewshot.models.loading import load_masked_lm
from fewshot.prompting.prompts import tokenize_slots
from fewshot.prompting.template import DEFAULT_TEMPLATE, Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.calibration import Calibration, calibration_examples
from fewshot.scoring.heads import base_log_odds
from fewshot.scoring.label_words import MultiToken
from fewshot.scoring.learned_verbalizer import VerbalizerTask
from fewshot.scoring.pool_calibration import Start, calibrate_by_pool
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import PromptScorer, Views
from fewshot.scoring.thresholds import choose_thresholds, zero_shot_thresholds
from fewshot.tuning import NoTuning, Tuning, resolve_tuning
from fewshot.tuning.soft_templates import check_template_tokens
from fewshot.tuning.task import TuningResult, TuningTask

if TYPE_CHECKING:
    from fewshot.classifiers.prompt import PromptClassifier

# Tunes a calibrated scorer: a strategy's `tune`, or another procedure in its place.
TuningProcedure: TypeAlias = Callable[[TuningTask], TuningResult]

# For a mean over texts to say more about the words than about these texts.
_ENOUGH_LABELLED = 8
_MOST_WEIGHT = 1000  # of names; a cosine more is a class more, whatever the words say


class Calibrated(NamedTuple):
    """A calibrated scorer, the calibration that was chosen, and the class shares in the pool."""

    scorer: PromptScorer
    calibration: Calibration
    shares: npt.NDArray[np.float64] | None  # [n_classes]


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

    def thresholds(
        self, held_out: npt.NDArray[np.float64] | None
    ) -> npt.NDArray[np.float64] | None:
        """Return thresholds of several labels: those given, or by scores of held-out texts."""
        kind = self.scorer.kind
        given = given_thresholds(self.settings.threshold, self.classes)
        if given is not None or not kind.has_several:
            return given
        if isinstance(self.tuning, NoTuning):
            return zero_shot_thresholds(len(self.classes))
        found = None if held_out is None else kind.probabilities(held_out)
        return choose_thresholds(self.targets, self.weights, found)

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

    def calibrate(self) -> Calibrated:
        """Divide out of the scores what the model says regardless of the text."""
        scorer, name = self.scorer, self.settings.calibration
        if isinstance(scorer.words, LabelEmbeddings):
            return Calibrated(scorer, "none", None)
        scorer = self._named(scorer)
        if scorer.kind.has_several:
            return self._calibrated_labels(scorer)
        labelled, pool = self._calibration_weights()
        has_pool, n_labelled = bool(pool.any()), int(np.count_nonzero(labelled))
        if np.count_nonzero(labelled @ self.targets if n_labelled else 0) < 2:
            n_labelled = 0  # texts of one class say what it is, not how frequent its words are
        if name == "auto":
            name = "domain" if has_pool or n_labelled >= _ENOUGH_LABELLED else "generic"
        if name != "domain":
            return Calibrated(scorer.calibrate(name, {}, np.ones(0)), name, None)
        self._check_texts()
        encoded = scorer.encode(self.views)
        if n_labelled >= _ENOUGH_LABELLED or not has_pool:
            scorer = scorer.calibrate("domain", encoded, labelled)
        else:
            scorer = scorer.calibrate("generic", {}, np.ones(0))
        if not has_pool:
            return Calibrated(scorer, name, None)
        start: Start = "labels" if n_labelled >= _ENOUGH_LABELLED else "texts"
        scorer, shares = calibrate_by_pool(scorer, encoded, pool, self._known_shares(), start)
        return Calibrated(scorer, name, shares)

    def _calibrated_labels(self, scorer: PromptScorer) -> Calibrated:
        """Calibrate the score of each label by its own mean, over all texts alike."""
        name = self.settings.calibration
        weights = np.zeros(0) if self.data is None else self.data.sample_weight
        n_texts = int(np.count_nonzero(weights))
        if name == "none":
            raise InputError(
                "scores of several labels have no zero without calibration; use "
                "calibration='generic', which needs no text of yours"
            )
        if name == "auto":
            name = "domain" if n_texts >= _ENOUGH_LABELLED else "generic"
        if name == "domain":
            self._check_texts()
            encoded = scorer.encode(self.views)
            return Calibrated(scorer.calibrate(name, encoded, weights), name, None)
        return Calibrated(scorer.calibrate(name, {}, np.ones(0)), name, None)

    def _named(self, scorer: PromptScorer) -> PromptScorer:
        """Let the names of the classes speak beside the words at the mask."""
        weight = self.settings.name_weight
        if self.verbalizer is None or weight == 0 or len(self.classes) == 1:
            return scorer
        words = self.verbalizer.label_words
        names = [", ".join(words[label]) for label in self.classes]
        return scorer.named(names, None if weight == "auto" else float(weight))

    def _check_texts(self) -> None:
        if self.data is None:
            raise InputError(
                "calibration='domain' needs texts in fit (labels may be left out); pass some, or "
                "use calibration='generic'"
            )

    def _calibration_weights(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the weights of labelled texts, with classes weighing alike, and of the others."""
        if self.data is None:
            return np.zeros(0), np.zeros(0)
        weights = self.data.sample_weight
        pool = np.where(self.data.labels.is_labeled, 0.0, weights)
        weights = weights - pool
        of_class = weights @ self.targets
        shares = np.divide(1.0, of_class, out=np.zeros_like(of_class), where=of_class > 0)
        return weights * (self.targets @ shares), pool

    def _known_shares(self) -> npt.NDArray[np.float64] | None:
        return class_shares(self.classes, self.settings.class_prior, self.scorer.kind)

    def tune(
        self,
        scorer: PromptScorer,
        calibration: Calibration,
        procedure: TuningProcedure | None = None,
    ) -> TuningResult:
        """Tune a calibrated scorer, by the strategy or by another procedure in its place."""
        if self.data is None or isinstance(self.tuning, NoTuning):
            return TuningResult(scorer)
        _, pool = self._calibration_weights()
        # The shares of several labels are learned, and would be divided out again.
        is_calibrated_again = calibration == "domain" and pool.any() and not scorer.kind.has_several
        task = TuningTask(
            scorer,
            self.views,
            self.targets,
            self.weights,
            new_rng(self.settings.random_state),
            self.settings.verbose > 0,
            self.wordings,
            np.flatnonzero(pool),
            # Tuning on few labels shifts the scores of all texts. The labelled texts do not show
            # that shift, because the model has memorized them.
            calibration_weight=pool if is_calibrated_again else None,
            class_shares=self._known_shares(),
        )
        return self.tuning.tune(task) if procedure is None else procedure(task)

    def learned_odds(self) -> npt.NDArray[np.float64] | None:
        """Return the log-odds of several labels that tuning learns, [n_classes]."""
        learns = self.scorer.kind.has_several and not isinstance(self.tuning, NoTuning)
        return base_log_odds(self.targets, self.weights) if learns else None


def plan_fit(settings: PromptClassifier, X: Any, y: Any, sample_weight: Any) -> PromptPlan:
    """Check everything that can be checked before any text is encoded."""
    # Texts that a calibration lacks and training that diverges are found later.
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
    kind = task_kind(None if data is None else data.labels, settings.threshold)
    classes, names = resolve_classes(given, settings.labels, data)
    class_offset(classes, settings.class_weight, settings.class_prior, kind)  # checks them
    given_thresholds(settings.threshold, classes)  # checks it
    task = VerbalizerTask(tuple(classes), lm, template, room, settings.multi_token)
    if data is not None:
        by_class = (settings.class_weight, settings.class_prior)
        by_class = (None, None) if isinstance(tuning, NoTuning) else by_class
        targets, weights = class_targets(data, classes, *by_class)
        if not isinstance(tuning, NoTuning):
            check_any_label(targets[weights > 0])
        counted = np.where(data.labels.is_labeled, data.sample_weight, 0.0)
        task = replace(task, examples=data.examples, targets=targets, sample_weight=counted)
        task = task.shared() if kind.has_several else task
    verbalizer, words = resolve_words(given, tuning, task, names)
    if isinstance(words, LabelEmbeddings):
        _check_embeddings(settings, tuning, kind)
    check_head(words, lm)
    aggregation = resolve_aggregation(settings.aggregation, verbalizer)
    scorer = PromptScorer(lm, template, words, aggregation, room, kind=kind)
    examples = calibration_examples(template.field_names, "pmi") if data is None else data.examples
    views, wordings = _prompts(scorer, examples, tuning, max_length)  # which check the template
    if data is None:
        return PromptPlan(settings, tuning, verbalizer, scorer)
    return PromptPlan(settings, tuning, verbalizer, scorer, data, targets, weights, views, wordings)


def _check_embeddings(settings: PromptClassifier, tuning: Tuning, kind: TaskKind) -> None:
    """Refuse what classes that are vectors in place of words cannot do."""
    if kind.has_several:
        raise InputError(
            f"{tuning} and the verbalizer score classes by their distance to a text, of which one "
            "is the least: they learn one label for each text. For several, use label words and "
            "tuning='full', 'lora' or 'head'"
        )
    if settings.name_weight not in ("auto", 0):
        raise InputError(
            f"name_weight={settings.name_weight!r} has no effect with {tuning} and the verbalizer: "
            "classes are vectors there, and no names speak beside them; leave it out"
        )


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
        "name_weight": (
            settings.name_weight == "auto"
            or (not_negative(settings.name_weight)[0] and settings.name_weight <= _MOST_WEIGHT),
            f"'auto', or a number from 0 to {_MOST_WEIGHT}",
        ),
        "verbose": one_of(settings.verbose, (0, 1)),
    }
    check_settings(settings, limits)
    multi_token = one_of(settings.multi_token, get_args(MultiToken))
    check_settings(settings, {"multi_token": multi_token}, LabelWordError)
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
    scorer: PromptScorer, examples: Examples, tuning: Tuning, max_length: int
) -> tuple[Views, dict[Template, Views]]:
    """Build the prompts of the texts, and those in the other wordings of the tuning."""
    template, lm = scorer.template, scorer.lm
    wordings = tuning.wordings(template)
    slots = tokenize_slots(lm.tokenizer, [template, *wordings], examples, lm.tokens)
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
