"""The factors of a logarithmic pool, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.scoring.log_pool import pool_factors, pool_label_factors

N = 80
CLASSES = np.arange(N) % 2
SHARE = np.full(N, 1 / N)
SIGNS = np.where(np.arange(N) // 2 % 4, 1.0, -1.0)  # right for three texts of four of each class
LOG_ODDS = 2 * np.log(3) * SIGNS * (2 * CLASSES - 1)  # of class 1: says 0.9 where 0.75 is right
USELESS = np.where(np.arange(N) // 2 % 2, 1.0, -1.0) * (2 * CLASSES - 1)  # right for one of two


def test_a_voice_counts_by_what_it_knows():
    halves = np.stack([LOG_ODDS, USELESS])[:, :, None] * [-0.5, 0.5]
    voices = halves - np.logaddexp(halves[..., :1], halves[..., 1:])

    found = pool_factors(voices, CLASSES, SHARE, [0.0, 0.0], 0.0)

    assert found == pytest.approx([0.5, 0.0], abs=1e-3)


@pytest.mark.parametrize("base", [0.0, 1.5])
def test_of_several_labels_a_constant_makes_good_the_base(base):
    voices, targets = np.stack([LOG_ODDS, USELESS])[:, :, None], CLASSES[:, None].astype(float)

    factors, constant = pool_label_factors(
        voices, targets, SHARE, np.array([base]), [0.0, 0.0], 0.0
    )

    assert factors == pytest.approx([0.5, 0.0], abs=1e-3)
    assert constant == pytest.approx(-base, abs=1e-3)  # half of the texts have the label


def test_a_penalty_keeps_factors_near_one():
    voices, targets = LOG_ODDS[None, :, None], CLASSES[:, None].astype(float)

    (factor,), _ = pool_label_factors(voices, targets, SHARE, np.zeros(1), [0.0], 100.0)

    # The slope of the loss at 1 is 2 ln 3 (0.9 - 0.75) = 0.33, that of the penalty 200 (f - 1).
    assert factor == pytest.approx(1 - 2 * np.log(3) * 0.15 / 200, abs=1e-4)
