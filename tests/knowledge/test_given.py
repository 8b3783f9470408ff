"""Terms that users have: mappings, files, functions; and what is wrong with some."""

from __future__ import annotations

import pytest

from fewshot.errors import SourceError, VerbalizerError
from fewshot.knowledge import GivenTerms, Lookup, TermFile, VerbalizerTask
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template

LABELS = ("Law (L)", "Sport")
NAMES = {"Law (L)": ["law"], "Sport": ["sport"]}


@pytest.fixture
def task(tiny_bert) -> VerbalizerTask:
    lm = MaskedLM(*tiny_bert, device="cpu")
    return VerbalizerTask(LABELS, lm, Template("{text} it was {mask}."), 64)


def as_dict(source, task) -> dict[str, dict[str, float]]:
    found = source.find(NAMES, task)
    return {
        label: {
            term: float(row[number])
            for term, row in zip(found.terms, found.scores, strict=True)
            if row[number]
        }
        for number, label in enumerate(task.classes)
    }


def write(folder, terms, scores=None) -> TermFile:
    (folder / "terms.txt").write_text(terms, encoding="utf-8")
    if scores is None:
        return TermFile(folder / "terms.txt")
    (folder / "scores.txt").write_text(scores, encoding="utf-8")
    return TermFile(folder / "terms.txt", folder / "scores.txt")


def test_a_mapping_gives_terms_with_scores_or_without(task):
    source = GivenTerms({"Law (L)": ["court", "vote"], "Sport": {"game": 0.5}})

    assert as_dict(source, task) == {"Law (L)": {"court": 1, "vote": 1}, "Sport": {"game": 0.5}}


def test_terms_for_an_unknown_label_are_refused(task):
    with pytest.raises(VerbalizerError, match=r"labels \['Sports'\], which are unknown"):
        GivenTerms({"Sports": ["game"]}).find(NAMES, task)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"Sport": {"game": -1.0}}, "score of 'game' for label 'Sport' is a finite number from 0"),
        ({"Sport": {"game": float("nan")}}, "score of 'game' for label 'Sport'"),
        ({"Sport": ["game", 3]}, "a term is a str, got 3 for label 'Sport'"),
        ({"Sport": "game"}, "terms of label 'Sport' are a list, or a mapping"),
    ],
)
def test_bad_terms_are_refused_by_label(terms, message, task):
    with pytest.raises(VerbalizerError, match=message):
        GivenTerms(terms).find(NAMES, task)


def test_a_file_is_matched_to_labels_by_the_first_word_of_each_line(tmp_path, task):
    source = write(tmp_path, "sport,football,game\nlaw (l),court\n", "1,0.75,0.5\n1,0.25\n")

    assert as_dict(source, task) == {
        "Law (L)": {"court": 0.25},
        "Sport": {"football": 0.75, "game": 0.5},
    }


def test_labels_may_be_given_in_the_order_of_the_lines(tmp_path, task):
    write(tmp_path, "football\ncourt\n")
    source = TermFile(tmp_path / "terms.txt", labels=["Sport", "Law (L)"])

    assert as_dict(source, task) == {"Law (L)": {"court": 1.0}, "Sport": {"football": 1.0}}


def test_a_term_that_stands_twice_keeps_its_better_score(tmp_path, task):
    source = write(tmp_path, "sport,game,game\nlaw,court\n", "1,0.5,0.75\n1,1\n")

    assert as_dict(source, task)["Sport"]["game"] == 0.75


@pytest.mark.parametrize(
    ("terms", "scores", "message"),
    [
        ("sport,game\nlaw\n", "1\n1\n", "label 'Sport' has 2 terms but 1 scores"),
        ("sport\nlaw\n", "1\n", "1 lines of scores for 2 classes"),
        ("sport,game\nlaw\n", "1,x\n1\n", "score of 'game' for label 'Sport' .* got 'x'"),
        ("tennis\nlaw\n", None, r"names of the labels \['Sport'\], and the lines of \['tennis'\]"),
    ],
)
def test_a_file_that_does_not_fit_says_where(tmp_path, task, terms, scores, message):
    with pytest.raises(VerbalizerError, match=message):
        write(tmp_path, terms, scores).find(NAMES, task)


def test_a_missing_file_is_named(tmp_path, task):
    with pytest.raises(SourceError, match=r"no file of terms .*nowhere\.txt"):
        TermFile(tmp_path / "nowhere.txt").find(NAMES, task)


def test_a_function_is_asked_for_each_name(task):
    asked = []

    def web(name):
        asked.append(name)
        return {"football": 0.5} if name == "sport" else None

    source = Lookup(web, name="web")

    assert as_dict(source, task) == {"Law (L)": {}, "Sport": {"football": 0.5}}
    assert asked == ["law", "sport"]
    assert source.name == "web"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "2 lines begin with 'sport'; name each class once"),
        (["Sport", "Sport", "Law (L)"], "name each once, in the order of the lines"),
    ],
)
def test_a_class_in_two_lines_of_a_file_is_refused(task, tmp_path, labels, message):
    write(tmp_path, "sport,football\nsport,team\nlaw (l),vote\n")

    with pytest.raises(VerbalizerError, match=message):
        TermFile(tmp_path / "terms.txt", labels=labels).find(NAMES, task)
