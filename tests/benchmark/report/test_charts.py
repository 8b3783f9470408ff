"""Charts: positions computed by hand, and methods that can be distinguished."""

from __future__ import annotations

import pytest

from fewshot.benchmark.report.charts import learning_curves, legend, score_by_seconds
from fewshot.benchmark.report.svg import nice_ticks
from fewshot.benchmark.summary import Group, summarize
from tests.benchmark.toy_results import cell, results, seeds_of
from tests.html_checker import Checker, check

METHODS = ("Good", "Poor")


def groups(cells: list, shots: tuple[int, ...] = (8, 16)) -> tuple[Group, ...]:
    known = results(cells, methods=METHODS, shots=shots, seeds=(0, 1, 2))
    return summarize(known).data_sets()["news"]


def markers(checker: Checker) -> list[tuple[float, float, str]]:
    places = []
    for path in checker.find("path"):
        x, y = path["transform"].partition("(")[2].partition(")")[0].split()
        places.append((float(x), float(y), path["fill"]))
    return places


def test_points_are_at_the_heights_of_their_scores() -> None:
    cells = [*seeds_of("Good", (0.8,) * 3, shots=8), *seeds_of("Good", (0.9,) * 3, shots=16)]

    checker = check(learning_curves(groups(cells), METHODS))

    # The frame is 46 to 328 wide with 14 free at each end, and 30 to 272 high.
    # Ticks are 0.75, 0.80, ..., 0.95: 0.8 is at 1/4 and 0.9 at 3/4 of the height.
    ticks = [text for text in checker.text if text.startswith("0.")]
    assert (ticks[0], ticks[-1]) == ("0.75", "0.95")
    (x0, y0, _), (x1, y1, _) = markers(checker)
    assert (x0, x1) == (60, 314)
    assert y0 == pytest.approx(272 - 242 / 4, abs=0.01)
    assert y1 == pytest.approx(272 - 242 * 3 / 4, abs=0.01)


def test_a_band_is_the_interval() -> None:
    cells = [
        *seeds_of("Good", (0.78, 0.80, 0.82), shots=8),
        *seeds_of("Good", (0.90, 0.90, 0.90), shots=16),
    ]

    (band,) = check(learning_curves(groups(cells), METHODS)).find("polygon")

    corners = [tuple(map(float, place.split(","))) for place in band["points"].split()]
    assert [x for x, _ in corners] == [60, 314, 314, 60]
    assert corners[1] == corners[2]
    assert corners[3][1] > corners[0][1], "the lower end is below"


def test_what_is_below_the_frame_is_hollow_at_its_edge() -> None:
    cells = [
        *(entry for k in (8, 16) for entry in seeds_of("Good", (0.90, 0.92, 0.94), shots=k)),
        *(entry for k in (8, 16) for entry in seeds_of("Poor", (0.2, 0.2, 0.2), shots=k)),
    ]

    good_1, good_2, *poor = markers(check(learning_curves(groups(cells), METHODS)))

    assert [(y, fill) for _, y, fill in poor] == [(272, "var(--page)"), (272, "var(--page)")]
    assert good_1[2] == good_2[2] != "var(--page)"


def test_seconds_are_on_a_log_axis() -> None:
    cells = [
        cell("Good", "news", 8, 0, 0.8, fit_seconds=1.0),
        cell("Poor", "news", 8, 0, 0.7, fit_seconds=100.0),
    ]

    checker = check(score_by_seconds(groups(cells, (8,)), METHODS))

    assert [x for x, _, _ in markers(checker)] == [60, 314]
    assert {"1", "10", "100"} <= set(checker.text)


def test_a_marker_has_a_tooltip() -> None:
    cells = [cell("Good", "news", 8, 0, 0.8, fit_seconds=1.25)]

    checker = check(score_by_seconds(groups(cells, (8,)), METHODS))

    assert "Good, 8 shots: 0.800 in 1.25 s" in checker.text


def test_methods_differ_in_colour_or_marker_and_keep_it() -> None:
    many = tuple(f"Method {i}" for i in range(40))

    looks = [
        (path["fill"], path["d"])
        for swatch, _ in legend(many)
        for path in check(swatch).find("path")
    ]

    assert len(set(looks)) == 40
    assert len({fill for fill, _ in looks[:8]}) == len({d for _, d in looks[:8]}) == 8
    (only,) = check(legend(METHODS)[1][0]).find("path")
    cells = [cell("Poor", "news", 8, 0, 0.7)]
    (drawn,) = check(score_by_seconds(groups(cells, (8,)), METHODS)).find("path")
    assert (drawn["fill"], drawn["d"]) == (only["fill"], only["d"])


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.52, 0.93, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.91, 0.97, [0.9, 0.92, 0.94, 0.96, 0.98]),
        (0.3, 7.0, [0.0, 2.0, 4.0, 6.0, 8.0]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks
