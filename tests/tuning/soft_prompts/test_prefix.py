"""Prefix tuning: sizes, initial values, and that every layer's prefix acts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.tuning import Prefix
from fewshot.tuning.soft_prompts.prefix import PrefixModules
from tests.models.test_added_modules import is_other
from tests.tuning.tasks import make_task

WITHOUT = ("deberta", "deberta_v2", "deberta_v2_tied", "mpnet")


def test_the_number_of_parameters_is_two_vectors_a_position_and_layer(tiny, family):
    if family in WITHOUT:
        pytest.skip("refused")
    added = Prefix(length=5).prepare(make_task(tiny)).scorer.lm.added

    n_layers = 1 if family == "albert" else 2
    assert sum(parameter.numel() for parameter in added.parameters()) == 2 * n_layers * 5 * 32


@pytest.mark.parametrize("layer", [0, 1])
def test_the_prefix_of_each_layer_acts(tiny_bert, layer):
    task = make_task(tiny_bert)
    lm = Prefix(init="random").prepare(task).scorer.lm
    prompts = task.views[1]
    before = lm.states(prompts).mask

    with torch.no_grad():
        lm.added.values[layer].add_(1.0)

    assert is_other(lm.states(prompts).mask, before)


def test_initial_values_are_keys_and_values_of_the_training_texts(tiny_bert):
    task = make_task(tiny_bert)
    lm = task.scorer.lm
    prompts = task.views[1]

    added = Prefix(length=4).prepare(make_task(tiny_bert)).scorer.lm.added

    with torch.no_grad():
        ids = [torch.from_numpy(row.astype(np.int64))[None] for row in prompts.ids]
        vectors = torch.cat([lm.model.bert.embeddings(row)[0] for row in ids])
        keys = lm.model.bert.encoder.layer[0].attention.self.key(vectors)
    for position in range(4):
        own = added.keys[0][:, position].flatten()
        assert (keys - own).abs().amax(1).min() < 1e-5


def test_texts_of_weight_zero_give_no_initial_values(tiny_bert):
    weights = [1.0] + [0.0] * 9

    one = Prefix(length=8).prepare(make_task(tiny_bert, weights=weights)).scorer.lm.added
    same = (
        Prefix(length=8)
        .prepare(make_task(tiny_bert, weights=weights, texts=["the football team"] + ["vote"] * 9))
        .scorer.lm.added
    )

    assert torch.equal(one.keys[0], same.keys[0])


def test_random_initial_values_are_small(tiny_bert):
    added = Prefix(length=50, init="random").prepare(make_task(tiny_bert)).scorer.lm.added

    values = torch.cat([parameter.detach().flatten() for parameter in added.parameters()])
    assert float(values.std()) == pytest.approx(0.02, rel=0.1)


def test_the_text_loses_no_room(tiny_bert):
    assert PrefixModules(tiny_bert[0], length=7).n_inserted == 0
