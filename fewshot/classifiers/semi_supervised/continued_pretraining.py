"""PCP: masked language modelling on the task's texts in its template, before prompt tuning."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, clone

from fewshot.classifiers.base import TextClassifier, warn_truncated
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_plan import plan_fit, resolve_template
from fewshot.classifiers.semi_supervised.base import (
    SemiSupervisedClassifier,
    innermost,
    prompt_classifier,
    with_model,
)
from fewshot.classifiers.semi_supervised.fitting import digests_of, fit_prompt, open_fit
from fewshot.classifiers.semi_supervised.lines import (
    Lines,
    bare_lines,
    start_of_soft_prompts,
    templated_lines,
)
from fewshot.classifiers.semi_supervised.pretraining import Pretraining, pretrain
from fewshot.data.cache import BoundedCache
from fewshot.data.classes import class_targets
from fewshot.data.examples import Examples
from fewshot.data.labels import Label
from fewshot.data.semi_supervised_data import LearningData, check_several_classes
from fewshot.data.settings import check_settings, is_share, is_whole
from fewshot.data.unlabeled import text_keys
from fewshot.errors import CheckpointError, InputError, VerbalizerError
from fewshot.models.fingerprint import fingerprint, model_fingerprint, settings_of
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.label_words import LabelWords
from fewshot.training.checkpoint import Arrays, Checkpoint, check_folder
from fewshot.training.history import Epoch
from fewshot.training.rounds import Rounds, seed_of, started

Objective: TypeAlias = Literal["prompt", "mlm"]
Pattern: TypeAlias = Literal["hard", "soft"]
LabelSource: TypeAlias = Literal["predicted", "gold"]

_OWNER = "PCPClassifier"  # in messages
_ADAPTED_BYTES = 512 * 2**20  # five folds of fewshot-mini
_SCORES_BYTES = 64 * 2**20


class PCPClassifier(SemiSupervisedClassifier):
    """Prompt-based continued pre-training: make the model know the task's texts and template.

    A first classifier labels all texts. Each is put into the template with the word of its label
    at the mask, and a copy of the model goes on with masked language modelling on these lines.
    The given classifier then starts from that model. What is learned is a model, ``model_``, that
    any other estimator takes as ``model=``; fits that need the same one (folds and candidates of
    a grid search over later stages, with ``random_state`` set) train it once.

    Parameters
    ----------
    estimator : PromptClassifier, PETClassifier or other estimator of this kind, optional
        What is fitted in the end, from the adapted model. Its (innermost) template and label
        words make the lines.
    predictor : PromptClassifier, optional
        What labels the texts; by default the (innermost) PromptClassifier of `estimator`. Give
        one to search over settings of `estimator` without labelling anew.
    objective : {"prompt", "mlm"}, default="prompt"
        Lines in the template with a label word, or the bare texts: task-adaptive pre-training
        (TAPT), the baseline. Nothing is labelled for bare texts: `predictor`, `pattern`
        and `min_confidence` have no effect on them, and they get no words of `label_source`.
    pattern : {"hard", "soft"}, default="hard"
        The template, or the plain text from which soft prompts start: ``"{text} It was {mask}"``
        for one field and ``"{a} {mask} , {b}"`` for two.
    label_source : {"predicted", "gold"}, default="predicted"
        Which word the labelled texts get. With ``"gold"`` unlabelled texts may be missing.
    min_confidence : float, default=0.0
        Texts that are labelled with a lower probability are left out of the lines.
    pretraining : Pretraining, optional
        Settings of masked language modelling; five epochs by default, 100 in the paper.
    max_unlabeled : int, default=1000
        The most unlabelled texts that are used; of more, a sample is drawn.
    checkpoint_dir : str or Path, optional
        Where scores and the model after each epoch are kept while ``fit`` runs, to go on after an
        interruption; deleted at the end. `estimator` keeps its rounds there too, if it has no
        folder of its own. Without it nothing is written.
    random_state : int, RandomState or None, default=None
        Of labelling and pre-training, and of `estimator` if that has none.
    verbose : {0, 1}, default=1

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
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
    pool_keys_ : ndarray of uint64
        Hashes of the unlabelled texts, to warn when one of them is predicted.
    fields_ : list of str
    history_ : list of dict
        Of the final classifier.
    n_truncated_ : int
        Lines of which the text was shortened; the template never is.

    Raises
    ------
    InputError, TemplateError, VerbalizerError, LabelWordError, TuningError, CheckpointError
        From ``fit``, before long work; the estimator then stays as it was.

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

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        predictor: PromptClassifier | None = None,
        objective: Objective = "prompt",
        pattern: Pattern = "hard",
        label_source: LabelSource = "predicted",
        min_confidence: float = 0.0,
        pretraining: Pretraining | None = None,
        max_unlabeled: int = 1000,
        checkpoint_dir: str | Path | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 1,
    ) -> None:
        self.estimator = estimator
        self.predictor = predictor
        self.objective = objective
        self.pattern = pattern
        self.label_source = label_source
        self.min_confidence = min_confidence
        self.pretraining = pretraining
        self.max_unlabeled = max_unlabeled
        self.checkpoint_dir = checkpoint_dir
        self.random_state = random_state
        self.verbose = verbose

    def _spelled_out(self, name: str, given: Mapping[str, Any]) -> Any:
        if name == "pretraining" and given[name] is None:
            return Pretraining()
        if name == "predictor" and given[name] is None:
            return innermost(given["estimator"], _OWNER)
        return super()._spelled_out(name, given)

    def _check_fit(self, X: Any, y: Any, sample_weight: Any, unlabeled: Any) -> None:
        check_folder(self.checkpoint_dir)
        _plan(clone(self).set_params(checkpoint_dir=None), X, y, sample_weight, unlabeled)

    def fit(
        self, X: Any = None, y: Any = None, *, sample_weight: Any = None, unlabeled: Any = None
    ) -> PCPClassifier:
        """Adapt the model to the texts, then fit the estimator from there.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame; optional
        y : sequence of str or int, optional
            Labels; rows with -1 (among ints) or None are unlabelled. Without any label, the
            words are predicted zero-shot, and so is the final classifier to be.
        sample_weight : sequence of float, optional
            Of the rows of `X`; those of weight 0 are as if they were not there.
        unlabeled : Unlabeled, optional
            Unlabelled texts, besides the unlabelled rows of `X`.

        Returns
        -------
        PCPClassifier
            The estimator itself.
        """
        _check_can_go_on(self)
        plan = _plan(self, X, y, sample_weight, unlabeled)
        n_rounds = 1 + plan.pretraining.num_epochs + 1
        with started(plan.checkpoint, n_rounds, "PCP", show_progress=self.verbose > 0) as rounds:
            lines = _lines(plan, rounds)
            lm, history = _adapt(plan, lines, rounds)
            final = rounds.finish("final", partial(_fit_final, plan, lm))
        self.classes_ = final.classes_
        self.model_ = lm
        self.estimator_ = final
        self.data_hash_ = fingerprint(lines.ids)
        self.n_lines_ = len(lines.ids)
        self.pretraining_history_ = history
        self.n_unlabeled_ = len(plan.data.pool)
        self.pool_keys_ = text_keys(plan.data.pool.examples)
        self.fields_ = list(plan.fields)
        self.history_: list[Any] = final.history_
        self.n_truncated_ = lines.n_truncated
        return self


