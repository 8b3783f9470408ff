"""LiST: a teacher labels texts, and a few labels tell a student which of them to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_plan import plan_fit, resolve_template
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier, prompt_classifier
from fewshot.classifiers.semi_supervised.fitting import digests_of, fit_prompt, open_fit
from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.sessions import SessionRecord, Sessions
from fewshot.data.classes import class_targets
from fewshot.data.examples import read_examples
from fewshot.data.sampling import hold_out
from fewshot.data.semi_supervised_data import LearningData, check_several_classes
from fewshot.data.settings import check_settings, is_positive, is_share, is_whole
from fewshot.data.training_data import TrainingData
from fewshot.data.unlabeled import text_keys
from fewshot.errors import InputError
from fewshot.models.fingerprint import settings_of
from fewshot.models.loading import load_masked_lm
from fewshot.training.checkpoint import Checkpoint, check_folder
from fewshot.training.history import Epoch
from fewshot.training.rounds import Rounds, seed_of, started
from fewshot.tuning import Adapter, Full, GradientTuning, Training, Tuning, resolve_tuning

Weights: TypeAlias = Literal["meta", "uniform"]

_TRUSTED = 0.5  # of the weight that all texts have where they are weighed alike


class LiSTClassifier(SemiSupervisedClassifier):
    """Lite self-training: a student learns what its teacher says of unlabelled texts.

    The estimator is tuned on the labels: it is the first teacher. In each session the teacher
    labels the unlabelled texts, softly; a student that starts anew from the model learns from
    them, then from the labelled texts, and is the next teacher. A student tunes adapters in a
    frozen encoder. In the later part of a session each text weighs what it helps on the labelled
    ones: one that would make the student worse there, for its label is wrong, weighs nothing.

    Parameters
    ----------
    estimator : PromptClassifier, optional
        The first teacher; its template, words and model are those of the students. Its
        ``random_state`` does not count.
    n_sessions : int, default=2
        6 in the paper.
    tuning : str or Tuning, optional
        What students tune, by gradients. By default what the estimator tunes, if that is a part
        of a frozen encoder; in place of ``"full"``, ``"head"`` and ``"none"``, linear adapters and
        the MLM head, as in the paper. Its epochs and batch size are those on the labelled texts.
    weights : {"meta", "uniform"} or MetaWeights, default="meta"
        How unlabelled texts weigh: by what they help on the labelled texts, or alike. An object
        has settings, such as ``MetaWeights(batch_size=8)``.
    n_steps : int, default=60
        Steps on unlabelled texts in a session; 1000 in the paper.
    batch_size : int, default=16
        Unlabelled texts of a step.
    temperature : float, default=1.0
        What the teacher's scores are divided by; below 1 the soft labels are sharpened.
    min_confidence : float, default=0.0
        Texts whose likeliest class is less probable are left out of a session.
    max_unlabeled : int, default=1000
        The most unlabelled texts that are used; of more, a sample is drawn.
    checkpoint_dir : str or Path, optional
        Where the newest student is kept while ``fit`` runs, to go on after an interruption;
        deleted at the end. Without it nothing is written.
    random_state : int, RandomState or None, default=None
        Of the first teacher and all students.
    verbose : {0, 1}, default=1
        1 shows a progress bar of the sessions; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    estimator_ : PromptClassifier
        The last student.
    soft_labels_ : ndarray of shape (n_unlabeled, n_classes)
        What the last student learned from.
    example_weights_ : ndarray of shape (n_sessions, n_unlabeled)
        Mean weight of each unlabelled text in the steps of a session after the warm-up: 1 where
        it weighs what it would among equals, 0 where it was left out, NaN where it was not drawn.
    trusted_ : ndarray of bool of shape (n_unlabeled,)
        Texts whose weight in the last session is at least 0.5; one that was not drawn is not.
    agreement_ : ndarray of shape (n_sessions,)
        Share of the unlabelled texts that a student labels as its teacher.
    n_unlabeled_ : int
        Unlabelled texts that were used.
    pool_keys_ : ndarray of uint64
        Hashes of these, to warn when one of them is predicted.
    fields_ : list of str
    history_ : list of dict
        One entry for the first teacher, then one a session.
    n_truncated_ : int
        Texts passed to ``fit`` that were shortened.

    Raises
    ------
    InputError, TemplateError, VerbalizerError, LabelWordError, TuningError, CheckpointError
        From ``fit``, before anything is trained; the estimator then stays as it was.

    References
    ----------
    Wang et al. (2022), LiST: Lite Prompted Self-training Makes Parameter-Efficient Few-shot
    Learners, sections 3.1 to 3.3.

    Examples
    --------
    >>> from fewshot import LiSTClassifier, PromptClassifier, Unlabeled
    >>> clf = LiSTClassifier(
    ...     PromptClassifier("{text} It was {mask}.", {"neg": ["bad"], "pos": ["good"]}),
    ...     n_sessions=3,
    ... )
    >>> clf.fit(texts, labels, unlabeled=Unlabeled(reviews))  # doctest: +SKIP
    """

    def __init__(
        self,
        estimator: PromptClassifier | None = None,
        *,
        n_sessions: int = 2,
        tuning: str | Tuning | None = None,
        weights: Weights | MetaWeights = "meta",
        n_steps: int = 60,
        batch_size: int = 16,
        temperature: float = 1.0,
        min_confidence: float = 0.0,
        max_unlabeled: int = 1000,
        checkpoint_dir: str | Path | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 1,
    ) -> None:
        self.estimator = estimator
        self.n_sessions = n_sessions
        self.tuning = tuning
        self.weights = weights
        self.n_steps = n_steps
        self.batch_size = batch_size
        self.temperature = temperature
        self.min_confidence = min_confidence
        self.max_unlabeled = max_unlabeled
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state
        self.verbose = verbose

    def _spelled_out(self, name: str, given: Mapping[str, Any]) -> Any:
        value = given[name]
        if name == "weights" and value == "meta":
            return MetaWeights()
        if name == "tuning" and not isinstance(value, Tuning):
            base = prompt_classifier(given["estimator"], "LiSTClassifier")
            return clone(_student(value, resolve_tuning(base.tuning)))
        return super()._spelled_out(name, given)

    def _check_fit(self, X: Any, y: Any, sample_weight: Any, unlabeled: Any) -> None:
        check_folder(self.checkpoint_dir)
        _plan(clone(self).set_params(checkpoint_dir=None), X, y, sample_weight, unlabeled)

    def fit(
        self, X: Any = None, y: Any = None, *, sample_weight: Any = None, unlabeled: Any = None
    ) -> LiSTClassifier:
        """Learn from a few labelled and many unlabelled texts.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
        y : sequence of str or int
            Labels; rows with -1 (among ints) or None are unlabelled.
        sample_weight : sequence of float, optional
            Of the rows of `X`; those of weight 0 are as if they were not there.
        unlabeled : Unlabeled, optional
            Unlabelled texts, besides the unlabelled rows of `X`. Labelled ones among them are
            left out.

        Returns
        -------
        LiSTClassifier
            The estimator itself.
        """
        plan = _plan(self, X, y, sample_weight, unlabeled)
        n_rounds = 1 + self.n_sessions
        with started(plan.checkpoint, n_rounds, "LiST", show_progress=self.verbose > 0) as rounds:
            final, record = _train(plan, rounds)
        self.classes_ = final.classes_
        self.estimator_ = final
        self.soft_labels_ = record.soft_labels
        self.example_weights_ = record.weights
        self.trusted_ = record.weights[-1] >= _TRUSTED
        self.history_: list[Any] = record.history
        self.agreement_ = np.array([row["agreement"] for row in record.history[1:]])
        self.n_unlabeled_ = len(plan.data.pool)
        self.pool_keys_ = text_keys(plan.data.pool.examples)
        self.fields_ = list(plan.data.pool.examples.fields)
        self.n_truncated_ = final.n_truncated_
        return self

    def weights_of(self, X: Any) -> npt.NDArray[np.float64]:
        """Return how unlabelled texts weighed in the last session.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n,)
            See ``example_weights_``; NaN for texts that were not among those of ``fit``.
        """
        check_is_fitted(self)
        known = dict(zip(self.pool_keys_.tolist(), self.example_weights_[-1].tolist(), strict=True))
        keys = text_keys(read_examples(X, self.fields_)).tolist()
        return np.array([known.get(key, np.nan) for key in keys])


class _Plan(NamedTuple):
    """What ``fit`` is going to do, checked."""

    settings: LiSTClassifier
    data: LearningData
    base: PromptClassifier
    student: GradientTuning
    weights: MetaWeights | None
    seed: int
    checkpoint: Checkpoint


def _plan(settings: LiSTClassifier, X: Any, y: Any, sample_weight: Any, unlabeled: Any) -> _Plan:
    """Check everything that can be checked before any work."""
    weights = _check(settings)
    base = prompt_classifier(settings.estimator, "LiSTClassifier").set_params(verbose=0)
    student = _student(settings.tuning, resolve_tuning(base.tuning))
    data, checkpoint, seed = open_fit(
        settings, X, y, sample_weight, unlabeled, fields=resolve_template(base).field_names
    )
    labelled = _checked_labels(data)
    if not len(data.pool):
        raise InputError(
            "LiSTClassifier learns from unlabelled texts; pass unlabeled=Unlabeled(texts), or "
            "rows with y=None (-1 among ints)"
        )
    texts, labels = labelled.examples.rows(), labelled.labels.values.tolist()
    own = clone(base).set_params(tuning=student, template=resolve_template(base))
    for clf in (base, own):
        classes = plan_fit(clf, texts, labels, labelled.sample_weight).classes
        targets, _ = class_targets(labelled, classes, base.class_weight)
    check_several_classes(labelled)
    if weights is not None:  # raises if there are too few to hold some out
        hold_out(targets.argmax(1), weights.validation_fraction, np.random.default_rng(0))
    base.set_params(labels=classes)
    plan = _Plan(settings, data, base, student, weights, seed, checkpoint)
    checkpoint.begin(seed, _configuration(plan))
    return plan


def _check(settings: LiSTClassifier) -> MetaWeights | None:
    """Check the settings; return how texts are weighed, None for alike."""
    weights, confidence = settings.weights, settings.min_confidence
    is_known = isinstance(weights, MetaWeights) or weights in get_args(Weights)
    check_settings(
        settings,
        {
            "n_sessions": (is_whole(settings.n_sessions, 1), "a whole number, at least 1"),
            "n_steps": (is_whole(settings.n_steps, 1), "a whole number, at least 1"),
            "batch_size": (is_whole(settings.batch_size, 1), "a whole number, at least 1"),
            "temperature": (is_positive(settings.temperature), "positive"),
            "min_confidence": (is_share(confidence), "from 0 to below 1"),
            "weights": (is_known, f"one of {list(get_args(Weights))} or MetaWeights(...)"),
            "max_unlabeled": (is_whole(settings.max_unlabeled, 1), "a whole number, at least 1"),
            "verbose": (settings.verbose in (0, 1), "0 or 1"),
        },
    )
    if isinstance(weights, MetaWeights):
        weights.check()
        return weights
    return MetaWeights() if weights == "meta" else None


def _student(tuning: str | Tuning | None, teacher: Tuning) -> GradientTuning:
    """Return what students tune."""
    if tuning is None:
        is_light = isinstance(teacher, GradientTuning) and not isinstance(teacher, Full)
        student = teacher if is_light else list_adapter()
    else:
        student = resolve_tuning(tuning)
    if not isinstance(student, GradientTuning):
        raise InputError(
            f"students of LiSTClassifier tune by gradients, such as tuning='lora', got {tuning!r}"
        )
    if not student.uses_label_words:
        raise InputError(
            f"students of LiSTClassifier score label words, which {student} has not; use another "
            "tuning, such as 'lora'"
        )
    training = Training() if student.training is None else student.training
    if training.regularizes() or training.patience is not None or training.validation_fraction:
        raise InputError(
            "students of LiSTClassifier learn from a teacher, with a loss and a number of steps "
            "of their own: their training takes no adversarial, r_drop, consistency, patience or "
            f"validation_fraction, got {training}"
        )
    return student


def list_adapter() -> Adapter:
    """Return what students tune in the paper: linear adapters twice a layer, and the MLM head.

    Without weight decay, warm-up and interpolation, as there. The learning rate is larger than
    its 1e-4, for sessions are a tenth as long; the labelled texts, which end a session, are seen
    once: more often, students of small models learned them by heart (docs/list.md).

    Returns
    -------
    Adapter

    Examples
    --------
    >>> list_adapter().set_params(learning_rate=1e-4, num_epochs=50, batch_size=4).num_epochs
    50
    """
    return Adapter(
        reduction=8,
        placement="houlsby",
        activation="linear",
        also_tuned="head",
        learning_rate=3e-4,
        num_epochs=1,
        interpolation=1.0,
        training=Training(weight_decay=0.0, warmup_ratio=0.0),
    )


def _checked_labels(data: LearningData) -> TrainingData:
    if data.labelled is None:
        raise InputError(
            "LiSTClassifier requires y to be passed: it needs some labelled texts, which "
            "pseudo-labels are compared with; without any label, PETClassifier learns from "
            "unlabelled texts"
        )
    return data.labelled


def _configuration(plan: _Plan) -> dict[str, str]:
    """Return all that decides the result, for the checkpoint."""
    if not plan.checkpoint.is_kept:
        return {}
    return {**settings_of(plan.settings), **digests_of(plan.data, load_masked_lm(plan.base.model))}


def _train(plan: _Plan, rounds: Rounds) -> tuple[PromptClassifier, SessionRecord]:
    """Run the sessions within the fit of one classifier, which is then the last student."""
    settings = plan.settings
    sessions = Sessions(
        partial(_first_scores, plan),
        plan.student,
        n_sessions=settings.n_sessions,
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        weights=plan.weights,
        temperature=float(settings.temperature),
        min_confidence=float(settings.min_confidence),
        seed=plan.seed,
        rounds=rounds,
    )
    final: PromptClassifier = clone(plan.base)
    # A strategy may have a default template; students keep that of the first teacher.
    final.set_params(tuning=sessions, template=resolve_template(plan.base))
    fit_prompt(final, plan.data)
    return final.set_params(tuning=plan.student), sessions.record_


def _first_scores(plan: _Plan) -> tuple[npt.NDArray[np.float64], list[Epoch]]:
    """Fit the estimator on the labels, as the user would, and score the pool with it."""
    teacher = clone(plan.base).set_params(random_state=seed_of(plan.seed, 2))
    fit_prompt(teacher, plan.data)
    return teacher._class_scores(plan.data.pool.examples.rows()), teacher.history_
