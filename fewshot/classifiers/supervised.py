"""Base of the baselines, which learn from labelled texts only."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from fewshot.classifiers.base import DryRun, TextClassifier, in_plain_torch
from fewshot.data.classes import class_offset
from fewshot.data.labels import Label

PASSES_PER_STEP = 3.0  # forward passes that a step costs: backward takes twice as long

_Fitted = TypeVar("_Fitted", bound="SupervisedClassifier")


class SupervisedClassifier(TextClassifier):
    """Base of classifiers that make a plan, then learn by it or estimate its cost."""

    class_weight: str | dict[Label, float] | None

    @abstractmethod
    def _plan(self, X: Any, y: Any, sample_weight: Any) -> Any:  # of a type of the subclass
        """Check everything before any work."""

    @abstractmethod
    def _learn(self: _Fitted, plan: Any) -> _Fitted:
        """Do what was planned."""

    @abstractmethod
    def _cost(self, plan: Any) -> DryRun:
        """Estimate what it costs."""

    @in_plain_torch
    def fit(self: _Fitted, X: Any, y: Any, *, sample_weight: Any = None) -> _Fitted:
        """Learn from labelled texts.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
        y : sequence of str or int, or of lists of them; matrix of 0 and 1
            Rows with -1 (among ints) or None are left out. Several labels for a text: a list,
            tuple or set of labels in each row, which may be empty, or an indicator matrix (dense,
            sparse, DataFrame) with a column for each label.
        sample_weight : sequence of float, optional
            Weights of the texts; those of weight 0 are left out.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        InputError, ModelError
            If a text, label, weight, setting or model cannot be used; the estimator then stays as
            it was, as after the others.
        HubError, MissingExtraError
            If the model is neither on disk nor reachable, or a package is not installed.
        """
        return self._fitted(self._plan(X, y, sample_weight))

    def _fitted(self: _Fitted, plan: Any) -> _Fitted:
        self._learn(plan)
        self.class_offset_ = class_offset(self.classes_.tolist(), self.class_weight)
        return self

    @in_plain_torch
    def dry_run(self, X: Any, y: Any) -> DryRun:
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
        InputError
            As in :meth:`fit`.
        """
        return self._cost(self._plan(X, y, None))
