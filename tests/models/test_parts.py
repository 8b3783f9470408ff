"""The parts of each architecture are found by role."""

from __future__ import annotations

import pytest
from transformers import BertConfig, BertForMaskedLM

from fewshot.errors import TuningError
from fewshot.models.parts import embedding_width, encoder_layers, is_norm, norm_names, weight_of

FUSED = {"deberta", "modernbert"}
N_LAYERS = {"albert": 1}  # whose layers share their weights
# The norms: of embeddings, of layers, of the MLM head; two tensors each.
N_NORMS = {"modernbert": 1 + 3 + 1 + 1, "deberta_v2": 7, "deberta_v2_tied": 7, "albert": 4}
WITHOUT_NORM_BIAS = {"modernbert"}


def test_each_layer_has_its_parts(tiny, family):
    model, _ = tiny

    layers = encoder_layers(model)

    assert len(layers) == N_LAYERS.get(family, 2)
    attention = {"query_key_value"} if family in FUSED else {"query", "key", "value"}
    for layer in layers:
        missing = {"attention_output", "intermediate", "output", "output_norm"} | attention
        missing -= set(layer.parts)
        assert missing == set()
        assert all(name.startswith(f"{layer.name}.") for name in layer.parts.values())


def test_the_matrices_have_the_shapes_of_their_roles(tiny, family):
    model, _ = tiny
    parts = encoder_layers(model)[0].parts

    shapes = {
        role: tuple(weight_of(model, parts[role]).shape) for role in parts if "norm" not in role
    }

    inner = 128 if family == "modernbert" else 64  # gate and value in one matrix
    assert shapes.pop("intermediate") == (inner, 32)
    assert shapes.pop("output") == (32, 64)
    assert shapes.pop("query_key_value", (96, 32)) == (96, 32)
    assert set(shapes.values()) == {(32, 32)}


def test_layers_come_from_low_to_high(tiny_bert):
    assert [layer.name for layer in encoder_layers(tiny_bert[0])] == [
        "bert.encoder.layer.0",
        "bert.encoder.layer.1",
    ]


def test_parts_of_a_layer_by_name(tiny_bert):
    layer = encoder_layers(tiny_bert[0])[1]

    own = {role: name.removeprefix(f"{layer.name}.") for role, name in layer.parts.items()}

    assert own == {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "attention_output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "intermediate": "intermediate.dense",
        "output": "output.dense",
        "output_norm": "output.LayerNorm",
    }


def test_the_norms_are_those_of_embeddings_layers_and_head(tiny, family):
    model, _ = tiny

    names = norm_names(model)

    n_tensors = 1 if family in WITHOUT_NORM_BIAS else 2
    assert len(names) == n_tensors * N_NORMS.get(family, 6)
    assert all(model.get_parameter(name).ndim == 1 for name in names)
    assert all(is_norm(model.get_submodule(name.rpartition(".")[0])) for name in names)


def test_embeddings_may_be_narrower_than_states(tiny, family):
    assert embedding_width(tiny[0]) == (16 if family in ("albert", "electra") else 32)


def test_an_unknown_architecture_is_refused_with_what_can_be_used():
    config = BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    model = BertForMaskedLM(config)
    model.bert.encoder.layer[0].intermediate = None

    with pytest.raises(TuningError, match=r"layers of BertForMaskedLM are not known.*'bitfit'"):
        encoder_layers(model)
