"""PET and iPET: several templates label unlabeled texts, and one classifier learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from fewshot.classifiers.embedding import EmbeddingClassifier
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_plan import resolve_template
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier, prompt_classifier
from fewshot.classifiers.semi_supervised.ensembles import EnsemblePlan, train_ensembles
from fewshot.classifiers.semi_supervised.fitting import FitArguments, fit_soft_labels, open_fit
from fewshot.classifiers.semi_supervised.members import (
    Member,
    MemberTemplate,
    read_members,
    shared_classes,
    shared_fields,
)
from fewshot.classifiers.semi_supervised.pseudo_labels import merge_scores, soft_labels
from fewshot.data.classes import class_offset
from fewshot.data.labels import Label
from fewshot.data.semi_supervised_data import SemiSupervisedData, check_several_classes
from fewshot.data.settings import check_settings, one_of, positive, share, whole
from fewshot.errors import InputError
from fewshot.models.loading import embedded_name, load_masked_lm
from fewshot.scoring.distillation import LEAST_TAUGHT
from fewshot.training.rounds import Rounds, seed_of
from fewshot.tuning import GradientTuning, Head, NoTuning, resolve_tuning

Ensemble: TypeAlias = Literal["weighted", "uniform"]
FinalEstimator: TypeAlias = PromptClassifier | FineTuneClassifier | EmbeddingClassifier

_FINAL_EPOCHS = 3  # the official code's
_C_TAUGHT = 30.0  # of a final regression on embeddings; docs/evidence/self_training.md


@dataclass(eq=False, repr=False)
class PETClassifier(SemiSupervisedClassifier):
    """Pattern-exploiting training: several templates teach one classifier on unlabelled texts.

    A prompt classifier is tuned for each template and repetition on the few labels; together
    these members score the unlabelled texts; one classifier learns from these soft labels and
    remains. Templates differ in what they get wrong, and the unlabelled texts show what the labels
    do not. Members are trained one after the other and only their scores are kept, so memory
    holds one model. Without any label the members are zero-shot.

    Parameters
    ----------
    estimator : PromptClassifier, optional
        Cloned and tuned for each member. Its settings are those of all members, except for its
        ``random_state``, which has no effect.
    templates : sequence of str, Template or (template, verbalizer), optional
        A pair brings its own label words. By default the estimator's template and, for texts of
        one field, three general ones.
    n_repetitions : int, default=1
        Members for each template, with other random numbers; 3 in the paper. For tuning by
        gradients: ``"head"`` has no random numbers, so its repetitions are alike.
    ensemble : {"weighted", "uniform"}, default="weighted"
        Whether members weigh by their accuracy on the labelled texts before tuning, or alike.
    temperature : float, default=2.0
        Temperature at which the final classifier learns from the soft labels by gradients.
        ``"head"``, an `EmbeddingClassifier`, and the regression beside other tunings learn them
        as they are.
    final_estimator : PromptClassifier, FineTuneClassifier or EmbeddingClassifier, optional
        Learns from the soft labels: with a prompt, with a linear layer on the encoder's states, or
        with a regression on sentence embeddings. By default the estimator with the template of
        the largest weight, tuned for three epochs; but an `EmbeddingClassifier` where the members
        are tuned by ``"head"``, the model is an embedded one, there are 100 unlabelled texts or
        more, of one field, and the template cuts long ones at the end. Its labels are those of the
        members, and so are ``class_weight`` and ``class_prior``; its ``random_state`` has no
        effect, and the `C` of an `EmbeddingClassifier` is left at its default.
    mlm_weight : float, default=0.0
        Share of masked language modelling of unlabelled texts in the members' loss; 1e-4 in the
        paper. It doubles the cost of a step. For tuning by gradients.
    generations : int, default=0
        iPET: ensembles after the first one, each member of which also learns from texts that
        others have labelled, five times as many from one to the next. Needs two members that
        differ: two templates, or repetitions that are tuned by gradients.
    max_unlabeled : int, default=1000
        The most unlabelled texts that are used; of more, a sample is drawn. The paper uses 10,000
        per class.
    checkpoint_dir : str or Path, optional
        Folder for members' scores while ``fit`` runs, to resume it after an interruption; emptied
        at the end. Without it nothing is written.
    random_state : int, RandomState or None, default=None
        Of all members and the final classifier.
    verbose : {0, 1}, default=1
        1 shows a progress bar of the members; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    estimator_ : PromptClassifier, FineTuneClassifier or EmbeddingClassifier
        The final classifier.
    soft_labels_ : ndarray of shape (n_unlabeled, n_classes)
        Probabilities that the last ensemble gives the unlabelled texts.
    member_weights_ : ndarray of shape (n_members,)
        By template, then by repetition.
    n_unlabeled_ : int
        Unlabelled texts that were used.
    pool_keys_ : ndarray of uint64
        Hashes of these, to warn when one of them is predicted.
    fields_ : list of str
    history_ : list of dict
        One entry per member, then the epochs of the final classifier.
    n_truncated_ : int
        Unlabelled texts that were shortened for the final classifier.

    See Also
    --------
    LiSTClassifier : Sessions of teacher and student with one template.
    PCPClassifier : Continued pre-training, after which PET can follow.
    Unlabeled : Container of unlabelled texts.

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

    soft_labels_: npt.NDArray[np.float64] = field(init=False)
    member_weights_: npt.NDArray[np.float64] = field(init=False)

    estimator: PromptClassifier | None = None
    _: KW_ONLY
    templates: Sequence[MemberTemplate] | None = None
    n_repetitions: int = 1
    ensemble: Ensemble = "weighted"
    temperature: float = 2.0
    final_estimator: FinalEstimator | None = None
    mlm_weight: float = 0.0
    generations: int = 0
    max_unlabeled: int = 1000
    checkpoint_dir: str | Path | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    def _plan(self, given: FitArguments) -> EnsemblePlan:
        _check_settings(self)
        base = prompt_classifier(self.estimator, type(self).__name__).set_params(verbose=0)
        members = read_members(self.templates, base, self.n_repetitions)
        fields = shared_fields(members)
        _check_members(self, base, members)
        opened = open_fit(self, given, fields)
        data = opened.data
        self._check_pool(data)
        classes = shared_classes(members, data.labeled)
        for member in members:
            member.estimator.set_params(labels=classes)
        _check_final(self.final_estimator, members[0], classes, data)
        if data.labeled is not None:
            check_several_classes(data.labeled)
        return EnsemblePlan(
            *opened,
            lm=load_masked_lm(base.model),
            classes=classes,
            n_rounds=len(members) * (1 + self.generations) + 1,
            settings=self,
            members=members,
        )

    def _learn(self, plan: EnsemblePlan, rounds: Rounds) -> dict[str, Any]:
        outputs = train_ensembles(plan, rounds)
        merged = merge_scores(outputs.scores, outputs.weights)
        best = plan.members[int(outputs.weights.argmax())]
        final = rounds.finish("final", partial(_distil, plan, soft_labels(merged), best))
        base = plan.members[0].estimator
        return {
            "class_offset_": class_offset(plan.classes, base.class_weight, base.class_prior),
            "estimator_": final,
            "soft_labels_": soft_labels(merged),
            "member_weights_": outputs.weights,
            "history_": [*outputs.history, *final.history_],
            "n_truncated_": final.n_truncated_,
        }


