"""Virtual tokens that learn from texts before there are labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fewshot.tuning import SoftPrompt
from fewshot.tuning.soft_prompts.prompt_pretraining import hide_words, pretrain
from tests.tuning.tasks import make_task


def test_hidden_words_are_masks_and_what_they_were_is_told(tiny):
    task = make_task(tiny)
    lm, prompts = task.scorer.lm, task.views[1]

    hidden, words = hide_words(prompts, lm, np.random.default_rng(0))

    special = set(lm.tokenizer.all_special_ids)
    for row in range(len(prompts)):
        at = hidden.mask_positions[row]
        assert (hidden.ids[row][at] == lm.tokenizer.mask_token_id).all()
        assert prompts.ids[row][at].tolist() == words[row].tolist()
        assert not special & set(words[row].tolist())
        same = np.delete(hidden.ids[row], at) == np.delete(prompts.ids[row], at)
        assert same.all()


def test_the_prompt_learns_to_fill_in_words_and_nothing_else_moves(tiny_bert):
    task = make_task(tiny_bert)
    own = SoftPrompt(length=4, initial="random").prepare(task)
    lm = own.scorer.lm
    before = lm.added.prompt.detach().clone()

    losses = pretrain(lm, own.views[1], np.random.default_rng(0))

    assert np.mean(losses[-20:]) < np.mean(losses[:20])
    assert not torch.equal(lm.added.prompt, before)
    assert all(not p.requires_grad for p in lm.model.parameters())


def test_texts_without_words_teach_nothing(tiny_bert):
    task = make_task(tiny_bert, texts=[""] * 4)
    template_only = task.views[1]
    lm = SoftPrompt(length=2).prepare(make_task(tiny_bert)).scorer.lm
    ids = [row[[0, -1]] for row in template_only.ids]

    assert pretrain(lm, replace(template_only, ids=ids), np.random.default_rng(0)) == []
