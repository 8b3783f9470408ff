"""Divergences between class distributions, with numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from fewshot.training.losses import jensen_shannon, kl_divergence, symmetric_kl


def logs(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


def test_kl_has_a_direction():
    p, q = logs((0.7, 0.3)), logs((0.5, 0.5))

    assert kl_divergence(p, q).tolist() == pytest.approx([0.082283], abs=1e-6)
    assert kl_divergence(q, p).tolist() == pytest.approx([0.087177], abs=1e-6)


def test_symmetric_kl_is_the_mean_of_both_directions():
    p, q = logs((0.7, 0.3)), logs((0.5, 0.5))

    assert symmetric_kl(p, q).tolist() == pytest.approx([0.084730], abs=1e-6)
    assert torch.equal(symmetric_kl(p, q), symmetric_kl(q, p))


def test_jensen_shannon_of_three_predictions_by_hand():
    value = jensen_shannon(logs((0.8, 0.2), (0.6, 0.4), (0.7, 0.3)))

    # The mean of the predictions is (.7, .3).
    assert float(value) == pytest.approx(0.016105, abs=1e-6)


def test_jensen_shannon_of_two_predictions_by_hand():
    # p = (.7, .3), q = (.5, .5), mean (.6, .4).
    assert float(jensen_shannon(logs((0.7, 0.3), (0.5, 0.5)))) == pytest.approx(0.0210, abs=1e-4)


def test_jensen_shannon_is_a_value_for_each_row():
    first = logs((0.8, 0.2), (0.5, 0.5))
    second = logs((0.8, 0.2), (0.7, 0.3))

    assert jensen_shannon(torch.stack([first, second])).tolist() == pytest.approx(
        [0.0, 0.0210], abs=1e-4
    )


def test_opposite_certainties_differ_by_the_logarithm_of_two():
    assert float(jensen_shannon(torch.tensor([[60.0, -60.0], [-60.0, 60.0]]))) == pytest.approx(
        math.log(2)
    )


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("n_predictions", [2, 4])
def test_jensen_shannon_is_bounded(n_predictions, n_classes):
    scores = 20 * torch.randn(
        n_predictions, 200, n_classes, generator=torch.Generator().manual_seed(0)
    )

    values = jensen_shannon(scores)

    assert float(values.min()) >= -1e-6
    assert float(values.max()) <= min(math.log(n_predictions), math.log(n_classes)) + 1e-6


@pytest.mark.parametrize("divergence", [kl_divergence, symmetric_kl])
def test_equal_predictions_do_not_diverge(divergence):
    scores = torch.tensor([[3.0, -1.0, 0.5]])

    assert float(divergence(scores, scores + 7.0).abs()) < 1e-6
    assert float(jensen_shannon(torch.stack([scores, scores])).abs()) < 1e-6
