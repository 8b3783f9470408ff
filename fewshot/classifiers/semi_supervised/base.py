"""Base of the classifiers that learn from unlabeled texts too, and their composition."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags

from fewshot.classifiers.base import TextClassifier, in_plain_torch
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.parameter_report import unshared
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.fitting import FitArguments
from fewshot.data.classes import label_array
from fewshot.data.examples import read_examples
from fewshot.data.semi_supervised_data import SemiSupervisedData
from fewshot.data.unlabeled import Keys, text_keys, warn_seen
from fewshot.errors import InputError
from fewshot.models.masked_lm import MaskedLM
from fewshot.training.checkpoint import check_folder
from fewshot.training.rounds import Rounds, started

_Fitted = TypeVar("_Fitted", bound="SemiSupervisedClassifier")


class SemiSupervisedClassifier(TextClassifier):
    """Base of the classifiers that learn from labeled and unlabeled texts.

    A subclass has the parameters below, plans a fit and learns in rounds.
    """

    _takes_several_labels: ClassVar[bool] = False

    estimator: Any  # a PromptClassifier or another of this kind; checked in fit
    max_unlabeled: int
    checkpoint_dir: str | Path | None
    random_state: int | np.random.RandomState | None
    verbose: int

    estimator_: TextClassifier
    n_unlabeled_: int
    pool_keys_: Keys

    @abstractmethod
    def _plan(self, given: FitArguments) -> Any:  # the subclass's own kind of FitPlan
        """Check everything that can be checked before any work."""

    @abstractmethod
    def _learn(self, plan: Any, rounds: Rounds) -> dict[str, Any]:
        """Do the work; return the fitted attributes by name."""

    @in_plain_torch
    def fit(
        self: _Fitted,
        X: Any = None,
        y: Any = None,
        *,
        sample_weight: Any = None,
        unlabeled: Any = None,
    ) -> _Fitted:
        """Learn from a few labelled texts and many unlabelled ones.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame; optional
            Labelled texts, and unlabelled ones if there are any among them.
        y : sequence of str or int, optional
            Labels; rows with -1 (among ints) or None are unlabelled. Without any label,
            `PETClassifier` and `PCPClassifier` start from what their templates predict
            zero-shot; `LiSTClassifier` needs some.
        sample_weight : sequence of float, optional
            Weights of the rows of `X`; those of weight 0 are ignored.
        unlabeled : Unlabeled, optional
            Unlabelled texts, besides the unlabelled rows of `X`. Texts that are labelled are
            left out.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        InputError, TemplateError, VerbalizerError, LabelWordError, TuningError
            If a text, label, weight or setting cannot be used, before anything is trained; the
            estimator then stays as it was.
        CheckpointError
            If ``checkpoint_dir`` holds something else, or a checkpoint of this fit on other
            unlabelled texts or from other weights of the model.
        """
        return self._fit(FitArguments(X, y, sample_weight, unlabeled))

    def set_params(self: _Fitted, **params: Any) -> _Fitted:  # scikit-learn's signature
        """Set parameters by name; settings of one of them as ``<parameter>__<setting>``.

        One that is left at its default, or given by name, becomes the object it stands for first.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        InputError
            If a parameter has no settings.
        """
        given = self.get_params(deep=False) | params
        objects = {}
        for name in {key.partition("__")[0] for key in params if "__" in key} & given.keys():
            objects[name] = self._spelled_out(name, given)
            if not isinstance(objects[name], BaseEstimator):
                raise InputError(
                    f"{name}={objects[name]!r} has no settings of its own; set {name} to an object "
                    "that has some"
                )
        super().set_params(**(params | objects))
        return self

    def _spelled_out(self, name: str, given: Mapping[str, Any]) -> Any:
        """Return the object that the value of a parameter stands for, or the value."""
        is_default = name == "estimator" and given[name] is None
        return PromptClassifier() if is_default else given[name]

    def _check_fit(self, given: FitArguments) -> None:
        """Make all checks of a fit, and nothing else."""
        check_folder(self.checkpoint_dir)
        clone(self).set_params(checkpoint_dir=None)._plan(given)

    def _check_pool(self, data: SemiSupervisedData, hint: str = "") -> None:
        if not len(data.pool):
            raise InputError(
                f"{type(self).__name__} learns from unlabelled texts; pass "
                f"unlabeled=Unlabeled(texts), or rows with y=None (-1 among ints){hint}"
            )

    def _fit(self: _Fitted, given: FitArguments) -> _Fitted:
        plan = self._plan(given)
        plan.begin(self)
        name = type(self).__name__.removesuffix("Classifier")
        with started(
            plan.checkpoint, plan.n_rounds, name, show_progress=self.verbose > 0
        ) as rounds:
            learned = self._learn(plan, rounds)
        pool = plan.data.pool
        learned |= {
            "classes_": label_array(plan.classes),
            "n_unlabeled_": len(pool),
            "pool_keys_": text_keys(pool),
            "fields_": list(pool.fields),
        }
        for attribute, value in learned.items():
            setattr(self, attribute, value)
        return self

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        examples = read_examples(X, self.fields_)
        warn_seen(examples, self.pool_keys_)
        return self.estimator_._class_scores(examples)

    @property
    def _offset(self) -> npt.NDArray[np.float64]:
        return super()._offset + self.estimator_._offset

    def _n_trainable(self) -> int:
        """Count what differs between the model at first and the classifier at the end."""
        first, final = self.estimator, self.estimator_
        while isinstance(final, SemiSupervisedClassifier):
            final = final.estimator_
        if not isinstance(final, PromptClassifier):
            return final._n_trainable()
        while isinstance(first, SemiSupervisedClassifier):
            first = first.estimator
        n_tuned = sum(p.numel() for p in unshared(final.model_, first.model))
        return n_tuned + final.parameter_report_.n_head

    def _n_tokens(self, X: Any) -> None:
        del X  # nobody counts what the classifiers inside read

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


def prompt_classifier(estimator: Any, method: str) -> PromptClassifier:
    """Return a clone of the classifier that a method builds on; without one, the default."""
    if estimator is None:
        return PromptClassifier()
    if not isinstance(estimator, PromptClassifier):
        kind = type(estimator).__name__ if isinstance(estimator, BaseEstimator) else repr(estimator)
        raise InputError(
            f"estimator of {method} is a PromptClassifier, got {kind}; pass for example "
            f"{method}(PromptClassifier(template, verbalizer))"
        )
    if estimator.threshold is not None:
        raise InputError(
            f"threshold= is for several labels, and {method} learns one for each text; leave it "
            "out, or use the PromptClassifier alone"
        )
    cloned: PromptClassifier = clone(estimator)
    return cloned


def innermost(estimator: Any, method: str) -> PromptClassifier:
    """Return a clone of the classifier that an estimator is, or is made of."""
    while isinstance(estimator, SemiSupervisedClassifier):
        estimator = estimator.estimator
    return prompt_classifier(estimator, method)


def with_model(estimator: Any, lm: MaskedLM, method: str) -> Any:  # of the estimator's own class
    """Return a clone of an estimator with another model wherever the innermost classifier's is."""
    # A final classifier or a predictor with a model of its own keeps that.
    if not isinstance(estimator, SemiSupervisedClassifier):
        return prompt_classifier(estimator, method).set_params(model=lm)
    twin = clone(estimator).set_params(estimator=with_model(estimator.estimator, lm, method))
    base = innermost(estimator, method)
    for name, other in estimator.get_params(deep=False).items():
        # A final classifier or a predictor; the estimator has it already.
        is_other = name != "estimator" and isinstance(other, (PromptClassifier, FineTuneClassifier))
        if is_other and other.model == base.model:
            twin.set_params(**{f"{name}__model": lm})
    return twin