def _check_settings(settings: PETClassifier) -> None:
    limits = {
        "n_repetitions": whole(settings.n_repetitions),
        "ensemble": one_of(settings.ensemble, get_args(Ensemble)),
        "temperature": positive(settings.temperature),
        "mlm_weight": share(settings.mlm_weight),
        "generations": whole(settings.generations, 0),
        "max_unlabeled": whole(settings.max_unlabeled),
        "verbose": one_of(settings.verbose, (0, 1)),
    }
    check_settings(settings, limits)


def _check_members(
    settings: PETClassifier, base: PromptClassifier, members: Sequence[Member]
) -> None:
    tuning = resolve_tuning(base.tuning)
    is_random = not isinstance(tuning, (Head, NoTuning))
    different = members if is_random else {member.template for member in members}
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


def _check_final(
    final: Any, member: Member, classes: Sequence[Label], data: SemiSupervisedData
) -> None:
    if final is not None and not isinstance(final, get_args(FinalEstimator)):
        raise InputError(
            "final_estimator is a PromptClassifier, a FineTuneClassifier or an "
            f"EmbeddingClassifier, got {final!r}"
        )
    learner = member.estimator if final is None else final
    if isinstance(learner, PromptClassifier) and isinstance(
        resolve_tuning(learner.tuning), NoTuning
    ):
        raise InputError(
            "the final classifier has tuning='none' and would learn nothing from the soft labels; "
            "use tuning='head' or 'full'. Without labels the members are zero-shot in any case"
        )
    if isinstance(final, EmbeddingClassifier):
        _check_embedding(final)
    if isinstance(final, PromptClassifier):
        pair = [member, Member(clone(final).set_params(labels=list(classes)), -1, 0)]
        shared_fields(pair)
        shared_classes(pair, data.labeled)
    elif final is not None:
        labels = [classes[i % len(classes)] for i in range(len(data.pool))]  # stand-ins
        _of_members(clone(final), classes, seed=0)._plan(data.pool, labels, None)


