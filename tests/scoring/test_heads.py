"""Logistic regressions that keep a column for each class."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from fewshot.data.task_kind import TaskKind
from fewshot.scoring.heads import (
    LinearHead,
    StateHead,
    base_log_odds,
    fit_linear_head,
    fit_state_head,
)

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(30, 4))
WEIGHTS = RNG.uniform(0.5, 2.0, size=30)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_probabilities_are_those_of_scikit_learn(n_classes, kind):
    index = np.arange(30) % n_classes
    reference = LogisticRegression(C=3.0, max_iter=1000).fit(FEATURES, index, WEIGHTS)

    head = fit_linear_head(kind(FEATURES), np.eye(n_classes)[index], WEIGHTS, C=3.0)

    probabilities = np.exp(head.scores(kind(FEATURES)))
    assert probabilities == pytest.approx(reference.predict_proba(FEATURES), abs=1e-6)


def test_scores_by_hand():
    head = LinearHead(np.array([[0.0, 2.0]]), np.array([0.0, -1.0]))

    probabilities = np.exp(head.scores(np.array([[0.5], [1.0]])))

    assert probabilities == pytest.approx(np.array([[0.5, 0.5], [0.268941, 0.731059]]), abs=1e-6)


def test_class_without_example_is_unlikely_but_possible():
    targets = np.eye(4)[np.arange(30) % 2 + 1]  # classes 1 and 2 of 4

    head = fit_linear_head(FEATURES, targets, WEIGHTS, C=1.0)

    log_probabilities = head.scores(FEATURES)
    assert np.exp(log_probabilities[:, [0, 3]]) == pytest.approx(1e-6)
    assert set(log_probabilities.argmax(1)) == {1, 2}


@pytest.mark.filterwarnings("error")
def test_one_label_per_class_is_nothing_to_warn_of():
    found = fit_linear_head(np.eye(30), np.eye(30), np.ones(30), C=100.0)

    assert found.scores(np.eye(30)).argmax(1).tolist() == list(range(30))


def test_single_class_takes_all():
    head = fit_linear_head(FEATURES, np.eye(3)[[1] * 30], WEIGHTS, C=1.0)

    assert set(head.scores(FEATURES).argmax(1)) == {1}


def test_without_features_the_shares_are_learned():
    head = fit_linear_head(np.empty((3, 0)), np.eye(2)[[0, 1, 1]], np.array([2, 1, 1.0]), C=1.0)

    assert np.exp(head.scores(np.empty((1, 0)))) == pytest.approx(np.array([[0.5, 0.5]]))


# ---- On states, to soft targets ---------------------------------------------------------------


def some_data(n_classes: int, n: int = 40, width: int = 6):
    rng = np.random.default_rng(n_classes)
    labels = np.arange(n) % n_classes
    states = rng.normal(size=(n, width)) + 3.0
    states[:, :n_classes] += np.eye(n_classes)[labels]
    return states, np.eye(n_classes)[labels], labels, rng.uniform(0.5, 2.0, size=n)


def own_scores(head: StateHead, states: np.ndarray) -> np.ndarray:
    return (states - head.center) / head.scale @ head.coef


def standard(states: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    means = [
        np.average(states[labels == c], axis=0, weights=weights[labels == c])
        for c in np.unique(labels)
    ]
    centred = states - np.mean(means, axis=0)
    return centred / np.sqrt(np.average((centred**2).sum(1), weights=weights))


@pytest.mark.parametrize("n_classes", [3, 5])
@pytest.mark.parametrize("C", [0.1, 5.0])
def test_it_is_scikit_learns_logistic_regression(n_classes, C):
    states, targets, labels, weights = some_data(n_classes)
    z = standard(states, labels, weights)
    theirs = LogisticRegression(C=C, fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(z, labels, sample_weight=weights)

    head = fit_state_head(states, targets, weights, C=C)

    np.testing.assert_allclose(head.coef, theirs.coef_.T, atol=1e-4)
    proba = softmax(own_scores(head, states), axis=1)
    np.testing.assert_allclose(proba, theirs.predict_proba(z), atol=1e-4)


def test_with_two_classes_it_is_scikit_learns_with_twice_the_c():
    # Two columns w/2 and -w/2 have half the squared norm of scikit-learn's one column w.
    states, targets, labels, weights = some_data(2)
    z = standard(states, labels, weights)
    theirs = LogisticRegression(C=2 * 0.7, fit_intercept=False, tol=1e-10, max_iter=10_000)
    theirs.fit(z, labels, sample_weight=weights)

    head = fit_state_head(states, targets, weights, C=0.7)

    np.testing.assert_allclose(head.coef[:, 1] - head.coef[:, 0], theirs.coef_[0], atol=1e-4)


def test_states_are_centred_between_the_classes_and_scaled_to_a_mean_squared_norm_of_one():
    states, targets, labels, weights = some_data(3)

    head = fit_state_head(states, targets, weights, C=1.0)

    z = (states - head.center) / head.scale
    np.testing.assert_allclose(z, standard(states, labels, weights), atol=1e-12)
    assert np.average((z**2).sum(1), weights=weights) == pytest.approx(1.0)


def test_at_the_optimum_the_gradient_is_zero():
    states, targets, _, weights = some_data(4)

    head = fit_state_head(states, targets, weights, C=2.0)

    z = (states - head.center) / head.scale
    error = weights[:, None] * (softmax(z @ head.coef, axis=1) - targets)
    assert np.abs(z.T @ error + head.coef / 2.0).max() < 1e-4


def test_a_text_between_two_classes_does_not_go_to_the_smaller():
    states = np.array([[1.0]] * 9 + [[1.2]] * 9 + [[-1.0], [-1.2]])
    targets = np.eye(2)[[0] * 18 + [1] * 2]

    head = fit_state_head(states, targets, np.ones(20), C=5.0)

    assert own_scores(head, np.array([[0.9], [0.1], [-0.9]])).argmax(1).tolist() == [0, 0, 1]


def test_a_soft_target_is_the_same_text_with_both_labels():
    states, targets, _, weights = some_data(3)
    doubled = np.vstack([states, states[:1]])
    soft = targets.copy()
    soft[0] = [0.25, 0.75, 0.0]
    hard = np.vstack([targets, [[0.0, 1.0, 0.0]]])
    hard[0] = [1.0, 0.0, 0.0]
    split = np.append(weights, 0.75 * weights[0])
    split[0] *= 0.25

    ours = fit_state_head(states, soft, weights, C=1.0)
    theirs = fit_state_head(doubled, hard, split, C=1.0)

    np.testing.assert_allclose(ours.coef, theirs.coef, atol=1e-5)


def test_an_example_of_weight_zero_is_as_if_it_were_not_there():
    states, targets, _, weights = some_data(3)
    weights[[2, 7]] = 0.0
    kept = weights > 0

    with_them = fit_state_head(states, targets, weights, C=1.0)
    without = fit_state_head(states[kept], targets[kept], weights[kept], C=1.0)

    np.testing.assert_allclose(with_them.coef, without.coef, atol=1e-6)
    np.testing.assert_allclose(with_them.center, without.center)
    assert with_them.scale == pytest.approx(without.scale)


def test_a_class_without_an_example_keeps_zero_coefficients():
    states, targets, _, weights = some_data(3)
    wider = np.insert(targets, 1, 0.0, axis=1)

    head = fit_state_head(states, wider, weights, C=1.0)

    assert not head.coef[:, 1].any()
    narrow = fit_state_head(states, targets, weights, C=1.0)
    np.testing.assert_allclose(np.delete(head.coef, 1, axis=1), narrow.coef)


def test_one_text_teaches_nothing_and_breaks_nothing():
    head = fit_state_head(np.ones((1, 4)), np.array([[0.0, 1.0]]), np.ones(1), C=1.0)

    assert head.scale == 1.0
    assert not head.coef.any()


def test_the_log_probabilities_of_prompt_and_head_are_summed():
    head = StateHead(np.array([1.0]), 2.0, np.array([[0.0, 1.0]]))
    scores, states = np.array([[0.0, 1.0], [2.0, 2.0]]), np.array([[3.0], [1.0]])

    total = head.add(scores, states)

    expected = log_softmax(scores, axis=1) + log_softmax([[0.0, 1.0], [0.0, 0.0]], axis=1)
    np.testing.assert_allclose(total, expected, atol=1e-6)


def test_a_temperature_divides_the_sum():
    scores, states = np.array([[0.0, 1.0]]), np.array([[3.0]])
    cold, warm = (
        StateHead(np.array([1.0]), 2.0, np.array([[0.0, 1.0]]), temperature).add(scores, states)
        for temperature in (1.0, 2.0)
    )

    np.testing.assert_allclose(warm, cold / 2, atol=1e-6)


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_the_size_of_the_states_does_not_matter(factor):
    states, targets, _, weights = some_data(3)

    head, other = (
        fit_state_head(factor * states, targets, weights, C=1.0) for factor in (1, factor)
    )

    np.testing.assert_allclose(other.coef, head.coef, atol=1e-5)


@pytest.mark.parametrize("fit", [fit_state_head, fit_linear_head])
def test_a_weight_of_two_is_the_row_twice(fit):
    states, targets, _, _ = some_data(3)
    weights = np.ones(len(states))
    weights[:5] = 2.0

    heavy = fit(states, targets, weights, C=1.0)
    twice = fit(
        *(np.concatenate([rows, rows[:5]]) for rows in (states, targets)), np.ones(45), C=1.0
    )

    np.testing.assert_allclose(twice.coef, heavy.coef, atol=1e-3)


# ---- Several labels -----------------------------------------------------------------------------

SEVERAL = TaskKind("lists")
SETS = (np.arange(30)[:, None] % [2, 3, 5] == 0).astype(float)


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
def test_each_label_has_the_regression_of_scikit_learn(kind):
    head = fit_linear_head(kind(FEATURES), SETS, WEIGHTS, C=3.0, kind=SEVERAL)

    scores = head.scores(kind(FEATURES))
    for label in range(3):
        reference = LogisticRegression(C=3.0, max_iter=1000).fit(FEATURES, SETS[:, label], WEIGHTS)
        expected = reference.decision_function(FEATURES)
        assert scores[:, label] == pytest.approx(expected, abs=1e-6)


def test_two_classes_as_indicators_are_the_two_classes():
    index = np.arange(30) % 2
    one = fit_linear_head(FEATURES, np.eye(2)[index], WEIGHTS, C=3.0)
    both = fit_linear_head(FEATURES, np.eye(2)[index], WEIGHTS, C=3.0, kind=SEVERAL)

    proba = SEVERAL.probabilities(both.scores(FEATURES))

    assert proba == pytest.approx(np.exp(one.scores(FEATURES)), abs=1e-4)


def test_labels_of_no_text_and_of_all_texts_keep_their_shares():
    targets = np.column_stack([np.zeros(30), np.ones(30), SETS[:, 0]])

    head = fit_linear_head(FEATURES, targets, WEIGHTS, C=3.0, kind=SEVERAL)

    proba = SEVERAL.probabilities(head.scores(FEATURES))
    assert proba[:, 0] == pytest.approx(1e-6)
    assert proba[:, 1] == pytest.approx(1 - 1e-6)


def test_without_features_each_label_has_its_share():
    targets = np.array([[1, 0], [1, 1], [0, 1], [1, 0]], dtype=float)

    head = fit_linear_head(np.empty((4, 0)), targets, np.ones(4), C=1.0, kind=SEVERAL)

    proba = SEVERAL.probabilities(head.scores(np.empty((1, 0))))
    assert proba == pytest.approx(np.array([[0.75, 0.5]]))


def test_regressions_on_states_have_an_intercept_and_the_same_penalty():
    head = fit_state_head(FEATURES, SETS, np.ones(30), C=2.0, kind=SEVERAL)

    z = (FEATURES - head.center) / head.scale
    for label in range(3):
        reference = LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(z, SETS[:, label])
        expected = reference.decision_function(z)
        assert head.logits(FEATURES)[:, label] == pytest.approx(expected, abs=1e-3)


def test_the_shares_are_smoothed_by_one_more_text():
    # Shares 0.5 and 0 of 4 texts, 0.25 on average: (2 + 0.25) / 5 and 0.25 / 5.
    targets = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], dtype=float)

    found = base_log_odds(targets, np.ones(4))

    assert found == pytest.approx(np.log([0.45 / 0.55, 0.05 / 0.95]))


def test_log_odds_of_prompt_and_head_are_summed():
    head = StateHead(np.zeros(1), 1.0, np.array([[2.0, 0.0]]), 2.0, 0.5, kind=SEVERAL)

    total = head.add(np.array([[1.0, 3.0]]), np.array([[1.5]]))

    # (0.5 * 1 + 1.5 * 2) / 2 and (0.5 * 3 + 0) / 2.
    assert total == pytest.approx(np.array([[1.75, 0.75]]))
