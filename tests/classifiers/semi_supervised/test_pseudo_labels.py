"""Merging, softening and drawing: the worked numbers of PET and the guards of iPET."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.classifiers.semi_supervised.pseudo_labels import (
    at_pool_shares,
    draw_pseudo_labels,
    merge_scores,
    n_labeling_models,
    n_new_examples,
    share_quota,
    soft_labels,
)

SCORES = np.array([[[2.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]])


def draw(probabilities, quota, seed=0, **settings):
    rng = np.random.default_rng(seed)
    return draw_pseudo_labels(np.array(probabilities), quota, rng, **settings)


def test_weighted_merging():  # pet.md, E2
    merged = merge_scores(SCORES, np.array([0.5, 0.25, 0.25]))

    np.testing.assert_allclose(merged, [[1.25, 0.5]])
    np.testing.assert_allclose(soft_labels(merged, 2.0), [[0.592667, 0.407333]], atol=1e-6)


def test_uniform_merging():  # pet.md, E2
    np.testing.assert_allclose(merge_scores(SCORES, np.ones(3)), [[1.0, 2 / 3]])


def test_half_of_the_shares_of_a_pool_is_believed():
    # Nine texts that are sure of the first class and one of the second: with one more of each,
    # shares of 10 and 2 in 12, whose square roots differ by the factor sqrt(5).
    scores = np.array([[50.0, 0.0]] * 9 + [[0.0, 50.0]])

    shifted = at_pool_shares(scores, None) - scores

    np.testing.assert_allclose(shifted, [np.log([10 / 12, 2 / 12]) / 2] * 10)
    np.testing.assert_allclose(shifted[0, 0] - shifted[0, 1], np.log(np.sqrt(5)))


def test_known_shares_and_no_pool_leave_scores_alone():
    scores = np.array([[50.0, 0.0]] * 9)

    assert at_pool_shares(scores, "uniform") is scores
    assert at_pool_shares(scores[:0], None).shape == (0, 2)


def test_equal_weights_merge_as_the_mean():
    np.testing.assert_allclose(
        merge_scores(SCORES, np.full(3, 0.2)), merge_scores(SCORES, np.ones(3))
    )


def test_weights_that_are_all_zero_count_alike():
    np.testing.assert_allclose(merge_scores(SCORES, np.zeros(3)), [[1.0, 2 / 3]])


def test_growth():  # pet.md, E5
    new = [n_new_examples(10, generation) for generation in (1, 2, 3)]

    assert new == [40, 240, 1240]
    assert [10 + n for n in new] == [50, 250, 1250]


def test_a_quarter_of_the_others_labels_but_one_at_least():  # pet.md, E5; its 0 is a crash
    assert [n_labeling_models(n) for n in (1, 2, 5, 8, 11, 14)] == [1, 1, 1, 2, 3, 4]


def test_the_quota_keeps_the_proportions_of_the_labels():
    assert share_quota(40, [6, 4]) == (24, 16)
    assert share_quota(40, [1, 2]) == (13, 26)
    assert share_quota(40, [3, 0]) == (40, 0)


def test_each_class_gets_its_quota_of_what_is_predicted_as_it():
    probabilities = [[0.9, 0.1]] * 20 + [[0.2, 0.8]] * 10

    drawn = draw(probabilities, (6, 3))

    assert np.bincount(drawn.labels).tolist() == [6, 3]
    assert (drawn.rows[drawn.labels == 0] < 20).all()
    assert (drawn.rows[drawn.labels == 1] >= 20).all()
    assert len(set(drawn.rows.tolist())) == 9


def test_sure_examples_are_drawn_more_often():
    # Drawn with odds 0.9 : 0.6, so 60 % of the draws take the first.
    counts = [int(draw([[0.9, 0.1], [0.6, 0.4]], (1, 0), seed).rows[0]) for seed in range(2000)]

    assert np.mean(np.array(counts) == 0) == pytest.approx(0.6, abs=0.04)


def test_a_class_with_too_few_examples_gets_all_of_them():
    drawn = draw([[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 2, (4, 4))

    assert np.bincount(drawn.labels).tolist() == [4, 2]


def test_a_class_that_is_never_predicted_gets_its_likeliest_example():
    drawn = draw([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2]], (2, 2))

    assert drawn.rows[drawn.labels == 1].tolist() == [1]
    assert drawn.rows[drawn.labels == 0].tolist() == [0, 2]


def test_a_class_without_a_quota_gets_nothing():
    assert draw([[0.1, 0.9]] * 4, (0, 2)).labels.tolist() == [1, 1]


def test_the_likeliest_are_drawn_from_whatever_is_predicted():
    probabilities = [[0.9, 0.1], [0.7, 0.3], [0.55, 0.45], [0.6, 0.4]]

    drawn = draw(probabilities, (1, 2), n_likeliest=2)

    assert drawn.rows[drawn.labels == 1].tolist() == [2, 3]


def test_a_quota_larger_than_the_pool_ends():
    drawn = draw([[0.9, 0.1]] * 3, (100, 100), n_likeliest=100)

    assert len(drawn.rows) == 3


def test_no_example_is_drawn_for_two_classes():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 50)

    drawn = draw(probabilities, (12, 12, 12, 12), n_likeliest=20)

    assert len(set(drawn.rows.tolist())) == len(drawn.rows)


def test_the_draw_follows_the_seed():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(2), 50)

    first, again = draw(probabilities, (5, 5)), draw(probabilities, (5, 5))

    assert first.rows.tolist() == again.rows.tolist()
    assert first.rows.tolist() != draw(probabilities, (5, 5), seed=1).rows.tolist()
