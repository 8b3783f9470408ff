"""EPT's fusion and spaces: the worked numbers of the specification."""

from __future__ import annotations

import math

import pytest
import torch

from fewshot.tuning.prompt_parts import PositionOffset, PromptFusion, PromptSpaces


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randomised(module):
    for i, parameter in enumerate(module.parameters()):
        parameter.data.normal_(generator=generator(i))
    return module


def n_values(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def test_the_number_of_values_is_that_of_the_specification():
    rest = [
        PositionOffset(16, 2, 32),
        PromptFusion(32, 4),
        PromptSpaces(3, 32, 2),
    ]
    assert 3 * 32 + n_values(*rest) == 1059

    rest = [
        PositionOffset(128, 20, 768),
        PromptFusion(768, 16),
        PromptSpaces(4, 768, 4),
    ]
    assert 10 * 768 + n_values(*rest) == 96_260


def test_at_first_the_prompt_is_unchanged():
    prompt = torch.randn(3, 8, generator=generator(5))

    fused = PromptFusion(8, 4)(prompt, torch.zeros(2, 8))

    assert torch.equal(fused, prompt)
    torch.testing.assert_close(PromptSpaces(4, 8, 2)(prompt), prompt)


def test_the_gate_is_uniform_at_first_and_always_sums_to_one():
    spaces = PromptSpaces(4, 8, 2)
    prompt = torch.randn(3, 8, generator=generator(5))

    assert spaces.weights(prompt).tolist() == [0.25] * 4
    weights = randomised(spaces).weights(prompt)
    assert (weights >= 0).all()
    assert weights.sum().item() == pytest.approx(1)
    assert weights.shape == (4,)


def test_the_worked_example_of_the_gate():
    spaces = PromptSpaces(2, 2, 1)
    spaces.gate_bias.data = torch.tensor([0.0, math.log(3)])
    # The map takes (1, 0) to (-1, 2), so that the prompt in space 1 is (0, 2).
    spaces.down.data = torch.tensor([[[1.0], [0.0]]])
    spaces.up.data = torch.tensor([[[-1.0, 2.0]]])

    mixed = spaces(torch.tensor([[1.0, 0.0]]))

    assert spaces.weights(torch.tensor([[1.0, 0.0]])).tolist() == pytest.approx([0.25, 0.75])
    assert mixed[0].tolist() == pytest.approx([0.25, 1.5])


def test_knowledge_of_equal_rows_gives_all_tokens_the_same_update():
    fusion = randomised(PromptFusion(8, 4))
    row = torch.randn(8, generator=generator(7))
    prompt = torch.randn(3, 8, generator=generator(5))

    update = fusion.update(prompt, row.expand(6, 8))

    expected = row @ fusion.value @ fusion.output
    torch.testing.assert_close(update, expected.expand(3, 8))


def test_the_order_of_the_spaces_is_of_no_account():
    spaces = randomised(PromptSpaces(4, 8, 2))
    prompt = torch.randn(3, 8, generator=generator(5))
    before = spaces(prompt)

    order = torch.tensor([2, 0, 1])
    columns = torch.cat([torch.zeros(1, dtype=torch.int64), 1 + order])
    spaces.down.data, spaces.up.data = spaces.down.data[order], spaces.up.data[order]
    spaces.gate.data = spaces.gate.data[:, columns]
    spaces.gate_bias.data = spaces.gate_bias.data[columns]

    torch.testing.assert_close(spaces(prompt), before)


def test_the_spaces_start_different_so_that_they_do_not_stay_the_same():
    down = PromptSpaces(3, 8, 2).down

    assert not torch.equal(down[0], down[1])
