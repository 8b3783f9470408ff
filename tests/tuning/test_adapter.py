"""Adapters: where they act, what they count, and that they start as the identity."""

from __future__ import annotations

import pickle
from typing import get_args

import numpy as np
import pytest
import torch

from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import Adapter
from fewshot.tuning.adapter import Activation, Block, Invertible
from tests.models.test_added_modules import fresh_copy, is_other, moved, prompts_for
from tests.tuning.tasks import make_task

LIST = {"reduction": 8, "placement": "houlsby", "activation": "linear", "also_tuned": "head"}
PLACEMENTS = ("pfeiffer", "houlsby", "parallel")


def n_new(strategy: Adapter, task) -> int:
    return sum(parameter.numel() for parameter in strategy.new_modules(task).parameters())


# ---- Counts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "size", "expected"), [(768, 48, 74_544), (1024, 64, 132_160)])
def test_a_block_of_the_usual_sizes_has_as_many_parameters_as_published(width, size, expected):
    block = Block(width, size, "relu", 1.0)

    assert sum(parameter.numel() for parameter in block.parameters()) == expected


def test_lists_adapters_of_roberta_large_have_as_many_parameters_as_published():  # list.md, E5
    block = Block(1024, 128, "linear", 1.0)

    assert 24 * 2 * sum(parameter.numel() for parameter in block.parameters()) == 12_582_912


def test_an_invertible_network_for_bert_base_has_as_many_parameters_as_published():
    network = Invertible(768, 192)

    assert sum(parameter.numel() for parameter in network.parameters()) == 296_064


@pytest.mark.parametrize(
    ("placement", "n_blocks"), [("pfeiffer", 1), ("houlsby", 2), ("parallel", 1)]
)
def test_the_number_of_parameters_is_that_of_the_formula(tiny, family, placement, n_blocks):
    n_layers = 1 if family == "albert" else 2
    size = 32 // 16

    found = n_new(Adapter(placement=placement), make_task(tiny))

    assert found == n_layers * n_blocks * (2 * 32 * size + size + 32)  # 162 a block


def test_lists_adapters_have_no_biases(tiny_bert):  # list.md, E5
    added = Adapter(**LIST).new_modules(make_task(tiny_bert))

    assert len(added.blocks) == 4
    assert sum(p.numel() for p in added.parameters()) == 2 * 2 * (2 * 32 * 4)
    assert all(parameter.ndim == 2 for parameter in added.parameters())
    values = torch.cat([parameter.detach().flatten() for parameter in added.parameters()])
    assert float(values.std()) == pytest.approx(2e-4, rel=0.1)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_a_block_survives_a_pickle(activation):
    block, values = Block(8, 2, activation, 1.0), torch.randn(3, 8)

    again = pickle.loads(pickle.dumps(block))

    assert torch.equal(again(values), block(values))


# ---- Initial values ---------------------------------------------------------------------------


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("activation", ["relu", "gelu", "silu"])
def test_at_the_start_nothing_changes_to_the_last_bit(tiny_bert, placement, activation):
    task = make_task(tiny_bert)

    lm = Adapter(placement=placement, activation=activation).prepare(task).scorer.lm

    prompts = task.views[1]
    assert np.array_equal(lm.states(prompts).mask, task.scorer.lm.states(prompts).mask)


@pytest.mark.parametrize("matrix", ["down", "up"])
def test_with_one_zero_matrix_lists_adapters_are_the_identity(tiny_bert, matrix):  # list.md, E5
    task = make_task(tiny_bert)
    lm = Adapter(**LIST).prepare(task).scorer.lm

    with torch.no_grad():
        for block in lm.added.blocks:
            getattr(block, matrix).weight.zero_()

    states = task.scorer.lm.states(task.views[1])
    assert np.array_equal(lm.states(task.views[1]).mask, states.mask)


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_no_block_starts_with_zeros_only_and_both_matrices_learn(tiny_bert, activation):
    task = make_task(tiny_bert)
    settings = {"activation": activation, "learning_rate": 0.01, "num_epochs": 1}
    start = Adapter(**settings).prepare(make_task(tiny_bert)).scorer.lm.added

    # Two steps: with one matrix at zero, the other has a gradient from the second step on.
    result = Adapter(**settings, batch_size=5, interpolation=1.0).tune(task)

    after = dict(result.scorer.lm.added.named_parameters())
    for name, before in start.named_parameters():
        if name.endswith("weight"):
            assert (before != after[name]).any(), name


