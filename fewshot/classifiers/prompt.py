"""PromptClassifier: a template, a verbalizer and a masked language model as an estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from fewshot.classifiers.base import DryRun, in_plain_torch
from fewshot.classifiers.parameter_report import ParameterReport, report_parameters
from fewshot.classifiers.prompt_plan import PromptPlan, TuningProcedure, plan_fit
from fewshot.classifiers.scorer_classifier import ScorerClassifier
from fewshot.data.class_scores import score_in_parts, warn_truncated
from fewshot.data.classes import Threshold, class_offset, label_array
from fewshot.data.examples import Examples, read_examples
from fewshot.data.labels import Label
from fewshot.models.hardware import measured_within
from fewshot.models.loading import load_uncounted
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.calibration import Calibration
from fewshot.scoring.label_words import MultiToken
from fewshot.scoring.learned_verbalizer import LearnedVerbalizer
from fewshot.scoring.scorer import Encoded
from fewshot.tuning import NoTuning, Tuning, resolve_tuning

_READ_WHOLE = (
    "PromptClassifier(Template(..., shorten='chunk')) reads them whole; or raise its max_length if "
    "you can"
)


@dataclass(eq=False, repr=False)
class PromptClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ScorerClassifier):
    """Classify texts by the words that a masked language model expects at a mask.

    The template turns a text into a cloze sentence, the verbalizer maps words at the mask to
    classes, the model scores the words. That needs no label at all (``tuning="none"``); with a
    handful of labels a tuning strategy starts from those scores. Only the label words are scored,
    only at the mask, in batches without padding.

    Parameters
    ----------
    template : str or Template, optional
        Such as ``"{text} It was {mask}."``. By default ``"A {mask} text: {text}"``, the
        best of sixteen on six data sets; a sentence for the task is worth a try. Virtual tokens
        (``{soft:It was}``) are tuned by every strategy that uses gradient descent.
    verbalizer : Verbalizer, mapping or LearnedVerbalizer, optional
        Words for each label, such as ``{"neg": ["bad"], "pos": ["good"]}``; or a way to find
        words in ``fit``, such as :class:`~fewshot.SciPromptVerbalizer`. By default the names of
        the labels, which must be str then. ``tuning="perfect"`` uses no words.
    model : str, Path or MaskedLM, default="fewshot-mini"
        An embedded model, a folder, a hub id, or a loaded model. ``"fewshot-base"`` knows more
        than ``"fewshot-mini"`` and takes about ten times as long; ``python -m fewshot download
        fewshot-base`` gets it once.
    tuning : str or Tuning, default="full"
        ``"none"`` (zero-shot), ``"head"`` (frozen encoder: seconds), ``"full"``; another name in
        ``fewshot.tuning.STRATEGIES``, such as ``"lora"`` or ``"adapter"``, to tune few
        parameters; or a strategy with its settings, such as ``Full(learning_rate=1e-5)``.
    calibration : {"auto", "none", "contextual", "generic", "domain", "pmi"}, default="auto"
        What the scores of label words are divided by: their mean over texts without content
        (``"contextual"``), over 64 sentences of many kinds (``"generic"``), over the texts passed
        to ``fit`` (``"domain"``), or the template alone (``"pmi"``). ``"auto"`` is ``"domain"``
        when ``fit`` gets texts without a label, or 8 labelled ones, else ``"generic"``. Classes
        need not be equally frequent in the texts: with labels they count alike in the mean, and
        without labels their shares are estimated and divided out
        (:func:`~fewshot.scoring.pool_calibration.pool_prior`).
    aggregation : {"auto", "mean", "max", "logsumexp", "weighted"}, default="auto"
        Aggregation of the log-probabilities of a class's words. ``"auto"`` is ``"weighted"``
        when the verbalizer weighs its words, else ``"mean"``.
    multi_token : {"mean", "first", "masks"}, default="mean"
        Scoring of words of several pieces; ``"masks"`` uses a mask for each piece.
    name_weight : float or "auto", default="auto"
        Weight of a second voice beside the label words: the cosine of the mean states of a text
        and of the words of a class, joined by commas. By default 10; for two
        classes 2.5 for each piece of a word after the first. With it, the words' log-probabilities
        count one by the mean number of their pieces, since a name of several pieces says little at
        one mask. 0 leaves the words alone, as in the papers. Tunings that score no words
        (``"contrastive"``, ``"perfect"``) have no use for it.
    labels : sequence of str or int, optional
        All labels; needed without a verbalizer if some may be missing in a fold.
    threshold : float, dict, "auto" or None, default=None
        Where texts have several labels, the probability from which a text has a label: one for
        all, one by label, or ``"auto"``: with ``tuning="head"`` chosen by F1 on labelled texts
        that are held out in turn, shrunk with few towards the best one for all labels; else
        0.5, shrunk towards the share of the label. None is
        ``"auto"`` where `y` holds several labels for a text; without labelled texts, anything
        else says that texts may have several.
    class_weight : None, "balanced" or dict, default=None
        A mapping of labels to weights multiplies the probability of each class in the decision,
        as costs do. ``"balanced"`` weighs labelled texts in tuning, inversely to the frequency
        of their class.
    class_prior : None, "uniform" or dict, default=None
        The shares of the classes in your texts, if you know them; they sum to 1. They take the
        place of estimated ones in calibration and multiply the probabilities of the classes, which
        tuning learns from labels as if they were balanced; of several labels, they take the place
        of the frequencies among the labelled texts.
        ``"uniform"``: all classes are equally frequent. By default shares are estimated for
        calibration only.
    max_length : int, optional
        The most tokens of a prompt; by default what the model takes, but at most 512.
    random_state : int, RandomState or None, default=None
    verbose : {0, 1}, default=1
        1 shows a progress bar when something takes longer than two seconds; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted; of an indicator matrix in the order of its columns.
    thresholds_ : ndarray of shape (n_classes,) or None
        The probabilities from which a text has a label, if it may have several.
    task_kind_ : TaskKind
        Whether a text has one label or several, and the form that they were given in.
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
    class_shares_ : ndarray of shape (n_classes,) or None
        The shares of the classes in the texts without a label, known or estimated.
    class_offset_ : ndarray of shape (n_classes,)
        Logarithms of ``class_weight`` and ``class_prior``, which are added to the scores.
    prior_ : Tensor of shape (n_words,) or None
        Log-probabilities of the label words that calibration divides by.
    names_ : ClassNames or None
        The names that texts are compared with.
    head_ : StateHead or None
        The regressions on mean states and on states at the mask, and the weight of each voice.
    max_length_ : int
        The most tokens of a prompt, without the virtual ones that tuning inserts.
    scorer_ : PromptScorer
        The eight above together, as they score texts.
    history_ : list of dict
        Loss, learning rate, tokens and seconds of each epoch.
    parameter_report_ : ParameterReport
        Parameters that tuning has changed, their bytes and the time that it took.
    n_truncated_ : int
        Texts passed to ``fit`` that were shortened.

    See Also
    --------
    PETClassifier, LiSTClassifier, PCPClassifier : Learn from unlabelled texts too.
    template_sensitivity : Compares wordings of the template.
    load : Loads a saved classifier.

    References
    ----------
    Schick and Schütze (2021), Exploiting Cloze Questions for Few Shot Text Classification and
    Natural Language Inference. Zhao et al. (2021), Calibrate Before Use.

    Examples
    --------
    >>> from fewshot import PromptClassifier
    >>> texts = ["A wonderful film.", "The worst film of the year."]
    >>> clf = PromptClassifier(
    ...     template="{text} It was {mask}.",
    ...     verbalizer={"neg": ["terrible", "bad"], "pos": ["great", "good"]},
    ...     tuning="none",
    ...     calibration="domain",
    ... )
    >>> clf.fit(texts).predict(texts).tolist()
    ['pos', 'neg']
    """

    verbalizer_: Verbalizer | None = field(init=False)
    calibration_: Calibration = field(init=False)
    class_shares_: npt.NDArray[np.float64] | None = field(init=False)
    parameter_report_: ParameterReport = field(init=False)

    template: str | Template | None = None
    verbalizer: Verbalizer | Mapping[Any, Any] | LearnedVerbalizer | None = None
    _: KW_ONLY
    model: str | Path | MaskedLM = "fewshot-mini"
    tuning: str | Tuning = "full"
    calibration: Calibration = "auto"
    aggregation: Aggregation | Literal["auto"] = "auto"
    multi_token: MultiToken = "mean"
    name_weight: float | Literal["auto"] = "auto"
    labels: Sequence[Label] | None = None
    threshold: Threshold = None
    class_weight: str | dict[Label, float] | None = None
    class_prior: str | dict[Label, float] | None = None
    max_length: int | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    @in_plain_torch
    def fit(self, X: Any = None, y: Any = None, *, sample_weight: Any = None) -> PromptClassifier:
        """Learn from a few labelled texts, or from none.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame; optional
            Texts. With ``tuning="none"`` they may be left out.
        y : sequence of str or int, or of lists of them; matrix of 0 and 1; optional
            Labels; -1 (among ints) or None marks a text without one, which then only serves
            calibration: with eight or more of them a tuned model is calibrated again. May be left
            out with ``tuning="none"``. Several labels for a text: a list, tuple or set in each
            row, which may be empty, or an indicator matrix with a column for each label.
        sample_weight : sequence of float, optional
            Weights of the texts, 0 or more.

        Returns
        -------
        PromptClassifier
            The estimator itself.

        Raises
        ------
        TemplateError, VerbalizerError, LabelWordError, InputError, TuningError, ModelError
            If a setting, a text or a label cannot be used; the estimator stays as it was. All are
            also ``ValueError``.
        HubError
            If the model is neither on disk nor reachable; also an ``OSError``.
        """
        return self._fit(plan_fit(self, X, y, sample_weight))

    def _fields(self) -> Sequence[str]:
        return self.template_.field_names

    def _fit(self, plan: PromptPlan, tune: TuningProcedure | None = None) -> PromptClassifier:
        """Run a plan; `tune` replaces the procedure of its strategy."""
        scorer, calibration, shares = plan.calibrate()
        with measured_within() as peak:
            result = plan.tune(scorer, calibration, tune)
        report = report_parameters(result, scorer.lm, peak.rise(scorer.lm.device))
        warn_truncated(plan.n_truncated, plan.n_texts, scorer.max_length, _READ_WHOLE)
        self.scorer_ = replace(result.scorer, head=result.head)
        self.thresholds_ = plan.thresholds(result.held_out)
        self.classes_ = label_array(plan.classes)
        self.verbalizer_ = plan.verbalizer
        self.calibration_ = calibration
        self.class_shares_ = shares
        by_class = self.class_weight, self.class_prior
        self.class_offset_ = class_offset(plan.classes, *by_class, scorer.kind, plan.learned_odds())
        self.history_ = result.history
        self.n_truncated_ = plan.n_truncated
        self.parameter_report_ = report
        return self

    @in_plain_torch
    def dry_run(self, X: Any = None, y: Any = None) -> DryRun:
        """Estimate the cost of ``fit``, without learning anything.

        Parameters
        ----------
        X, y
            As in :meth:`fit`.

        Returns
        -------
        DryRun
            Texts, tokens, optimizer steps, truncated texts and the estimated seconds.

        Raises
        ------
        FewShotError
            As in :meth:`fit`.
        """
        plan = plan_fit(self, X, y, None)
        if plan.data is None:
            return DryRun()
        n_tokens = sum(int(prompts.lengths.sum()) for prompts in plan.views.values())
        lm, prompts = plan.scorer.lm, plan.views[min(plan.views)]
        labeled = np.flatnonzero(plan.weights > 0)
        seconds = n_tokens / lm.tokens_per_second(prompts)
        if passes := len(labeled) / plan.n_texts * plan.tuning.passes():
            seconds += passes * n_tokens / lm.tokens_per_second(prompts, tunes=True)
        return DryRun(
            n_texts=plan.n_texts,
            n_tokens=n_tokens,
            n_truncated=plan.n_truncated,
            n_steps=plan.tuning.steps(plan.scorer.kind.strata(plan.targets[labeled])),
            seconds=seconds,
        )

    @in_plain_torch
    def transform(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the states at the mask, as features for other estimators.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n, hidden)

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If a text is missing or not a string.
        """
        check_is_fitted(self)
        return self._in_parts(X, self.scorer_.mask_states)

    @property
    def _n_features_out(self) -> int:
        return self.model_.state_size

    def set_params(self, **params: Any) -> PromptClassifier:  # scikit-learn's signature
        """Set parameters by name; settings of the tuning as ``tuning__<setting>``.

        A tuning that is given by name becomes the strategy of that name first.

        Parameters
        ----------
        **params
            Parameters of the classifier, or ``tuning__<setting>`` and ``verbalizer__<setting>``.

        Returns
        -------
        PromptClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If a name is unknown.
        """
        tuning = params.get("tuning", self.tuning)
        if isinstance(tuning, str) and any(name.startswith("tuning__") for name in params):
            params = params | {"tuning": resolve_tuning(tuning)}
        super().set_params(**params)
        return self

    def _load_models(self) -> None:
        self.model = load_uncounted(self.model)

    def _n_trainable(self) -> int:
        return self.parameter_report_.n_tuned + self.parameter_report_.n_head

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        is_zero_shot = isinstance(self.tuning, NoTuning) or self.tuning == "none"
        tags.target_tags.required = not is_zero_shot
        return tags

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        return self._in_parts(X, self.scorer_.scores)

    def _in_parts(
        self, X: Any, score: Callable[[Encoded], npt.NDArray[np.float64]]
    ) -> npt.NDArray[np.float64]:
        """Encode texts part by part, and score each part."""
        scorer = self.scorer_

        def encode_and_score(part: Examples) -> tuple[npt.NDArray[np.float64], int]:
            views = scorer.views(part)
            return score(scorer.encode(views)), views[min(views)].n_truncated

        return score_in_parts(
            read_examples(X, scorer.template.field_names),
            encode_and_score,
            scorer.max_length,
            _READ_WHOLE,
            show_progress=self.verbose > 0,
        )
