"""Noise on input embeddings: where it goes, how large it is, and that nothing of it stays."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.tuning.regularization.embedding_noise import (
    EmbeddingNoise,
    embedding_scale,
    norm_ball_step,
    sign_ball_step,
)


def table() -> nn.Embedding:
    return nn.Embedding.from_pretrained(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


IDS = torch.tensor([[0, 1]])


def test_watched_noise_is_zero_and_takes_the_gradient_of_the_embeddings():
    embeddings = table()

    with EmbeddingNoise(embeddings).watch() as noise:
        output = embeddings(IDS)
    gradient = torch.autograd.grad((output**2).sum(), noise)

    assert torch.equal(output, torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    assert torch.equal(gradient[0], 2 * output)


def test_noise_of_a_spread_is_drawn():
    embeddings = nn.Embedding.from_pretrained(torch.zeros(1, 10_000))

    with EmbeddingNoise(embeddings).watch(0.5):
        output = embeddings(torch.tensor([[0]]))

    assert float(output.detach().std()) == pytest.approx(0.5, abs=0.02)


def test_applied_noise_is_added_a_tensor_to_each_pass():
    embeddings = table()
    noise = [torch.ones(1, 2, 2), 10 * torch.ones(1, 2, 2)]

    with EmbeddingNoise(embeddings).apply(noise):
        first, second = embeddings(IDS), embeddings(IDS)

    assert (first - table()(IDS)).unique().tolist() == [1.0]
    assert (second - table()(IDS)).unique().tolist() == [10.0]


def test_afterwards_the_embeddings_are_as_before_also_after_an_error():
    embeddings = table()

    with pytest.raises(RuntimeError), EmbeddingNoise(embeddings).watch(1.0):
        raise RuntimeError
    with pytest.raises(RuntimeError), EmbeddingNoise(embeddings).apply([torch.ones(1, 2, 2)]):
        raise RuntimeError

    assert torch.equal(embeddings(IDS), table()(IDS))


def test_the_scale_is_the_root_mean_square():
    # (1 + 4 + 9 + 16) / 4 = 7.5
    assert embedding_scale(table()) == pytest.approx(7.5**0.5)


def test_the_step_in_the_norm_ball_by_hand():
    gradient = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])

    # The norm of a whole text's gradient is 5.
    assert norm_ball_step(gradient, 2.0).tolist() == [
        [pytest.approx([1.2, 0.0]), pytest.approx([0.0, 1.6])]
    ]


def test_each_text_has_a_ball_of_its_own():
    gradient = torch.tensor([[[3.0, 4.0]], [[30.0, 40.0]], [[0.0, 0.0]]])

    moved = norm_ball_step(gradient, 1.0)

    assert moved[:, 0].tolist() == [
        pytest.approx([0.6, 0.8]), pytest.approx([0.6, 0.8]), [0.0, 0.0],
    ]  # fmt: skip


def test_the_step_in_the_box_by_hand():
    noise = torch.tensor([[[0.1, -0.1, 0.0]]])
    gradient = torch.tensor([[[4.0, -2.0, 0.0]]])

    # 0.1 + 0.5 leaves the box of 0.5; -0.1 - 0.25 does not.
    assert sign_ball_step(noise, gradient, 0.5).flatten().tolist() == pytest.approx(
        [0.5, -0.35, 0.0]
    )


def test_without_a_gradient_the_noise_stays():
    noise = torch.tensor([[[0.1, -0.1]]])

    assert torch.equal(sign_ball_step(noise, torch.zeros(1, 1, 2), 0.5), noise)


def test_noise_reaches_the_scores_of_each_architecture(tiny):
    lm = MaskedLM(*tiny, device="cpu")
    template = Template("{text} It was {mask}.")
    slots = tokenize_slots(lm.tokenizer, [template], Examples({"text": ["a good team", "law"]}))
    prompts = build_prompts(lm.tokenizer, template, slots, max_length=32)
    embeddings = lm.model.get_input_embeddings()

    with EmbeddingNoise(embeddings).watch() as noise:
        states, _ = lm.forward(prompts)
    gradient = torch.autograd.grad((states**2).sum(), noise)[0]

    assert len(noise) == 1
    is_padding = torch.arange(gradient.shape[1]) >= torch.from_numpy(prompts.lengths)[:, None]
    assert gradient[is_padding].abs().max() < 1e-6  # padding never moves
    assert (gradient[~is_padding].abs().amax(1) > 0).all()
    assert torch.equal(lm.forward(prompts)[0], lm.forward(prompts)[0])
