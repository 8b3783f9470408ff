"""Verbalizers that are made in ``fit``: from a model, from texts, labels or knowledge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from fewshot.data.classes import class_targets
from fewshot.data.examples import Examples, Label
from fewshot.data.training_data import TrainingData
from fewshot.errors import VerbalizerError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import Prompts, build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.label_words import LabelWords, MultiToken
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import Encoded, PromptScorer


@dataclass(frozen=True)
class VerbalizerTask:
    """The classes, model, template and texts that a verbalizer may learn from.

    ``fit`` makes one and passes it to :meth:`LearnedVerbalizer.resolve_words`. Only a verbalizer
    of your own has to read it.

    Parameters
    ----------
    classes : tuple of str or int
        All labels, sorted.
    lm : MaskedLM
    template : Template
    max_length : int
        The most tokens of a prompt.
    multi_token : {"mean", "first", "masks"}
        Scoring of words that the tokenizer splits.
    examples : Examples, optional
        Texts, with or without labels.
    targets : ndarray of shape (n_examples, n_classes)
        One-hot; arbitrary in rows without a label, which weigh 0.
    sample_weight : ndarray of shape (n_examples,)
        0 for texts without a label.

    See Also
    --------
    LearnedVerbalizer : What receives a task.
    TermSource : Receives one too.
    """

    classes: tuple[Label, ...]
    lm: MaskedLM
    template: Template
    max_length: int
    multi_token: MultiToken = "mean"
    examples: Examples | None = None
    targets: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    sample_weight: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def of(
        cls,
        classes: Sequence[Label],
        lm: MaskedLM,
        template: Template,
        data: TrainingData | None,
        *,
        max_length: int | None = None,
        multi_token: MultiToken = "mean",
    ) -> VerbalizerTask:
        """Return the task of training data, or of none.

        Parameters
        ----------
        classes : sequence of str or int
        lm : MaskedLM
        template : Template
        data : TrainingData, optional
        max_length : int, optional
            By default the model's.
        multi_token : {"mean", "first", "masks"}, default="mean"

        Returns
        -------
        VerbalizerTask
        """
        length = lm.max_length if max_length is None else max_length
        task = cls(tuple(classes), lm, template, length, multi_token)
        if data is None:
            return task
        targets, weights = class_targets(data, classes, None)
        return replace(task, examples=data.examples, targets=targets, sample_weight=weights)

    def prompts(self) -> Prompts:
        """Return the prompts of the texts, with one mask each.

        Raises
        ------
        VerbalizerError
            If there are no texts.
        """
        if self.examples is None:
            raise VerbalizerError("this needs texts in fit (labels may be left out); pass some")
        tokenizer = self.lm.tokenizer
        slots = tokenize_slots(tokenizer, [self.template], self.examples)
        return build_prompts(tokenizer, self.template, slots, max_length=self.max_length)

    def mask_states(self, rows: npt.NDArray[np.int64], n_masks: int = 1) -> Tensor:
        """Return states at the masks of some of the texts, [n_rows, n_masks, hidden], in float64.

        Raises
        ------
        VerbalizerError
            If there are no texts.
        """
        if self.examples is None:
            raise VerbalizerError("this needs texts in fit; pass some")
        blank = LabelEmbeddings(
            self.classes, torch.zeros(len(self.classes), n_masks, self.lm.state_size), 1.0
        )
        scorer = PromptScorer(self.lm, self.template, blank, "mean", self.max_length)
        return scorer.states_at_masks(scorer.encode(scorer.views(self.examples.take(rows))))

    def scorer(self, verbalizer: Verbalizer, aggregation: Aggregation = "mean") -> PromptScorer:
        """Return a scorer with these words; calibrated over the texts if there are any."""
        words = LabelWords.resolve(
            verbalizer, self.classes, self.lm.tokenizer, self.multi_token, warn_split=False
        )
        scorer = PromptScorer(self.lm, self.template, words, aggregation, self.max_length)
        if self.examples is None:
            return scorer
        return scorer.calibrated(self.encoded(scorer), np.ones(len(self.examples)))

    def encoded(self, scorer: PromptScorer) -> Encoded:
        """Return what the model knows of the texts; they are encoded once."""
        if self.examples is None:
            return {}
        return scorer.encode(scorer.views(self.examples))


@dataclass(frozen=True)
class ResolvedVerbalizer:
    """What was made.

    Parameters
    ----------
    verbalizer : Verbalizer
        Plain words, to be read, edited and saved.
    vectors : Tensor of shape (n_classes, hidden), optional
        A vector for each class of the task, with which the state at the mask is multiplied
        instead of scoring the words.
    is_tuned : bool
        Whether tuning by gradients learns the vectors too.
    """

    verbalizer: Verbalizer
    vectors: Tensor | None = None
    is_tuned: bool = False

    def label_words(self, task: VerbalizerTask) -> tuple[Verbalizer, LabelWords]:
        """Return the words, and what the task's model makes of them or of the vectors."""
        if self.vectors is not None:
            vectors = LabelWords.from_vectors(task.classes, self.vectors, is_tuned=self.is_tuned)
            return self.verbalizer, vectors
        return self.verbalizer, LabelWords.resolve(
            self.verbalizer, task.classes, task.lm.tokenizer, task.multi_token, warn_split=False
        )


@dataclass(frozen=True)
class ResolvedPrototypes:
    """What was made instead of words.

    Parameters
    ----------
    prototypes : LabelEmbeddings
        States with which that at the mask is compared.
    """

    prototypes: LabelEmbeddings

    def label_words(self, _task: VerbalizerTask) -> tuple[None, LabelEmbeddings]:
        """Return no words, and the prototypes."""
        return None, self.prototypes


class LearnedVerbalizer(BaseEstimator, ABC):
    """A way to find label words, given to a classifier as its ``verbalizer``.

    It holds its settings and nothing learned, so it can be cloned, shared, and searched as
    ``verbalizer__<setting>``. What it has found is the classifier's ``verbalizer_``.
    """

    @abstractmethod
    def resolve_words(self, task: VerbalizerTask) -> ResolvedVerbalizer | ResolvedPrototypes:
        """Find the words of all classes.

        Parameters
        ----------
        task : VerbalizerTask

        Returns
        -------
        ResolvedVerbalizer or ResolvedPrototypes
        """
