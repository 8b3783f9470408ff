"""DePT's offsets: the worked numbers of the specification."""

from __future__ import annotations

import math

import pytest
import torch

from fewshot.tuning.prompt_parts import PositionOffset


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def offset(n_positions, rank, width):
    return PositionOffset(n_positions, rank, width)


def n_values(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("rank", "scale"), [(15, 2.066), (30, 1.461), (45, 1.193), (60, 1.033)])
def test_the_scale_is_eight_over_the_root_of_the_rank(rank, scale):
    assert offset(4, rank, 2).scale == pytest.approx(scale, abs=5e-4)


def test_the_worked_example():
    module = offset(3, 1, 2)
    module.positions.data = torch.tensor([[1.0], [2.0], [0.0]])
    module.directions.data = torch.tensor([[0.5, -1.0]])

    assert module(3).tolist() == [[4, -8], [8, -16], [0, 0]]


def test_ones_shift_all_inputs_by_the_scaled_value():
    module = offset(3, 1, 1)
    module.positions.data.fill_(1.0)
    module.directions.data.fill_(0.25)

    assert module(3).tolist() == [[8 * 0.25]] * 3


def test_at_first_the_offset_is_nothing_and_rows_are_within_their_bound():
    module = offset(256, 45, 16)

    assert torch.count_nonzero(module(256)) == 0
    assert module.positions.abs().max() <= 1 / math.sqrt(45)
    assert module.positions.abs().max() > 0.14


def test_the_number_of_values_is_rank_times_positions_and_width():
    assert n_values(offset(64, 3, 32)) == 3 * (64 + 32) == 416 - 4 * 32
    # The paper's settings for one budget: 100 tokens of width 768.
    for length, rank in [(80, 15), (60, 30), (40, 45), (20, 60)]:
        assert length * 768 + n_values(offset(256, rank, 768)) == 100 * 768


def test_positions_beyond_the_last_take_its_row():
    module = offset(3, 2, 4)
    module.directions.data.normal_(generator=torch.Generator().manual_seed(1))

    longer = module(6)

    assert torch.equal(longer[:3], module(3))
    assert torch.equal(longer[3:], longer[2].expand(3, 4))


def test_rank_zero_makes_no_offset():
    module = offset(5, 0, 4)

    assert n_values(module) == 0
    assert module(5).shape == (5, 4)
    assert torch.count_nonzero(module(5)) == 0


def test_the_first_step_moves_the_directions_only_the_second_both():
    module = offset(3, 2, 4)

    module(3).square().sum().backward()  # 0 at the start: not even B
    module.zero_grad()
    (module(3) - 1).square().sum().backward()
    assert torch.count_nonzero(module.positions.grad) == 0
    assert torch.count_nonzero(module.directions.grad) > 0

    module.directions.data -= 0.1 * module.directions.grad
    (module(3) - 1).square().sum().backward()
    assert torch.count_nonzero(module.positions.grad) > 0
