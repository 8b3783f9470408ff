"""IAPT: a few soft tokens in each layer, made of the hidden states of the text itself."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from threading import local
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fewshot.errors import TuningError
from fewshot.models.added_modules import AddedModules, EmbeddedPrompts, Setting, before
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import Backbone, embedding_width, encoder_layers
from fewshot.prompting.template import Template
from fewshot.tuning.soft_prompts.prompt import PromptTuning
from fewshot.tuning.soft_prompts.prompt_generator import PromptGenerator, Rational
from fewshot.tuning.soft_prompts.prompt_values import Initial
from fewshot.tuning.soft_tokens import insert
from fewshot.tuning.strategy import Checks, check_all
from fewshot.tuning.task import TuningTask
from fewshot.tuning.training_settings import Training

_LENGTH = 4  # the paper's
_CHECKS: Checks = {
    "bottleneck": (Integral, lambda value: value >= 1, "a whole number, at least 1"),
    "share_every": (Integral, lambda value: value >= 1, "a whole number, at least 1"),
}


class IAPT(PromptTuning):
    """Tune generators of soft tokens, which each text gets of its own (Zhu et al., 2024).

    Four virtual tokens stand before the text. In each layer a small network pools the states of
    the text and adds to these tokens what it makes of them; its last matrix starts as zero, so
    that they start as ordinary words. (The paper puts them in place of the tokens' states; added,
    they leave a start from which the frozen model still works.)

    Parameters
    ----------
    learning_rate : float, default=1e-3
    length : int, optional
        Virtual tokens; by default 4.
    bottleneck : int, default=16
        Width of the generators.
    share_every : int, default=3
        Layers that share a generator; each has an activation of its own.
    initial : {"words", "vocabulary", "random", "bayes", "mlm"} or MaskedLM, default="words"
    words : str, default="Classify this text:"
        See :class:`SoftPrompt`. These stay fixed.
    num_epochs : int, default=12
    batch_size : int, default=8
    interpolation : float, optional
    C : float, optional
    training : Training, optional
        See :class:`GradientTuning`.

    References
    ----------
    Zhu et al. (2024), IAPT: Instruction-Aware Prompt Tuning for Large Language Models.

    Examples
    --------
    >>> from fewshot.tuning import IAPT
    >>> IAPT(bottleneck=32)
    IAPT(bottleneck=32)
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        length: int | None = None,
        bottleneck: int = 16,
        share_every: int = 3,
        initial: Initial | MaskedLM = "words",
        words: str = "Classify this text:",
        num_epochs: int = 12,
        batch_size: int = 8,
        interpolation: float | None = None,
        C: float | None = None,
        training: Training | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            length=length,
            initial=initial,
            words=words,
            num_epochs=num_epochs,
            batch_size=batch_size,
            interpolation=interpolation,
            C=C,
            training=training,
        )
        self.bottleneck = bottleneck
        self.share_every = share_every

    def default_length(self, template: Template) -> int:  # noqa: ARG002  # SoftPrompt needs it
        """Return 4."""
        return _LENGTH

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        check_all(self, _CHECKS)
        model = lm.model
        encoder_layers(model)  # raises if they are not known
        width = model.config.hidden_size
        if self.bottleneck > width:
            raise TuningError(
                f"bottleneck of IAPT is at most {width} for the states of "
                f"{type(model).__name__}, got {self.bottleneck}"
            )

    def new_modules(self, task: TuningTask) -> GeneratedPrompt:
        """Build the generators, which start as adding nothing to the words."""
        model = task.scorer.lm.model
        length = self.n_tokens(task.scorer.template)
        added = GeneratedPrompt(
            model,
            length=length,
            bottleneck=int(self.bottleneck),
            share_every=int(self.share_every),
        )
        added.start.copy_(self.initial_values(task, length))
        return added


@dataclass
class _Pass:
    """One pass of a batch through the layers."""

    attention: Tensor  # [n, length]: the text alone, 0 for the virtual tokens
    n_layers: int = 0  # that it went through


class _Passes(local):
    """The passes that are under way: batches run side by side on threads, each with its own."""

    def __init__(self) -> None:
        self.of: WeakKeyDictionary[GeneratedPrompt, _Pass] = WeakKeyDictionary()


_PASSES = _Passes()


class GeneratedPrompt(AddedModules):
    """Generators of soft tokens for each layer.

    Parameters
    ----------
    model : Module
    length : int
        Soft tokens.
    bottleneck : int
    share_every : int

    Attributes
    ----------
    start : Tensor of shape (length, width)
        What the soft tokens enter the first layer as.
    """

    start: Tensor

    def __init__(self, model: Backbone, *, length: int, bottleneck: int, share_every: int) -> None:
        super().__init__()
        config = model.config
        self._bottleneck, self._share_every = bottleneck, share_every
        n_generators = -(-config.num_hidden_layers // share_every)
        self.generators = nn.ModuleList(
            PromptGenerator(config.hidden_size, bottleneck, length) for _ in range(n_generators)
        )
        self.activations = nn.ModuleList(Rational() for _ in range(config.num_hidden_layers))
        self.register_buffer("start", torch.zeros(length, embedding_width(model)))

    @property
    def settings(self) -> dict[str, Setting]:
        """What it was built with."""
        return {
            "length": self.n_inserted,
            "bottleneck": self._bottleneck,
            "share_every": self._share_every,
        }

    @property
    def n_inserted(self) -> int:
        """Number of soft tokens."""
        return len(self.start)

    def embed(self, ids: Tensor, attention: Tensor, embeddings: Tensor) -> EmbeddedPrompts:  # noqa: ARG002
        """Insert the tokens' places."""
        embedded = insert(self.start, attention, embeddings)
        is_text = embedded.attention.clone()
        is_text[:, 1 : 1 + self.n_inserted] = 0
        _PASSES.of[self] = _Pass(is_text)
        return embedded

    def attach(self, model: Backbone) -> None:
        """Let each layer see what is made of the states that enter it."""
        for layer in encoder_layers(model):
            before(model.get_submodule(layer.name), self._generate)

    def _generate(
        self, inputs: tuple[Any, ...], keywords: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        now = _PASSES.of.get(self)
        if now is None or now.n_layers == len(self.activations):
            return inputs, keywords
        states = inputs[0] if inputs else keywords["hidden_states"]
        # Another prompt may have been inserted in front of these tokens since.
        shift = states.shape[1] - now.attention.shape[1]
        attention = nn.functional.pad(now.attention, (shift, 0), value=1)
        generator = self.generators[now.n_layers // self._share_every]
        tokens = generator(states, attention, self.activations[now.n_layers])
        first, last = 1 + shift, 1 + shift + self.n_inserted
        moved = torch.cat([states[:, :first], states[:, first:last] + tokens, states[:, last:]], 1)
        now.n_layers += 1
        if inputs:
            return (moved, *inputs[1:]), keywords
        return inputs, keywords | {"hidden_states": moved}
