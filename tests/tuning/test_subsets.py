"""Strategies that tune a part of the model's own weights: which part, and that the rest stays."""

from __future__ import annotations

import pytest
import torch

from fewshot.models.parts import encoder_layers, norm_names
from fewshot.tuning import EmbeddingsHead, LastLayers, LayerNorm
from tests.tuning.tasks import make_task
from tests.tuning.test_gradient import changed, weights_of


def test_only_norms_are_tuned(tiny, family):
    task = make_task(tiny)
    before = weights_of(task.scorer.lm)

    result = LayerNorm(num_epochs=2, learning_rate=0.01).tune(task)

    tuned = changed(before, result.scorer.lm)
    assert tuned <= norm_names(result.scorer.lm.model)
    assert len(tuned) >= 6
    assert changed(before, task.scorer.lm) == set()


def test_norms_of_a_tiny_bert_count_as_published(tiny_bert):
    lm = LayerNorm().prepare(make_task(tiny_bert)).scorer.lm

    # Embeddings, two in each of two layers, MLM head: 6 x 2 x 32.
    assert sum(parameter.numel() for parameter in lm.tuned_parameters().values()) == 384


@pytest.mark.parametrize("n_layers", [1, 2])
def test_the_highest_layers_and_the_head_are_tuned(tiny, family, n_layers):
    if family == "albert":
        pytest.skip("its layers share their weights")
    task = make_task(tiny)
    before = weights_of(task.scorer.lm)

    result = LastLayers(n_layers, num_epochs=2, learning_rate=0.01).tune(task)

    model = result.scorer.lm.model
    names = [layer.name for layer in encoder_layers(model)]
    tuned = changed(before, result.scorer.lm)
    for number, name in enumerate(names):
        is_tuned = any(own.startswith(f"{name}.") for own in tuned)
        assert is_tuned == (number >= 2 - n_layers)
    assert not any("embeddings" in name for name in tuned)
    assert any(not name.startswith(f"{model.base_model_prefix}.") for name in tuned)


def test_nothing_flows_into_the_layers_below(tiny_bert):
    task = LastLayers(1).prepare(make_task(tiny_bert))
    layers = task.scorer.lm.model.bert.encoder.layer
    has_graph = []
    for layer in layers:
        layer.register_forward_hook(lambda _m, _i, output: has_graph.append(output.requires_grad))

    task.scorer.lm.forward(task.views[1])

    assert has_graph == [False, True]


def test_embeddings_and_head_are_tuned_and_no_layer(tiny, family):
    task = make_task(tiny)
    before = weights_of(task.scorer.lm)

    result = EmbeddingsHead(num_epochs=2, learning_rate=0.01).tune(task)

    model = result.scorer.lm.model
    tuned = changed(before, result.scorer.lm)
    assert not any(
        name.startswith(f"{layer.name}.") for layer in encoder_layers(model) for name in tuned
    )
    table = model.get_input_embeddings().weight
    assert any(model.get_parameter(name) is table for name in tuned)


def test_tied_embeddings_stay_tied(tiny_bert):
    model = EmbeddingsHead(num_epochs=1).tune(make_task(tiny_bert)).scorer.lm.model

    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert torch.equal(model.get_output_embeddings().weight, model.get_input_embeddings().weight)
