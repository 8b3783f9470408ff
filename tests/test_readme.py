"""Numbers of the README and of the page on nine data sets are those of the reports they link to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
PAGE = README.parent / "docs" / "evidence" / "results.md"
RESULTS = README.parent / "benchmarks" / "results"
_METHODS = {
    "Classifier": "Classifier",
    "head": "Prompt, head",
    "full": "Mini, full",
    "embeddings": "Embeddings",
    "embeddings, names": "Embeddings, names",
    "SetFit": "SetFit",
    "TF-IDF": "TF-IDF",
    "base, embeddings": "Base, embeddings",
    "base, embeddings, names": "Base, embeddings, names",
    "base, head": "Base, head",
    "base, full": "Base, full",
}
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


def _reported(report: str) -> dict[tuple[str, str], str]:
    """Return scores by method and data set; zero-shot those of 0 shots, which come first."""
    scores: dict[tuple[str, str], str] = {}
    for header, _, *rows in _tables(report.split("## Missing cells")[0]):
        for method, *cells in rows:
            for title, cell in zip(header[1:], cells, strict=True):
                if "±" in cell:
                    score = cell.strip("*").split("±")[0].strip(" *").removeprefix("0")
                    scores.setdefault((method, title.split(" (")[0]), score)
    return scores


def _seconds(of_data_set: str) -> dict[str, float]:
    """Return the seconds of a fit by method, from the costs of a data set."""
    costs = next(t for t in _tables(of_data_set) if "Fit (seconds)" in t[0])
    column = costs[0].index("Fit (seconds)")
    return {row[0]: float(row[column]) for row in costs[2:]}


def test_scores_of_nine_data_sets_are_those_of_the_report() -> None:
    reported = _reported((RESULTS / "first" / "report.md").read_text(encoding="utf-8"))
    table = next(t for t in _tables(PAGE.read_text(encoding="utf-8")) if t[3][0] == "Majority")
    titles = [_COLUMNS[title] for title in table[0][1:]]

    shown = {
        (row[0].replace("** (default)", "").split(" (")[0], title): score
        for row in table[3:]
        for title, score in zip(titles, row[1:], strict=True)
    }

    assert shown == reported
    assert len(shown) == 8 * 9


def test_scores_and_seconds_of_the_readme_are_those_of_its_reports() -> None:
    scores: dict[tuple[str, str], str] = {}
    seconds: dict[str, float] = {}
    for name in ("readme_embeddings", "readme_base_embeddings", "readme_base", "readme"):
        report = (RESULTS / name / "report.md").read_text(encoding="utf-8")
        scores |= _reported(report)
        seconds |= _seconds(report.split("### BBC News")[1])
    header, _, *rows, times = next(
        t for t in _tables(README.read_text(encoding="utf-8")) if t[2][0] == "BBC News"
    )

    shown = {
        (_METHODS[method], _COLUMNS[name]): score
        for name, _, *cells in rows
        for method, score in zip(header[2:], cells, strict=True)
    }
    assert shown == {key: scores[key] for key in shown}
    assert len(shown) == 11 * 3
    for method, cell in zip(header[2:], times[2:], strict=True):
        assert float(cell.removesuffix(" s")) == pytest.approx(seconds[_METHODS[method]], abs=0.5)


def test_the_readme_has_two_screens() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 100
