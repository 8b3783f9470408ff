"""Summaries of results: hand-checked numbers, and standings."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from fewshot.benchmark.gaps import Gap
from fewshot.benchmark.summary import summarize
from tests.benchmark.toy_results import cell, failed, results, seeds_of, toy_cells


def test_numbers_of_a_table_are_those_computed_by_hand() -> None:
    (table,) = summarize(results(toy_cells())).tables

    (group,) = table.groups
    score = group.score("Good")
    assert score.n == 3
    assert score.mean == pytest.approx(0.92)
    assert score.deviation == pytest.approx(0.02)  # sqrt((0.0004 + 0 + 0.0004) / 2)
    assert score.high - score.mean == pytest.approx(4.302653 * 0.02 / math.sqrt(3), abs=1e-7)
    assert group.score("Zero").deviation == 0.0


def test_standings_follow_the_paired_test_with_the_best() -> None:
    group = summarize(results(toy_cells())).tables[0].groups[0]

    assert {name: entry.standing for name, entry in group.entries.items()} == {
        "Zero": "behind",
        "Good": "best",
        "Close": "tied",
        "Poor": "behind",
    }
    # Close minus Good: 0.01, -0.03, -0.01.
    test = group.entries["Close"].test
    assert test.difference == pytest.approx(-0.01)
    expected = stats.ttest_rel([0.91, 0.89, 0.93], [0.90, 0.92, 0.94])
    assert test.p_value == pytest.approx(expected.pvalue)
    assert group.entries["Good"].test is None


def test_methods_come_in_the_order_of_the_spec() -> None:
    summary = summarize(results(list(reversed(toy_cells()))))

    assert list(summary.tables[0].groups[0].entries) == ["Zero", "Good", "Close", "Poor"]


def test_methods_with_the_same_best_mean_are_both_the_best() -> None:
    cells = [*seeds_of("Good", (0.5, 0.7, 0.6)), *seeds_of("Close", (0.7, 0.6, 0.5))]

    group = summarize(results(cells)).tables[0].groups[0]

    assert [entry.standing for entry in group.entries.values()] == ["best", "best"]


def test_of_a_loss_the_lowest_is_the_best() -> None:
    cells = [
        cell(method, "news", 8, seed, None, metric="log_loss", scores={"log_loss": loss})
        for method, losses in (("Good", (0.1, 0.2, 0.3)), ("Poor", (0.9, 1.0, 1.1)))
        for seed, loss in enumerate(losses)
    ]

    group = summarize(results(cells)).tables[0].groups[0]

    assert [entry.standing for entry in group.entries.values()] == ["best", "behind"]


def test_one_seed_has_no_interval_and_no_test() -> None:
    cells = [cell("Good", "news", 8, 0, 0.9), cell("Poor", "news", 8, 0, 0.1)]

    group = summarize(results(cells, seeds=(0,))).tables[0].groups[0]

    assert group.score("Good").low is None
    assert [entry.standing for entry in group.entries.values()] == ["best", "untested"]


def test_a_method_that_failed_at_a_seed_is_compared_on_the_common_ones() -> None:
    cells = [
        *seeds_of("Good", (0.90, 0.92, 0.94)),
        *seeds_of("Close", (0.80, 0.83)),
        failed("Close", "news", 8, 2, "ValueError: no"),
    ]

    summary = summarize(results(cells))

    entry = summary.tables[0].groups[0].entries["Close"]
    assert entry.test.n == 2
    assert entry.test.difference == pytest.approx(-0.095)
    assert Gap("failed", "Close", "news", 8, (2,), "ValueError: no") in summary.gaps


def test_a_method_with_fewer_seeds_is_not_the_best_by_luck() -> None:
    cells = [*seeds_of("Good", (0.90, 0.92, 0.94)), *seeds_of("Close", (0.99,))]

    group = summarize(results(cells)).tables[0].groups[0]

    assert group.entries["Good"].standing == "best"
    assert group.entries["Close"].standing == "untested"


def test_what_is_ahead_on_the_common_seeds_is_not_behind() -> None:
    cells = [*seeds_of("Good", (0.80, 0.81, 0.99)), *seeds_of("Close", (0.84, 0.85))]

    group = summarize(results(cells)).tables[0].groups[0]

    assert group.entries["Close"].test.p_value < 0.05
    assert group.entries["Close"].standing == "tied"


def test_a_method_without_the_score_has_no_standing() -> None:
    cells = [*seeds_of("Good", (0.9, 0.8, 0.7)), *seeds_of("Poor", (None, None, None))]

    group = summarize(results(cells)).tables[0].groups[0]

    assert group.score("Poor") is None
    assert group.entries["Poor"].standing is None


def test_means_and_ranks_over_data_sets_are_those_computed_by_hand() -> None:
    cells = [
        *seeds_of("Good", (0.9, 0.9, 0.9), "a"),
        *seeds_of("Close", (0.8, 0.8, 0.8), "a"),
        *seeds_of("Good", (0.5, 0.5, 0.5), "b"),
        *seeds_of("Close", (0.7, 0.7, 0.7), "b"),
        *seeds_of("Poor", (0.9, 0.9, 0.9), "b"),
    ]

    (table,) = summarize(results(cells, data_sets=("a", "b"))).tables

    assert table.means == {"Good": pytest.approx(0.7), "Close": pytest.approx(0.75)}
    assert table.ranks == {"Good": 1.5, "Close": 1.5}  # Poor is missing on a


def test_metrics_that_point_in_different_directions_have_no_mean() -> None:
    cells = [
        *seeds_of("Good", (0.9, 0.9, 0.9), "a"),
        *(
            cell("Good", "b", 8, seed, None, metric="log_loss", scores={"log_loss": 0.5})
            for seed in range(3)
        ),
    ]

    (table,) = summarize(results(cells, data_sets=("a", "b"))).tables

    assert table.means == {}
    assert table.ranks == {"Good": 1.0}


def test_a_single_data_set_has_no_mean_over_data_sets() -> None:
    (table,) = summarize(results(toy_cells())).tables

    assert table.means == {}
    assert table.ranks == {}


def test_tables_come_by_shots_and_data_sets_have_their_own() -> None:
    cells = [
        *seeds_of("Good", (0.9,), shots=16),
        *seeds_of("Good", (0.8,), shots=0),
        *seeds_of("Good", (0.7,), "other", shots=16),
    ]

    summary = summarize(results(cells, data_sets=("news", "other"), shots=(0, 16), seeds=(0,)))

    assert [table.shots for table in summary.tables] == [0, 16]
    assert {name: [g.shots for g in groups] for name, groups in summary.data_sets().items()} == {
        "news": [0, 16],
        "other": [16],
    }


def test_costs_are_means_and_memory_and_parameters_the_most() -> None:
    cells = [
        cell("Good", "news", 8, 0, 0.5, fit_seconds=1.0, tokens=100, peak_memory_mb=700.0),
        cell("Good", "news", 8, 1, 0.5, fit_seconds=4.0, tokens=300, peak_memory_mb=900.0),
    ]

    costs = summarize(results(cells)).tables[0].groups[0].entries["Good"].costs

    assert costs.fit_seconds == 2.5
    assert costs.tokens == 200
    assert costs.peak_memory_mb == 900.0
    assert costs.peak_gpu_memory_mb is None
