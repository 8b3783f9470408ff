"""Web pages: well-formed, escaped, and never half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from fewshot.benchmark.report.page import definitions, make_folder, page, table
from fewshot.errors import InputError
from tests.html_checker import check


def test_a_page_is_well_formed_and_fits_a_phone() -> None:
    html = page("A < B", "p { color: red; }", ["<p>text</p>"])

    checker = check(html)
    assert html.startswith("<!DOCTYPE html>")
    assert "".join(checker.text).split() == ["A", "<", "B", "text"]
    assert checker.find("meta")[1]["content"] == "width=device-width, initial-scale=1"


def test_a_table_scrolls_in_its_box_and_names_its_rows() -> None:
    checker = check(table(["a", "b"], [[["row", "1"]], [["other", "2"]]], caption="A & B"))

    assert checker.find("div", "scroll")[0]["tabindex"] == "0"  # scrolls by keys too
    assert [th["scope"] for th in checker.find("th")] == ["col", "col", "row", "row"]
    assert len(checker.find("tbody")) == 2
    assert "A & B" in checker.text


def test_definitions_are_escaped() -> None:
    html = definitions([("a<b", "<script>")])

    assert "<script" not in html
    assert "".join(check(html).text).strip() == "a<b<script>"


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")

    assert (tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=r"cannot be written to .*file.*choose another --output"):
        make_folder(tmp_path / "file")
