"""Candidates of a source of one's own, checked where they are made."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.errors import SourceError
from fewshot.knowledge import Candidates


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused_with_their_term(score):
    with pytest.raises(SourceError, match=r"finite numbers, got \[(nan|-?inf), 0.5\] for 'goal'"):
        Candidates(("court", "goal"), np.array([[1.0, 0.0], [score, 0.5]]))


def test_each_term_has_a_row_of_scores():
    with pytest.raises(SourceError, match=r"each of 2 terms, got shape \(1, 2\)"):
        Candidates(("court", "goal"), np.array([[1.0, 0.0]]))
