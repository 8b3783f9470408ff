"""Markdown: signs that mean something are escaped, code is fenced."""

from __future__ import annotations

from fewshot.benchmark.report.document import (
    Bullets,
    Code,
    Facts,
    Grid,
    Heading,
    Paragraph,
    Pictures,
    Value,
)
from fewshot.benchmark.report.markdown import to_markdown


def test_signs_that_mean_something_are_escaped() -> None:
    assert to_markdown([Paragraph("a_b *c* `d` [e](f) <g> | h # ~i~ \\")]) == (
        "a\\_b \\*c\\* \\`d\\` \\[e\\](f) \\<g\\> \\| h \\# \\~i\\~ \\\\\n"
    )


def test_line_breaks_become_spaces() -> None:
    assert to_markdown([Bullets(("a\nb", "c"))]) == "- a b\n- c\n"


def test_a_table_has_its_caption_above_and_numbers_on_the_right() -> None:
    grid = Grid(
        "Scores",
        (Value("Method"), Value("News", "accuracy")),
        (((Value("a"), Value("0.9", "± 0.1", "≈")),), ((Value("b"), Value("1", is_best=True)),)),
    )

    assert to_markdown([grid]) == (
        "Scores\n\n| Method | News (accuracy) |\n| --- | ---: |\n| a | 0.9 ± 0.1 ≈ |\n"
        "| b | **1** |\n"
    )


def test_code_with_fences_has_a_longer_fence() -> None:
    assert to_markdown([Code("x\n```")]) == "````\nx\n```\n````\n"


def test_pictures_are_left_out() -> None:
    blocks = [Heading(2, "A"), Pictures(("<svg/>",), (), "caption"), Facts((("a", "b"),))]

    assert to_markdown(blocks) == "## A\n\n- a: b\n"
