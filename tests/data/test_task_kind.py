"""Scores become probabilities in one place, by the kind of task."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.data.task_kind import ONE_LABEL, TaskKind, decide

SEVERAL = TaskKind("lists")
SCORES = np.log(np.array([[3.0, 1.0], [1.0, 1.0]]))


def test_one_of_n_shares_a_text_between_the_classes():
    assert ONE_LABEL.probabilities(SCORES) == pytest.approx(np.array([[0.75, 0.25], [0.5, 0.5]]))
    assert ONE_LABEL.log_probabilities(SCORES) == pytest.approx(np.log([[0.75, 0.25], [0.5, 0.5]]))
    assert ONE_LABEL.normalized(SCORES + 7.0) == pytest.approx(np.log([[0.75, 0.25], [0.5, 0.5]]))


def test_any_of_n_asks_for_each_label_alone():
    # Log-odds: 3 to 1 is 0.75, 1 to 1 is 0.5, whatever the other label says.
    assert SEVERAL.probabilities(SCORES) == pytest.approx(np.array([[0.75, 0.5], [0.5, 0.5]]))
    assert SEVERAL.log_probabilities(SCORES) == pytest.approx(np.log([[0.75, 0.5], [0.5, 0.5]]))
    assert SEVERAL.normalized(SCORES) is SCORES


def test_a_text_has_its_best_class_or_all_labels_that_reach_their_thresholds():
    probabilities = np.array([[0.7, 0.3], [0.1, 0.2]])

    assert decide(probabilities, None).tolist() == [[True, False], [False, True]]
    several = decide(probabilities, np.array([0.5, 0.3]))
    assert several.tolist() == [[True, True], [False, False]]


def test_cross_entropies_by_hand():
    targets = np.array([[1.0, 0.0], [1.0, 1.0]])

    # One of n: -log 0.75; the second text has both classes, as soft targets: -2 log 0.5.
    expected = [-np.log(0.75), -2 * np.log(0.5)]
    assert ONE_LABEL.cross_entropies(SCORES, targets) == pytest.approx(expected)
    # Any of n: -log 0.75 - log(1 - 0.5), and -2 log 0.5.
    expected = [-np.log(0.75) - np.log(0.5), -2 * np.log(0.5)]
    assert SEVERAL.cross_entropies(SCORES, targets) == pytest.approx(expected)


def test_texts_are_drawn_by_the_rarest_of_their_labels():
    targets = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0]], dtype=float)

    # Label 2 has one text, 1 has two, 0 has three; then the text of none of them.
    assert SEVERAL.strata(targets).tolist() == [1, 2, 3, 0, 1]
    assert ONE_LABEL.strata(np.eye(3)[[2, 0]]).tolist() == [2, 0]
