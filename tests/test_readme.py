"""Numbers of the README and of the page on nine data sets are those of the report they link to."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
PAGE = README.parent / "docs" / "evidence" / "results.md"
REPORT = README.parent / "benchmarks" / "results" / "first" / "report.md"
_COLUMNS = {
    "BBC News": "BBC News, headline and lead",
    "AG News": "AG News",
    "SST-2": "SST-2, LiST's splits",
    "subj": "subj, LiST's splits",
    "RTE": "RTE, LiST's splits",
    "MasakhaNEWS eng": "MasakhaNEWS, English",
    "pcm": "MasakhaNEWS, Nigerian Pidgin",
    "swa": "MasakhaNEWS, Swahili",
    "Emerging NLP": "Emerging NLP",
}


def _tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a Markdown text: rows of cells without emphasis."""
    tables = re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE)
    return [
        [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in table.splitlines()]
        for table in tables
    ]


def _reported() -> dict[tuple[str, str], str]:
    """Return scores by method and data set; zero-shot those of 0 shots, which come first."""
    scores: dict[tuple[str, str], str] = {}
    for header, _, *rows in _tables(
        REPORT.read_text(encoding="utf-8").split("## Missing cells")[0]
    ):
        for method, *cells in rows:
            for title, cell in zip(header[1:], cells, strict=True):
                if "±" in cell:
                    score = cell.strip("*").split("±")[0].strip(" *").removeprefix("0")
                    scores.setdefault((method, title.split(" (")[0]), score)
    return scores


def test_scores_of_nine_data_sets_are_those_of_the_report() -> None:
    reported = _reported()
    table = next(t for t in _tables(PAGE.read_text(encoding="utf-8")) if t[3][0] == "Majority")
    titles = [_COLUMNS[title] for title in table[0][1:]]

    shown = {
        (row[0].replace("** (default)", "").split(" (")[0], title): score
        for row in table[3:]
        for title, score in zip(titles, row[1:], strict=True)
    }

    assert shown == reported
    assert len(shown) == 8 * 9


def test_scores_of_the_readme_are_those_of_the_report() -> None:
    reported = _reported()
    header, _, *rows = next(
        t for t in _tables(README.read_text(encoding="utf-8")) if t[2][0] == "BBC News"
    )
    methods = {"prompt, full": "Prompt, full", "prompt, head": "Prompt, head"}
    methods |= {"fine-tuning": "Fine-tuning"}

    for name, _, *scores in rows:
        for method, score in zip(header[2:], scores, strict=True):
            assert score == reported[methods.get(method, method), _COLUMNS[name]]
    assert len(rows) == 3


def test_scores_of_classifier_are_those_of_its_page() -> None:
    page = (PAGE.parent / "classifier.md").read_text(encoding="utf-8")
    header, _, *rows = next(t for t in _tables(page) if t[2][0] == "zero-shot")
    scores = {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}
    text = " ".join(README.read_text(encoding="utf-8").split())

    for name, phrase in (("Classifier", "`Classifier` scores"), ("embedding", "plain embeddings")):
        shown = [scores[name][data].removeprefix("0") for data in ("BBC News", "AG News", "SST-2")]
        assert f"{phrase} {shown[0]}, {shown[1]} and {shown[2]}" in text


def test_the_readme_has_two_screens() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 100
