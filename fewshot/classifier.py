"""The prompt classifier: a template, a verbalizer and a masked language model as an estimator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from fewshot.aggregation import Aggregation
from fewshot.calibration import Calibration
from fewshot.class_words import (
    check_head,
    resolve_aggregation,
    resolve_verbalizer,
    verbalizer_classes,
    verbalizer_task,
)
from fewshot.dry_run import DryRun
from fewshot.errors import (
    CalibrationWarning,
    InputError,
    TemplateError,
    TuningError,
    warn_user,
)
from fewshot.estimator import TextClassifier, warn_truncated
from fewshot.inputs import Label, read_examples
from fewshot.label_embeddings import LabelEmbeddings
from fewshot.label_words import LabelWords, MultiToken
from fewshot.learned_verbalizer import LearnedVerbalizer
from fewshot.loading import load_masked_lm
from fewshot.masked_lm import MaskedLM
from fewshot.parameter_report import report_parameters
from fewshot.peak_memory import measured_memory
from fewshot.prompts import tokenize_slots
from fewshot.scoring import Encoded, PromptScorer, Views
from fewshot.settings import new_rng
from fewshot.template import Template
from fewshot.training_data import (
    TrainingData,
    class_labels,
    class_targets,
    label_array,
    read_training_data,
)
from fewshot.tuning import NoTuning, Tuning, resolve_tuning
from fewshot.tuning.soft_templates import check_template_tokens
from fewshot.tuning.task import TuningResult, TuningTask, scores_with_head
from fewshot.verbalizer import Verbalizer

__all__ = ["PromptClassifier"]

_DEFAULT_TEMPLATE = "A {mask} text: {text}"
_READ_WHOLE = "read them whole with Template(..., shorten='chunk'), or raise max_length if you can"
_ENOUGH_TEXTS = 8  # for a mean over texts to say more about the words than about these texts
_BAR_DELAY = 2.0  # seconds; a short run shows no bar
_AT_ONCE = 8192  # texts; bounds the memory of a prediction


class PromptClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, TextClassifier):
    """Classify texts by what a masked language model says at the mask of a template.

    The template turns a text into a cloze sentence, the verbalizer maps words at the mask to
    classes, the model scores the words. That needs no label at all (``tuning="none"``); with a
    handful of labels a tuning strategy starts from those scores. Texts are scored at the mask
    only, for the label words only, in batches without padding.

    Parameters
    ----------
    template : str or Template, optional
        Such as ``"{text} It was {mask}."``. By default ``"A {mask} text: {text}"``, the
        best of sixteen on six data sets; a sentence for the task is worth a try. Virtual tokens
        (``{soft:It was}``) are tuned by every strategy of gradient descent.
    verbalizer : Verbalizer, mapping or LearnedVerbalizer, optional
        Words for each label, such as ``{"neg": ["bad"], "pos": ["good"]}``; or a way to find
        words in ``fit``, such as :class:`~fewshot.SciPromptVerbalizer`. By default the names of
        the labels, which must be str then. ``tuning="perfect"`` uses no words.
    model : str, Path or MaskedLM, default="fewshot-mini"
        The embedded model, a folder, a hub id, or a loaded model.
    tuning : str or Tuning, default="full"
        ``"none"`` (zero-shot), ``"head"`` (frozen encoder: seconds), ``"full"``; a name of
        ``fewshot.tuning.STRATEGIES`` for what tunes few parameters, such as ``"lora"`` or
        ``"adapter"``; or a strategy with its settings, such as ``Full(learning_rate=1e-5)``.
    calibration : {"auto", "none", "contextual", "domain", "pmi"}, default="auto"
        What the scores of label words are divided by: their mean over texts without content
        (``"contextual"``), over the texts passed to ``fit`` (``"domain"``), or the template alone
        (``"pmi"``). ``"auto"`` is ``"domain"`` when ``fit`` gets 8 texts or more, else
        ``"contextual"``.
        When tuning learns from labels, the classes count alike in the mean.
    aggregation : {"auto", "mean", "max", "logsumexp", "weighted"}, default="auto"
        How the log-probabilities of its words make the score of a class. ``"auto"`` is
        ``"weighted"`` when the verbalizer weighs its words, else ``"mean"``.
    multi_token : {"mean", "first", "masks"}, default="mean"
        How words of several pieces are scored; ``"masks"`` uses a mask for each piece.
    labels : sequence of str or int, optional
        All labels; needed without a verbalizer if some may be missing in a fold.
    class_weight : None, "balanced" or dict, default=None
        Weights of the classes in tuning, as in scikit-learn.
    max_length : int, optional
        The most tokens of a prompt; by default what the model takes, but at most 512.
    random_state : int, RandomState or None, default=None
    verbose : {0, 1}, default=1
        1 shows a progress bar when something takes longer than two seconds; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    template_ : Template
    verbalizer_ : Verbalizer or None
        The words, found or given.
    model_ : MaskedLM
        The model after tuning; the shared one if its weights were not changed.
    label_words_ : LabelWords or LabelEmbeddings
        The verbalizer's token ids; with ``tuning="perfect"`` the classes' prototypes.
    aggregation_ : str
    calibration_ : str
        The calibration that was used.
    prior_ : Tensor of shape (n_words,) or None
        What the label words are divided by, as log-probabilities, class by class.
    head_ : StateHead or None
        What ``tuning="head"`` has learned.
    max_length_ : int
        The most tokens of a prompt beside the virtual ones that tuning inserts.
    history_ : list of dict
        Loss, learning rate, tokens and seconds of each epoch.
    parameter_report_ : ParameterReport
        Parameters that tuning has changed, their bytes, the memory and time that it took.
    n_truncated_ : int
        Texts passed to ``fit`` that were shortened.

    Raises
    ------
    TemplateError, VerbalizerError, LabelWordError, InputError, TuningError, ModelError, HubError
        From ``fit``, all of them also ``ValueError`` or ``OSError``; the estimator then stays as
        it was.

    References
    ----------
    Schick and Schütze (2021), Exploiting Cloze Questions for Few Shot Text Classification and
    Natural Language Inference. Zhao et al. (2021), Calibrate Before Use.

    Examples
    --------
    >>> from fewshot import PromptClassifier
    >>> texts = ["A wonderful film.", "A waste of time."]
    >>> clf = PromptClassifier(
    ...     template="{text} It was {mask}.",
    ...     verbalizer={"neg": ["terrible", "bad"], "pos": ["great", "good"]},
    ...     tuning="none",
    ...     calibration="domain",
    ... )
    >>> clf.fit(texts).predict(texts).tolist()
    ['pos', 'neg']
    """

    def __init__(
        self,
        template: str | Template | None = None,
        verbalizer: Verbalizer | Mapping[Any, Any] | LearnedVerbalizer | None = None,
        *,
        model: str | Path | MaskedLM = "fewshot-mini",
        tuning: str | Tuning = "full",
        calibration: Calibration = "auto",
        aggregation: Aggregation | Literal["auto"] = "auto",
        multi_token: MultiToken = "mean",
        labels: Sequence[Label] | None = None,
        class_weight: str | dict[Label, float] | None = None,
        max_length: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 1,
    ) -> None:
        self.template = template
        self.verbalizer = verbalizer
        self.model = model
        self.tuning = tuning
        self.calibration = calibration
        self.aggregation = aggregation
        self.multi_token = multi_token
        self.labels = labels
        self.class_weight = class_weight
        self.max_length = max_length
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any = None, y: Any = None, *, sample_weight: Any = None) -> PromptClassifier:
        """Learn from a few labelled texts, or from none.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame; optional
            Texts. With ``tuning="none"`` they may be left out.
        y : sequence of str or int, optional
            Labels; -1 (among ints) or None marks a text without one, which then only serves
            calibration: with eight or more of them a tuned model is calibrated again. May be left
            out with ``tuning="none"``.
        sample_weight : sequence of float, optional

        Returns
        -------
        PromptClassifier
            The estimator itself.
        """
        plan = self._plan(X, y, sample_weight)
        scorer, calibration = self._calibrate(plan)
        with measured_memory() as peak:
            result = self._tune(plan, scorer, calibration)
        report = report_parameters(result, scorer.lm, peak.rise(scorer.lm.device))
        warn_truncated(plan.n_truncated, plan.n_texts, scorer.max_length, _READ_WHOLE)
        self._set_fitted(plan, result, calibration)
        self.parameter_report_ = report
        return self

    def dry_run(self, X: Any = None, y: Any = None) -> DryRun:
        """Tell what ``fit`` would cost, without learning anything.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.

        Returns
        -------
        DryRun
            Texts, tokens, optimiser steps, truncated texts and the estimated seconds.
        """
        plan = self._plan(X, y, None)
        if plan.data is None or plan.views is None:
            return DryRun(n_texts=0, n_tokens=0, n_truncated=0, n_steps=0, seconds=0.0)
        n_tokens = sum(int(prompts.lengths.sum()) for prompts in plan.views.values())
        speed = plan.scorer.lm.tokens_per_second(plan.views[min(plan.views)])
        targets, weights = class_targets(plan.data, plan.scorer.words.classes, self.class_weight)
        labelled = np.flatnonzero(weights > 0)
        passes = 1.0 + len(labelled) / plan.n_texts * plan.tuning.passes()
        return DryRun(
            n_texts=plan.n_texts,
            n_tokens=n_tokens,
            n_truncated=plan.n_truncated,
            n_steps=plan.tuning.steps(targets[labelled].argmax(1)),
            seconds=passes * n_tokens / speed,
        )

    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the states at the mask, as features for other estimators.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, hidden)
        """
        check_is_fitted(self)
        parts = [scorer.mask_states(encoded) for scorer, encoded in self._encoded(X)]
        return np.concatenate(parts)

    @property
    def scorer_(self) -> PromptScorer:
        """Template, model, label words and prior after ``fit``, as they score texts together."""
        check_is_fitted(self)
        return PromptScorer(
            self.model_,
            self.template_,
            self.label_words_,
            self.aggregation_,
            self.max_length_,
            self.prior_,
        )

    @property
    def _n_features_out(self) -> int:
        return self.model_.state_size

    def set_params(self, **params: Any) -> PromptClassifier:  # scikit-learn's signature
        """Set parameters by name; settings of the tuning as ``tuning__<setting>``.

        A tuning that is given by name becomes the strategy of that name first.

        Returns
        -------
        PromptClassifier
            The estimator itself.
        """
        tuning = params.get("tuning", self.tuning)
        if isinstance(tuning, str) and any(name.startswith("tuning__") for name in params):
            params = params | {"tuning": resolve_tuning(tuning)}
        super().set_params(**params)
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = not _is_zero_shot(self.tuning)
        return tags

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        return np.concatenate(
            [scores_with_head(scorer, self.head_, encoded) for scorer, encoded in self._encoded(X)]
        )

    def _encoded(self, X: Any) -> Iterator[tuple[PromptScorer, Encoded]]:
        """Encode texts part by part, so that memory stays flat."""
        examples = read_examples(X, self.template_.field_names)
        scorer = self.scorer_
        n_truncated = 0
        starts = range(0, len(examples), _AT_ONCE)
        bar = tqdm(starts, disable=not self.verbose, desc="predicting", delay=_BAR_DELAY)
        for start in bar:
            part = examples.take(range(start, min(start + _AT_ONCE, len(examples))))
            views = scorer.views(part)
            n_truncated += views[min(views)].n_truncated
            yield scorer, scorer.encode(views)
        warn_truncated(n_truncated, len(examples), scorer.max_length, _READ_WHOLE)

    def _plan(self, X: Any, y: Any, sample_weight: Any) -> _Plan:
        """Check everything that can be checked before any work."""
        tuning = resolve_tuning(self.tuning)
        template = self._template()
        _check_choice("calibration", self.calibration, get_args(Calibration))
        _check_choice("aggregation", self.aggregation, ("auto", *get_args(Aggregation)))
        data = _read(X, y, sample_weight, template, tuning)
        lm = self._language_model()
        tuning.check(lm, template)
        check_template_tokens(lm, template, is_tuned=tuning.tunes_virtual_tokens)
        max_length = lm.checked_max_length(self.max_length)
        room = tuning.room(max_length, template)
        verbalizer, words = self._resolve_words(tuning, data, lm, template, room)
        check_head(words, lm)
        aggregation = resolve_aggregation(self.aggregation, verbalizer)
        scorer = PromptScorer(lm, template, words, aggregation, room)
        wordings = tuning.wordings(template)
        if data is None:
            return _Plan(tuning, verbalizer, None, scorer, None, {})
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
        return _Plan(tuning, verbalizer, data, scorer, views, others)

    def _resolve_words(
        self,
        tuning: Tuning,
        data: TrainingData | None,
        lm: MaskedLM,
        template: Template,
        max_length: int,
    ) -> tuple[Verbalizer | None, LabelWords | LabelEmbeddings]:
        """Return the verbalizer and what stands for the classes: its words, or what tuning has."""
        if not tuning.uses_label_words and self.verbalizer is None and data is not None:
            classes = class_labels(data.labels, self.labels)
            return None, tuning.label_embeddings(classes, lm)
        verbalizer = resolve_verbalizer(self.verbalizer, self.labels, data)
        classes = verbalizer_classes(verbalizer, self.labels, data)
        if not tuning.uses_label_words:
            plain = None if isinstance(verbalizer, LearnedVerbalizer) else verbalizer
            return plain, tuning.label_embeddings(classes, lm)
        if isinstance(verbalizer, LearnedVerbalizer):
            task = verbalizer_task(classes, lm, template, max_length, self.multi_token, data)
            return verbalizer.resolve_words(task).label_words(task)
        return verbalizer, LabelWords.resolve(verbalizer, classes, lm.tokenizer, self.multi_token)

    def _template(self) -> Template:
        if isinstance(self.template, Template):
            return self.template
        if self.template is not None:
            return Template(self.template)
        default = resolve_tuning(self.tuning).default_template
        return Template(_DEFAULT_TEMPLATE if default is None else default)

    def _language_model(self) -> MaskedLM:
        return load_masked_lm(self.model)

    def _calibrate(self, plan: _Plan) -> tuple[PromptScorer, Calibration]:
        scorer, calibration = plan.scorer, self.calibration
        if isinstance(scorer.words, LabelEmbeddings):
            return scorer, "none"
        if calibration == "auto":
            calibration = "domain" if plan.n_texts >= _ENOUGH_TEXTS else "contextual"
            if isinstance(plan.tuning, NoTuning) and calibration == "contextual":
                warn_user(
                    "zero-shot scores are calibrated by texts without content "
                    f"(calibration='contextual'); {_ENOUGH_TEXTS} or more unlabelled texts of "
                    "yours in fit do it much better. Name the calibration to silence this",
                    CalibrationWarning,
                )
        if calibration != "domain":
            return scorer.calibrate(calibration, {}, np.ones(0)), calibration
        if plan.views is None:
            raise InputError(
                "calibration='domain' needs texts in fit (labels may be left out); pass some, or "
                "use calibration='contextual'"
            )
        encoded = scorer.encode(plan.views)
        return scorer.calibrate("domain", encoded, _domain_weights(plan)), calibration

    def _tune(self, plan: _Plan, scorer: PromptScorer, calibration: Calibration) -> TuningResult:
        if plan.data is None or plan.views is None or isinstance(plan.tuning, NoTuning):
            return TuningResult(scorer)
        targets, weights = class_targets(plan.data, scorer.words.classes, self.class_weight)
        rng = new_rng(self.random_state)
        show_progress = self.verbose > 0
        data = plan.data
        unlabelled = np.flatnonzero(~data.labels.is_labelled & (data.sample_weight > 0))
        return plan.tuning.tune(
            TuningTask(
                scorer,
                plan.views,
                targets,
                weights,
                rng,
                show_progress,
                plan.wordings,
                unlabelled,
                calibration_weight=_recalibration(plan, calibration),
            )
        )

    def _set_fitted(self, plan: _Plan, result: TuningResult, calibration: Calibration) -> None:
        scorer = result.scorer
        self.classes_ = label_array(scorer.words.classes)
        self.template_ = scorer.template
        self.verbalizer_ = plan.verbalizer
        self.model_ = scorer.lm
        self.label_words_ = scorer.words
        self.aggregation_ = scorer.aggregation
        self.calibration_ = calibration
        self.prior_ = scorer.prior
        self.head_ = result.head
        self.max_length_ = scorer.max_length
        self.history_ = result.history
        self.n_truncated_ = plan.n_truncated


