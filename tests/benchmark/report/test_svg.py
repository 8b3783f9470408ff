"""Shapes and ticks of pictures."""

from __future__ import annotations

import pytest

from fewshot.benchmark.report.svg import decimals, nice_ticks, shape


def test_numbers_are_short_and_zero_has_no_sign() -> None:
    assert shape("line", {"x1": 1.005, "x2": -0.001, "y1": 100, "y2": 1 / 3}) == (
        '<line x1="1" x2="0" y1="100" y2="0.33"/>'
    )


def test_attributes_are_escaped() -> None:
    assert shape("g", {"aria-label": 'a "b" <c>'}) == '<g aria-label="a &quot;b&quot; &lt;c&gt;"/>'


def test_content_is_between_tags() -> None:
    assert shape("text", {"x": 1}, "a &amp; b") == '<text x="1">a &amp; b</text>'


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


def test_ticks_have_as_many_decimals_as_they_need() -> None:
    assert decimals([0.9, 0.92]) == 2
    assert decimals([0.5, 0.6]) == 1
    assert decimals([0.0, 2.0]) == 0
