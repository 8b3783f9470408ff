"""DePT's offsets, EPT's fusion and spaces: the worked numbers of the specifications."""

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


# ---- Offsets ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("rank", "scale"), [(15, 2.066), (30, 1.461), (45, 1.193), (60, 1.033)])
def test_the_scale_is_eight_over_the_root_of_the_rank(rank, scale):
    assert PositionOffset(4, rank, 2).scale == pytest.approx(scale, abs=5e-4)


def test_the_worked_example():
    module = PositionOffset(3, 1, 2)
    module.positions.data = torch.tensor([[1.0], [2.0], [0.0]])
    module.directions.data = torch.tensor([[0.5, -1.0]])

    assert module(3).tolist() == [[4, -8], [8, -16], [0, 0]]


def test_at_first_the_offset_is_nothing_and_rows_are_within_their_bound():
    module = PositionOffset(256, 45, 16)

    assert torch.count_nonzero(module(256)) == 0
    assert module.positions.abs().max() <= 1 / math.sqrt(45)
    assert module.positions.abs().max() > 0.14


def test_the_number_of_values_is_rank_times_positions_and_width():
    assert n_values(PositionOffset(64, 3, 32)) == 3 * (64 + 32) == 416 - 4 * 32
    # The paper's settings for one budget: 100 tokens of width 768.
    for length, rank in [(80, 15), (60, 30), (40, 45), (20, 60)]:
        assert length * 768 + n_values(PositionOffset(256, rank, 768)) == 100 * 768


def test_positions_beyond_the_last_take_its_row():
    module = PositionOffset(3, 2, 4)
    module.directions.data.normal_(generator=torch.Generator().manual_seed(1))

    longer = module(6)

    assert torch.equal(longer[:3], module(3))
    assert torch.equal(longer[3:], longer[2].expand(3, 4))


def test_rank_zero_makes_no_offset():
    module = PositionOffset(5, 0, 4)

    assert n_values(module) == 0
    assert module(5).shape == (5, 4)
    assert torch.count_nonzero(module(5)) == 0


def test_the_first_step_moves_the_directions_only_the_second_both():
    module = PositionOffset(3, 2, 4)

    module(3).square().sum().backward()  # 0 at the start: not even B
    module.zero_grad()
    (module(3) - 1).square().sum().backward()
    assert torch.count_nonzero(module.positions.grad) == 0
    assert torch.count_nonzero(module.directions.grad) > 0

    module.directions.data -= 0.1 * module.directions.grad
    (module(3) - 1).square().sum().backward()
    assert torch.count_nonzero(module.positions.grad) > 0


# ---- Fusion and spaces ------------------------------------------------------------------------


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


def test_the_spaces_start_different_so_that_they_do_not_stay_the_same():
    down = PromptSpaces(3, 8, 2).down

    assert not torch.equal(down[0], down[1])