# ---- Where they act ---------------------------------------------------------------------------


def block_set_to(lm: MaskedLM, number: int, value: float) -> MaskedLM:
    """Let one adapter add a constant to one feature, whatever it reads."""
    with torch.no_grad():
        lm.added.blocks[number].up.bias[3] = value
    return lm


def test_an_adapter_acts_on_the_output_of_the_dense_layer_before_residual_and_norm(tiny_bert):
    lm = Adapter(placement="houlsby").prepare(make_task(tiny_bert)).scorer.lm
    plain = lm.without_added()
    prompts = prompts_for(lm)
    with torch.no_grad():  # the same by the dense layers' own biases
        layers = plain.copy(lambda name: "dense.bias" in name)
        layers.model.bert.encoder.layer[0].attention.output.dense.bias[3] += 0.7
        layers.model.bert.encoder.layer[1].output.dense.bias[3] -= 0.4
    layers.freeze()

    block_set_to(block_set_to(lm, 0, 0.7), 3, -0.4)

    np.testing.assert_allclose(lm.states(prompts).mask, layers.states(prompts).mask, atol=1e-5)
    assert is_other(lm.states(prompts).mask, plain.states(prompts).mask)


def test_a_parallel_adapter_reads_what_the_feed_forward_network_reads(tiny_bert):
    lm = (
        Adapter(placement="parallel", scaling=4.0, activation="linear")
        .prepare(make_task(tiny_bert))
        .scorer.lm
    )
    block = moved(lm).added.blocks[0]
    layer = lm.model.bert.encoder.layer[0]
    read = torch.randn(2, 5, 32)

    with torch.no_grad():
        layer.intermediate.dense(read)
        output = layer.output.dense(torch.zeros(2, 5, 64))

        expected = layer.output.dense.bias + 4 * (read @ block.down.weight.T @ block.up.weight.T)
    torch.testing.assert_close(output, expected.expand_as(output))


# ---- The invertible network -------------------------------------------------------------------


def test_the_inverse_gives_the_vectors_back():
    torch.manual_seed(0)
    network, vectors = Invertible(32, 8), torch.randn(10, 32)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)

    changed = network(vectors)

    assert (changed - vectors).abs().max() > 1
    torch.testing.assert_close(network.inverse(changed), vectors, atol=1e-4, rtol=1e-4)


def test_the_invertible_network_stands_at_both_ends_of_the_model(tiny_bert):
    task = make_task(tiny_bert)
    lm = Adapter(embeddings="invertible").prepare(task).scorer.lm
    prompts = task.views[1]
    start = fresh_copy(lm).states(prompts).mask
    calls = []
    network = moved(lm).added.invertible
    inverse = network.inverse
    network.inverse = lambda vectors: calls.append(1) or inverse(vectors)

    mask = lm.states(prompts).mask

    assert is_other(mask, start)
    assert calls


# ---- What else is tuned -----------------------------------------------------------------------


def test_list_tunes_the_mlm_head_but_not_the_word_embeddings(tiny_bert):
    lm = Adapter(**LIST).prepare(make_task(tiny_bert)).scorer.lm

    own = {name for name in lm.tuned_parameters() if not name.startswith("added.")}

    assert own == {
        "cls.predictions.bias",
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.bias",
    }


def test_norms_can_be_tuned_with_the_adapters(tiny_bert):
    lm = Adapter(also_tuned="norms").prepare(make_task(tiny_bert)).scorer.lm

    own = [name for name in lm.tuned_parameters() if not name.startswith("added.")]

    assert len(own) == 2 * 6
    assert all("LayerNorm" in name for name in own)
