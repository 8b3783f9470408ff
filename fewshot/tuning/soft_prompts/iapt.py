"""IAPT: a few soft tokens in each layer, made of the hidden states of the text itself."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from threading import local
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fewshot.data.settings import check_settings, whole
from fewshot.errors import TuningError
from fewshot.models.added_modules import AddedModules, EmbeddedPrompts, before
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import Backbone, embedding_width, encoder_layers
from fewshot.prompting.template import Template
from fewshot.tuning.soft_prompts.prompt import PromptTuning
from fewshot.tuning.soft_prompts.prompt_generator import PromptGenerator, Rational
from fewshot.tuning.soft_tokens import insert
from fewshot.tuning.task import TuningTask


@dataclass(eq=False, repr=False)
class IAPT(PromptTuning):
    """Tune generators that make soft tokens of each text (Zhu et al., 2024).

    Four virtual tokens precede the text. In each layer a small network pools the states of
    the text to as many vectors and adds them to those of the tokens; its last matrix starts as
    zero, so that the tokens start as ordinary words. (The paper replaces the tokens' states; by
    adding, training starts where the frozen model still works.)

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
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    SoftPrompt : The same virtual tokens for all texts.

    References
    ----------
    Zhu et al. (2024), IAPT: Instruction-Aware Prompt Tuning for Large Language Models.

    Examples
    --------
    >>> from fewshot.tuning import IAPT
    >>> IAPT(bottleneck=32)
    IAPT(bottleneck=32)
    """

    _default_length: ClassVar[int] = 4  # the paper's

    learning_rate: float = 1e-3
    _: KW_ONLY
    bottleneck: int = 16
    share_every: int = 3

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        limits = {"bottleneck": whole(self.bottleneck), "share_every": whole(self.share_every)}
        check_settings(self, limits, TuningError, is_part=True)
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
    """Generators of soft tokens for each layer."""

    start: Tensor  # as the soft tokens enter the first layer, [length, width]

    def __init__(self, model: Backbone, *, length: int, bottleneck: int, share_every: int) -> None:
        super().__init__()
        config = model.config
        self.length, self.bottleneck, self.share_every = length, bottleneck, share_every
        n_generators = -(-config.num_hidden_layers // share_every)
        self.generators = nn.ModuleList(
            PromptGenerator(config.hidden_size, bottleneck, length) for _ in range(n_generators)
        )
        self.activations = nn.ModuleList(Rational() for _ in range(config.num_hidden_layers))
        self.register_buffer(
            "start", torch.zeros(length, embedding_width(model), dtype=torch.float32)
        )

    @property
    def n_inserted(self) -> int:
        """Number of soft tokens."""
        return len(self.start)

    def embed(self, ids: Tensor, attention: Tensor, embeddings: Tensor) -> EmbeddedPrompts:
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
        generator = self.generators[now.n_layers // self.share_every]
        tokens = generator(states, attention, self.activations[now.n_layers])
        first, last = 1 + shift, 1 + shift + self.n_inserted
        moved = torch.cat([states[:, :first], states[:, first:last] + tokens, states[:, last:]], 1)
        now.n_layers += 1
        if inputs:
            return (moved, *inputs[1:]), keywords
        return inputs, keywords | {"hidden_states": moved}
