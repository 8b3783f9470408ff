"""Parts of soft prompts: DePT's low-rank offsets, EPT's fusion and spaces."""

# EPT's are re-implemented from the paper's description, since no code was published: it leaves the
# forms of the attention, of the projections and of the gate open.

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_SCALE = 0.02  # standard deviation of initial weights, as BERT's
_ALPHA = 8.0  # lora_alpha of every published checkpoint of DePT


class PositionOffset(nn.Module):
    """A low-rank matrix that is added to the embeddings of the input, position by position."""

    # The matrix is `c * A @ B` with `c = 8 / sqrt(rank)` (not `8 / rank` as in LoRA). `B` starts as
    # zero, so that there is no offset at first. Positions beyond the last one take its row: rows
    # that no training text reached would be untrained noise. Shi and Lipani (2024), DePT:
    # Decomposed Prompt Tuning for Parameter-Efficient Fine-tuning.

    def __init__(self, n_positions: int, rank: int, width: int) -> None:
        super().__init__()
        # Kaiming-uniform with a = sqrt(5) over the rank: |A| <= 1 / sqrt(rank).
        bound = 1 / math.sqrt(rank) if rank else 0.0
        start = (2 * torch.rand(n_positions, rank, dtype=torch.float32) - 1) * bound
        self.positions = nn.Parameter(start)  # A, [n_positions, rank]
        self.directions = nn.Parameter(torch.zeros(rank, width))  # B
        self.scale = _ALPHA / math.sqrt(rank) if rank else 0.0

    def forward(self, length: int) -> Tensor:
        """Return the offsets of the first tokens, [length, width]."""
        last = len(self.positions) - 1
        rows = torch.arange(length, device=self.positions.device).clamp(max=last)
        return self.scale * (self.positions[rows] @ self.directions)


class PromptFusion(nn.Module):
    """The prompt attends to the low-rank update and to itself."""

    # The output projection starts as zero, so that the prompt is unchanged at first. Lan et al.
    # (2025), Efficient Prompt Tuning by Multi-Space Projection and Prompt Fusion.

    def __init__(self, width: int, attention_width: int) -> None:
        super().__init__()
        self.query = _normal((width, attention_width))
        self.key = _normal((width, attention_width))
        self.value = _normal((width, attention_width))
        self.output = nn.Parameter(torch.zeros(attention_width, width))

    def forward(self, prompt: Tensor, directions: Tensor) -> Tensor:
        """Fuse a prompt [length, width] with the directions of its offset [rank, width]."""
        return prompt + self.update(prompt, torch.cat([directions, prompt]))

    def update(self, prompt: Tensor, knowledge: Tensor) -> Tensor:
        """Return what attention to some knowledge [n, width] adds, [length, width]."""
        scores = (prompt @ self.query) @ (knowledge @ self.key).T / math.sqrt(self.query.shape[1])
        return scores.softmax(-1) @ (knowledge @ self.value) @ self.output


class PromptSpaces(nn.Module):
    """Maps the prompt to several spaces and mixes them by a learned gate."""

    # Space 0 is the identity. In the others a low-rank map is added to the prompt; its second
    # factor starts as zero and its first at random, so that the prompt is unchanged at first and
    # the spaces differ.

    def __init__(self, n_spaces: int, width: int, space_width: int) -> None:
        super().__init__()
        self.down = _normal((n_spaces - 1, width, space_width))
        self.up = nn.Parameter(torch.zeros(n_spaces - 1, space_width, width))
        self.gate = nn.Parameter(torch.zeros(width, n_spaces))
        self.gate_bias = nn.Parameter(torch.zeros(n_spaces))

    def weights(self, prompt: Tensor) -> Tensor:
        """Return the weights of the spaces, [n_spaces]; they sum to 1."""
        return (prompt.mean(0) @ self.gate + self.gate_bias).softmax(-1)

    def forward(self, prompt: Tensor) -> Tensor:
        """Return the mixture of a prompt [length, width] over the spaces."""
        maps = prompt @ self.down @ self.up  # [n_spaces - 1, length, width]
        spaces = torch.cat([prompt[None], prompt + maps])
        return torch.einsum("s,slw->lw", self.weights(prompt), spaces)


def _normal(shape: tuple[int, ...]) -> nn.Parameter:
    return nn.Parameter(_SCALE * torch.randn(*shape, dtype=torch.float32))
