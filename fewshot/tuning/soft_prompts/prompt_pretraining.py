"""Tuning virtual tokens by masked language modelling, before labels are used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fewshot.models.masked_lm import MaskedLM
from fewshot.models.reproducible import limited_threads
from fewshot.prompting.prompts import Prompts
from fewshot.training.loop import Optimizer, TrainSettings

_SHARE = 0.15  # of the words is hidden, as in BERT
_STEPS, _BATCH_SIZE = 100, 8
_SETTINGS = TrainSettings(
    1e-3, 1, _BATCH_SIZE, weight_decay=0.0, warmup_ratio=0.0, schedule="constant"
)


def pretrain(lm: MaskedLM, prompts: Prompts, rng: np.random.Generator) -> list[float]:
    """Tune a model's trainable parts to fill in hidden words of prompts; return the losses."""
    # With a handful of labels a prompt does not get far from where it starts. The texts themselves
    # teach it more, also those without a label. Gu et al. (2022), PPT: Pre-trained Prompt Tuning
    # for Few-shot Learning.
    optimizer = Optimizer(lm.tuned_parameters(), _SETTINGS, _STEPS)
    vocabulary = torch.arange(len(lm.model.get_input_embeddings().weight), device=lm.device)
    losses: list[float] = []
    useful = prompts.take([row for row in range(len(prompts)) if len(_words(prompts, row, lm))])
    if not len(useful):
        return losses
    with limited_threads(_BATCH_SIZE * int(prompts.lengths.mean())):
        for _ in range(_STEPS):
            rows = rng.choice(len(useful), min(_BATCH_SIZE, len(useful)), replace=False)
            hidden, words = hide_words(useful.take(rows), lm, rng)
            states = lm.forward(hidden)[0]
            logits = lm.mask_head.token_logits(states, vocabulary)  # [n, words, vocabulary]
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), words.flatten())
            losses.append(optimizer.step(loss))
    return losses


def hide_words(prompts: Prompts, lm: MaskedLM, rng: np.random.Generator) -> tuple[Prompts, Tensor]:
    """Hide some words of prompts behind masks; return both, the words as ids [n, n_hidden]."""
    # All prompts get the same number of masks; each has a word at least.
    found = [_words(prompts, row, lm) for row in range(len(prompts))]
    n_hidden = max(1, round(_SHARE * min(map(len, found))))
    positions = np.stack([np.sort(rng.choice(words, n_hidden, replace=False)) for words in found])
    ids = [row.copy() for row in prompts.ids]
    words = np.stack([row[at] for row, at in zip(ids, positions, strict=True)])
    for row, at in zip(ids, positions, strict=True):
        row[at] = lm.tokenizer.mask_token_id
    hidden = replace(prompts, ids=ids, mask_positions=positions)
    return hidden, torch.from_numpy(words).long().to(lm.device)


def _words(prompts: Prompts, row: int, lm: MaskedLM) -> npt.NDArray[np.int64]:
    """Return the positions of ordinary words: neither special nor virtual tokens."""
    is_word = ~np.isin(prompts.ids[row], lm.tokenizer.all_special_ids)
    if prompts.soft_positions is not None:
        is_word[prompts.soft_positions[row]] = False
    return np.flatnonzero(is_word)