class _Plan(NamedTuple):
    """What ``fit`` is going to do, checked."""

    settings: PCPClassifier
    data: LearningData
    base: PromptClassifier  # whose template and words make the lines
    predictor: PromptClassifier
    classes: list[Label]
    words: LabelWords | None  # None for lines of bare texts
    pretraining: Pretraining
    seed: int
    checkpoint: Checkpoint

    @property
    def fields(self) -> tuple[str, ...]:
        return resolve_template(self.base).field_names

    @property
    def lm(self) -> MaskedLM:
        return load_masked_lm(self.base.model)

    @property
    def max_length(self) -> int:
        return self.lm.checked_max_length(self.base.max_length)


def _plan(settings: PCPClassifier, X: Any, y: Any, sample_weight: Any, unlabeled: Any) -> _Plan:
    """Check everything that can be checked before any work."""
    pretraining = _check(settings)
    base = innermost(settings.estimator, _OWNER).set_params(verbose=0)
    predictor = base if settings.predictor is None else settings.predictor
    predictor = prompt_classifier(predictor, _OWNER).set_params(verbose=0)
    data, checkpoint, seed = open_fit(
        settings, X, y, sample_weight, unlabeled, fields=resolve_template(base).field_names
    )
    if not len(data.pool) and (settings.label_source != "gold" or data.labelled is None):
        raise InputError(
            "PCPClassifier learns from unlabelled texts; pass unlabeled=Unlabeled(texts), or rows "
            "with y=None (-1 among ints). With label_source='gold' labelled ones are enough"
        )
    classes, words = _checked_classes(settings.objective, base, predictor, data)
    if isinstance(settings.estimator, SemiSupervisedClassifier):
        settings.estimator._check_fit(*data.fit_arguments())
    plan = _Plan(settings, data, base, predictor, classes, words, pretraining, seed, checkpoint)
    checkpoint.begin(seed, _configuration(plan))
    return plan


