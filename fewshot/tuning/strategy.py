"""The base of tuning strategies: settings as an estimator, work as a function of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fewshot.data.examples import Label
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.tuning.task import TuningResult, TuningTask

# Of each setting: its kind, what is good, and that in words.
Checks: TypeAlias = dict[str, tuple[type, Callable[[Any], Any], str]]


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

    def check(self, lm: MaskedLM, template: Template) -> None:  # not all have settings
        """Check the settings for a model and a template, before any work.

        Parameters
        ----------
        lm : MaskedLM
        template : Template

        Raises
        ------
        TuningError
            If one is out of range, or the model lacks what the strategy tunes.
        """

    def wordings(self, template: Template) -> tuple[Template, ...]:  # noqa: ARG002  # others need it
        """Return other wordings of a template that tuning also needs the examples in."""
        return ()

    @property
    def default_template(self) -> str | None:
        """The template where the classifier is given none; None is the classifier's own."""
        return None

    @property
    def uses_label_words(self) -> bool:
        """Whether words stand for the classes; else :meth:`label_embeddings` do."""
        return True

    @property
    def tunes_virtual_tokens(self) -> bool:
        """Whether the virtual tokens of a template are tuned."""
        return False

    def label_embeddings(self, classes: Sequence[Label], lm: MaskedLM) -> LabelEmbeddings:  # noqa: ARG002
        """Return what stands for the classes before tuning, in place of label words.

        Parameters
        ----------
        classes : sequence of str or int
        lm : MaskedLM

        Returns
        -------
        LabelEmbeddings

        Raises
        ------
        TuningError
            If the strategy uses label words.
        """
        raise TuningError(f"{type(self).__name__} scores label words; it has no label embeddings")

    def room(self, max_length: int, template: Template) -> int:  # noqa: ARG002  # others need it
        """Return how many tokens of a prompt are left beside those that tuning inserts.

        Parameters
        ----------
        max_length : int
            The most tokens of a prompt.
        template : Template

        Returns
        -------
        int

        Raises
        ------
        TuningError
            If there is none.
        """
        return max_length

    def passes(self) -> float:
        """Return how many forward passes over the examples tuning adds (a step counts three)."""
        return 0.0

    def steps(self, classes: npt.NDArray[np.int64]) -> int:  # noqa: ARG002  # others need it
        """Return how many optimiser steps tuning takes for examples of these classes."""
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


def check_setting(
    owner: BaseEstimator, name: str, kind: type, is_good: Callable[[Any], Any], expected: str
) -> None:
    """Check one setting of a strategy.

    Raises
    ------
    TuningError
        If its value is not of the kind (``numbers.Real``, ``numbers.Integral``), or not good.
    """
    value = getattr(owner, name)
    if not isinstance(value, kind) or isinstance(value, bool) or not is_good(value):
        raise TuningError(f"{name} of {type(owner).__name__} is {expected}, got {value!r}")


def check_all(owner: BaseEstimator, checks: Checks, *, may_be_none: Collection[str] = ()) -> None:
    """Check several settings of a strategy, one after the other.

    Raises
    ------
    TuningError
        At the first that is not good.
    """
    for name, (kind, is_good, expected) in checks.items():
        if name not in may_be_none or getattr(owner, name) is not None:
            check_setting(owner, name, kind, is_good, expected)


def check_choice(owner: BaseEstimator, name: str, known: tuple[str, ...]) -> None:
    """Check a setting that is one of some names.

    Raises
    ------
    TuningError
        If it is not.
    """
    value = getattr(owner, name)
    if value not in known:
        raise TuningError(
            f"{name} of {type(owner).__name__} is one of {list(known)}, got {value!r}"
        )
