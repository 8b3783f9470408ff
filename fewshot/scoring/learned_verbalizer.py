"""Verbalizers that are made in ``fit``, from a model, texts, labels or knowledge."""

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
from fewshot.data.examples import Examples
from fewshot.data.labels import Label
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

    Examples
    --------
    >>> from fewshot import Template, load_masked_lm
    >>> from fewshot.knowledge import VerbalizerTask
    >>> lm = load_masked_lm("fewshot-mini")
    >>> VerbalizerTask.of(["law", "sport"], lm, Template("{mask}: {text}"), None).max_length
    512
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
        classes, lm, template, max_length, multi_token
            As in the constructor; `max_length` is by default the model's.
        data : TrainingData, optional
            Texts, with or without labels.

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

    def shared(self) -> VerbalizerTask:
        """Return the task with the weight of each text shared between its labels.

        Returns
        -------
        VerbalizerTask
            A text without labels weighs nothing.
        """
        counts = self.targets.sum(1)
        shares = self.targets / np.maximum(counts, 1.0)[:, None]
        return replace(self, targets=shares, sample_weight=self.sample_weight * (counts > 0))

    def prompts(self) -> Prompts:
        """Return the prompts of the texts, with one mask each.

        Returns
        -------
        Prompts

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
        """Return states at the masks of some of the texts.

        Parameters
        ----------
        rows : ndarray of int
            Numbers of the texts.
        n_masks : int, default=1

        Returns
        -------
        Tensor of shape (n_rows, n_masks, hidden), float64

        Raises
        ------
        VerbalizerError
            If there are no texts.
        """
        if self.examples is None:
            raise VerbalizerError("this needs texts in fit (labels may be left out); pass some")
        blank = LabelEmbeddings(
            self.classes, torch.zeros(len(self.classes), n_masks, self.lm.state_size), 1.0
        )
        scorer = PromptScorer(self.lm, self.template, blank, "mean", self.max_length)
        return scorer.states_at_masks(scorer.encode(scorer.views(self.examples.take(rows))))

    def label_words(self, verbalizer: Verbalizer) -> LabelWords:
        """Return the words of a verbalizer on the model's tokenizer.

        Parameters
        ----------
        verbalizer : Verbalizer

        Returns
        -------
        LabelWords
        """
        return LabelWords.resolve(verbalizer, self.classes, self.lm.tokenizer, self.multi_token)

    def scorer(self, verbalizer: Verbalizer, aggregation: Aggregation = "mean") -> PromptScorer:
        """Return a scorer with these words, calibrated over the texts if there are any.

        Parameters
        ----------
        verbalizer : Verbalizer
        aggregation : {"mean", "max", "logsumexp", "weighted"}, default="mean"

        Returns
        -------
        PromptScorer
        """
        words = self.label_words(verbalizer)
        scorer = PromptScorer(self.lm, self.template, words, aggregation, self.max_length)
        if self.examples is None:
            return scorer
        return scorer.calibrated(self.encoded(scorer), np.ones(len(self.examples)))

    def encoded(self, scorer: PromptScorer) -> Encoded:
        """Return the prompts and states of the texts, which are encoded once.

        Parameters
        ----------
        scorer : PromptScorer

        Returns
        -------
        dict
            What a scorer's methods take as `encoded`; empty without texts.
        """
        if self.examples is None:
            return {}
        return scorer.encode(scorer.views(self.examples))


@dataclass(frozen=True)
class ResolvedVerbalizer:
    """What a :class:`LearnedVerbalizer` found: words, or what is scored in place of words.

    Parameters
    ----------
    verbalizer : Verbalizer or None
        Plain words, to be read, edited and saved. None if there are no words.
    words : LabelWords or LabelEmbeddings, optional
        Scored at the mask. By default the words of `verbalizer`.

    See Also
    --------
    LearnedVerbalizer : Returns it.
    ResolvedPrototypes : For prototypes in place of words.

    Examples
    --------
    >>> from fewshot import Verbalizer
    >>> from fewshot.knowledge import ResolvedVerbalizer
    >>> ResolvedVerbalizer(Verbalizer({"law": "court", "sport": "game"})).verbalizer.labels
    ('law', 'sport')
    """

    verbalizer: Verbalizer | None
    words: LabelWords | LabelEmbeddings | None = None

    def label_words(self, task: VerbalizerTask) -> LabelWords | LabelEmbeddings:
        """Return what is scored at the mask.

        Parameters
        ----------
        task : VerbalizerTask

        Returns
        -------
        LabelWords or LabelEmbeddings

        Raises
        ------
        VerbalizerError
            If there is neither a verbalizer nor anything in its place.
        """
        if self.words is not None:
            return self.words
        if self.verbalizer is None:
            raise VerbalizerError(
                "resolve_words found neither words nor label embeddings; return "
                "ResolvedVerbalizer(verbalizer)"
            )
        return task.label_words(self.verbalizer)


class ResolvedPrototypes(ResolvedVerbalizer):
    """Prototypes that a :class:`LearnedVerbalizer` made in place of words.

    Parameters
    ----------
    prototypes : LabelEmbeddings
        A state for each class and mask, with which that at the mask is compared.

    See Also
    --------
    PrototypeVerbalizer : Returns it.

    Examples
    --------
    >>> import torch
    >>> from fewshot.knowledge import ResolvedPrototypes
    >>> from fewshot.scoring.prototypes import LabelEmbeddings
    >>> prototypes = LabelEmbeddings(("a", "b"), torch.eye(2)[:, None], temperature=1.0)
    >>> ResolvedPrototypes(prototypes).words.classes
    ('a', 'b')
    """

    def __init__(self, prototypes: LabelEmbeddings) -> None:
        super().__init__(None, prototypes)


class LearnedVerbalizer(BaseEstimator, ABC):
    """Base class of verbalizers that find their label words in ``fit``.

    Subclass it for your own search, and pass it to a classifier as ``verbalizer``. It holds its
    settings and nothing learned, so it can be cloned, shared, and searched as
    ``verbalizer__<setting>``. The words that it found are the classifier's ``verbalizer_``.

    See Also
    --------
    VerbalizerTask : The classes, model and texts that it learns from.
    SciPromptVerbalizer, PetalVerbalizer, SoftVerbalizer : Subclasses.

    Examples
    --------
    >>> from fewshot import Verbalizer
    >>> from fewshot.knowledge import LearnedVerbalizer, ResolvedVerbalizer
    >>> class UpperCase(LearnedVerbalizer):
    ...     def resolve_words(self, task):
    ...         return ResolvedVerbalizer(Verbalizer({c: c.upper() for c in task.classes}))
    >>> UpperCase()
    UpperCase()
    """

    @abstractmethod
    def resolve_words(self, task: VerbalizerTask) -> ResolvedVerbalizer:
        """Find the words of all classes.

        Parameters
        ----------
        task : VerbalizerTask

        Returns
        -------
        ResolvedVerbalizer

        Raises
        ------
        VerbalizerError
            If a setting is out of range, or texts or labels are missing.
        """
