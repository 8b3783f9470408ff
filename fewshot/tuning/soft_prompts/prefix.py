"""Prefix tuning: learned keys and values that every layer's attention also looks at."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn

from fewshot.data.settings import check_settings, is_whole, one_of
from fewshot.errors import TuningError
from fewshot.models.added_modules import AddedModules
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import Backbone
from fewshot.prompting.prompts import Prompts
from fewshot.prompting.template import Template
from fewshot.tuning.module_tuning import ModuleTuning
from fewshot.tuning.soft_prompts.prefix_attention import (
    KeysValues,
    attention_modules,
    put_prefix,
    record_attention,
)
from fewshot.tuning.task import TuningTask

Init: TypeAlias = Literal["text", "random"]

_SPREAD = 0.02
_LONGEST = 512


@dataclass(eq=False, repr=False)
class Prefix(ModuleTuning):
    """Tune keys and values before those of the text, in each layer (Li and Liang, 2021).

    The text's own positions do not shift and the text loses no room. Not for architectures whose
    attention has relative positions of its own (DeBERTa, MPNet): these raise an error.

    Parameters
    ----------
    length : int, default=10
        Keys and values of each layer.
    init : {"text", "random"}, default="text"
        Initial values: the model's own keys and values of tokens drawn from the training texts,
        or random ones.
    learning_rate : float, default=3e-2
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    SoftPrompt : Virtual tokens before the text, for every architecture.

    References
    ----------
    Li and Liang (2021), Prefix-Tuning: Optimizing Continuous Prompts for Generation, sections 4.2
    and 7.4.

    Examples
    --------
    >>> from fewshot.tuning import Prefix
    >>> Prefix(length=5)
    Prefix(length=5)
    """

    length: int = 10
    _: KW_ONLY
    init: Init = "text"
    learning_rate: float = 3e-2

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        limits = {
            "length": (
                is_whole(self.length, 1) and self.length <= _LONGEST,
                f"a whole number from 1 to {_LONGEST}",
            ),
            "init": one_of(self.init, get_args(Init)),
        }
        check_settings(self, limits, TuningError, is_part=True)
        attention_modules(lm.model)  # raises if a prefix cannot be put there

    def new_modules(self, task: TuningTask) -> PrefixModules:
        """Build the prefixes of all layers."""
        lm = task.scorer.lm
        added = PrefixModules(lm.model, length=int(self.length))
        if self.init == "text":
            prompts = task.views[min(task.views)]
            rows = np.flatnonzero(task.sample_weight[prompts.examples] > 0)
            added.set_to_text(lm, prompts.take(rows))
        return added


class PrefixModules(AddedModules):
    """Keys and values beside a model, the lowest layer's first: [n_heads, length, head_size]."""

    def __init__(self, model: Backbone, *, length: int) -> None:
        super().__init__()
        self.length = length
        self._names = list(attention_modules(model))
        n_heads = int(model.config.num_attention_heads)
        shape = (n_heads, length, int(model.config.hidden_size) // n_heads)
        self.keys, self.values = (
            nn.ParameterList(_SPREAD * torch.randn(shape, dtype=torch.float32) for _ in self._names)
            for _ in range(2)
        )

    def attach(self, model: Backbone) -> None:
        """Put the prefixes into the attention of all layers."""
        for number, name in enumerate(self._names):
            put_prefix(model, model.get_submodule(name), partial(self._prefix, number))

    def set_to_text(self, lm: MaskedLM, prompts: Prompts) -> None:
        """Take over the model's own keys and values of tokens that are drawn from prompts."""
        order = torch.randperm(len(prompts))[: self.length].numpy()
        chosen = prompts.take(order)
        place = _random_tokens(chosen, self.length)
        probe = lm.copy(lambda _name: False)
        for number, name in enumerate(self._names):
            module = probe.model.get_submodule(name)
            record_attention(probe.model, module, partial(self._take_over, number, place))
        with torch.no_grad():
            probe.forward(chosen)

    def _take_over(self, number: int, place: tuple[Tensor, Tensor], text: KeysValues) -> None:
        rows, tokens = place
        for own, new in ((self.keys, text.keys), (self.values, text.values)):
            own[number].copy_(new[rows, :, tokens].transpose(0, 1))  # [n_heads, length, head_size]

    def _prefix(self, number: int) -> KeysValues:
        return KeysValues(self.keys[number], self.values[number])


def _random_tokens(prompts: Prompts, n: int) -> tuple[Tensor, Tensor]:
    """Draw places of tokens, from each prompt about as many: row numbers and positions."""
    rows = torch.arange(n) % len(prompts)
    lengths = torch.from_numpy(prompts.lengths)[rows]
    return rows, (torch.rand(n, dtype=torch.float32) * lengths).long()
