"""How voices are weighed by what they say of held-out texts, and pooled."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.classifiers.automatic.pool import Heard, pool_weights, pooled
from fewshot.data.task_kind import TaskKind

N = 200
CLASSES = np.arange(N) % 2
TARGETS = np.eye(2)[CLASSES]
ONES = np.ones(N)


def says(share_right: float, confidence: float) -> np.ndarray:
    """Log-probabilities of a voice that is right for the first part of each class's texts."""
    is_right = np.arange(N) // 2 < share_right * N / 2
    truth = np.where(is_right, CLASSES, 1 - CLASSES)
    return np.log(np.where(np.eye(2)[truth] > 0, confidence, 1 - confidence))


def test_without_held_out_texts_the_weights_are_those_of_the_start():
    assert pool_weights([Heard(3.0, None), Heard(1.0, None)], TARGETS, ONES) == pytest.approx(
        [0.75, 0.25]
    )
    never = np.full((N, 2), np.nan)
    assert pool_weights([Heard(1.0, never)], TARGETS, ONES) == pytest.approx([1.0])


def test_a_voice_that_is_too_sure_is_cooled():
    # It is right for 3 of 4 texts and says 0.9: ln 3 / ln 9 = 0.5 is best.
    [weight] = pool_weights([Heard(1.0, says(0.75, 0.9))], TARGETS, ONES)

    assert weight == pytest.approx(0.5, abs=0.02)


def test_a_voice_that_knows_nothing_counts_little_beside_one_that_does():
    good, useless = pool_weights(
        [Heard(1.0, says(0.95, 0.9)), Heard(1.0, says(0.5, 0.9))], TARGETS, ONES
    )

    assert good > 10 * useless


def test_a_voice_without_held_out_texts_keeps_its_share():
    good, unasked = pool_weights([Heard(1.0, says(0.9, 0.9)), Heard(1.0, None)], TARGETS, ONES)

    assert unasked == 0.5
    assert good > 0.3


def test_texts_of_no_weight_teach_nothing():
    half = np.where(np.arange(N) < N // 2, 1.0, 0.0)
    scores = says(0.9, 0.9)
    other = np.where(half[:, None] > 0, scores, -scores)

    assert pool_weights([Heard(1.0, scores)], TARGETS, half) == pytest.approx(
        pool_weights([Heard(1.0, other)], TARGETS, half)
    )


def test_the_pool_is_the_weighted_sum_of_log_probabilities():
    one, other = np.log([[0.9, 0.1]]), np.log([[0.2, 0.8]])

    # 0.9 * sqrt(0.2) to 0.1 * sqrt(0.8): 9 * 0.5 = 4.5 to 1.
    found = np.exp(pooled(np.array([1.0, 0.5]), [one, other]))
    assert found == pytest.approx(np.array([[4.5 / 5.5, 1 / 5.5]]))


def test_of_several_labels_each_is_a_decision_and_log_odds_are_pooled():
    several = TaskKind("lists")
    # It is right for 3 of 4 texts and says log-odds of 2 ln 3: half of that is best.
    is_right = np.arange(N) // 2 < 0.75 * N / 2
    scores = np.where((TARGETS > 0) == is_right[:, None], 2.0, -2.0) * np.log(3)

    [weight] = pool_weights([Heard(1.0, scores)], TARGETS, ONES, several)

    assert weight == pytest.approx(0.5, abs=0.02)
    assert pooled(np.array([0.5]), [scores], several) == pytest.approx(scores / 2)
