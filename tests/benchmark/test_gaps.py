"""Gaps: cells without a score, and the reason."""

from __future__ import annotations

from fewshot.benchmark.gaps import Gap
from fewshot.benchmark.summary import summarize
from tests.benchmark.toy_results import failed, results, seeds_of, toy_cells


def test_seeds_that_failed_with_one_error_share_a_gap() -> None:
    cells = [failed("Poor", "news", 8, seed, "ValueError: no") for seed in (2, 0)]
    cells += [failed("Poor", "news", 8, 1, "OSError: full")]

    gaps = summarize(results(cells, methods=("Poor",))).gaps

    assert gaps == (
        Gap("failed", "Poor", "news", 8, (0, 2), "ValueError: no"),
        Gap("failed", "Poor", "news", 8, (1,), "OSError: full"),
    )


def test_cells_that_the_spec_leaves_out_have_its_reason() -> None:
    left_out = ({"method": "Poor", "data_sets": [], "reason": "slow"},)

    gaps = summarize(results(toy_cells()[:6], methods=("Good", "Poor"), left_out=left_out)).gaps

    assert gaps == (Gap("left out", "Poor", "news", 8, (0, 1, 2), "slow"),)


def test_cells_that_are_left_out_of_one_data_set_are_not_left_out_of_another() -> None:
    left_out = ({"method": "Poor", "data_sets": ["a"], "reason": "slow"},)

    gaps = summarize(
        results([], methods=("Poor",), data_sets=("a", "b"), seeds=(0,), left_out=left_out)
    ).gaps

    assert [(gap.data_set, gap.kind) for gap in gaps] == [("a", "left out"), ("b", "not run")]


def test_what_learns_from_labels_is_not_missing_at_0_shots() -> None:
    cells = [*seeds_of("Zero", (0.5,), shots=0), *seeds_of("Zero", (0.5,))]
    cells += seeds_of("Good", (0.9,))

    gaps = summarize(results(cells, methods=("Zero", "Good"), shots=(0, 8), seeds=(0,))).gaps

    (gap,) = gaps
    assert (gap.kind, gap.method, gap.shots) == ("left out", "Good", 0)
    assert "learns from labels" in gap.reason


def test_a_run_that_has_not_begun_is_all_gaps() -> None:
    summary = summarize(results([], methods=("Good",)))

    assert summary.tables == ()
    assert summary.n_done == 0
    assert [(gap.kind, gap.seeds) for gap in summary.gaps] == [("not run", (0, 1, 2))]
