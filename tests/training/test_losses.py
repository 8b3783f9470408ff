"""Losses of class scores and divergences between them, worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fewshot.data.task_kind import TaskKind
from fewshot.training.losses import (
    binary_cross_entropy,
    distillation_loss,
    jensen_shannon,
    kl_divergence,
    smoothed,
    soft_cross_entropy,
    symmetric_kl,
)


def distil(student, target, temperature):
    targets = torch.tensor(target).softmax(-1)
    return float(
        distillation_loss(torch.tensor(student), targets, torch.ones(len(targets)), temperature)
    )


@pytest.mark.parametrize(("temperature", "expected"), [(2.0, 0.443776), (1.0, 0.327813)])
def test_distillation_compares_at_a_temperature(temperature, expected):  # pet.md, E3
    assert distil([[0.0, 0.0]], [[2.0, 0.0]], temperature) == pytest.approx(expected, abs=1e-6)


def test_distillation_averages_over_the_batch():  # pet.md, E3
    both = distil([[0.0, 0.0], [1.0, 3.0]], [[2.0, 0.0], [0.0, 2.0]], 2.0)

    assert both == pytest.approx(0.221888, abs=1e-6)


def test_distillation_is_zero_for_scores_that_differ_by_a_constant():
    assert distil([[5.0, 3.0]], [[2.0, 0.0]], 2.0) == pytest.approx(0.0, abs=1e-6)


def test_distillation_takes_probabilities_of_zero():
    loss = distillation_loss(
        torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.ones(1), temperature=2.0
    )

    assert float(loss) == pytest.approx(4 * math.log(2))


def test_scores_of_label_words_alone_decide_the_loss():  # pet.md, E1, and pcp.md, E2
    one = soft_cross_entropy(torch.tensor([[1.5, 0.5]]), torch.eye(2)[:1], torch.ones(1))
    two = soft_cross_entropy(torch.tensor([[3.0, 1.0]]), torch.eye(2)[:1], torch.ones(1))

    assert float(one) == pytest.approx(0.313262, abs=1e-6)
    assert float(two) == pytest.approx(0.126928, abs=1e-6)


def test_one_hot_targets_give_the_usual_cross_entropy():
    scores = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])
    targets = torch.eye(3)[[1, 0]]

    loss = soft_cross_entropy(scores, targets, torch.ones(2))

    expected = nn.functional.cross_entropy(scores, torch.tensor([1, 0]))
    assert float(loss) == pytest.approx(float(expected))


def test_soft_targets_by_hand():
    loss = soft_cross_entropy(
        torch.tensor([[0.0, math.log(3)]]), torch.tensor([[0.5, 0.5]]), torch.ones(1)
    )

    # Probabilities 1/4 and 3/4: -(ln .25 + ln .75) / 2.
    assert float(loss) == pytest.approx(0.836988, abs=1e-6)


def test_a_weight_counts_in_a_batch_of_one_too():
    loss = soft_cross_entropy(torch.zeros(1, 2), torch.eye(2)[:1], torch.tensor([3.0]))

    assert float(loss) == pytest.approx(3 * math.log(2))


def test_weights_multiply_the_losses_of_a_batch():
    scores = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])

    loss = soft_cross_entropy(scores, torch.eye(2), torch.tensor([1.0, 3.0]))

    assert float(loss) == pytest.approx((math.log(4) + 3 * math.log(2)) / 2)


def test_label_smoothing_by_hand():
    scores = torch.tensor([[0.0, math.log(3)]])
    target = torch.tensor([[0.0, 1.0]])

    loss = soft_cross_entropy(scores, target, torch.ones(1), label_smoothing=0.2)

    # Smooth targets .1 and .9.
    assert float(loss) == pytest.approx(-(0.1 * math.log(0.25) + 0.9 * math.log(0.75)))


def test_a_share_of_smoothed_targets_is_even():
    targets = smoothed(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), 0.4)

    assert targets.tolist()[0] == pytest.approx([0.7, 0.1, 0.1, 0.1])


# ---- Divergences -----------------------------------------------------------------------------


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


# ---- Several labels -----------------------------------------------------------------------------

SEVERAL = TaskKind("lists")


def test_the_loss_of_several_labels_by_hand():
    # Log-odds 0 and log 3: probabilities 0.5 and 0.75. The first text has the second label: its
    # loss is -log(1 - 0.5) - log 0.75. The other, of weight 2, has both: 2 (-log 0.5 - log 0.75).
    scores = torch.tensor([[0.0, math.log(3)]] * 2)
    targets = torch.tensor([[0.0, 1.0], [1.0, 1.0]])

    loss = binary_cross_entropy(scores, targets, torch.tensor([1.0, 2.0]))

    assert float(loss) == pytest.approx(3 * (math.log(2) - math.log(0.75)) / 2)


def test_smoothing_of_several_labels_takes_half_from_either_answer():
    # The target 1 becomes 0.9, of log-odds log 3: -0.9 log 0.75 - 0.1 log 0.25.
    loss = binary_cross_entropy(
        torch.tensor([[math.log(3)]]), torch.ones(1, 1), torch.ones(1), label_smoothing=0.2
    )

    assert float(loss) == pytest.approx(-0.9 * math.log(0.75) - 0.1 * math.log(0.25))


def test_divergences_of_several_labels_are_sums_over_labels():
    # Label 0: 0.5 against 0.75; label 1 is the same in both.
    scores = torch.tensor([[0.0, 1.0]])
    others = torch.tensor([[math.log(3), 1.0]])

    found = kl_divergence(scores, others, SEVERAL)

    assert found.tolist() == pytest.approx([0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(2)])
    both = symmetric_kl(scores, others, SEVERAL)
    assert both.tolist() == pytest.approx(
        [0.5 * float(found + kl_divergence(others, scores, SEVERAL))]
    )
    assert float(jensen_shannon(torch.stack([scores, scores]), SEVERAL)) == pytest.approx(0.0)
