"""Masked language modelling: tokens to hide, and the loss over the whole vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import Prompts, Rows
from fewshot.prompting.shortening import Ids
from fewshot.prompting.tokens import Tokenizer

# Devlin et al. (2019), section 3.1: of the chosen tokens.
_SHARE_MASKED, _SHARE_RANDOM = 0.8, 0.1


class Hidden(NamedTuple):
    """Prompts of which some tokens are hidden."""

    ids: list[Ids]
    rows: Rows  # [n_targets], with `positions`: the tokens to predict
    positions: Rows
    originals: Rows  # [n_targets], their ids
    soft_positions: Rows | None = None  # [n_prompts, n_soft], of virtual tokens


@dataclass(frozen=True)
class TokenMasking:
    """A random choice of tokens to hide, drawn anew at each use."""

    # Of the chosen ones 80 % become the mask token, 10 % a random one, and 10 % stay.

    mask_id: int
    special_ids: Rows  # never chosen, and never put in place of others
    n_tokens: int  # size of the vocabulary
    probability: float = 0.15

    @classmethod
    def of(cls, tokenizer: Tokenizer, probability: float = 0.15) -> TokenMasking:
        """Return the masking for a tokenizer."""
        special = np.array(sorted(tokenizer.all_special_ids), dtype=np.int64)
        return cls(int(tokenizer.mask_token_id), special, len(tokenizer), probability)

    def hide(
        self,
        ids: Sequence[Ids],
        rng: np.random.Generator,
        soft_positions: Rows | None = None,
    ) -> Hidden:
        """Choose tokens, never virtual ones, and replace them."""
        lengths = np.array([len(row) for row in ids])
        flat = np.concatenate(list(ids)).astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        is_chosen = (rng.random(len(flat)) < self.probability) & ~np.isin(flat, self.special_ids)
        if soft_positions is not None:
            is_chosen[starts[:, None] + soft_positions] = False
        chosen = np.flatnonzero(is_chosen)
        originals = flat[chosen]
        fate = rng.random(len(chosen))
        others = np.setdiff1d(np.arange(self.n_tokens), self.special_ids)
        random = others[rng.integers(0, len(others), len(chosen))]
        is_random = (fate >= _SHARE_MASKED) & (fate < _SHARE_MASKED + _SHARE_RANDOM)
        flat[chosen] = np.where(
            fate < _SHARE_MASKED, self.mask_id, np.where(is_random, random, originals)
        )
        rows = np.repeat(np.arange(len(ids)), lengths)[chosen]
        hidden = np.split(flat.astype(np.int32), starts[1:])
        return Hidden(hidden, rows, chosen - starts[rows], originals, soft_positions)


def masked_loss(lm: MaskedLM, hidden: Hidden) -> Tensor:
    """Return the mean cross-entropy over the vocabulary at the chosen positions; 0 for none."""
    if not len(hidden.originals):
        return torch.zeros((), device=lm.device)
    n = len(hidden.ids)
    no_masks = np.zeros((n, 1), dtype=np.int64)
    prompts = Prompts(hidden.ids, no_masks, np.arange(n), n, 0, hidden.soft_positions)
    logits = lm.logits_at(prompts, hidden.rows, hidden.positions)  # [n_targets, vocabulary]
    originals = torch.from_numpy(hidden.originals).to(logits.device)
    return nn.functional.cross_entropy(logits, originals)