def _check(settings: PCPClassifier) -> Pretraining:
    choices = {"objective": Objective, "pattern": Pattern, "label_source": LabelSource}
    limits = {
        name: (getattr(settings, name) in get_args(known), f"one of {list(get_args(known))}")
        for name, known in choices.items()
    }
    limits |= {
        "min_confidence": (is_share(settings.min_confidence), "from 0 to below 1"),
        "max_unlabeled": (is_whole(settings.max_unlabeled, 1), "a whole number, at least 1"),
        "verbose": (settings.verbose in (0, 1), "0 or 1"),
    }
    check_settings(settings, limits)
    pretraining = Pretraining() if settings.pretraining is None else settings.pretraining
    if not isinstance(pretraining, Pretraining):
        raise InputError(f"pretraining is Pretraining(...) or None, got {pretraining!r}")
    pretraining.check()
    return pretraining


def _check_can_go_on(settings: PCPClassifier) -> None:
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


def _checked_classes(
    objective: Objective, base: PromptClassifier, predictor: PromptClassifier, data: LearningData
) -> tuple[list[Label], LabelWords | None]:
    """Return classes and the words for lines, after all checks that the stages would make."""
    plans = []
    for clf in (base, predictor):
        if data.labelled is None:
            plans.append(plan_fit(clone(clf).set_params(tuning="none"), None, None, None))
        else:
            texts, labels = data.labelled.examples.rows(), data.labelled.labels.values.tolist()
            plans.append(plan_fit(clf, texts, labels, data.labelled.sample_weight))
            class_targets(data.labelled, plans[-1].classes, clf.class_weight)
    if plans[0].classes != plans[1].classes:
        raise InputError(
            f"predictor has the labels {plans[1].classes}, estimator {plans[0].classes}; give "
            "both the same"
        )
    if data.labelled is not None:
        check_several_classes(data.labelled)
    if objective == "mlm":
        return plans[0].classes, None
    words = plans[0].scorer.words
    if not isinstance(words, LabelWords) or words.vectors is not None:
        raise VerbalizerError(
            "PCPClassifier writes label words into texts, but this verbalizer or tuning has "
            "vectors in their place; give the estimator the words themselves, or use "
            "objective='mlm'"
        )
    return plans[0].classes, words


def _configuration(plan: _Plan) -> dict[str, str]:
    """Return all that decides the result, for the checkpoint."""
    if not plan.checkpoint.is_kept:
        return {}
    return {**settings_of(plan.settings), **digests_of(plan.data, plan.lm)}


# ---- Lines ------------------------------------------------------------------------------------


