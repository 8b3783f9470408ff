"""Thresholds of several labels, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from fewshot.data.classes import LabeledTexts
from fewshot.data.examples import Examples
from fewshot.data.task_kind import TaskKind
from fewshot.scoring.heads import fit_linear_head
from fewshot.scoring.thresholds import choose_thresholds, linear_thresholds, zero_shot_thresholds

ONES = np.ones(16)


def labels_of(n_with: int, n_texts: int = 16) -> np.ndarray:
    return (np.arange(n_texts) < n_with).astype(float)[:, None]


def test_without_held_out_texts_half_is_shrunk_towards_the_share():
    # 4 of 16 texts have the label: a share of 0.25, whose log-odds are -log(3). Four texts count
    # 4 / (4 + 16) = 0.2, so 0.8 of the log-odds of the share are left.
    found = choose_thresholds(labels_of(4), ONES)

    assert found == pytest.approx([1 / (1 + 3**0.8)])


def test_many_texts_of_a_label_leave_half():
    found = choose_thresholds(labels_of(1600, 16_000), np.ones(16_000))

    assert found == pytest.approx([expit(16 / 1616 * logit(0.1))])
    assert 0.47 < found[0] < 0.5


def test_a_label_that_most_texts_have_is_not_shrunk_above_half():
    assert choose_thresholds(labels_of(12), ONES) == pytest.approx([0.5])


def test_the_best_cut_of_a_label_counts_by_its_texts_against_the_best_cut_for_all():
    # Label 0: from 0.7 on, F1 is 2 * 2 / (2 + 2) = 1, and the best cut is half-way to 0.3. Label
    # 1: all four texts at 0.2 or above, half-way to 0. The best mean F1 of one cut for both is
    # (2 * 2 / (2 + 4) + 1) / 2 at 0.2 (at 0.7: (1 + 0) / 2).
    targets = np.array([[1, 1], [1, 1], [0, 1], [0, 1]], dtype=float)
    held_out = np.array([[0.9, 0.2], [0.7, 0.2], [0.3, 0.2], [0.25, 0.2]])

    found = choose_thresholds(targets, np.ones(4), held_out)

    # Two and four texts count 2 / 18 and 4 / 20.
    first = expit(logit(0.5) / 9 + logit(0.2) * 8 / 9)
    second = expit(logit(0.1) / 5 + logit(0.2) * 4 / 5)
    assert found == pytest.approx([first, second])


def test_a_cut_of_the_best_f1_by_hand():
    # F1 of the first 1 to 5: 2/4, 2/5, 4/6, 6/7, 6/8; the cut of the best is between 0.4 and 0.2,
    # and the one for all labels is at 0.4.
    targets = np.tile([[1], [0], [1], [1], [0]], (100, 1)).astype(float)
    held_out = np.tile([[0.9], [0.8], [0.6], [0.4], [0.2]], (100, 1))

    found = choose_thresholds(targets, np.ones(500), held_out)

    trust = 300 / 316
    assert found == pytest.approx([expit(trust * logit(0.3) + (1 - trust) * logit(0.4))])


def test_equal_probabilities_are_not_parted():
    targets = np.array([[1], [0], [1]], dtype=float)

    found = choose_thresholds(targets, np.ones(3), np.full((3, 1), 0.6))

    # All of them: half-way to 0, and at 0.6.
    assert found == pytest.approx([expit(logit(0.3) / 9 + logit(0.6) * 8 / 9)])


def test_texts_that_were_not_held_out_say_nothing():
    held_out = np.full((16, 1), np.nan)

    found = choose_thresholds(labels_of(4), ONES, held_out)

    assert found == pytest.approx(choose_thresholds(labels_of(4), ONES))


def test_thresholds_of_regressions_are_chosen_on_texts_held_out():
    # Features that are the labels themselves: any cut in the wide gap between texts that have a
    # label and others is right.
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 2)) < [0.2, 0.5]).astype(float)
    texts = Examples({"text": [f"text {i}" for i in range(60)]})
    data = LabeledTexts([0, 1], texts, targets, np.ones(60), TaskKind("lists"))

    found = linear_thresholds(targets, data, C=1000.0)

    assert found is not None
    head = fit_linear_head(targets, targets, np.ones(60), C=1000.0, kind=data.kind)
    proba = expit(head.scores(targets))
    assert np.array_equal(proba >= found, targets == 1)


def test_without_any_label_thresholds_are_fixed():
    assert zero_shot_thresholds(3).tolist() == [0.35, 0.35, 0.35]
