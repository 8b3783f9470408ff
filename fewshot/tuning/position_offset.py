"""DePT's low-rank update of word embeddings, one row for each position of the input."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_ALPHA = 8.0  # lora_alpha of every published checkpoint


class PositionOffset(nn.Module):
    """A low-rank matrix that is added to the embeddings of the input, position by position.

    The matrix is ``c * A @ B`` with ``c = 8 / sqrt(rank)`` (not ``8 / rank`` as in LoRA). ``B``
    starts as zero, so that the offset is nothing at first. Positions beyond the last one take its
    row: rows that no training text reached would be untrained noise.

    Parameters
    ----------
    n_positions : int
        Tokens of the longest training prompt.
    rank : int
        0 makes an offset of nothing.
    width : int
        Of the word embeddings.

    References
    ----------
    Shi and Lipani (2024), DePT: Decomposed Prompt Tuning for Parameter-Efficient Fine-tuning.
    """

    def __init__(self, n_positions: int, rank: int, width: int) -> None:
        super().__init__()
        # Kaiming-uniform with a = sqrt(5) over the rank: |A| <= 1 / sqrt(rank).
        bound = 1 / math.sqrt(rank) if rank else 0.0
        start = (2 * torch.rand(n_positions, rank) - 1) * bound
        self.positions = nn.Parameter(start)  # A, [n_positions, rank]
        self.directions = nn.Parameter(torch.zeros(rank, width))  # B
        self.scale = _ALPHA / math.sqrt(rank) if rank else 0.0

    def forward(self, length: int) -> Tensor:
        """Return the offsets of the first tokens, [length, width]."""
        last = len(self.positions) - 1
        rows = torch.arange(length, device=self.positions.device).clamp(max=last)
        return self.scale * (self.positions[rows] @ self.directions)
