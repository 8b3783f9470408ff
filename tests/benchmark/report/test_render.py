"""Rendering: special characters are escaped, on the page and in Markdown, and code is fenced."""

from __future__ import annotations

import pytest

from fewshot.benchmark.report.content import ClozeExample, Report, compose
from fewshot.benchmark.report.render import to_html, to_markdown
from tests.benchmark.toy_results import cell, results
from tests.html_checker import check

SPECIAL = "a_b *c* `d` [e](f) <g> | h # ~i~ \\"
ESCAPED = "a\\_b \\*c\\* \\`d\\` \\[e\\](f) \\<g\\> \\| h \\# \\~i\\~ \\\\"
EXAMPLE = ClozeExample(
    before="A ",
    after=" text: <b>bold</b> & [MASK]",
    label="a",
    words={"good<": 0.75, "bad": 0.25},
    predictions={"zero": "b", "tuned": "a"},
)


@pytest.fixture
def report() -> Report:
    cells = [cell(SPECIAL, "news", 8, 0, 0.5, warnings=("UserWarning: line\nbreak",))]
    return compose(results(cells, methods=(SPECIAL,), seeds=(0,), name="```"), [EXAMPLE])


def test_special_characters_of_markdown_are_escaped(report: Report) -> None:
    assert f"| {ESCAPED} | **0.500** |\n" in to_markdown(report)


def test_special_characters_of_html_are_escaped(report: Report) -> None:
    html = to_html(report)

    assert "<b>bold" not in html
    assert "<g>" not in html
    text = "".join(check(html).text)
    assert SPECIAL in text
    assert "<b>bold</b> & [MASK]" in text


def test_line_breaks_become_spaces_in_markdown(report: Report) -> None:
    assert f"- {ESCAPED}, in 1 cell: UserWarning: line break\n" in to_markdown(report)


def test_code_with_fences_has_a_longer_fence(report: Report) -> None:
    assert "\n````\nname: '```'\n" in to_markdown(report)


def test_a_wide_table_scrolls_in_its_box_and_names_its_rows(report: Report) -> None:
    checker = check(to_html(report))

    assert all(box["tabindex"] == "0" for box in checker.find("div", "scroll"))
    assert {th["scope"] for th in checker.find("th")} == {"col", "row"}
    assert len(checker.find("table")) == len(checker.find("div", "scroll")) == 4


def test_the_page_fits_a_phone_and_has_a_title(report: Report) -> None:
    checker = check(to_html(report))

    assert checker.find("meta")[1]["content"] == "width=device-width, initial-scale=1"
    assert checker.text[checker.text.index("```")] == "```"


def test_examples_show_the_gap_the_words_and_the_verdicts(report: Report) -> None:
    checker = check(to_html(report))

    text = "".join(checker.text)
    assert "A ____ text:" in text
    assert "good<75%" in text
    assert "zero: b ✗" in text
    assert "tuned: a ✓" in text
    assert [bar["style"] for bar in checker.find("i")] == ["width:75.0%", "width:25.0%"]


def test_markdown_lists_the_examples(report: Report) -> None:
    assert to_markdown(report).split("## What the prompt does\n\n")[1].splitlines()[2:7] == [
        "- A \\_\\_\\_\\_ text: \\<b\\>bold\\</b\\> & \\[MASK\\]",
        "  - Words: good\\< 75%, bad 25%",
        "  - True label: a",
        "  - zero: b ✗",
        "  - tuned: a ✓",
    ]


def test_a_report_without_examples_has_no_part_for_them() -> None:
    plain = compose(results([cell("Good", "news", 8, 0, 0.5)], methods=("Good",)))

    assert "What the prompt does" not in to_html(plain) + to_markdown(plain)
