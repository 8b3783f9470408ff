"""Statistics over seeds: hand-computed, and equal to scipy's on the same numbers."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats

from fewshot.benchmark.statistics import Estimate, estimate, mean_ranks, paired_test
from fewshot.errors import InputError


def test_mean_deviation_and_interval_are_those_computed_by_hand() -> None:
    # Deviations -0.04, 0, 0.04: variance 0.0032 / 2; t with 2 degrees at 0.975 is 4.302653.
    result = estimate([0.80, 0.84, 0.88])

    assert result.n == 3
    assert result.mean == pytest.approx(0.84)
    assert result.deviation == pytest.approx(0.04)
    assert result.low == pytest.approx(0.84 - 4.302653 * 0.04 / math.sqrt(3), abs=1e-7)
    assert result.high == pytest.approx(0.84 + 4.302653 * 0.04 / math.sqrt(3), abs=1e-7)


def test_the_interval_is_that_of_scipy() -> None:
    values = [0.71, 0.74, 0.69, 0.80, 0.77]

    result = estimate(values)

    low, high = stats.t.interval(0.95, df=4, loc=np.mean(values), scale=stats.sem(values))
    assert (result.low, result.high) == pytest.approx((low, high))


def test_a_single_seed_has_no_interval() -> None:
    assert estimate([0.5]) == Estimate(1, 0.5, None, None, None)


def test_equal_scores_have_an_interval_without_width() -> None:
    assert estimate([0.5, 0.5]) == Estimate(2, 0.5, 0.0, 0.5, 0.5)


def test_no_score_is_an_error() -> None:
    with pytest.raises(InputError, match="at least one seed"):
        estimate([])


def test_the_paired_test_is_that_of_scipy_on_the_common_seeds() -> None:
    first = {0: 0.91, 1: 0.88, 2: 0.93, 3: 0.90, 4: 0.89}
    second = {4: 0.86, 3: 0.91, 2: 0.88, 1: 0.85, 9: 0.10}

    test = paired_test(first, second)

    expected = stats.ttest_rel([0.88, 0.93, 0.90, 0.89], [0.85, 0.88, 0.91, 0.86])
    assert test.n == 4
    assert test.p_value == pytest.approx(expected.pvalue)
    assert test.difference == pytest.approx((0.03 + 0.05 - 0.01 + 0.03) / 4)


def test_the_paired_test_is_that_computed_by_hand() -> None:
    # Differences 1, 2, 3: t = 2 / (1 / sqrt(3)) with 2 degrees; p = 1 - t / sqrt(2 + t * t).
    test = paired_test({0: 1.0, 1: 2.0, 2: 3.0}, {0: 0.0, 1: 0.0, 2: 0.0})

    t = 2 * math.sqrt(3)
    assert test.p_value == pytest.approx(1 - t / math.sqrt(2 + t * t))


def test_methods_that_never_differ_are_equal() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test = paired_test({0: 0.1 + 0.2, 1: 0.5}, {0: 0.3, 1: 0.5})

    assert test.p_value == 1.0


def test_methods_that_always_differ_by_the_same_are_different() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test = paired_test({0: 0.7, 1: 0.9, 2: 0.8}, {0: 0.6, 1: 0.8, 2: 0.7})

    assert test.difference == pytest.approx(0.1)
    assert test.p_value == 0.0


def test_a_single_common_seed_has_a_difference_and_no_test() -> None:
    test = paired_test({0: 0.7, 1: 0.9}, {1: 0.8, 2: 0.5})

    assert (test.n, test.p_value) == (1, None)
    assert test.difference == pytest.approx(0.1)


def test_without_a_common_seed_there_is_nothing_to_tell() -> None:
    test = paired_test({0: 0.7}, {1: 0.8})

    assert (test.n, test.difference, test.p_value) == (0, None, None)


def test_ranks_are_those_computed_by_hand() -> None:
    accuracy = {"a": 0.9, "b": 0.8, "c": 0.8}  # ranks 1, 2.5, 2.5
    loss = {"a": 0.4, "b": 0.2, "c": 0.3}  # ranks 3, 1, 2

    ranks = mean_ranks([accuracy, loss], [True, False])

    assert ranks == {"a": 2.0, "b": 1.75, "c": 2.25}


def test_scores_that_differ_by_rounding_share_a_rank() -> None:
    ranks = mean_ranks([{"a": 0.1 + 0.2, "b": 0.3, "c": 0.5}], [True])

    assert ranks == {"a": 2.5, "b": 2.5, "c": 1.0}
