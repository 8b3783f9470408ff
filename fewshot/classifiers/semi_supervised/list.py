"""LiST: a teacher labels texts, and a few labels decide which of them a student learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_plan import resolve_template
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier, prompt_classifier
from fewshot.classifiers.semi_supervised.fitting import (
    FitArguments,
    fit_prompt,
    open_fit,
    plan_prompt,
)
from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.sessions import SelfTrainingPlan, Sessions
from fewshot.data.examples import read_examples
from fewshot.data.sampling import hold_out
from fewshot.data.semi_supervised_data import SemiSupervisedData, check_several_classes
from fewshot.data.settings import check_settings, one_of, positive, share, whole
from fewshot.data.training_data import TrainingData
from fewshot.data.unlabeled import text_keys
from fewshot.errors import InputError
from fewshot.models.loading import load_masked_lm
from fewshot.training.rounds import Rounds
from fewshot.tuning import Adapter, GradientTuning, Training, Tuning, resolve_tuning

Weights: TypeAlias = Literal["meta", "uniform"]

_TRUSTED = 0.5  # of the weight that all texts have where they are weighed alike


@dataclass(eq=False, repr=False)
class LiSTClassifier(SemiSupervisedClassifier):
    """Lite self-training: a student learns from a teacher's labels of unlabelled texts.

    The estimator is tuned on the labels: it is the first teacher. In each session the teacher
    labels the unlabelled texts, softly; a student that starts anew from the model learns from
    them, then from the labelled texts, and is the next teacher. In the later part of a session a
    text weighs as much as it helps on the labelled ones: a wrong label that would make the student
    worse there weighs nothing.

    The first teacher's scores are moved by half the logarithm of the class shares that it sees in
    the unlabelled texts, unless the estimator has a `class_prior`.

    Parameters
    ----------
    estimator : PromptClassifier, optional
        The first teacher; students share its template, words and model. Its ``random_state`` has
        no effect.
    n_sessions : int, default=2
        6 in the paper.
    tuning : str or Tuning, optional
        Tuning of the students, by gradients. By default that of the estimator; in place of
        ``"head"``, ``"none"``, strategies without label words, and those with regularization or
        early stopping, :func:`list_adapter`, which is the paper's. Its epochs and batch size are
        those on the labelled texts.
    weights : {"meta", "uniform"} or MetaWeights, default="meta"
        Whether unlabelled texts weigh by their use for the labelled ones, or alike. An object
        has settings, such as ``MetaWeights(batch_size=8)``.
    n_steps : int, default=60
        Steps on unlabelled texts in a session; 1000 in the paper.
    batch_size : int, default=16
        Unlabelled texts of a step.
    temperature : float, default=1.0
        Divides the teacher's scores; below 1 the soft labels are sharpened.
    min_confidence : float, default=0.0
        Texts whose likeliest class is less probable are left out of a session.
    max_unlabeled : int, default=1000
        The most unlabelled texts that are used; of more, a sample is drawn.
    checkpoint_dir : str or Path, optional
        Folder for the newest student while ``fit`` runs, to resume it after an interruption;
        emptied at the end. Without it nothing is written.
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
        Probabilities that the last student learned from.
    example_weights_ : ndarray of shape (n_sessions, n_unlabeled)
        Mean weight of each unlabelled text in the steps of a session after the warm-up: 1 where
        all weigh alike, 0 for a text that was left out, NaN for one that was not drawn.
    trusted_ : ndarray of bool of shape (n_unlabeled,)
        Texts whose weight in the last session is at least 0.5; one that was not drawn is not.
    agreement_ : ndarray of shape (n_sessions,)
        Share of the unlabelled texts that a student labels as its teacher does.
    n_unlabeled_ : int
        Unlabelled texts that were used.
    pool_keys_ : ndarray of uint64
        Hashes of these, to warn when one of them is predicted.
    fields_ : list of str
    history_ : list of dict
        One entry for the first teacher, then one per session.
    n_truncated_ : int
        Texts passed to ``fit`` that were shortened.

    See Also
    --------
    MetaWeights : Settings of the weights.
    list_adapter : Tuning of the students in the paper.
    PETClassifier : Several templates, and one classifier that learns from their soft labels.
    Unlabeled : Container of unlabelled texts.

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

    soft_labels_: npt.NDArray[np.float64] = field(init=False)
    example_weights_: npt.NDArray[np.float64] = field(init=False)
    trusted_: npt.NDArray[np.bool_] = field(init=False)
    agreement_: npt.NDArray[np.float64] = field(init=False)

    estimator: PromptClassifier | None = None
    _: KW_ONLY
    n_sessions: int = 2
    tuning: str | Tuning | None = None
    weights: Weights | MetaWeights = "meta"
    n_steps: int = 60
    batch_size: int = 16
    temperature: float = 1.0
    min_confidence: float = 0.0
    max_unlabeled: int = 1000
    checkpoint_dir: str | Path | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    def _spelled_out(self, name: str, given: Mapping[str, Any]) -> Any:
        value = given[name]
        if name == "weights" and value == "meta":
            return MetaWeights()
        if name == "tuning" and not isinstance(value, Tuning):
            base = prompt_classifier(given["estimator"], "LiSTClassifier")
            return clone(_student_tuning(value, resolve_tuning(base.tuning)))
        return super()._spelled_out(name, given)

    def _plan(self, given: FitArguments) -> SelfTrainingPlan:
        weights = _checked_weights(self)
        teacher = prompt_classifier(self.estimator, type(self).__name__).set_params(verbose=0)
        tuning = _student_tuning(self.tuning, resolve_tuning(teacher.tuning))
        # A strategy may have a default template; students keep that of the first teacher.
        template = resolve_template(teacher)
        student = clone(teacher).set_params(tuning=tuning, template=template)
        opened = open_fit(self, given, template.field_names)
        labeled = _checked_labels(opened.data)
        self._check_pool(opened.data)
        for classifier in (teacher, student):
            plan = plan_prompt(classifier, labeled)
            classifier.set_params(labels=plan.classes)
        check_several_classes(labeled)
        if weights is not None:  # raises if there are too few to hold some out
            hold_out(plan.targets.argmax(1), weights.validation_fraction, np.random.default_rng(0))
        return SelfTrainingPlan(
            *opened,
            lm=load_masked_lm(teacher.model),
            classes=plan.classes,
            n_rounds=1 + self.n_sessions,
            settings=self,
            teacher=teacher,
            student=student,
            tuning=tuning,
            weights=weights,
        )

    def _learn(self, plan: SelfTrainingPlan, rounds: Rounds) -> dict[str, Any]:
        sessions = Sessions(plan, rounds)
        final = fit_prompt(plan.student, plan.data.joined(), sessions.tune)
        history = sessions.history()
        weights = np.array(sessions.weights)
        return {
            "estimator_": final,
            "soft_labels_": sessions.soft_labels,
            "example_weights_": weights,
            "trusted_": weights[-1] >= _TRUSTED,
            "history_": history,
            "agreement_": np.array([row["agreement"] for row in history[1:]]),
            "n_truncated_": final.n_truncated_,
        }

    def weights_of(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the weights of unlabelled texts in the last session.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame

        Returns
        -------
        ndarray of shape (n,)
            See ``example_weights_``; NaN for texts that were not among those of ``fit``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If texts are missing or not strings.
        """
        check_is_fitted(self)
        known = dict(zip(self.pool_keys_.tolist(), self.example_weights_[-1].tolist(), strict=True))
        keys = text_keys(read_examples(X, self.fields_)).tolist()
        return np.array([known.get(key, np.nan) for key in keys])


def _checked_weights(settings: LiSTClassifier) -> MetaWeights | None:
    """Check the settings; return how texts are weighed, None for alike."""
    weights = settings.weights
    is_name, expected = one_of(weights, get_args(Weights))
    is_known = is_name or isinstance(weights, MetaWeights)
    limits = {
        "n_sessions": whole(settings.n_sessions),
        "n_steps": whole(settings.n_steps),
        "batch_size": whole(settings.batch_size),
        "temperature": positive(settings.temperature),
        "min_confidence": share(settings.min_confidence),
        "weights": (is_known, f"{expected} or MetaWeights(...)"),
        "max_unlabeled": whole(settings.max_unlabeled),
        "verbose": one_of(settings.verbose, (0, 1)),
    }
    check_settings(settings, limits)
    if isinstance(weights, MetaWeights):
        weights.check()
        return weights
    return MetaWeights() if weights == "meta" else None


def _student_tuning(tuning: str | Tuning | None, teacher: Tuning) -> GradientTuning:
    """Return the tuning of students, checked."""
    if tuning is None:
        suits = isinstance(teacher, GradientTuning) and teacher.uses_label_words
        student = teacher if suits and not _needs_labels(teacher) else list_adapter()
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
    if _needs_labels(student):
        raise InputError(
            "students of LiSTClassifier learn from a teacher, with a loss and a number of steps "
            "of their own: their training takes no adversarial, r_drop, consistency, patience or "
            f"validation_fraction, got {student.training}; pass a tuning= of theirs without these, "
            "such as tuning='full'"
        )
    return student


def _needs_labels(tuning: Tuning) -> bool:
    """Return whether training asks for more than a teacher's soft labels."""
    # What is no Training at all is refused by the check of the student.
    training = getattr(tuning, "training", None)
    return isinstance(training, Training) and bool(
        training.regularizes() or training.patience is not None or training.validation_fraction
    )


def list_adapter() -> Adapter:
    """Return the tuning of students in the paper: linear adapters and the MLM head.

    Two adapters per layer, without weight decay, warm-up and interpolation, as there. The
    learning rate is larger than its 1e-4 because sessions are a tenth as long; the labelled texts,
    which end a session, are seen once: small models memorize them if they see them more often
    (docs/evidence/list.md).

    Returns
    -------
    Adapter

    See Also
    --------
    LiSTClassifier : Takes it as ``tuning=``, and uses it where students cannot tune as it does.

    Examples
    --------
    >>> from fewshot import list_adapter
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


def _checked_labels(data: SemiSupervisedData) -> TrainingData:
    if data.labeled is None:
        raise InputError(
            "LiSTClassifier requires y to be passed: it needs some labelled texts, which "
            "pseudo-labels are compared with; without any label, PETClassifier learns from "
            "unlabelled texts"
        )
    return data.labeled
