"""Prompt tuning: vectors between the first token and the text, beside a frozen model."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import ClassVar, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.data.examples import can_be_encoded
from fewshot.data.settings import check_settings, is_whole, one_of
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.tokens import count_soft, soft_ids
from fewshot.tuning.module_tuning import ModuleTuning
from fewshot.tuning.soft_prompts.prompt_pretraining import pretrain
from fewshot.tuning.soft_prompts.prompt_values import (
    Initial,
    bayes_values,
    random_values,
    vocabulary_values,
    warm_values,
    word_values,
)
from fewshot.tuning.soft_templates import template_tokens
from fewshot.tuning.soft_tokens import (
    InsertedPrompt,
    SoftTokens,
    TemplateTokens,
    soft_tokens_of,
)
from fewshot.tuning.task import TuningTask


@dataclass(eq=False, repr=False)
class PromptTuning(ModuleTuning):
    """Strategies with virtual tokens after the first token; see :class:`SoftPrompt`."""

    _default_length: ClassVar[int]
    _smallest_length: ClassVar[int] = 1

    _: KW_ONLY
    length: int | None = None
    initial: Initial | MaskedLM = "words"
    words: str = "Classify this text:"

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        low = self._smallest_length
        is_good = self.length is None or is_whole(self.length, low)
        expected = f"a whole number, at least {low}, or None"
        words: object = self.words
        is_text = isinstance(words, str) and can_be_encoded(words)
        limits = {
            "length": (is_good, expected),
            "words": (is_text, "a str without lone surrogates"),
        }
        check_settings(self, limits, TuningError, is_part=True)
        if isinstance(self.initial, MaskedLM):
            self._check_start(lm, self.initial, template)
        elif not one_of(self.initial, get_args(Initial))[0]:
            raise TuningError(
                f"initial of {type(self).__name__} is one of {list(get_args(Initial))}, or the "
                f"model_ of a fitted classifier, got {self.initial!r}"
            )

    def n_tokens(self, template: Template) -> int:
        """Return the number of virtual tokens before the text."""
        if self.length is not None:
            return int(self.length)
        inserted = _inserted(self.initial)
        return self._length_without(template) if inserted is None else len(inserted.vectors)

    def room(self, max_length: int, template: Template) -> int:
        """Return the tokens that are left beside the virtual ones; see :meth:`Tuning.room`."""
        n_tokens = self.n_tokens(template)
        if n_tokens >= max_length:
            raise TuningError(
                f"{type(self).__name__} puts {n_tokens} virtual tokens before the text, and a "
                f"prompt has {max_length} at most, so there is no room for the text; lower length"
            )
        return max_length - n_tokens

    def prepare(self, task: TuningTask) -> TuningTask:
        """Add the virtual tokens, which move the prior; see :meth:`GradientTuning.prepare`."""
        own = super().prepare(task)
        scorer = own.scorer
        if self.initial == "mlm":
            pretrain(scorer.lm, own.views[min(own.views)], own.rng)
        before, after = task.scorer.encode(task.views), scorer.encode(own.views)
        moved = scorer.reworded(scorer.template, before, after, _text_weights(task))
        return replace(own, scorer=moved)

    def initial_values(self, task: TuningTask, length: int) -> Tensor:
        """Return the values that virtual tokens start from, [length, width]."""
        lm = task.scorer.lm
        if isinstance(self.initial, MaskedLM):
            return warm_values(lm, self.initial, InsertedPrompt)
        if self.initial == "vocabulary":
            return vocabulary_values(lm, length, task.rng)
        if self.initial == "random":
            return random_values(lm, length, task.rng)
        if self.initial == "bayes":
            return bayes_values(lm, task, length)
        return word_values(lm, self.words, length)

    def _check_start(self, lm: MaskedLM, initial: MaskedLM, template: Template) -> None:
        """Check that virtual tokens can start as those of another model."""
        inserted = _inserted(initial)
        if inserted is not None and len(inserted.vectors) != self.n_tokens(template):
            raise TuningError(
                f"length={self.length} of {type(self).__name__} differs from the prompt to start "
                f"from, which has {len(inserted.vectors)} virtual tokens; leave length out"
            )
        if self.n_tokens(template):
            warm_values(lm, initial, InsertedPrompt)

    def _length_without(self, _template: Template) -> int:
        """Return the number of virtual tokens that no setting gives."""
        return self._default_length


@dataclass(eq=False, repr=False)
class SoftPrompt(PromptTuning):
    """Tune vectors that precede the text like words (Lester et al., 2021).

    The model stays frozen; the virtual tokens are inserted after its first token (``[CLS]``).
    Where the template has virtual tokens of its own (``"{text} {soft:It was} {mask}."``), these
    alone are tuned unless `length` is given.

    With a handful of labels the initial values decide: a few steps do not lead far from them.

    Parameters
    ----------
    learning_rate : float, default=1e-2
    length : int, optional
        Virtual tokens; by default 10, or as many as `initial` has; none if the template has its
        own.
    initial : {"words", "vocabulary", "random", "bayes", "mlm"} or MaskedLM, default="words"
        Their initial values: the embeddings of `words`; of words drawn from the vocabulary;
        normally distributed vectors; means drawn from the distribution of the texts passed to
        ``fit``, refined by SVGD (BayesPrompt); the embeddings of `words` after tuning them to
        fill in words of all texts passed to ``fit``, unlabelled ones too (``"mlm"``); or the
        virtual tokens of another fitted classifier, given its ``model_``. A template's virtual
        tokens that name words always start as these.
    words : str, default="Classify this text:"
        Repeated or cut to `length` tokens.
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    DePT : A shorter prompt, and a low-rank update of the words' embeddings.
    Prefix : Tunes keys and values in each layer.

    References
    ----------
    Lester, Al-Rfou and Constant (2021), The Power of Scale for Parameter-Efficient Prompt Tuning.
    Li et al. (2024), BayesPrompt.

    Examples
    --------
    >>> from fewshot.tuning import SoftPrompt
    >>> SoftPrompt(length=5, initial="vocabulary")
    SoftPrompt(initial='vocabulary', length=5)
    """

    _default_length: ClassVar[int] = 10

    learning_rate: float = 1e-2

    def new_modules(self, task: TuningTask) -> SoftTokens:
        """Build the virtual tokens: those before the text, else those of the template."""
        lm, template = task.scorer.lm, task.scorer.template
        length = self.n_tokens(template)
        if not length:
            return self._template_tokens(task)
        prompt = InsertedPrompt(lm.model, length=length)
        prompt.prompt.data.copy_(self.initial_values(task, length))
        return prompt

    def _check_start(self, lm: MaskedLM, initial: MaskedLM, template: Template) -> None:
        super()._check_start(lm, initial, template)
        if self.n_tokens(template):
            return
        n_own = count_soft(lm.tokenizer, template)
        n_warm = len(warm_values(lm, initial, TemplateTokens))
        if n_warm != n_own:
            raise TuningError(
                f"the template {template.text!r} has {n_own} virtual tokens, the model to start "
                f"from has {n_warm}; start from one with the same template"
            )

    def _length_without(self, template: Template) -> int:
        return 0 if template.soft else self._default_length

    def _template_tokens(self, task: TuningTask) -> TemplateTokens:
        lm, template = task.scorer.lm, task.scorer.template
        tokens = template_tokens(lm, template)
        if isinstance(self.initial, MaskedLM):
            tokens.tokens.data.copy_(warm_values(lm, self.initial, TemplateTokens))
        elif self.initial not in ("words", "mlm"):
            ids = soft_ids(lm.tokenizer, template)
            is_free = np.repeat([soft.text is None for soft in template.soft], [*map(len, ids)])
            values = self.initial_values(task, int(is_free.sum()))
            tokens.tokens.data[torch.from_numpy(is_free)] = values
        return tokens


def _text_weights(task: TuningTask) -> npt.NDArray[np.float64]:
    """Weigh classes equally if all texts have labels, else texts equally, as calibration does."""
    if len(task.unlabeled):
        return np.ones(len(task.targets))
    of_class = task.sample_weight @ task.targets
    shares = np.divide(1.0, of_class, out=np.zeros_like(of_class), where=of_class > 0)
    weights: npt.NDArray[np.float64] = task.sample_weight * (task.targets @ shares)
    return weights


def _inserted(initial: Initial | MaskedLM) -> InsertedPrompt | None:
    """Return the prompt before the text of a model to start from, the uppermost if several."""
    parts = soft_tokens_of(initial.added) if isinstance(initial, MaskedLM) else ()
    return next((part for part in parts if isinstance(part, InsertedPrompt)), None)