class _Plan(NamedTuple):
    """What ``fit`` is going to do, checked."""

    tuning: Tuning
    verbalizer: Verbalizer | None
    data: TrainingData | None
    scorer: PromptScorer
    views: Views | None
    wordings: dict[Template, Views]

    @property
    def classes(self) -> list[Label]:
        return list(self.scorer.words.classes)

    @property
    def n_texts(self) -> int:
        return 0 if self.data is None else len(self.data.examples)

    @property
    def n_truncated(self) -> int:
        return 0 if self.views is None else self.views[min(self.views)].n_truncated


def _is_zero_shot(tuning: str | Tuning) -> bool:
    return isinstance(tuning, NoTuning) or tuning == "none"


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
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


def _recalibration(plan: _Plan, calibration: Calibration) -> npt.NDArray[np.float64] | None:
    """Return the weights of the texts that a tuned model is calibrated by again, if there are some.

    Tuning on few labels moves what the model says regardless of the text. The labelled texts do
    not show it, for it knows them by heart.
    """
    if plan.data is None or calibration != "domain":
        return None
    weights = np.where(plan.data.labels.is_labelled, 0.0, plan.data.sample_weight)
    return weights if np.count_nonzero(weights) >= _ENOUGH_TEXTS else None


def _domain_weights(plan: _Plan) -> npt.NDArray[np.float64]:
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
