"""Half fine-tuning: what is drawn, by whom, and that the other half stays to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, RobertaConfig, RobertaForMaskedLM

from fewshot.errors import TuningError
from fewshot.models.parts import encoder_layers, head_names, is_table
from fewshot.tuning import Full, Half
from fewshot.tuning.half import draw_half
from tests.tuning.tasks import make_task
from tests.tuning.test_gradient import changed, scores_after, weights_of

CATEGORIES = {
    "attention": ("query", "key", "value", "query_key_value", "attention_output"),
    "feed-forward": ("intermediate", "output"),
    "norm": ("attention_norm", "output_norm"),
}


def draw(model, ratio=0.5, granularity="category", seed=0) -> set[str]:
    return draw_half(model, ratio, granularity, np.random.default_rng(seed))


def modules_of(names) -> set[str]:
    return {name.rpartition(".")[0] for name in names}


def share_of_layers(model, names) -> float:
    starts = tuple(f"{layer.name}." for layer in encoder_layers(model))
    sizes = {name: p.numel() for name, p in model.named_parameters() if name.startswith(starts)}
    return sum(sizes[name] for name in names if name in sizes) / sum(sizes.values())


def on_meta(kind, config):
    with torch.device("meta"):
        return kind(config)


# ---- What is drawn ----------------------------------------------------------------------------


def test_each_layer_gives_half_of_each_category(tiny, family):
    model, _ = tiny

    drawn = modules_of(draw(model))

    for layer in encoder_layers(model):
        for roles in CATEGORIES.values():
            parts = [layer.parts[role] for role in roles if role in layer.parts]
            n_drawn = len(drawn.intersection(parts))
            assert n_drawn in ({len(parts) // 2, (len(parts) + 1) // 2})


def test_weight_and_bias_of_a_module_go_together(tiny):
    model, _ = tiny
    names = {name for name, _ in model.named_parameters()}

    drawn = draw(model)

    for module in modules_of(drawn):
        own = {
            f"{module}.{n}" for n, _ in model.get_submodule(module).named_parameters(recurse=False)
        }
        assert own & names <= drawn


@pytest.mark.parametrize(
    ("kind", "config", "total", "layers", "half"),
    [
        (BertForMaskedLM, BertConfig(), 109_514_298, 85_054_464, 42_527_232),
        (
            RobertaForMaskedLM,
            RobertaConfig(vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1),
            124_697_433,
            85_054_464,
            42_527_232,
        ),
    ],
    ids=["bert-base", "roberta-base"],
)
def test_half_of_a_model_is_as_large_as_worked_out(kind, config, total, layers, half):
    model = on_meta(kind, config)
    starts = tuple(f"{layer.name}." for layer in encoder_layers(model))
    sizes = {name: p.numel() for name, p in model.named_parameters() if name.startswith(starts)}

    drawn = [name for name in draw(model) if name in sizes]

    assert sum(p.numel() for p in model.parameters()) == total
    assert sum(sizes.values()) == layers
    # The two feed-forward matrices differ by 3072 - 768 biases: chance decides in each layer.
    n_upper = sum(name.endswith("intermediate.dense.bias") for name in drawn)
    off = n_upper - config.num_hidden_layers / 2
    off *= config.intermediate_size - config.hidden_size
    assert sum(sizes[name] for name in drawn) == half + off


@pytest.mark.parametrize("granularity", ["category", "layer", "model"])
def test_about_half_of_the_layers_is_drawn_on_average(tiny_bert, granularity):
    shares = [
        share_of_layers(tiny_bert[0], draw(tiny_bert[0], granularity=granularity, seed=seed))
        for seed in range(50)
    ]

    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)


def test_whole_layers_are_drawn_if_asked(tiny_bert):
    drawn = draw(tiny_bert[0], granularity="layer")

    shares = []
    for layer in encoder_layers(tiny_bert[0]):
        own = {n for n, _ in tiny_bert[0].named_parameters() if n.startswith(f"{layer.name}.")}
        shares.append(len(own & drawn) / len(own))
    assert sorted(shares) == [0.0, 1.0]


@pytest.mark.parametrize("granularity", ["category", "layer", "model"])
def test_all_or_nothing(tiny, granularity):
    model, _ = tiny
    inside = {
        name
        for name, _ in model.named_parameters()
        if name.startswith(f"{model.base_model_prefix}.") and not is_table(name)
    }

    assert draw(model, 0.0, granularity) == set()
    assert draw(model, 1.0, granularity) & inside == inside


# ---- Tuning -----------------------------------------------------------------------------------


def test_the_other_half_and_the_embeddings_stay_to_the_last_bit(tiny, family):
    task = make_task(tiny)
    before = weights_of(task.scorer.lm)

    lm = Half(num_epochs=2, learning_rate=0.01).tune(task).scorer.lm

    tuned = changed(before, lm)
    assert 0.2 < share_of_layers(lm.model, tuned) < 0.8
    assert not any(is_table(name) for name in tuned)
    assert changed(before, task.scorer.lm) == set()


def test_the_head_is_always_tuned(tiny, family):
    task = make_task(tiny)

    lm = Half(ratio=0.0).prepare(task).scorer.lm

    names = {name for name, _ in lm.model.named_parameters()}
    assert set(lm.tuned_parameters()) == head_names(lm.model) & names


def test_all_of_it_is_full_tuning(tiny_bert):
    settings = {"learning_rate": 1e-3, "num_epochs": 2}

    ours = scores_after(Half(ratio=1.0, **settings), make_task(tiny_bert))

    task = make_task(tiny_bert)
    task.rng.integers(2**32)  # the seed of the draw
    np.testing.assert_allclose(ours, scores_after(Full(**settings), task), atol=1e-5)


def test_the_seed_decides_and_each_stage_draws_anew(tiny_bert):
    def names(seed=0, stage=0) -> set[str]:
        task = make_task(tiny_bert, seed=seed)
        return set(Half(stage=stage).prepare(task).scorer.lm.tuned_parameters())

    assert names() == names()
    assert names(stage=1) != names()
    assert names(seed=1) != names()


def test_embeddings_can_be_tuned_too(tiny_bert):
    lm = Half(embeddings="tuned").prepare(make_task(tiny_bert)).scorer.lm

    assert lm.model.get_input_embeddings().weight.requires_grad
    assert lm.model.get_output_embeddings().weight is lm.model.get_input_embeddings().weight


def test_an_unknown_architecture_can_be_halved_as_a_whole():
    config = BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    model = BertForMaskedLM(config)
    model.bert.encoder.layer[0].intermediate = None

    with pytest.raises(TuningError, match=r"not known.*or Half\(granularity='model'\)"):
        draw(model)
    assert draw(model, granularity="model")
