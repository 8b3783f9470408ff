"""Reports of the demo: well-formed, self-contained and escaped."""

from __future__ import annotations

import re

import pytest

from fewshot.benchmark.demo_page import Example, Report, results_by_method
from fewshot.benchmark.results import Cell, Header, Results
from tests.html_checker import check


def done(seed: int, accuracy: float, **changes: object) -> Cell:
    scores = {"accuracy": accuracy, "macro_f1": accuracy / 2}
    values = {"scores": scores, "fit_seconds": 1.0, "predict_seconds": 0.5, "tokens": 1000}
    return Cell("A & B", "d", 8, seed, "done", "accuracy", "D", **(values | changes))


BROKEN = Cell(
    "Broken", "d", 8, 0, "failed", "accuracy", "D", error="ValueError: <script>alert(1)</script>"
)
SPEC = {"methods": [{"name": "A & B"}, {"name": "Left out"}, {"name": "Broken"}]}


def results(*cells: Cell) -> Results:
    return Results(Header(SPEC, "", "", ""), cells)


def report(**changes: object) -> Report:
    values: dict = {
        "title": "Title <1>",
        "setting": "2 topics",
        "methods": results_by_method(results(BROKEN, done(1, 0.5), done(0, 1.0))),
        "examples": [
            Example(
                before="A ",
                after=" text: <b>bold</b> & [MASK]",
                label="a",
                words={"good<": 0.75, "bad": 0.25},
                predictions={"zero": "b", "tuned": "a"},
            )
        ],
        "command": "python -m fewshot demo --output 'a<b'",
        "seconds": 90.0,
    }
    return Report(**(values | changes))


def test_rows_are_means_over_the_seeds_in_the_order_of_the_spec() -> None:
    cells = done(0, 1.0), done(1, 0.5, fit_seconds=2.0, predict_seconds=1.5, tokens=3000), BROKEN

    methods = results_by_method(results(*cells))

    assert [found.row() for found in methods] == [
        ("A & B", "0.750 ± 0.354", "0.375 ± 0.177", "1.50", "1.00", "2,000"),
        ("Broken", "failed", "", "", "", ""),
    ]
    assert methods[1].errors == ("ValueError: <script>alert(1)</script>",)


def test_a_seed_that_failed_is_left_out_of_the_means_and_told() -> None:
    failed = Cell("A & B", "d", 8, 1, "failed", "accuracy", "D", error="ValueError: no")

    (found,) = results_by_method(results(done(0, 1.0), failed))

    assert found.row()[1] == "1.000"
    assert found.mean("accuracy") == pytest.approx(1.0)
    assert found.errors == ("ValueError: no",)


def test_the_page_is_well_formed_and_needs_nothing_from_outside() -> None:
    html = report().to_html()

    checker = check(html)
    assert html.startswith("<!DOCTYPE html>")
    assert not re.search(r"https?:|src=|href=|url\(|@import", html)
    assert [a["name"] for a in checker.find("meta")[1:]] == ["viewport"]


def test_all_text_is_escaped() -> None:
    html = report().to_html()

    text = "".join(check(html).text)
    assert "<script>alert(1)</script>" in text
    assert "<b>bold</b> & [MASK]" in text
    assert "Title <1>" in text
    assert "--output 'a<b'" in text
    assert "good<" in text
    assert "<script" not in html


def test_the_picture_has_a_bar_for_each_method_and_a_dot_for_each_seed() -> None:
    checker = check(report().to_html())

    assert [bar["width"] for bar in checker.find("rect", "bar")] == ["75.00%"]
    assert [dot["cx"] for dot in checker.find("circle", "dot")] == ["100.00%", "50.00%"]
    assert checker.find("svg")[0]["aria-label"] == ("Accuracy: A & B 0.750 ± 0.354; Broken failed")


def test_examples_show_the_gap_the_words_and_the_verdicts() -> None:
    checker = check(report().to_html())

    text = "".join(checker.text)
    assert "A ____ text:" in text
    assert "good<75%" in text
    assert "zero: b ✗" in text
    assert "tuned: a ✓" in text
    assert [bar["style"] for bar in checker.find("i")] == ["width:75.0%", "width:25.0%"]


def test_the_page_tells_how_it_was_made() -> None:
    text = "".join(check(report().to_html()).text)

    assert "1.5 minutes" in text
    assert re.search(r"fewshot \d+\.\d+\.\d+, torch \d", text)
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", text)


def test_a_page_without_examples_has_no_part_for_them() -> None:
    assert "What the prompt does" not in report(examples=[]).to_html()
