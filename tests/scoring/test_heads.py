"""Logistic regression that keeps a column for each class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from fewshot.scoring.heads import LinearHead, fit_linear_head

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(30, 4))
WEIGHTS = RNG.uniform(0.5, 2.0, size=30)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_probabilities_are_those_of_scikit_learn(n_classes, kind):
    index = np.arange(30) % n_classes
    reference = LogisticRegression(C=3.0, max_iter=1000).fit(FEATURES, index, WEIGHTS)

    head = fit_linear_head(kind(FEATURES), np.eye(n_classes)[index], WEIGHTS, C=3.0)

    probabilities = np.exp(head.log_probabilities(kind(FEATURES)))
    assert probabilities == pytest.approx(reference.predict_proba(FEATURES), abs=1e-6)


def test_scores_by_hand():
    head = LinearHead(np.array([[0.0, 2.0]]), np.array([0.0, -1.0]))

    probabilities = np.exp(head.log_probabilities(np.array([[0.5], [1.0]])))

    assert probabilities == pytest.approx(np.array([[0.5, 0.5], [0.268941, 0.731059]]), abs=1e-6)


def test_class_without_example_is_unlikely_but_possible():
    targets = np.eye(4)[np.arange(30) % 2 + 1]  # classes 1 and 2 of 4

    head = fit_linear_head(FEATURES, targets, WEIGHTS, C=1.0)

    log_probabilities = head.log_probabilities(FEATURES)
    assert np.exp(log_probabilities[:, [0, 3]]) == pytest.approx(1e-6)
    assert set(log_probabilities.argmax(1)) == {1, 2}


def test_single_class_takes_all():
    head = fit_linear_head(FEATURES, np.eye(3)[[1] * 30], WEIGHTS, C=1.0)

    assert set(head.log_probabilities(FEATURES).argmax(1)) == {1}


def test_without_features_the_shares_are_learned():
    head = fit_linear_head(np.empty((3, 0)), np.eye(2)[[0, 1, 1]], np.array([2, 1, 1.0]), C=1.0)

    assert np.exp(head.log_probabilities(np.empty((1, 0)))) == pytest.approx(np.array([[0.5, 0.5]]))
