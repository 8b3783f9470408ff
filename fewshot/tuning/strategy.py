"""The base of tuning strategies: settings as an estimator, work as a function of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fewshot.data.labels import Label
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.tuning.task import TuningResult, TuningTask


class Tuning(BaseEstimator, ABC):
    """A way to adapt a prompt classifier to labelled examples.

    A strategy holds its settings and nothing learned, so it can be cloned, shared, and searched
    as ``tuning__<setting>``.

    See Also
    --------
    GradientTuning : The base of strategies that train by gradient descent.
    fewshot.PromptClassifier : Takes a strategy as ``tuning``.

    Examples
    --------
    >>> from fewshot.tuning import Head, Tuning
    >>> isinstance(Head(), Tuning)
    True
    """

    # The template where the classifier is given none; None is the classifier's own.
    default_template: ClassVar[str | None] = None
    # Whether classes are scored by words; else by `label_embeddings`.
    uses_label_words: ClassVar[bool] = True
    # Whether the virtual tokens of a template are tuned.
    tunes_virtual_tokens: ClassVar[bool] = False

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

    def check(self, lm: MaskedLM, template: Template) -> None:
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

    def wordings(self, template: Template) -> tuple[Template, ...]:
        """Return other wordings of a template that tuning also needs the examples in.

        Parameters
        ----------
        template : Template

        Returns
        -------
        tuple of Template
        """
        return ()

    def label_embeddings(
        self,
        classes: Sequence[Label],
        lm: MaskedLM,
        verbalizer: Verbalizer | None = None,
        names: Sequence[Label] | None = None,
    ) -> LabelEmbeddings:
        """Return what is scored before tuning in place of label words.

        Parameters
        ----------
        classes : sequence of str or int
        lm : MaskedLM
        verbalizer : Verbalizer, optional
            The words of the classes, if some were given.
        names : sequence of str or int, optional
            The names of the classes in their order, where numbers stand for them.

        Returns
        -------
        LabelEmbeddings

        Raises
        ------
        TuningError
            If the strategy uses label words.
        """
        raise TuningError(f"{type(self).__name__} scores label words; it has no label embeddings")

    def room(self, max_length: int, template: Template) -> int:
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
            If none are left.
        """
        return max_length

    def passes(self) -> float:
        """Return the cost of tuning in forward passes over the examples (a step counts three).

        Returns
        -------
        float
        """
        return 0.0

    def steps(self, classes: npt.NDArray[np.int64]) -> int:
        """Return the number of optimizer steps for examples of these classes.

        Parameters
        ----------
        classes : ndarray of shape (n_examples,)

        Returns
        -------
        int
        """
        return 0


class NoTuning(Tuning):
    """Use the model as it is: zero-shot classification.

    See Also
    --------
    Head : Learns from labels without changing the model.

    Examples
    --------
    >>> from fewshot.tuning import NoTuning
    >>> NoTuning()
    NoTuning()
    """

    def tune(self, task: TuningTask) -> TuningResult:
        """Return the scorer as it is; see :meth:`Tuning.tune`."""
        return TuningResult(task.scorer)
