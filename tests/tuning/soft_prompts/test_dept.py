"""DePT: a short prompt, a low-rank update, two learning rates."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.tuning import DePT, SoftPrompt
from tests.tuning.tasks import TEXTS, make_task


def scores_of(task):
    return task.scorer.class_scores(task.scorer.encode(task.views))


def test_the_number_of_tuned_values_is_that_of_the_specification(tiny_bert):
    task = make_task(tiny_bert)
    longest = int(task.views[1].lengths.max())

    own = DePT(length=4, rank=3).prepare(task)

    n_values = sum(p.numel() for p in own.scorer.lm.tuned_parameters().values())
    assert n_values == 4 * 32 + 3 * (longest + 32)


def test_at_first_it_scores_as_prompt_tuning(tiny):
    task = make_task(tiny)

    ours = DePT(length=4).prepare(task)
    theirs = SoftPrompt(length=4).prepare(make_task(tiny))

    np.testing.assert_allclose(scores_of(ours), scores_of(theirs), atol=1e-5)


def test_the_update_is_added_to_the_words_before_the_prompt_is_inserted(tiny_bert):
    task = make_task(tiny_bert)
    own = DePT(length=2, rank=1).prepare(task)
    lm = own.scorer.lm
    lm.added.offset.positions.data.fill_(1)
    lm.added.offset.directions.data.fill_(0.25)
    ids = torch.from_numpy(np.stack([task.views[1].ids[0]])).long()
    words = lm.model.get_input_embeddings()(ids)

    embedded = lm.added.embed(ids, torch.ones_like(ids), words)

    # With rank 1, c = 8: each number of each word moves by 8 * 0.25.
    torch.testing.assert_close(embedded.embeddings[:, 3:], words[:, 1:] + 2)
    torch.testing.assert_close(embedded.embeddings[:, :1], words[:, :1] + 2)
    assert torch.equal(embedded.embeddings[0, 1:3], lm.added.prompt)


def test_prompt_and_update_learn_at_rates_of_their_own(tiny_bert):
    strategy = DePT(0.01, offset_learning_rate=0.05)
    lm = strategy.prepare(make_task(tiny_bert)).scorer.lm

    factors = strategy.rate_factors(lm)

    assert factors == pytest.approx({"added.offset.positions": 5.0, "added.offset.directions": 5.0})
    slow = DePT(1e-9, offset_learning_rate=0.05, num_epochs=2, length=2, interpolation=1.0)
    start = slow.prepare(make_task(tiny_bert)).scorer.lm.added
    tuned = slow.tune(make_task(tiny_bert)).scorer.lm.added
    torch.testing.assert_close(tuned.prompt, start.prompt)
    assert tuned.offset.directions.abs().max() > 0.01


def test_texts_without_a_label_do_not_stretch_the_update(tiny_bert):
    texts = [*TEXTS, "the team and the player and the match and the goal and the game"]
    weights = [1.0] * len(TEXTS) + [0.0]
    targets = np.eye(2)[[1] * 5 + [0] * 6]
    task = make_task(tiny_bert, texts=texts, targets=targets, weights=weights)

    own = DePT().prepare(task)

    longest = int(task.views[1].lengths[: len(TEXTS)].max())
    assert len(own.scorer.lm.added.offset.positions) == longest < task.views[1].lengths.max()


def test_either_part_can_be_left_out_but_not_both(tiny_bert):
    task = make_task(tiny_bert)

    update = DePT(length=0, rank=2, num_epochs=1).tune(task).scorer.lm.added
    prompt = DePT(length=2, rank=0).prepare(task).scorer.lm.added

    assert update.n_inserted == 0
    assert prompt.offset.positions.shape[1] == 0