def _check_embedding(final: EmbeddingClassifier) -> None:
    if final.head == "names":
        raise InputError(
            "the final classifier has head='names' and would learn nothing from the soft labels; "
            "use head='auto' or 'regression'"
        )
    if final.C != EmbeddingClassifier().C:
        raise InputError(
            f"C={final.C!r} of the final EmbeddingClassifier is the penalty for labels, and soft "
            "labels have one of their own; leave C out"
        )


def _distil(plan: EnsemblePlan, targets: npt.NDArray[np.float64], best: Member) -> FinalEstimator:
    """Have one classifier learn from the soft labels, from the model as it was at first."""
    given, temperature = plan.settings.final_estimator, float(plan.settings.temperature)
    pool = plan.data.pool
    labels = [plan.classes[label] for label in targets.argmax(1)]
    final = _default_final(plan, best) if given is None else clone(given)
    final = _of_members(final, plan.classes, seed_of(plan.seed, 3))
    if isinstance(final, FineTuneClassifier):
        return final._fit_soft(pool, labels, targets, temperature)
    if isinstance(final, EmbeddingClassifier):
        return final._fit_soft(pool, labels, targets, C=_C_TAUGHT)
    return fit_soft_labels(final, pool, labels, targets, temperature)


def _of_members(final: FinalEstimator, classes: Sequence[Label], seed: int) -> FinalEstimator:
    """Return a final classifier whose labels are those of the members, and which weighs none."""
    # Weights of classes are those of the decision, for which the members' settings count.
    shared: dict[str, Any] = {"labels": list(classes), "class_weight": None, "class_prior": None}
    shared |= {"random_state": seed, "verbose": 0}
    own = final.get_params(deep=False)
    return final.set_params(**{name: shared[name] for name in shared.keys() & own.keys()})


def _default_final(plan: EnsemblePlan, member: Member) -> FinalEstimator:
    base = member.estimator
    tuning = clone(resolve_tuning(base.tuning))
    encoder = embedded_name(base.model)
    is_plain = isinstance(tuning, Head) and tuning.C is None and _reads_one_text(base)
    if encoder is not None and is_plain and len(plan.data.pool) >= LEAST_TAUGHT:
        return EmbeddingClassifier(encoder, max_length=plan.lm.checked_max_length(base.max_length))
    final: PromptClassifier = clone(base)
    if isinstance(tuning, GradientTuning):
        tuning.set_params(num_epochs=_FINAL_EPOCHS)
    return final.set_params(tuning=tuning)


def _reads_one_text(classifier: PromptClassifier) -> bool:
    """Return whether a prompt holds one text, of which it loses at most the end."""
    template = resolve_template(classifier)
    keeps_start = template.shorten in ("longest", "tail")
    return len(template.slots) == 1 and keeps_start and not template.slots[0].whole
