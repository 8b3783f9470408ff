"""Classifier: give it what you have; it tries what suits, and says what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from fewshot.classifiers.automatic.distilling import (
    Learner,
    Told,
    check_texts,
    chosen_start,
    distilled,
    scores_of,
    starts_of,
)
from fewshot.classifiers.automatic.offers import plan_voices
from fewshot.classifiers.automatic.pool import pooled
from fewshot.classifiers.automatic.report import FitPlan, FitReport
from fewshot.classifiers.automatic.search import Search
from fewshot.classifiers.automatic.task import (
    Clock,
    Task,
    choose_model,
    named,
    read_budget,
    read_classes,
    read_rows,
    template_for,
)
from fewshot.classifiers.automatic.voices import ZERO_SHOT, class_scores, load_models
from fewshot.classifiers.base import TextClassifier, in_plain_torch
from fewshot.data.classes import (
    Threshold,
    check_any_label,
    class_offset,
    class_targets,
    given_thresholds,
    label_array,
    task_kind,
)
from fewshot.data.examples import read_examples
from fewshot.data.labels import Label
from fewshot.data.semi_supervised_data import read_semi_supervised_data
from fewshot.data.settings import check_settings, new_rng, one_of
from fewshot.data.unlabeled import text_keys, warn_seen
from fewshot.errors import FewShotWarning, InputError, warn_user
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.cluster_kernel import LEAST_TEXTS

OnInterrupt: TypeAlias = Literal["raise", "keep"]

_MOST_UNLABELED = 1000  # texts, as of PETClassifier


@dataclass(eq=False, repr=False)
class Classifier(TextClassifier):
    """Classify texts with whatever you have: labels, names of classes, unlabelled texts, time.

    It fits several classifiers of this package, from those that take a second to those that tune
    the language model for a minute, as far as the time allows and measurements on other data sets
    promise a gain. Cross-validation on your labels weighs them; their weighted log-probabilities
    are pooled. ``report_`` says what was tried, why it was chosen, and how accurate to expect it
    to be. Without any label it classifies by the names of the classes.

    Parameters
    ----------
    labels : sequence of str or int, optional
        All labels. Without labelled texts they, or `descriptions`, are needed.
    model : str, Path or MaskedLM, default="auto"
        The language model. ``"auto"`` is ``"fewshot-base"`` if it was downloaded and the budget
        is 30 s at least, else ``"fewshot-mini"``.
    time_budget : float or str, optional
        Seconds that ``fit`` may take once the model is loaded, or text such as ``"30s"`` or
        ``"5min"``. By default a minute, and a second more for each labelled text beyond forty; at
        most ten minutes. What needs longer is not begun.
    descriptions : mapping of labels to str or list of str, optional
        A sentence or more about a class, such as ``{"refund": "a customer wants money back"}``.
        Classes that are not described are known by their names.
    threshold : float, dict, "auto" or None, default=None
        Where texts have several labels, the probability from which a text has a label; by default
        chosen for each label. See :class:`~fewshot.PromptClassifier`.
    class_weight : None, "balanced" or dict, default=None
        A mapping of labels to weights multiplies the probability of each class in the decision,
        as costs do. ``"balanced"`` weighs labelled texts inversely to the frequency of their
        class.
    class_prior : None, "uniform" or dict, default=None
        The shares of the classes in your texts, if you know them; see
        :class:`~fewshot.PromptClassifier`.
    random_state : int, RandomState or None, default=None
    verbose : {0, 1}, default=1
        1 shows a progress bar when something takes longer than two seconds; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    report_ : FitReport
        What was tried and chosen; ``print(clf.report_)``. Its ``trials`` have the name, the
        cross-validated accuracy with its standard error (``deviation``), the seconds and the
        weight of each voice; ``expected_accuracy`` and its 90 % ``interval`` are for new texts in
        which classes are as frequent as among the labels; ``reason`` and ``advice`` are sentences.
    voices_ : dict of str to estimator
        The fitted classifiers that are pooled.
    weights_ : ndarray of shape (n_voices,)
        Of their log-probabilities.
    estimator_ : EmbeddingClassifier or PromptClassifier
        One classifier that has learned what the pool says (:meth:`distill`) and predicts in its
        place; `class_weight` and `class_prior` are added to what it says. It exists after a fit
        with 100 texts without labels or more and a labelled text of each class, one label each, or
        without any label, if there was time and it puts at most 15 % of held-out texts into another
        class than the pool, 30 % where classes are Gaussians; then the Classifier can be exported.
    pool_keys_ : ndarray of uint64
        Beside `estimator_`: hashes of these texts, to warn when one of them is predicted.
    model_name_ : str
        The language model.
    fields_ : list of str
        The fields of the texts seen in ``fit``.
    history_ : list
        Empty: the voices have their own.
    n_truncated_ : int
        Texts passed to ``fit`` that were shortened for a voice.

    See Also
    --------
    PromptClassifier : One method of your choice, with all its settings.
    PETClassifier, PCPClassifier : Learn from unlabelled texts.

    References
    ----------
    Genest and Zidek (1986), Combining Probability Distributions: the logarithmic pool.

    Examples
    --------
    >>> from fewshot import Classifier
    >>> clf = Classifier(labels=["refund request", "login problem"]).fit()
    >>> clf.predict(["I want my money back.", "My password is wrong."]).tolist()
    ['refund request', 'login problem']
    """

    voices_: dict[str, TextClassifier] = field(init=False)
    weights_: npt.NDArray[np.float64] = field(init=False)
    report_: FitReport = field(init=False)
    model_name_: str = field(init=False)

    labels: Sequence[Label] | None = None
    _: KW_ONLY
    model: str | Path | MaskedLM = "auto"
    time_budget: float | str | None = None
    descriptions: Mapping[Label, Any] | None = None
    threshold: Threshold = None
    class_weight: str | dict[Label, float] | None = None
    class_prior: str | dict[Label, float] | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    @in_plain_torch
    def fit(
        self,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        unlabeled: Any = None,
        on_interrupt: OnInterrupt = "raise",
    ) -> Classifier:
        """Try what suits, and pool what helps.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame; optional
            Texts; they may be left out if the classes are named.
        y : sequence of str or int, optional
            Labels; -1 (among ints) or None marks a text without one. Without any label texts are
            classified by the names of the classes.
        sample_weight : sequence of float, optional
            Weights of the texts; those of weight 0 are left out.
        unlabeled : Unlabeled, optional
            Texts without labels, besides those in `X`.
        on_interrupt : {"raise", "keep"}, default="raise"
            What Ctrl-C does: the estimator stays as it was; or the fit ends with the voices that
            were tried by then, if there are any.

        Returns
        -------
        Classifier
            The estimator itself.

        Raises
        ------
        InputError, VerbalizerError, ModelError
            If a text, label, weight or setting cannot be used. After these, as after
            ``KeyboardInterrupt``, the estimator is as it was.
        HubError, MissingExtraError
            If the model is neither on disk nor reachable.
        """
        is_known, expected = one_of(on_interrupt, get_args(OnInterrupt))
        if not is_known:
            raise InputError(f"on_interrupt is {expected}, got {on_interrupt!r}")
        task, clock, classes = self._plan(X, y, sample_weight, unlabeled)
        found = Search(
            task, clock, is_shown=self.verbose > 0, keeps_tried=on_interrupt == "keep"
        ).run()
        self.classes_ = label_array(classes)
        is_taught = set(found.voices) != {ZERO_SHOT.name}
        by_class = self.class_weight, self.class_prior
        self.class_offset_ = task.offset(classes, *by_class, is_taught=is_taught)
        self.task_kind_, self.thresholds_ = task.kind, found.thresholds
        self.voices_ = found.voices
        self.weights_ = found.weights
        for name in ("estimator_", "pool_keys_"):  # of an earlier fit
            self.__dict__.pop(name, None)
        if found.student is not None:
            self.estimator_ = found.student
            self.estimator_.classes_ = self.classes_
            self.pool_keys_ = text_keys(task.data.pool)
        self.report_ = found.report
        self.model_name_ = found.report.model
        self.fields_ = list(task.data.pool.fields)
        self.history_ = []
        fitted = [*found.voices.values(), *filter(None, [found.student])]
        self.n_truncated_ = max(clf.n_truncated_ for clf in fitted)
        return self

    @in_plain_torch
    def dry_run(self, X: Any = None, y: Any = None, *, unlabeled: Any = None) -> FitPlan:
        """Tell what ``fit`` would try, and the seconds that it would take.

        Parameters
        ----------
        X, y, unlabeled
            As in :meth:`fit`.

        Returns
        -------
        FitPlan
            The voices that would be tried, the model, and the estimated cost.

        Raises
        ------
        InputError, VerbalizerError, ModelError
            As in :meth:`fit`.
        """
        return plan_voices(*self._plan(X, y, None, unlabeled)[:2])

    @in_plain_torch
    def distill(self, X: Any) -> Learner:
        """Return one classifier that has learned what the pool of voices says of texts.

        It is a regression or Gaussian classes: on sentence embeddings, if a voice reads them, or on
        the states of the voice with a prompt that weighs most, if that says more nearly what the
        pool says and embeddings change the class of too many held-out texts. It reads a text once,
        where the pool reads it once for each voice, and can be exported.
        ``docs/evidence/classifier.md`` has measurements.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
            At least 100 different texts like those to be predicted; a few hundred are better. They
            need no labels.

        Returns
        -------
        EmbeddingClassifier or PromptClassifier
            Fitted, with the same classes; decides with the same `class_weight` and `class_prior`.
            Fitted again, an EmbeddingClassifier knows no `class_prior`.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If there are too few texts, if they may have several labels, or if no voice runs a
            model.

        Warns
        -----
        FewShotWarning
            If it puts more than 15 % of held-out texts into another class than the pool, or more
            than 30 % where classes are Gaussians.

        References
        ----------
        Hinton et al. (2015), Distilling the Knowledge in a Neural Network, section 2.
        """
        check_is_fitted(self)
        if self.task_kind_.has_several:
            raise InputError(
                "distill learns one label for each text, and these have several; save the "
                "Classifier, or export one of its voices_"
            )
        starts = starts_of(self.voices_, self.weights_)
        if not starts:
            raise InputError(
                f"distill starts from a voice that runs a model, and of {list(self.voices_)} none "
                "does; save the Classifier"
            )
        examples = check_texts(read_examples(X, self.fields_))
        scores = scores_of(self.voices_, examples)  # the student's fit says what is cut
        told = Told(examples, np.exp(pooled(self.weights_, scores)), np.ones(len(examples)))
        start, change = chosen_start(starts, told)
        if change.is_too_much:
            warn_user(
                f"what is distilled puts {change} of held-out texts into another class "
                "than the pool of voices: compare both on labelled texts, or keep the Classifier",
                FewShotWarning,
            )
        student = distilled(start, told, as_gaussians=change.is_gaussian)
        student.classes_, student.class_offset_ = self.classes_, self.class_offset_
        # They hold for the decision, and for a refit; those of the voices know the classes' names.
        known = {"class_weight", "class_prior"} & student.get_params().keys()
        return student.set_params(**{name: getattr(start, name) for name in known})

    def _plan(
        self, X: Any, y: Any, sample_weight: Any, unlabeled: Any
    ) -> tuple[Task, Clock, list[Label]]:
        check_settings(self, {"verbose": one_of(self.verbose, (0, 1))})
        rng = new_rng(self.random_state)
        rows = read_rows(X, y, sample_weight)
        fields = ("text",) if rows is None else rows.examples.fields
        data = read_semi_supervised_data(
            rows, unlabeled, fields=fields, max_unlabeled=_MOST_UNLABELED, rng=rng
        )
        n_labeled = 0 if data.labeled is None else len(data.labeled.examples)
        seconds = read_budget(self.time_budget, n_labeled)
        # A class whose texts all weigh nothing stays one.
        labeled = None if data.labeled is None else rows
        classes, names, verbalizer = read_classes(self.labels, self.descriptions, labeled)
        kind = task_kind(None if rows is None else rows.labels, self.threshold)
        given_thresholds(self.threshold, classes)  # checks it, as the next
        class_offset(classes, self.class_weight, self.class_prior, kind)
        if data.labeled is not None:
            check_any_label(class_targets(data.labeled, classes, self.class_weight)[0])
        model = choose_model(self.model, seconds)
        embeds = data.labeled is not None or len(data.pool) >= LEAST_TEXTS
        load_models(model, embeds=embeds)  # before anything is measured
        clock = Clock.of(seconds)
        seed = int(rng.integers(2**31))
        data, prior, weight = named(classes, names, data, self.class_prior, self.class_weight)
        template = template_for(fields)
        by_class = prior, weight, self.threshold
        task = Task(data, names, verbalizer, template, model, seed, kind, *by_class)
        return task, clock, classes

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        examples = read_examples(X, self.fields_)
        if hasattr(self, "estimator_"):
            warn_seen(examples, self.pool_keys_)
            return self.estimator_._class_scores(examples)
        scores = [class_scores(voice, examples) for voice in self.voices_.values()]
        return pooled(self.weights_, scores, self.task_kind_)

    def _load_models(self) -> None:
        load_models(choose_model(self.model, read_budget(self.time_budget, 0)), embeds=True)

    def _n_trainable(self) -> int:
        return sum(voice._n_trainable() for voice in self.voices_.values())

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.labels is None and self.descriptions is None
        return tags
