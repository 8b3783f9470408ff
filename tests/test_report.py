"""Reports: well-formed, self-contained, escaped, and never half written."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fewshot.comparison import Outcome, summarise
from fewshot.errors import InputError
from fewshot.report import Example, Report, make_folder, write_report

_VOID = {"meta", "line", "rect", "circle"}


class Checker(HTMLParser):
    """Keeps what it reads, and complains about tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def find(self, tag: str, kind: str | None = None) -> list[dict[str, str | None]]:
        return [a for name, a in self.tags if name == tag and kind in (None, a.get("class"))]


def check(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def report(**changes: object) -> Report:
    outcomes = [
        Outcome("A & B", 0, ("a", "b"), ("a", "b"), 1.0, 0.5, 1000),
        Outcome("A & B", 1, ("a", "b"), ("a", "a"), 1.0, 0.5, 1000),
        Outcome("Broken", 0, error="ValueError: <script>alert(1)</script>"),
    ]
    values: dict = {
        "title": "Title <1>",
        "setting": "2 topics",
        "summaries": summarise(outcomes),
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


def test_a_report_is_written_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "demo.html"
    path.write_text("old")

    assert write_report(report(), path) == path

    check(path.read_text(encoding="utf-8"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.html"]


def test_a_report_that_cannot_be_made_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "demo.html"
    path.write_text("old")

    with pytest.raises(AttributeError):
        write_report(report(summaries=[None]), path)

    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.html"]


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=r"cannot be written to .*file.*choose another --output"):
        make_folder(tmp_path / "file")
