"""The accuracy that held-out texts let expect, and what would help most."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from fewshot.classifiers.automatic.expectation import expect
from fewshot.classifiers.automatic.pool import verdict
from fewshot.data.task_kind import TaskKind

TARGETS = np.eye(2)[[0, 0, 0, 0, 1, 1, 1, 1]]
SCORES = np.log(np.array([[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 3))  # one is wrong


def test_held_out_texts_give_an_accuracy_and_an_interval():
    found = expect(verdict(SCORES, TARGETS, np.ones(8)))

    # 7 of 8 are right; they count as 4 texts beside 3 right and 1 wrong: beta(6.5, 1.5).
    assert found.held_out == 7 / 8
    assert found.accuracy == pytest.approx(6.5 / 8)
    assert found.interval == pytest.approx(tuple(beta(6.5, 1.5).ppf([0.05, 0.95])))


def test_texts_count_by_their_weights_and_those_never_held_out_not_at_all():
    unknown = np.where(np.arange(8)[:, None] < 4, np.nan, SCORES)

    assert verdict(unknown, TARGETS, np.ones(8)).accuracy[0] == 3 / 4
    assert verdict(SCORES, TARGETS, np.r_[np.ones(4), 4, 0, 0, 0]).accuracy[0] == 1 / 2


def test_without_held_out_texts_nothing_is_decided():
    assert verdict(None, TARGETS, np.ones(8)) is None
    assert verdict(np.full_like(SCORES, np.nan), TARGETS, np.ones(8)) is None


def test_of_several_labels_all_must_be_right():
    several = TaskKind("lists")
    targets = np.array([[1, 1], [1, 0], [0, 1], [0, 0]] * 50, dtype=float)
    scores = np.where(targets > 0, 2.0, -2.0)
    scores[0, 1] = -2.0  # one label of one text is missed

    decided = verdict(scores, targets, np.ones(200), several)

    assert decided.is_right.tolist() == [False] + [True] * 199
    assert decided.accuracy == pytest.approx((0.995, np.sqrt(0.995 * 0.005 / 200)))
    assert decided.thresholds.shape == (2,)
    # 199 of 200, which count as 100 texts, beside half a text right and half a text wrong.
    assert expect(decided).accuracy == pytest.approx(100 / 101)


def test_copies_of_a_text_say_no_more_than_the_text():
    once = verdict(SCORES, TARGETS, np.ones(8))
    thrice = verdict(*(np.tile(part, (3, 1)) for part in (SCORES, TARGETS)), np.ones(24),
                     keys=np.tile(np.arange(8), 3))  # fmt: skip

    assert expect(thrice) == expect(once)
    assert thrice.n_texts == 8.0
    assert verdict(SCORES, TARGETS, np.r_[1.0, 1.0, np.zeros(6)]).n_texts == 2.0


def test_decisions_are_those_of_the_classifier_with_its_offset():
    always = verdict(SCORES, TARGETS, np.ones(8), offset=np.array([1e6, 0.0]))

    assert always.found[:, 0].all()
    assert always.accuracy[0] == TARGETS[:, 0].mean()
