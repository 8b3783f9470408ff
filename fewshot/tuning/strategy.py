"""The base of tuning strategies: settings as an estimator, work as a function of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sklearn.base import BaseEstimator

from fewshot.tuning.task import TuningResult, TuningTask

__all__ = ["NoTuning", "Tuning"]


class Tuning(BaseEstimator, ABC):
    """A way to adapt a prompt classifier to labelled examples.

    A strategy holds its settings and nothing learned, so it can be cloned, shared, and searched
    as ``tuning__<setting>``.
    """

    @abstractmethod
    def tune(self, task: TuningTask) -> TuningResult:
        """Adapt a scorer to the examples of a task.

        Parameters
        ----------
        task : TuningTask

        Returns
        -------
        TuningResult

        Raises
        ------
        TuningError
            If a setting is out of range.
        """

    def passes(self) -> float:
        """Return how many forward passes over the examples tuning costs (a step counts three)."""
        return 1.0

    def steps(self, n_examples: int) -> int:  # noqa: ARG002  # others need it
        """Return how many optimiser steps tuning takes for so many examples."""
        return 0


class NoTuning(Tuning):
    """Use the model as it is: zero-shot classification.

    Examples
    --------
    >>> from fewshot.tuning import NoTuning
    >>> NoTuning()
    NoTuning()
    """

    def tune(self, task: TuningTask) -> TuningResult:
        """Return the scorer as it is."""
        return TuningResult(task.scorer)
