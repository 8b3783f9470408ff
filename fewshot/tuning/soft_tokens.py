"""Virtual tokens beside a frozen model: inserted after the first token, or within a template."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fewshot.errors import ModelError
from fewshot.models.added_modules import AddedModules, EmbeddedPrompts, Stacked
from fewshot.models.parts import Backbone, embedding_width
from fewshot.tuning.prompt_parts import PositionOffset, PromptFusion, PromptSpaces


class SoftTokens(AddedModules):
    """Added modules of which vectors of virtual tokens are a part."""

    @property
    @abstractmethod
    def vectors(self) -> Tensor:
        """The virtual tokens as they enter the encoder, [n_tokens, width]."""


class InsertedPrompt(SoftTokens):
    """Vectors after the first token (Lester et al., 2021)."""

    def __init__(self, model: Backbone, *, length: int) -> None:
        super().__init__()
        self.length = length
        self.prompt = nn.Parameter(torch.zeros(length, embedding_width(model), dtype=torch.float32))

    @property
    def n_inserted(self) -> int:
        """Number of vectors."""
        return len(self.prompt)

    @property
    def vectors(self) -> Tensor:
        """The vectors."""
        return self.prompt

    def embed(self, ids: Tensor, attention: Tensor, embeddings: Tensor) -> EmbeddedPrompts:
        """Insert the vectors."""
        return insert(self.vectors, attention, embeddings)


class DecomposedPrompt(InsertedPrompt):
    """A short prompt, and a low-rank update of the word embeddings (DePT)."""

    def __init__(self, model: Backbone, *, length: int, n_positions: int, rank: int) -> None:
        super().__init__(model, length=length)
        self.n_positions, self.rank = n_positions, rank
        self.offset = PositionOffset(n_positions, rank, embedding_width(model))

    def embed(self, ids: Tensor, attention: Tensor, embeddings: Tensor) -> EmbeddedPrompts:
        """Add the update to the words, then insert the prompt."""
        moved = embeddings + self.offset(embeddings.shape[1])
        return insert(self.vectors, attention, moved)


class FusedPrompt(DecomposedPrompt):
    """DePT's modules, with a prompt that is fused with the update and mixed over spaces (EPT)."""

    def __init__(
        self,
        model: Backbone,
        *,
        length: int,
        n_positions: int,
        rank: int,
        n_spaces: int,  # 1 leaves the spaces out
        fusion_width: int,  # 0 leaves the fusion out
        space_width: int,
    ) -> None:
        super().__init__(model, length=length, n_positions=n_positions, rank=rank)
        width = embedding_width(model)
        self.n_spaces, self.fusion_width, self.space_width = n_spaces, fusion_width, space_width
        self.fusion = PromptFusion(width, fusion_width) if fusion_width else None
        self.spaces = PromptSpaces(n_spaces, width, space_width) if n_spaces > 1 else None

    @property
    def vectors(self) -> Tensor:
        """The prompt, fused and mixed."""
        prompt = self._fused()
        return prompt if self.spaces is None else self.spaces(prompt)

    @property
    def gate_weights(self) -> list[float]:
        """The weights of the spaces, the identity first; a collapsed gate has one weight of 1."""
        if self.spaces is None:
            return [1.0]
        with torch.no_grad():
            weights: list[float] = self.spaces.weights(self._fused()).tolist()
        return weights

    def _fused(self) -> Tensor:
        prompt: Tensor = self.prompt
        return prompt if self.fusion is None else self.fusion(prompt, self.offset.directions)


class TemplateTokens(SoftTokens):
    """Vectors in the places of a template's virtual tokens."""

    def __init__(self, model: Backbone, *, length: int) -> None:
        super().__init__()
        self.length = length
        self.tokens = nn.Parameter(torch.zeros(length, embedding_width(model), dtype=torch.float32))

    @property
    def vectors(self) -> Tensor:
        """The vectors."""
        return self.tokens

    def check_places(self, n_soft: int) -> None:
        """Raise a ModelError unless there are as many places as vectors."""
        if n_soft != len(self.tokens):
            raise ModelError(
                f"the model was tuned with {len(self.tokens)} virtual tokens in its template, and "
                f"this template has {n_soft}; use the template that it was tuned with, one without "
                "virtual tokens, or the model before tuning"
            )

    def place(self, embeddings: Tensor, soft_positions: Tensor) -> Tensor:
        """Put the vectors in their places."""
        self.check_places(soft_positions.shape[1])
        rows = torch.arange(embeddings.shape[0], device=embeddings.device)[:, None]
        tokens = self.tokens.to(embeddings.dtype).expand(embeddings.shape[0], -1, -1)
        return embeddings.index_put((rows, soft_positions), tokens)


def insert(prompt: Tensor, attention: Tensor, embeddings: Tensor) -> EmbeddedPrompts:
    """Put a prompt [n_tokens, width] after the first token of each text."""
    n, (length, width) = embeddings.shape[0], prompt.shape  # a trace takes len() for a constant
    inserted = prompt.to(embeddings.dtype).expand(n, length, width)
    return EmbeddedPrompts(
        torch.cat([embeddings[:, :1], inserted, embeddings[:, 1:]], 1),
        torch.cat([attention.new_ones(n, length), attention], 1),
        length,
    )


def soft_tokens_of(added: AddedModules | None) -> Iterator[SoftTokens]:
    """Yield the modules of virtual tokens beside a model, the upper ones first."""
    if isinstance(added, Stacked):
        yield from soft_tokens_of(added.upper)
        yield from soft_tokens_of(added.lower)
    elif isinstance(added, SoftTokens):
        yield added
