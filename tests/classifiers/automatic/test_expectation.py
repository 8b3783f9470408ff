"""The accuracy that held-out texts let expect, and what would help most."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from fewshot.classifiers.automatic.expectation import expect

CLASSES = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.log(np.array([[0.9, 0.1]] * 5 + [[0.2, 0.8]] * 3))  # one is wrong


def test_held_out_texts_give_an_accuracy_and_an_interval():
    found = expect(SCORES, CLASSES, np.ones(8))

    # 7 of 8 are right; they count as 4 texts beside 3 right and 1 wrong: beta(6.5, 1.5).
    assert found.held_out == 7 / 8
    assert found.accuracy == pytest.approx(6.5 / 8)
    assert found.interval == pytest.approx(tuple(beta(6.5, 1.5).ppf([0.05, 0.95])))


def test_texts_count_by_their_weights_and_those_never_held_out_not_at_all():
    unknown = np.where(np.arange(8)[:, None] < 4, np.nan, SCORES)

    assert expect(unknown, CLASSES, np.ones(8)).held_out == 3 / 4
    assert expect(SCORES, CLASSES, np.r_[np.ones(4), 4, 0, 0, 0]).held_out == 1 / 2


def test_without_held_out_texts_nothing_is_expected():
    never = np.full_like(SCORES, np.nan)

    assert expect(None, CLASSES, np.ones(8)).accuracy is None
    assert expect(never, CLASSES, np.ones(8)).interval is None
