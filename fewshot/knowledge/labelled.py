"""Words at the mask of labelled texts: what the searches for label words share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.data.training_data import read_training_data
from fewshot.errors import VerbalizerError
from fewshot.knowledge.neighbours import vocabulary_words
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import DEFAULT_TEMPLATE, Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import words_ids
from fewshot.scoring.learned_verbalizer import LearnedVerbalizer, ResolvedVerbalizer, VerbalizerTask

_STATES_AT_ONCE = 64
_SHORTEST = 2  # letters of a label word; "no" is one
_SUREST = -1e-9  # log-probability; of a certain word the log-odds would be infinite


class LabelledVerbalizer(LearnedVerbalizer):
    """Base class of verbalizers that find words of the vocabulary by a few labelled texts."""

    def resolve(
        self,
        X: Any,
        y: Any,
        *,
        model: str | Path | MaskedLM = "fewshot-mini",
        template: str | Template = DEFAULT_TEMPLATE,
    ) -> Verbalizer:
        """Find label words without a classifier.

        Parameters
        ----------
        X : sequence of str, of tuple or of mapping; DataFrame
            Texts.
        y : sequence of str or int
            Labels; texts without one (-1 or None) are left out.
        model : str, Path or MaskedLM, default="fewshot-mini"
            A name, folder or loaded model.
        template : str or Template, default="A {mask} text: {text}"

        Returns
        -------
        Verbalizer

        Raises
        ------
        InputError
            If `X` or `y` cannot be used.
        VerbalizerError
            If a setting is wrong, a class has no labelled text, or there is only one class.
        """
        return self.find_words(self._task(X, y, model, template))

    def resolve_words(self, task: VerbalizerTask) -> ResolvedVerbalizer:
        """Find the words of all classes; see :meth:`LearnedVerbalizer.resolve_words`."""
        return ResolvedVerbalizer(self.find_words(task))

    @abstractmethod
    def find_words(self, task: VerbalizerTask) -> Verbalizer:
        """Return the words of all classes."""

    def _task(
        self, X: Any, y: Any, model: str | Path | MaskedLM, template: str | Template
    ) -> VerbalizerTask:
        parsed = template if isinstance(template, Template) else Template(template)
        data = read_training_data(X, y, None, parsed.field_names)
        classes = data.labels.classes()
        return VerbalizerTask.of(classes, load_masked_lm(model), parsed, data if classes else None)


@dataclass(frozen=True)
class LabelledStates:
    """States at the masks of labelled texts."""

    mask: Tensor  # [n, n_masks, hidden], float64
    shares: Tensor  # [n, n_classes], float64: the weight of a text, in the column of its class

    @property
    def class_shares(self) -> Tensor:
        """The share of each text in the mean of its class, [n, n_classes]."""
        return self.shares / self.shares.sum(0)


def labelled_states(task: VerbalizerTask, name: str, n_masks: int = 1) -> LabelledStates:
    """Encode the labelled texts of a task; refuse one that lacks a labelled text of a class."""
    labelled = np.flatnonzero(task.sample_weight > 0)
    if task.examples is None or not len(labelled):
        raise VerbalizerError(
            f"{name} learns from labelled texts, and fit got none; pass texts with labels, or let "
            "SciPromptVerbalizer find words for the names of the classes"
        )
    if len(task.classes) < 2:
        raise VerbalizerError(
            f"{name} needs two classes or more, and there is only {task.classes[0]!r}; label texts "
            "of others"
        )
    shares = task.sample_weight[labelled, None] * task.targets[labelled]
    missing = [label for label, total in zip(task.classes, shares.sum(0), strict=True) if not total]
    if missing:
        raise VerbalizerError(
            f"{name} needs a labelled text of each class, and there is none of {missing}; label "
            "some, or give words of your own for all classes"
        )
    mask = task.mask_states(labelled, n_masks)
    return LabelledStates(mask, torch.from_numpy(shares))


def whole_words(lm: MaskedLM) -> tuple[list[str], Tensor]:
    """Return the words of a vocabulary that are one token inside a sentence, and their ids."""
    spelt = vocabulary_words(lm.tokenizer, _SHORTEST)
    found = words_ids(list(spelt), lm.tokenizer)
    words = {
        word: token
        for (word, token), ids in zip(spelt.items(), found, strict=True)
        if ids == [token]
    }
    return list(words), torch.tensor(list(words.values()), dtype=torch.int64)


def class_means(
    lm: MaskedLM, states: LabelledStates, tokens: Tensor
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return mean log-probabilities and log-odds, [n_classes, n_tokens] each."""
    n_classes = states.shares.shape[1]
    means = torch.zeros(2, n_classes, len(tokens), dtype=torch.float64)
    parts = zip(
        states.mask[:, 0].split(_STATES_AT_ONCE),
        states.class_shares.split(_STATES_AT_ONCE),
        strict=True,
    )
    for mask, shares in parts:
        log_probs = token_log_probs(lm, mask, tokens)
        means[0] += shares.T @ log_probs
        means[1] += shares.T @ log_odds(log_probs)
    return means[0].numpy(), means[1].numpy()


def token_log_probs(lm: MaskedLM, mask: Tensor, tokens: Tensor) -> Tensor:
    """Return log-probabilities of tokens over the whole vocabulary, [n, n_tokens], in float64."""
    with torch.inference_mode():
        states = mask.float().to(lm.device)
        logits = lm.mask_head.token_logits(states, tokens.to(lm.device)).double()
        found = logits - lm.mask_head.log_normalizer(states).double()[:, None]
    return found.cpu()


def log_odds(log_probs: Tensor) -> Tensor:
    """Return ``log p - log(1 - p)`` of log-probabilities."""
    sure = log_probs.clamp(max=_SUREST)
    return sure - torch.log(-torch.expm1(sure))