def _lines(plan: _Plan, rounds: Rounds) -> Lines:
    labelled, pool = plan.data.labelled, plan.data.pool.examples
    parts = [pool] if labelled is None else [labelled.examples, pool]
    examples = _joined([part for part in parts if len(part)])
    if plan.words is None:
        rounds.run("scores", dict)
        lines = bare_lines(plan.lm, examples, plan.max_length)
        _warn_shortened(plan, lines)
        return lines
    scores = rounds.run("scores", partial(_remembered_scores, plan, examples))["scores"]
    labels, is_used = _line_labels(plan, scores)
    if not is_used.any():
        raise InputError(
            f"no text is labelled with a probability of {plan.settings.min_confidence} or more; "
            f"the surest has {float(softmax(scores, axis=1).max()):.3f}. Lower min_confidence"
        )
    rows = np.flatnonzero(is_used)
    is_soft = plan.settings.pattern == "soft"
    lines = templated_lines(
        plan.lm,
        start_of_soft_prompts(plan.fields) if is_soft else resolve_template(plan.base),
        plan.words,
        examples.take(rows),
        labels[rows],
        max_length=plan.max_length,
        rng=np.random.default_rng(seed_of(plan.seed, 2)),
    )
    if is_soft:
        _warn_shortened(plan, lines)
    return lines


def _warn_shortened(plan: _Plan, lines: Lines) -> None:
    """Warn of texts that were cut, unlike in the classifier's own template, which warns itself."""
    advice = "lines to pre-train on hold no more; raise max_length if you can"
    warn_truncated(lines.n_truncated, len(lines.ids), plan.max_length, advice)


def _remembered_scores(plan: _Plan, examples: Examples) -> Arrays:
    key = fingerprint([digests_of(plan.data, plan.lm), settings_of(plan.predictor), plan.seed])
    return _SCORES.get(key, partial(_scores, plan, examples))


def _scores(plan: _Plan, examples: Examples) -> Arrays:
    """Score all texts with the label predictor."""
    clf = clone(plan.predictor).set_params(labels=plan.classes)
    if clf.random_state is None:
        clf.set_params(random_state=seed_of(plan.seed, 1))
    fit_prompt(clf, plan.data)
    return {"scores": clf._class_scores(examples.rows())}


def _line_labels(
    plan: _Plan, scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the class whose word each line gets, and which lines are used."""
    probabilities = softmax(scores, axis=1)
    labels = probabilities.argmax(1)
    confidence = probabilities.max(1)
    labelled = plan.data.labelled
    if plan.settings.label_source == "gold" and labelled is not None:
        place = {label: i for i, label in enumerate(plan.classes)}
        gold = [place[label] for label in labelled.labels.values.tolist()]
        labels[: len(gold)], confidence[: len(gold)] = gold, 1.0
    return labels, confidence >= plan.settings.min_confidence


def _joined(parts: list[Examples]) -> Examples:
    names = parts[0].fields
    return Examples(
        {name: [text for part in parts for text in part.columns[name]] for name in names}
    )


# ---- The model --------------------------------------------------------------------------------


def _adapt(plan: _Plan, lines: Lines, rounds: Rounds) -> tuple[MaskedLM, list[Epoch]]:
    """Train on the lines, unless that was done before with the same ones."""
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


def _fit_final(plan: _Plan, lm: MaskedLM) -> TextClassifier:
    final: TextClassifier = with_model(plan.settings.estimator, lm, _OWNER)
    if final.random_state is None:
        final.set_params(random_state=seed_of(plan.seed, 4))
    final.set_params(verbose=0)
    if isinstance(final, PromptClassifier):
        return fit_prompt(final, plan.data)
    texts, labels, weights, rest = plan.data.fit_arguments()
    own = final.checkpoint_dir
    final.set_params(checkpoint_dir=plan.checkpoint.nested if own is None else own)
    final.fit(texts, labels, sample_weight=weights, unlabeled=rest)
    final.set_params(checkpoint_dir=own)
    return final


def forget_pretraining() -> None:
    """Forget the adapted models and the scores that later fits on the same texts would reuse."""
    _ADAPTED.clear()
    _SCORES.clear()


def _own_bytes(adapted: tuple[MaskedLM, list[Epoch]]) -> int:
    return sum(p.nbytes for p in adapted[0].model.parameters())


_ADAPTED: BoundedCache[str, tuple[MaskedLM, list[Epoch]]] = BoundedCache(_ADAPTED_BYTES, _own_bytes)
_SCORES: BoundedCache[str, Arrays] = BoundedCache(
    _SCORES_BYTES, lambda arrays: sum(array.nbytes for array in arrays.values())
)
