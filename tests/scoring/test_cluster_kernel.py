"""Directions in which texts without labels vary count more."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.scoring.cluster_kernel import cluster_space, fit_in_cluster_space
from fewshot.scoring.heads import LinearHead

# Around [1, 0] the variances are 2 and 0.5.
TEXTS = np.array([[3.0, 0.0], [-1.0, 0.0], [1.0, 1.0], [1.0, -1.0]])
EQUAL = np.ones(4)


def test_directions_of_large_variance_count_more():
    space = cluster_space(TEXTS, EQUAL, alike=20.0)

    # Four texts count 4 / (4 + 20) = 1/6 against equal variances. Divided by their mean the
    # variances are 1.6 and 0.4, so 1.6 / 6 + 5 / 6 = 1.1 and 0.4 / 6 + 5 / 6 = 0.9; features are
    # multiplied by their fourth roots.
    x, y = 1.1**0.25, 0.9**0.25
    length = np.hypot(x, y)
    found = space.directions(np.array([[2.0, 1.0], [0.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(found, [[x / length, y / length], [-1.0, 0.0], [0.0, 0.0]])


def test_directions_without_variance_count_least():
    space = cluster_space(np.hstack([TEXTS, np.zeros((4, 2))]), EQUAL, alike=20.0)

    # The mean of the four variances is 0.625, so that they are 3.2, 0.8, 0 and 0.
    gains = np.array([3.2 / 6 + 5 / 6, 0.8 / 6 + 5 / 6, 5 / 6, 5 / 6]) ** 0.25
    expected = gains / np.linalg.norm(gains)
    np.testing.assert_allclose(space.directions(np.array([[2.0, 1.0, 1.0, 1.0]])), [expected])


def test_texts_count_by_their_weights():
    twice = cluster_space(np.vstack([TEXTS, TEXTS[:1]]), np.ones(5), alike=20.0)
    weighted = cluster_space(TEXTS, np.array([2.0, 1.0, 1.0, 1.0]), alike=20.0)

    # They have the same mean and variances; only as many texts as 25 / 7 count, not 5.
    np.testing.assert_allclose(weighted.center, twice.center)
    assert weighted.rest > twice.rest


def test_a_head_scores_features_outside_of_the_space_as_inside():
    space = cluster_space(TEXTS, EQUAL, alike=20.0)
    head = LinearHead(np.array([[1.0, -1.0], [2.0, 0.5]]), np.array([0.0, -np.inf]))
    outside = space.outside(head)
    new = np.array([[2.0, 1.0], [0.0, 5.0]])

    # Mean squared lengths are 1 in the space: (2 * 1.1 ** 0.5 + 0.5 * 0.9 ** 0.5) without scale.
    scale = np.sqrt(2 * 1.1**0.5 + 0.5 * 0.9**0.5)
    inside = (new - [1.0, 0.0]) * [1.1**0.25, 0.9**0.25] / scale
    np.testing.assert_allclose((new @ outside.coef + outside.intercept)[:, 0], inside @ [1.0, 2.0])
    assert outside.intercept[1] == -np.inf


def test_texts_that_are_all_the_same_change_nothing():
    same = np.ones((60, 2))
    head = LinearHead(np.eye(2), np.zeros(2))

    assert cluster_space(same, np.ones(60), alike=20.0) is None
    assert fit_in_cluster_space(lambda _: head, same) is head


def test_a_class_that_is_frequent_does_not_hold_the_center():
    texts = np.array([[1.0, 0.0]] * 3 + [[-1.0, 0.0]])
    seen = []

    def sure(mapped):
        seen.append(mapped)
        return LinearHead(np.array([[50.0, -50.0], [0.0, 0.0]]), np.zeros(2))

    fit_in_cluster_space(sure, texts)

    # The shares are (3 + 1) / 6 and (1 + 1) / 6, so that the texts weigh 1.5, 1.5, 1.5 and 3: their
    # mean is (4.5 - 3) / 7.5 = 0.2, where without weights it is 0.5. The entropy of the shares is
    # 0.918 of the largest, and the center is its square of the way from 0 to the mean.
    even = -(2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3))
    assert len(seen) == 3  # as they are, and in two rounds
    assert seen[0](texts) is texts
    assert even == pytest.approx(0.918, abs=1e-3)
    np.testing.assert_allclose(seen[1].__self__.center, [0.2 * even**2, 0.0])


def test_texts_of_mostly_one_class_count_less():
    texts = np.array([[1.0, 0.0]] * 7 + [[-1.0, 1.0]])
    sure = LinearHead(np.array([[50.0, -50.0], [0.0, 0.0]]), np.zeros(2))
    seen = []
    fit_in_cluster_space(lambda mapped: seen.append(mapped) or sure, texts)

    # Of shares 8/10 and 2/10 the entropy is 0.72 of the largest; texts weigh 1.25, seven times, and
    # 5, so that they count as 13.75 ** 2 / (7 * 1.25 ** 2 + 25).
    even = -(0.8 * np.log2(0.8) + 0.2 * np.log2(0.2))
    weights = np.array([1.25] * 7 + [5.0])
    expected = cluster_space(texts, weights, alike=20.0 / even**4)
    assert even == pytest.approx(0.72, abs=0.01)
    found = seen[1].__self__
    np.testing.assert_allclose([found.rest, *found.gains], [expected.rest, *expected.gains])


def test_clusters_are_told_apart_by_one_text_of_each():
    rng = np.random.default_rng(0)
    n, n_features = 200, 30
    texts = rng.normal(size=(2 * n, n_features))
    texts[:, 0] += 2.0 * np.repeat([-1.0, 1.0], n)
    labels = np.repeat([0, 1], n)
    known = texts[[0, n]]

    def nearest(mapped):
        return LinearHead(mapped(known).T, np.zeros(2))

    def accuracy(head):
        return np.mean(head.scores(texts).argmax(1) == labels)

    alone = accuracy(nearest(np.asarray))
    found = accuracy(fit_in_cluster_space(nearest, texts))
    assert found > alone + 0.1  # 0.92 and 0.80
