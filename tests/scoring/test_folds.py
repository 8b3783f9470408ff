"""Folds in which labelled texts are held out."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.scoring.folds import held_out_folds

SEVERAL = TaskKind("lists")


def test_folds_hold_each_text_out_once_and_never_the_only_one_of_a_class():
    states = np.array([[3.0], [1.0], [1.0], [2.0], [5.0], [9.0]])
    targets = np.eye(2)[[0, 0, 0, 0, 1, 0]]
    weight = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])

    # Distinct texts of class 0 in order: 1, 2, 3, in as many folds.
    assert held_out_folds(states, targets, weight, ONE_LABEL).tolist() == [2, 0, 0, 1, -1, -1]


def test_texts_of_each_label_are_spread_over_the_folds():
    rng = np.random.default_rng(0)
    targets = (rng.random((100, 4)) < [0.05, 0.1, 0.3, 0.6]).astype(float)
    states = rng.normal(size=(100, 2))

    folds = held_out_folds(states, targets, np.ones(100), SEVERAL)

    assert sorted(set(folds)) == [0, 1, 2, 3, 4]
    for label in range(4):
        counts = np.bincount(folds[targets[:, label] > 0], minlength=5)
        assert counts.max() - counts.min() <= 2, (label, counts)


def test_folds_of_several_labels_by_hand():
    # Rows in order are b, none, ab, a. Label b is rarest, with two texts as a: a comes first.
    states = np.array([[4.0], [3.0], [1.0], [2.0]])
    targets = np.array([[1, 0], [1, 1], [0, 1], [0, 0]], dtype=float)

    folds = held_out_folds(states, targets, np.ones(4), SEVERAL)

    # Label a: "ab" (state 3) to fold 0, "a" (state 4) to fold 1. Label b: "b" to a fold without
    # one, the first of those with the fewest labels: 2. The text of no label: fold 3,
    # which is empty.
    assert folds.tolist() == [1, 0, 2, 3]


def test_equal_texts_stay_together_and_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(1)
    states = rng.integers(0, 12, size=(40, 1)).astype(float)
    targets = (rng.random((40, 3)) < 0.3).astype(float)
    order = rng.permutation(40)

    folds = held_out_folds(states, targets, np.ones(40), SEVERAL)
    shuffled = held_out_folds(states[order], targets[order], np.ones(40), SEVERAL)

    assert all(len(set(folds[states[:, 0] == value])) == 1 for value in np.unique(states))
    assert shuffled.tolist() == folds[order].tolist()


@pytest.mark.parametrize("kind", [ONE_LABEL, SEVERAL], ids=["one", "several"])
def test_texts_without_weight_are_not_held_out(kind):
    weight = np.array([1.0, 0.0, 1.0, 1.0])

    folds = held_out_folds(np.arange(4.0)[:, None], np.eye(2)[[0, 0, 0, 1]], weight, kind)

    assert folds[1] == -1
    assert folds[0] >= 0


def test_one_text_with_several_labels_is_not_held_out():
    states, targets = np.zeros((3, 1)), np.array([[1, 1], [0, 1], [0, 0]], dtype=float)

    assert held_out_folds(states, targets, np.ones(3), SEVERAL).tolist() == [-1, -1, -1]


def test_of_two_texts_with_several_labels_one_is_always_left():
    states, targets = np.array([[1.0], [2.0], [2.0]]), np.array([[0, 0], [1, 1], [1, 1]])

    assert held_out_folds(states, targets, np.ones(3), SEVERAL).tolist() == [1, 0, 0]
