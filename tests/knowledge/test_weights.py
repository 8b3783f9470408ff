"""Learned weights of label words."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from fewshot.knowledge.weights import fit_weights

OWN = np.array([0, 0, 1, 1, 1])


def example(n_texts: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of five words, of which the first of each class tells it, and targets."""
    rng = np.random.default_rng(0)
    targets = np.eye(2)[rng.integers(0, 2, n_texts)]
    signal = np.zeros((n_texts, 5))
    signal[:, 0], signal[:, 2] = 3 * targets[:, 0], 3 * targets[:, 1]
    return log_softmax(signal + rng.normal(size=(n_texts, 5)), axis=1), targets


def test_words_that_tell_the_class_gain_weight():
    log_probs, targets = example()

    weights = fit_weights(log_probs, OWN, targets, np.ones(40), np.full(5, 0.2))

    assert weights[0] > 0.6
    assert weights[2] > 0.5
    assert [weights[:2].sum(), weights[2:].sum()] == pytest.approx([1.0, 1.0])


def test_without_texts_the_weights_stay_where_they_start():
    start = np.array([1.0, 3.0, 1.0, 1.0, 2.0])

    weights = fit_weights(np.zeros((0, 5)), OWN, np.zeros((0, 2)), np.zeros(0), start)

    assert weights == pytest.approx([0.25, 0.75, 0.25, 0.25, 0.5], abs=1e-6)


def test_the_found_weights_are_a_minimum():
    log_probs, targets = example(12)
    start = np.array([1.0, 1.0, 2.0, 1.0, 1.0])

    def objective(omega: np.ndarray) -> float:
        alpha = np.concatenate([softmax(omega[:2]), softmax(omega[2:])])
        scores = np.stack([(log_probs * alpha)[:, np.equal(OWN, c)].sum(1) for c in (0, 1)], 1)
        penalty = ((omega - np.log(start)) ** 2).sum() / 2
        return float(-(targets * log_softmax(scores, axis=1)).sum() + penalty)

    weights = fit_weights(log_probs, OWN, targets, np.ones(12), start)

    # The penalty holds the sums of omega in each class where they were.
    found = np.log(weights)
    for label in (0, 1):
        rows = np.equal(OWN, label)
        found[rows] += (np.log(start)[rows] - found[rows]).mean()
    best = objective(found)
    rng = np.random.default_rng(1)
    assert all(best <= objective(found + 1e-2 * rng.normal(size=5)) + 1e-9 for _ in range(50))


def test_texts_of_weight_zero_teach_nothing():
    log_probs, targets = example(20)
    some = np.repeat([1.0, 0.0], 10)

    weights = fit_weights(log_probs, OWN, targets, some, np.ones(5))

    alone = fit_weights(log_probs[:10], OWN, targets[:10], np.ones(10), np.ones(5))
    assert weights == pytest.approx(alone, abs=1e-4)
