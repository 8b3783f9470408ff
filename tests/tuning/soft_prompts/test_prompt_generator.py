"""IAPT's generator and activation: the worked numbers of the specification."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fewshot.tuning.soft_prompts.prompt_generator import (
    PromptGenerator,
    Rational,
)


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# ---- The activation ---------------------------------------------------------------------------


def test_it_starts_as_gelu_within_its_range():
    x = torch.linspace(-3, 3, 601)
    activation = Rational()

    assert (activation(x) - nn.functional.gelu(x)).abs().max() < 2e-3
    assert float(activation(torch.tensor(1.0))) == pytest.approx(0.8415, abs=1e-3)
    assert float(activation(torch.tensor(0.0))) == pytest.approx(-4e-4, abs=2e-4)


def test_beyond_the_range_it_is_clamped_since_the_quotient_takes_the_wrong_sign():
    activation = Rational()

    assert float(activation.unclamped(torch.tensor(10.0))) < -6
    assert float(activation(torch.tensor(10.0))) == float(activation(torch.tensor(3.0)))


def test_clamped_values_still_get_gradients():
    value = torch.tensor([10.0], requires_grad=True)

    Rational()(value).backward()

    assert value.grad.abs() > 0.1


def test_the_identity_is_one_of_its_functions():
    activation = Rational()
    activation.numerator.data = torch.tensor([0.0, 1, 0, 0, 0, 0])
    activation.denominator.data.zero_()
    x = torch.linspace(-3, 3, 13)

    torch.testing.assert_close(activation(x), x)


# ---- The generator ----------------------------------------------------------------------------


def test_the_worked_example():
    module = PromptGenerator(1, 1, 1)
    module.down.data.fill_(1)
    module.up.data.fill_(2)
    module.pool.data.fill_(math.log(3) / 2)  # scores of 1 and 3 differ by ln 3
    states = torch.tensor([[[1.0], [3.0]]])

    pooled = module.pooled(states, torch.ones(1, 2))
    prompt = module(states, torch.ones(1, 2), nn.Identity())

    assert pooled.item() == pytest.approx(2.5)
    assert prompt.item() == pytest.approx(5.0)


def test_the_number_of_values_is_that_of_the_specification():
    module = PromptGenerator(768, 64, 4)

    n_values = sum(p.numel() for p in (*module.parameters(), *Rational().parameters()))

    assert n_values == 99_402


def test_at_first_all_texts_get_the_bias():
    module = PromptGenerator(8, 4, 2)
    module.up_bias.data.normal_(generator=generator(1))
    states = torch.randn(3, 5, 8, generator=generator(9))

    prompt = module(states, torch.ones(3, 5), Rational())

    assert torch.equal(prompt, module.up_bias.expand(3, 2, 8))
