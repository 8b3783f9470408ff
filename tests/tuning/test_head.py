"""Head tuning: logistic regression on frozen states, summed with what the prompt says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from fewshot.scoring.heads import StateHead, fit_state_head
from fewshot.tuning import Head
from tests.tuning.tasks import make_task


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


# ---- The regression ---------------------------------------------------------------------------


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


# ---- The strategy -----------------------------------------------------------------------------


def test_the_model_and_the_scorer_stay_as_they_are(tiny_bert):
    task = make_task(tiny_bert)

    result = Head().tune(task)

    assert result.scorer is task.scorer
    assert result.history == []
    assert result.head.coef.shape == (32, 2)


def test_each_text_is_encoded_once(tiny_bert):
    task = make_task(tiny_bert)

    Head().tune(task)
    Head(C=0.1).tune(task)

    assert task.scorer.lm.counts.prompts == len(task.targets)


def test_it_learns_the_examples(tiny_bert):
    task = make_task(tiny_bert)

    result = Head(C=1000.0).tune(task)

    encoded = task.scorer.encode(task.views)
    scores = result.head.add(task.scorer.class_scores(encoded), task.scorer.mean_states(encoded))
    assert scores.argmax(1).tolist() == task.targets.argmax(1).tolist()


def test_under_a_huge_penalty_the_calibrated_prompt_decides(tiny_bert):
    task = make_task(tiny_bert)
    encoded = task.scorer.encode(task.views)
    scores = task.scorer.class_scores(encoded)

    result = Head(C=1e-9).tune(task)

    total = result.head.add(scores, task.scorer.mean_states(encoded))
    np.testing.assert_allclose(softmax(total, axis=1), softmax(scores, axis=1), atol=1e-6)
