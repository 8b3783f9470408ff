"""PET and iPET: several patterns label unlabelled texts, and one classifier learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier, prompt_classifier
from fewshot.classifiers.semi_supervised.ensembles import EnsemblePlan, train_ensembles
from fewshot.classifiers.semi_supervised.fitting import digests_of, open_fit
from fewshot.classifiers.semi_supervised.patterns import (
    Member,
    Pattern,
    read_members,
    shared_classes,
    shared_fields,
)
from fewshot.classifiers.semi_supervised.pseudo_labels import merge_scores, soft_labels
from fewshot.data.classes import class_targets, label_array
from fewshot.data.labels import Label
from fewshot.data.semi_supervised_data import LearningData, check_several_classes
from fewshot.data.settings import check_settings, is_positive, is_share, is_whole
from fewshot.data.unlabeled import text_keys
from fewshot.errors import InputError
from fewshot.models.fingerprint import settings_of
from fewshot.models.loading import load_masked_lm
from fewshot.training.checkpoint import Checkpoint, check_folder
from fewshot.training.rounds import seed_of, started
from fewshot.tuning import GradientTuning, Head, NoTuning, resolve_tuning
from fewshot.tuning.soft_targets import SoftTargets

Ensemble: TypeAlias = Literal["weighted", "uniform"]

_FINAL_EPOCHS = 3  # the official code's


class PETClassifier(SemiSupervisedClassifier):
    """Pattern-exploiting training: several patterns teach one classifier on unlabelled texts.

    A prompt classifier is tuned for each pattern and repetition on the few labels; together they
    score the unlabelled texts; one classifier learns from these soft labels and is what remains.
    Patterns differ in what they get wrong, and the texts show what the labels do not. Members are
    trained one after the other and only their scores are kept, so memory holds one model. Without
    any label the patterns are used as they are, zero-shot.

    Parameters
    ----------
    estimator : PromptClassifier, optional
        What is tuned; cloned for each member. Its settings are those of all members, but for its
        ``random_state``, which does not count.
    templates : sequence of str, Template or (template, verbalizer), optional
        The patterns; a pair brings label words of its own. By default the estimator's template
        and, for texts of one field, three general ones.
    n_repetitions : int, default=1
        Members for each pattern, with other random numbers; 3 in the paper. For tuning by
        gradients: ``"head"`` has no random numbers, so its repetitions are alike.
    ensemble : {"weighted", "uniform"}, default="weighted"
        Whether members count by their accuracy on the labelled texts before tuning, or alike.
    temperature : float, default=2.0
        At which the final classifier learns from the soft labels by gradients. ``"head"``, and
        the regression beside other tunings, learn them as they are.
    final_estimator : PromptClassifier or FineTuneClassifier, optional
        What learns from the soft labels: with a prompt, or with a linear layer on the encoder's
        states. By default the estimator with the pattern of the largest weight, tuned for three
        epochs. Its labels are those of the members; its ``class_weight`` and ``random_state`` do
        not count.
    mlm_weight : float, default=0.0
        Share of masked language modelling of unlabelled texts in the members' loss; 1e-4 in the
        paper. It doubles the cost of a step. For tuning by gradients.
    generations : int, default=0
        iPET: ensembles after the first one, each member of which also learns from texts that
        others have labelled, five times as many from one to the next. Needs two members that
        differ: two templates, or repetitions that are tuned by gradients.
    max_unlabeled : int, default=1000
        The most unlabelled texts that are used; of more, a sample is drawn. The paper has 10,000
        for each class.
    checkpoint_dir : str or Path, optional
        Where members' scores are kept while ``fit`` runs, to go on after an interruption; deleted
        at the end. Without it nothing is written.
    random_state : int, RandomState or None, default=None
        Of all members and the final classifier.
    verbose : {0, 1}, default=1
        1 shows a progress bar of the members; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    estimator_ : PromptClassifier or FineTuneClassifier
        The final classifier.
    soft_labels_ : ndarray of shape (n_unlabeled, n_classes)
        What the last ensemble says of the unlabelled texts that were used.
    member_weights_ : ndarray of shape (n_members,)
        By pattern, then by repetition.
    n_unlabeled_ : int
        Unlabelled texts that were used.
    pool_keys_ : ndarray of uint64
        Hashes of these, to warn when one of them is predicted.
    fields_ : list of str
    history_ : list of dict
        One entry a member, then the epochs of the final classifier.
    n_truncated_ : int
        Unlabelled texts that the final classifier saw shortened.

    Raises
    ------
    InputError, TemplateError, VerbalizerError, LabelWordError, TuningError, CheckpointError
        From ``fit``, before any member is trained; the estimator then stays as it was.

    References
    ----------
    Schick and Schütze (2021), Exploiting Cloze Questions for Few Shot Text Classification and
    Natural Language Inference, sections 3.1 to 3.4.

    Examples
    --------
    >>> from fewshot import PETClassifier, PromptClassifier, Unlabeled
    >>> clf = PETClassifier(
    ...     PromptClassifier(verbalizer={"neg": ["bad"], "pos": ["good"]}),
    ...     templates=["{text} It was {mask}.", "Just {mask}! {text}"],
    ... )
    >>> clf.fit(["A fine film."], ["pos"], unlabeled=Unlabeled(reviews))  # doctest: +SKIP
    """

    def __init__(
        self,
        estimator: PromptClassifier | None = None,
        *,
        templates: Sequence[Pattern] | None = None,
        n_repetitions: int = 1,
        ensemble: Ensemble = "weighted",
        temperature: float = 2.0,
        final_estimator: PromptClassifier | FineTuneClassifier | None = None,
        mlm_weight: float = 0.0,
        generations: int = 0,
        max_unlabeled: int = 1000,
        checkpoint_dir: str | Path | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 1,
    ) -> None:
        self.estimator = estimator
        self.templates = templates
        self.n_repetitions = n_repetitions
        self.ensemble = ensemble
        self.temperature = temperature
        self.final_estimator = final_estimator
        self.mlm_weight = mlm_weight
        self.generations = generations
        self.max_unlabeled = max_unlabeled
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state
        self.verbose = verbose

    def _check_fit(self, X: Any, y: Any, sample_weight: Any, unlabeled: Any) -> None:
        check_folder(self.checkpoint_dir)
        _plan(clone(self).set_params(checkpoint_dir=None), X, y, sample_weight, unlabeled)

    def fit(
        self, X: Any = None, y: Any = None, *, sample_weight: Any = None, unlabeled: Any = None
    ) -> PETClassifier:
        """Learn from a few labelled texts, or none, and many unlabelled ones.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame; optional
        y : sequence of str or int, optional
            Labels; rows with -1 (among ints) or None are unlabelled.
        sample_weight : sequence of float, optional
            Of the rows of `X`; those of weight 0 are as if they were not there.
        unlabeled : Unlabeled, optional
            Unlabelled texts, besides the unlabelled rows of `X`. Labelled ones among them are
            left out.

        Returns
        -------
        PETClassifier
            The estimator itself.
        """
        plan = _plan(self, X, y, sample_weight, unlabeled)
        ensembles, pool = plan.ensembles, plan.ensembles.data.pool
        n_rounds = len(ensembles.members) * (1 + self.generations) + 1
        with started(plan.checkpoint, n_rounds, "PET", show_progress=self.verbose > 0) as rounds:
            outputs = train_ensembles(ensembles, rounds)
            merged = merge_scores(outputs.scores, outputs.weights)
            best = int(outputs.weights.argmax())
            final = rounds.finish("final", partial(_distil, plan, merged, best))
        self.classes_ = label_array(ensembles.classes)
        self.estimator_ = final
        self.soft_labels_ = soft_labels(merged)
        self.member_weights_ = outputs.weights
        self.n_unlabeled_ = len(pool)
        self.pool_keys_ = text_keys(pool.examples)
        self.fields_ = list(pool.examples.fields)
        self.history_: list[Any] = [*outputs.history, *final.history_]
        self.n_truncated_ = final.n_truncated_
        return self


class _Plan(NamedTuple):
    """What ``fit`` is going to do, checked."""

    settings: PETClassifier
    ensembles: EnsemblePlan
    checkpoint: Checkpoint


def _plan(settings: PETClassifier, X: Any, y: Any, sample_weight: Any, unlabeled: Any) -> _Plan:
    """Check everything that can be checked before any work."""
    _check(settings)
    base = prompt_classifier(settings.estimator, "PETClassifier").set_params(verbose=0)
    members = read_members(settings.templates, base, settings.n_repetitions)
    fields = shared_fields(members)
    _check_members(settings, base, members)
    data, checkpoint, seed = open_fit(settings, X, y, sample_weight, unlabeled, fields=fields)
    if not len(data.pool):
        raise InputError(
            "PETClassifier learns from unlabelled texts; pass unlabeled=Unlabeled(texts), or "
            "rows with y=None (-1 among ints)"
        )
    classes = shared_classes(members, data.labelled)
    for member in members:
        member.estimator.set_params(labels=classes)
    _check_final(settings.final_estimator, members[0], classes, data)
    if data.labelled is not None:
        class_targets(data.labelled, classes, base.class_weight)
        check_several_classes(data.labelled)
    ensembles = EnsemblePlan(
        data,
        classes,
        members,
        is_weighted=settings.ensemble == "weighted",
        mlm_weight=settings.mlm_weight,
        generations=settings.generations,
        seed=seed,
    )
    plan = _Plan(settings, ensembles, checkpoint)
    checkpoint.begin(seed, _configuration(plan))
    return plan


def _check(settings: PETClassifier) -> None:
    known = list(get_args(Ensemble))
    check_settings(
        settings,
        {
            "n_repetitions": (is_whole(settings.n_repetitions, 1), "a whole number, at least 1"),
            "ensemble": (settings.ensemble in known, f"one of {known}"),
            "temperature": (is_positive(settings.temperature), "positive"),
            "mlm_weight": (is_share(settings.mlm_weight), "from 0 to below 1"),
            "generations": (is_whole(settings.generations, 0), "a whole number, 0 or more"),
            "max_unlabeled": (is_whole(settings.max_unlabeled, 1), "a whole number, at least 1"),
            "verbose": (settings.verbose in (0, 1), "0 or 1"),
        },
    )


def _check_members(
    settings: PETClassifier, base: PromptClassifier, members: Sequence[Member]
) -> None:
    tuning = resolve_tuning(base.tuning)
    is_random = not isinstance(tuning, (Head, NoTuning))
    different = members if is_random else {member.pattern for member in members}
    if settings.generations and len(different) < 2:
        raise InputError(
            "in iPET members label texts for each other, so generations > 0 needs two members "
            "that differ; give more templates, or n_repetitions=2 with tuning by gradients, such "
            f"as 'full' (repetitions of 'head' are alike); got tuning={base.tuning!r}"
        )
    if settings.mlm_weight and not isinstance(tuning, GradientTuning):
        raise InputError(
            f"mlm_weight={settings.mlm_weight} needs tuning by gradients, such as 'full', got "
            f"{base.tuning!r}; use mlm_weight=0"
        )


def _check_final(final: Any, member: Member, classes: Sequence[Label], data: LearningData) -> None:
    if final is not None and not isinstance(final, (PromptClassifier, FineTuneClassifier)):
        raise InputError(
            f"final_estimator is a PromptClassifier or a FineTuneClassifier, got {final!r}"
        )
    learner = member.estimator if final is None else final
    if isinstance(learner, PromptClassifier) and isinstance(
        resolve_tuning(learner.tuning), NoTuning
    ):
        raise InputError(
            "the final classifier has tuning='none' and would learn nothing from the soft labels; "
            "use tuning='head' or 'full'. Without labels the members are zero-shot in any case"
        )
    if isinstance(final, PromptClassifier):
        pair = [member, Member(clone(final).set_params(labels=list(classes)), -1, 0)]
        shared_fields(pair)
        shared_classes(pair, data.labelled)
    if isinstance(final, FineTuneClassifier):
        texts = data.pool.examples.rows()
        labels = [classes[i % len(classes)] for i in range(len(texts))]  # in place of members'
        own = clone(final).set_params(labels=classes, class_weight=None, random_state=0, verbose=0)
        own._plan(texts, labels, None)


def _configuration(plan: _Plan) -> dict[str, str]:
    """Return all that decides the result, for the checkpoint."""
    if not plan.checkpoint.is_kept:
        return {}
    lm = load_masked_lm(plan.ensembles.members[0].estimator.model)
    return {**settings_of(plan.settings), **digests_of(plan.ensembles.data, lm)}


def _distil(plan: _Plan, merged: npt.NDArray[np.float64], best: int) -> TextClassifier:
    """Have one classifier learn from the soft labels, from the model as it was at first."""
    settings, ensembles = plan.settings, plan.ensembles
    seed = seed_of(ensembles.seed, 3)
    pool, targets = ensembles.data.pool.examples.rows(), soft_labels(merged)
    labels = [ensembles.classes[label] for label in targets.argmax(1)]
    given = settings.final_estimator
    final = _default_final(ensembles.members[best]) if given is None else clone(given)
    final.set_params(labels=ensembles.classes, class_weight=None, random_state=seed, verbose=0)
    if isinstance(final, FineTuneClassifier):
        return final._fit_soft(pool, labels, targets, settings.temperature)
    tuning = resolve_tuning(final.tuning)
    soft = SoftTargets(tuning, targets=targets, temperature=settings.temperature)
    return final.set_params(tuning=soft).fit(pool, labels).set_params(tuning=tuning)


def _default_final(member: Member) -> PromptClassifier:
    final: PromptClassifier = clone(member.estimator)
    tuning = clone(resolve_tuning(final.tuning))
    if isinstance(tuning, GradientTuning):
        tuning.set_params(num_epochs=_FINAL_EPOCHS)
    return final.set_params(tuning=tuning)
