"""PCP: masked language modeling on the task's texts in its template, before prompt tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from sklearn.base import BaseEstimator, clone

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_plan import PromptPlan, resolve_template
from fewshot.classifiers.semi_supervised.base import (
    SemiSupervisedClassifier,
    innermost,
    prompt_classifier,
    with_model,
)
from fewshot.classifiers.semi_supervised.fitting import (
    FitArguments,
    fit_prompt,
    open_fit,
    plan_prompt,
)
from fewshot.classifiers.semi_supervised.lines import (
    SCORES,
    Lines,
    PCPPlan,
    make_lines,
    start_of_soft_prompts,
)
from fewshot.classifiers.semi_supervised.pretraining import Pretraining, pretrain
from fewshot.data.cache import BoundedCache
from fewshot.data.semi_supervised_data import SemiSupervisedData, check_several_classes
from fewshot.data.settings import check_settings, one_of, or_none, share, whole
from fewshot.errors import CheckpointError, InputError, VerbalizerError
from fewshot.models.fingerprint import fingerprint, model_fingerprint, settings_of
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.label_words import LabelWords
from fewshot.training.history import Epoch
from fewshot.training.rounds import Rounds, seed_of

Objective: TypeAlias = Literal["prompt", "mlm"]
Pattern: TypeAlias = Literal["hard", "soft"]
LabelSource: TypeAlias = Literal["predicted", "gold"]

_NAME = "PCPClassifier"  # in messages
_ADAPTED: BoundedCache[str, tuple[MaskedLM, list[Epoch]]] = BoundedCache(
    512 * 2**20,  # bytes; five folds of fewshot-mini
    lambda adapted: sum(p.nbytes for p in adapted[0].model.parameters()),
)


@dataclass(eq=False, repr=False)
class PCPClassifier(SemiSupervisedClassifier):
    """Prompt-based continued pre-training: teach the model the task's texts and template.

    A first classifier labels the texts without a label. Those of which it is surer are put into the
    template with the word of their label at the mask, and a copy of the model is trained on these
    lines by masked language modelling. The given classifier then starts from that model. The result
    is a model, ``model_``, that any other estimator takes as ``model=``; fits that need the same
    one (folds and candidates of a grid search over later stages, with ``random_state`` set) train
    it once.

    The first classifier's scores are moved by half the logarithm of the class shares that it sees
    in the unlabelled texts, unless that classifier has a `class_prior`.

    Parameters
    ----------
    estimator : PromptClassifier, PETClassifier, LiSTClassifier or PCPClassifier, optional
        Fitted in the end, from the adapted model. Its (innermost) template and label words make
        the lines.
    predictor : PromptClassifier, optional
        Labels the texts; by default the (innermost) PromptClassifier of `estimator`. Give one to
        search over settings of `estimator` without labelling anew.
    objective : {"prompt", "mlm"}, default="prompt"
        Lines in the template with a label word, or the bare texts: task-adaptive pre-training
        (TAPT), the baseline. Nothing is labelled for bare texts: `predictor`, `pattern`,
        `label_source` and `min_confidence` have no effect on them.
    pattern : {"hard", "soft"}, default="hard"
        The template, or the plain text from which soft prompts start: ``"{text} It was {mask}"``
        for one field and ``"{a} {mask} , {b}"`` for two.
    label_source : {"predicted", "gold"}, default="predicted"
        With ``"gold"`` labelled texts, with words of their own labels, make lines too, and
        unlabelled ones may be missing. The paper's lines are of all texts; but a model that has
        read the labels has memorised them, and the classifier that then learns from them trusts it
        too much: a point less on average with 200 texts, in one case eleven.
    min_confidence : float, optional
        Texts that are labelled with a lower probability are left out of the lines. By default the
        surer half of them makes lines; 0 takes all, as in the paper.
    pretraining : Pretraining, optional
        Settings of masked language modelling; five epochs by default, 100 in the paper.
    max_unlabeled : int, default=1000
        The most unlabelled texts that are used; of more, a sample is drawn.
    checkpoint_dir : str or Path, optional
        Folder for scores and the model after each epoch while ``fit`` runs, to resume it after an
        interruption; emptied at the end. `estimator` keeps its rounds there too, if it has no
        folder of its own. Without it nothing is written.
    random_state : int, RandomState or None, default=None
        Of labelling and pre-training, and of `estimator` if that has none.
    verbose : {0, 1}, default=1
        1 shows a progress bar of the epochs; 0 is silent.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    model_ : MaskedLM
        The adapted model, before the final classifier tuned a copy of it.
    estimator_ : estimator
        The final classifier.
    data_hash_ : str
        Fingerprint of the lines that the model was adapted to.
    n_lines_ : int
    pretraining_history_ : list of dict
        Loss, learning rate, tokens and seconds of each epoch.
    n_unlabeled_ : int
        Unlabelled texts that were used.
    pool_keys_ : ndarray of uint64
        Hashes of these, to warn when one of them is predicted.
    fields_ : list of str
    history_ : list of dict
        Of the final classifier.
    n_truncated_ : int
        Lines of which the text was shortened; the template never is.

    See Also
    --------
    Pretraining : Settings of masked language modelling.
    PETClassifier, LiSTClassifier : Learn from the labels of unlabelled texts; can follow.
    Unlabeled : Container of unlabelled texts.

    References
    ----------
    Shi and Lipani (2023), Don't Stop Pretraining? Make Prompt-based Fine-tuning Powerful Learner.
    Gururangan et al. (2020), Don't Stop Pretraining (``objective="mlm"``).

    Examples
    --------
    >>> from fewshot import PCPClassifier, PromptClassifier, Unlabeled
    >>> clf = PCPClassifier(PromptClassifier("{text} It was {mask}.", {"n": "bad", "p": "good"}))
    >>> clf.fit(["A fine film."], ["p"], unlabeled=Unlabeled(reviews))  # doctest: +SKIP
    >>> PromptClassifier(model=clf.model_, tuning="head")  # doctest: +SKIP
    """

    model_: MaskedLM = field(init=False)
    data_hash_: str = field(init=False)
    n_lines_: int = field(init=False)
    pretraining_history_: list[Epoch] = field(init=False)

    estimator: BaseEstimator | None = None
    _: KW_ONLY
    predictor: PromptClassifier | None = None
    objective: Objective = "prompt"
    pattern: Pattern = "hard"
    label_source: LabelSource = "predicted"
    min_confidence: float | None = None
    pretraining: Pretraining | None = None
    max_unlabeled: int = 1000
    checkpoint_dir: str | Path | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: int = 1

    def _load_models(self) -> None:
        forget_pretraining()

    def _spelled_out(self, name: str, given: Mapping[str, Any]) -> Any:
        if name == "pretraining" and given[name] is None:
            return Pretraining()
        if name == "predictor" and given[name] is None:
            return innermost(given["estimator"], type(self).__name__)
        return super()._spelled_out(name, given)

    def _fit(self, given: FitArguments) -> PCPClassifier:
        _check_can_resume(self)
        return super()._fit(given)

    def _plan(self, given: FitArguments) -> PCPPlan:
        pretraining = _checked_pretraining(self)
        base = innermost(self.estimator, _NAME).set_params(verbose=0)
        predictor = base if self.predictor is None else self.predictor
        predictor = prompt_classifier(predictor, _NAME).set_params(verbose=0)
        template = resolve_template(base)
        opened = open_fit(self, given, template.field_names)
        data = opened.data
        if self.label_source != "gold" or data.labeled is None:
            self._check_pool(data, ". With label_source='gold' labelled ones are enough")
        planned = _planned(base, predictor, data)
        words = None if self.objective == "mlm" else _checked_words(planned)
        if isinstance(self.estimator, SemiSupervisedClassifier):
            self.estimator._check_fit(FitArguments.of(data))
        if self.pattern == "soft":
            template = start_of_soft_prompts(template.field_names)
        lm = load_masked_lm(base.model)
        return PCPPlan(
            *opened,
            lm=lm,
            classes=planned.classes,
            n_rounds=1 + pretraining.num_epochs + 1,
            settings=self,
            predictor=predictor.set_params(labels=planned.classes),
            template=template,
            words=words,
            pretraining=pretraining,
            max_length=lm.checked_max_length(base.max_length),
        )

    def _learn(self, plan: PCPPlan, rounds: Rounds) -> dict[str, Any]:
        lines = make_lines(plan, rounds)
        lm, history = _adapt(plan, lines, rounds)
        final = rounds.finish("final", partial(_fit_final, plan, lm))
        return {
            "model_": lm,
            "estimator_": final,
            "data_hash_": fingerprint(lines.ids),
            "n_lines_": len(lines.ids),
            "pretraining_history_": history,
            "history_": final.history_,
            "n_truncated_": lines.n_truncated,
        }


def _checked_pretraining(settings: PCPClassifier) -> Pretraining:
    """Check the settings; return those of pre-training."""
    limits = {
        "objective": one_of(settings.objective, get_args(Objective)),
        "pattern": one_of(settings.pattern, get_args(Pattern)),
        "label_source": one_of(settings.label_source, get_args(LabelSource)),
        "min_confidence": or_none(settings.min_confidence, share),
        "max_unlabeled": whole(settings.max_unlabeled),
        "verbose": one_of(settings.verbose, (0, 1)),
    }
    check_settings(settings, limits)
    pretraining = Pretraining() if settings.pretraining is None else settings.pretraining
    if not isinstance(pretraining, Pretraining):
        raise InputError(f"pretraining is Pretraining(...) or None, got {pretraining!r}")
    pretraining.check()
    return pretraining


def _check_can_resume(settings: PCPClassifier) -> None:
    """Check that the checkpoint of a nested estimator could be found again."""
    if settings.checkpoint_dir is not None or settings.random_state is not None:
        return
    inner = settings.estimator
    while isinstance(inner, SemiSupervisedClassifier):
        if inner.checkpoint_dir is not None:
            raise CheckpointError(
                f"{type(inner).__name__} has checkpoint_dir={str(inner.checkpoint_dir)!r}, but "
                "the PCPClassifier around it has none and draws another seed in each fit, so that "
                "its model would be another after an interruption: give PCPClassifier the "
                "checkpoint_dir, which then serves both, or a random_state"
            )
        inner = inner.estimator


def _planned(
    base: PromptClassifier, predictor: PromptClassifier, data: SemiSupervisedData
) -> PromptPlan:
    """Return the plan of the estimator, after all checks that the stages would make."""
    first = plan_prompt(clone(base), data.labeled)
    second = plan_prompt(clone(predictor), data.labeled)
    if first.classes != second.classes:
        raise InputError(
            f"predictor has the labels {second.classes}, estimator {first.classes}; give both the "
            "same"
        )
    if data.labeled is not None:
        check_several_classes(data.labeled)
    return first


def _checked_words(planned: PromptPlan) -> LabelWords:
    words = planned.scorer.words
    if not isinstance(words, LabelWords) or words.vectors is not None:
        raise VerbalizerError(
            "PCPClassifier writes label words into texts, but this verbalizer or tuning has "
            "vectors in their place; give the estimator the words themselves, or use "
            "objective='mlm'"
        )
    return words


def _adapt(plan: PCPPlan, lines: Lines, rounds: Rounds) -> tuple[MaskedLM, list[Epoch]]:
    """Train on the lines, unless an earlier fit has trained on the same ones."""
    if plan.pretraining.num_epochs == 0:
        return plan.lm, []
    key = fingerprint(
        [lines.ids, settings_of(plan.pretraining), model_fingerprint(plan.lm), plan.seed]
    )
    seed = seed_of(plan.seed, 3)
    make = partial(pretrain, plan.lm, lines.ids, plan.pretraining, seed, rounds)
    adapted = _ADAPTED.get(key, make)
    rounds.skip_to(1 + plan.pretraining.num_epochs)
    return adapted


def _fit_final(plan: PCPPlan, lm: MaskedLM) -> PromptClassifier | SemiSupervisedClassifier:
    final: PromptClassifier | SemiSupervisedClassifier = with_model(
        plan.settings.estimator, lm, _NAME
    )
    if final.random_state is None:
        final.set_params(random_state=seed_of(plan.seed, 4))
    final.set_params(verbose=0)
    if isinstance(final, PromptClassifier):
        return fit_prompt(final, plan.data.joined())
    own = final.checkpoint_dir
    final.set_params(checkpoint_dir=plan.checkpoint.nested if own is None else own)
    final._fit(FitArguments.of(plan.data)).set_params(checkpoint_dir=own)
    return final


def forget_pretraining() -> None:
    """Forget the adapted models and the scores that later fits on the same texts would reuse."""
    _ADAPTED.clear()
    SCORES.clear()
