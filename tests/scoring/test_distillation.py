"""Regressions that learn what another classifier says of texts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from fewshot.scoring.distillation import calibrated, fit_taught_head
from fewshot.scoring.heads import StateHead

_REGRESSION = StateHead(np.zeros(1), 1.0, np.array([[2.0, 0.0]]))


def test_a_distilled_regression_is_as_sure_of_each_class_as_its_teacher():
    states = np.array([[1.0], [-1.0], [-1.0]])
    targets = np.array([[0.9, 0.1], [0.5, 0.5], [0.0, 1.0]])
    weights = np.array([1.0, 1.0, 0.0])  # the last one counts for nothing

    found = calibrated(_REGRESSION, states, np.zeros((3, 2)), targets, weights)

    # Log-odds (2 + b) / T = log 9 and (-2 + b) / T = 0, so b = 2 and T = 4 / log 9.
    assert found.temperature == pytest.approx(4 / np.log(9), rel=1e-4)
    assert found.intercept == pytest.approx([1.0, -1.0], rel=1e-4)
    assert found.prompt_share == 0


def test_a_distilled_regression_that_knows_nothing_leaves_the_words_to_speak():
    words = np.array([[3.0, 0.0], [-3.0, 0.0], [1.0, 0.0]])
    targets = softmax(0.5 * words, axis=1)

    found = calibrated(_REGRESSION, np.zeros((3, 1)), words, targets, np.ones(3))

    assert found.prompt_share / found.temperature == pytest.approx(0.5, rel=1e-3)
    assert found.intercept == pytest.approx([0.0, 0.0], abs=1e-3)
    np.testing.assert_allclose(
        softmax(found.add(words, np.zeros((3, 1))), axis=1), targets, atol=1e-3
    )


def test_of_two_texts_a_regression_says_just_what_it_is_told():
    features = np.array([[3.0, 1.0], [1.0, 1.0]])
    targets = np.array([[0.9, 0.1], [0.2, 0.8]])

    found = fit_taught_head(features, np.ones(2), targets, 1000.0)

    np.testing.assert_allclose(softmax(found.scores(features), axis=1), targets, atol=1e-3)


def test_of_texts_that_are_alike_a_regression_says_what_it_is_told_on_average():
    targets = np.array([[0.9, 0.1, 0.0], [0.3, 0.3, 0.4]])

    found = fit_taught_head(np.ones((2, 4)), np.array([1.0, 2.0]), targets, 1000.0)

    # (0.9 + 2 * 0.3) / 3, (0.1 + 2 * 0.3) / 3, (2 * 0.4) / 3
    said = softmax(found.scores(np.ones((1, 4))), axis=1)
    np.testing.assert_allclose(said, [[0.5, 7 / 30, 8 / 30]], atol=1e-3)
