"""Progress: one line per cell, and an estimate from the time of the same methods."""

from __future__ import annotations

import io

import pytest

from fewshot.benchmark.progress import Progress
from fewshot.benchmark.results import Cell, CellKey


def cell(method: str, data_set: str, seconds: float, seed: int = 0) -> Cell:
    scores = {"accuracy": 0.5}
    return Cell(
        method, data_set, 8, seed, "done", "accuracy", "D",
        scores=scores, fit_seconds=seconds - 1, predict_seconds=1.0,
    )  # fmt: skip


def keys(*pairs: tuple[str, str]) -> list[CellKey]:
    return [CellKey(method, data_set, 8, seed) for seed, (method, data_set) in enumerate(pairs)]


def test_the_time_left_is_that_of_the_same_method_on_the_same_data_where_known() -> None:
    known = [cell("A", "x", 10), cell("A", "x", 20), cell("A", "y", 30), cell("B", "x", 2)]
    pending = keys(("A", "x"), ("A", "z"), ("B", "x"), ("C", "x"))

    progress = Progress(None, pending, known, 1)

    # 15 of A on x; 20, the mean of A; 2 of B on x; nothing is known of C.
    assert progress.seconds_left() == pytest.approx(15 + 20 + 2)


def test_methods_without_a_time_yet_are_named_instead_of_guessed() -> None:
    out = io.StringIO()
    progress = Progress(out, keys(("A", "x"), ("A", "x"), ("SetFit", "x")), [], 1)

    progress.report(cell("A", "x", 2))
    progress.report(cell("A", "x", 2, seed=1))

    first, second = out.getvalue().splitlines()
    assert first.endswith("A: accuracy 0.500, 2.0 s, about 2 s left and SetFit, not timed yet")
    assert second.endswith("A: accuracy 0.500, 2.0 s, left: SetFit, not timed yet")


def test_the_time_left_is_divided_among_the_jobs() -> None:
    assert Progress(None, keys(("A", "x")), [cell("A", "x", 10)], 4).seconds_left() == 2.5


def test_no_time_is_estimated_before_anything_is_known() -> None:
    assert Progress(None, keys(("A", "x")), [], 1).seconds_left() == 0


def test_a_cell_is_reported_on_one_line_with_the_time_left() -> None:
    out = io.StringIO()
    progress = Progress(out, keys(("A", "x"), ("A", "x")), [], 1)

    progress.report(cell("A", "x", 200))
    progress.report(cell("A", "x", 200, seed=1))

    assert out.getvalue().splitlines() == [
        "1/2  x, 8 shots, seed 0: A: accuracy 0.500, 200.0 s, about 3 min left",
        "2/2  x, 8 shots, seed 1: A: accuracy 0.500, 200.0 s",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(40, "about 40 s"), (600, "about 10 min"), (9000, "about 2.5 h")]
)
def test_the_time_left_has_a_unit_that_fits(seconds: float, shown: str) -> None:
    out = io.StringIO()

    Progress(out, keys(("A", "x"), ("A", "x")), [], 1).report(cell("A", "x", seconds))

    assert out.getvalue().endswith(f"{shown} left\n")


def test_a_failure_is_reported_by_the_first_line_of_its_error() -> None:
    out = io.StringIO()
    failed = Cell("A", "x", 8, 0, "failed", "accuracy", "D", error="ValueError: no\nmore")

    Progress(out, keys(("A", "x")), [], 1).report(failed)

    assert out.getvalue() == "1/1  x, 8 shots, seed 0: A: failed: ValueError: no\n"
