"""From candidates to the terms of each class: thresholds, merging, duplicates."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from fewshot.errors import LabelWordWarning
from fewshot.knowledge import Candidates, GivenTerms, TermSource, VerbalizerTask
from fewshot.knowledge.retrieval import kept, known_to, retrieve
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.found_terms import FoundTerm
from fewshot.prompting.template import Template

CLASSES = ("a", "b")
NAMES = {"a": ("alpha",), "b": ("beta",)}


class TableEncoder:
    """Embeds texts by a table: cosines with the names "alpha" (1, 0) and "beta" (0, 1)."""

    def __init__(self, **table: tuple[float, float]) -> None:
        self.table = {"alpha": (1.0, 0.0), "beta": (0.0, 1.0)} | table
        self.passes: list[list[str]] = []

    def embed(self, texts):
        self.passes.append(list(texts))
        return np.array([self.table[text] for text in texts])


class Pool(TermSource):
    """Terms that were there before the classes."""

    name = "pool"

    def __init__(self, terms) -> None:
        self.terms = terms

    def find(self, names, task):
        return Candidates(tuple(self.terms), np.ones((len(self.terms), 2)), is_pool=True)


@pytest.fixture
def find(tiny_bert):
    lm = MaskedLM(*tiny_bert, device="cpu")
    task = VerbalizerTask(CLASSES, lm, Template("{text} {mask}."), 64)

    def run(sources, encoder=None, *, classes=CLASSES, **options):
        settings = {"sentence": "{term}", "min_similarity": 0.0, "n_terms": None} | options
        named = {label: NAMES[label] for label in classes}
        asked = VerbalizerTask(classes, lm, task.template, 64)
        return retrieve(sources, named, asked, encoder, **settings)

    return run


def words(found) -> dict[str, list[str]]:
    return {label: [row[i].term for i in kept(row)] for label, row in found.items()}


def reasons(found) -> dict[str, str]:
    return {term.term: term.dropped for row in found.values() for term in row if term.dropped}


def test_a_threshold_must_be_exceeded(find):
    source = GivenTerms({"a": {"keep": 0.6, "drop": 0.5}})  # E6 of methods/sciprompt.md

    found = find([source], min_similarity=0.5)

    assert words(found) == {"a": ["keep"], "b": []}
    assert reasons(found) == {"drop": "similarity 0.50, not above 0.5"}


def test_a_term_of_two_classes_stays_where_it_is_nearer(find):
    source = GivenTerms({"a": ["shared"], "b": ["shared"]})

    found = find([source], TableEncoder(shared=(0.6, 0.8)))

    assert words(found) == {"a": [], "b": ["shared"]}
    assert found["a"][0].dropped == "closer to 'b'"
    assert found["b"][0].similarity == pytest.approx(0.8)


def test_the_order_of_classes_decides_nothing(find):
    source = GivenTerms(
        {"a": {"one": 0.4, "two": 0.9, "own": 0.1}, "b": {"one": 0.5, "two": 0.3, "other": 1.0}}
    )

    equals = GivenTerms({"a": ["x"], "b": ["x"]})

    both, of_equals = (
        [words(find([given], classes=classes)) for classes in itertools.permutations(CLASSES)]
        for given in (source, equals)
    )

    assert both[0] == both[1] == {"a": ["two", "own"], "b": ["other", "one"]}
    assert of_equals[0] == of_equals[1] == {"a": ["x"], "b": []}


def test_the_order_of_classes_does_not_decide_between_equal_tokens():
    row = {"a": [FoundTerm("a", "X", "given", 0.5)], "b": [FoundTerm("b", "x", "given", 0.5)]}
    names = {"a": ("alpha",), "b": ("beta",)}
    ids = {"alpha": [1], "beta": [2], "x": [3], "X": [3]}.get

    found = [words(known_to({c: row[c] for c in classes}, names, ids)) for classes in ("ab", "ba")]

    assert found[0] == found[1] == {"a": ["X"], "b": []}


def test_the_same_word_in_other_letters_is_the_same_term(find):
    found = find([GivenTerms({"a": {"CLIL": 0.5}, "b": {"clil": 0.75}})])

    assert words(found) == {"a": [], "b": ["clil"]}


def test_a_term_of_several_sources_names_them_all(find):
    found = find([GivenTerms({"a": ["x"]}), Pool(["x"])], TableEncoder(x=(0.9, 0.1)))

    assert [(term.term, term.source) for term in found["a"]] == [("x", "given+pool")]


def test_terms_of_a_pool_go_to_their_nearest_class(find):
    encoder = TableEncoder(x=(0.9, 0.1), y=(0.2, 0.3), z=(-0.5, -0.1))

    found = find([Pool(["x", "y", "z"])], encoder)

    assert words(found) == {"a": ["x"], "b": ["y"]}
    assert reasons(found) == {}


def test_terms_of_a_pool_that_are_as_near_to_two_classes_go_to_none(find):
    encoder = TableEncoder(x=(1, 0), y=(1, 1))

    assert words(find([Pool(["x", "y"])], encoder)) == {"a": ["x"], "b": []}
    assert words(find([Pool(["x", "y"])])) == {"a": [], "b": []}


def test_each_source_gives_so_many_terms_at_most(find):
    encoder = TableEncoder(x=(0.9, 0), y=(0.8, 0), z=(0.7, 0))

    found = find([GivenTerms({"a": ["z", "y", "x"]})], encoder, n_terms=2)

    assert words(found)["a"] == ["x", "y"]
    assert reasons(found) == {"z": "not of the 2 best of given"}


def test_names_of_classes_are_no_terms(find):
    found = find([GivenTerms({"a": ["Beta", "alpha", "x"]})])

    assert words(found)["a"] == ["x"]
    assert reasons(found) == {"Beta": "the name of 'b'", "alpha": "the name of 'a'"}


def test_terms_without_letters_are_dropped_by_class(find):
    found = find([GivenTerms({"a": ["42", "x"], "b": ["--"]})])

    assert words(found) == {"a": ["x"], "b": []}
    assert [(term.label, term.term, term.dropped) for term in found["b"]] == [
        ("b", "--", "no letters")
    ]


def test_commas_and_tabs_become_spaces_with_a_warning_that_names_the_class(find):
    source = GivenTerms({"a": ["Berkeley, California"], "b": ["tab\there", "two  spaces"]})

    with pytest.warns(LabelWordWarning, match=r"'Berkeley, California' of label 'a' to") as caught:
        found = find([source])

    assert words(found) == {"a": ["Berkeley California"], "b": ["tab here", "two spaces"]}
    assert "two" not in str(caught[0].message)


def test_all_sources_are_embedded_in_one_pass(find):
    encoder = TableEncoder(x=(1, 0), y=(0, 1))

    find([GivenTerms({"a": ["x"]}), Pool(["x", "y"])], encoder)

    assert encoder.passes == [["x", "x", "y", "alpha", "beta"]]


def test_terms_and_names_are_put_into_the_sentence(find):
    encoder = TableEncoder(**{"on x": (1, 0), "on alpha": (1, 0), "on beta": (0, 1)})

    assert words(find([GivenTerms({"a": ["x"]})], encoder, sentence="on {term}"))["a"] == ["x"]
    braces = TableEncoder(**{"x {y}": (1, 0), "alpha {y}": (1, 0), "beta {y}": (0, 1)})
    assert words(find([GivenTerms({"a": ["x"]})], braces, sentence="{term} {y}"))["a"] == ["x"]


def test_terms_unknown_to_the_tokenizer_are_dropped():
    found = {"a": [FoundTerm("a", "日本", "given", 1.0), FoundTerm("a", "x", "given", 0.5)]}

    rows = known_to(found, {"a": ("alpha",)}, {"alpha": [1], "x": [2]}.get)

    assert [term.dropped for term in rows["a"]] == ["unknown to the tokenizer", ""]


def test_of_terms_with_the_same_tokens_the_better_one_stays():
    found = {
        "a": [FoundTerm("a", "ALPHA!", "given", 1.0), FoundTerm("a", "co-op", "given", 0.5)],
        "b": [FoundTerm("b", "co - op", "given", 0.75)],
    }
    ids = {"alpha": [1], "beta": [2], "ALPHA!": [1], "co-op": [3], "co - op": [3]}

    rows = known_to(found, NAMES, ids.get)

    assert [term.dropped for term in rows["a"]] == ["the same tokens as a better term"] * 2
    assert not rows["b"][0].dropped


def test_no_warning_where_nothing_was_changed(find):
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        find([GivenTerms({"a": ["plain term"]})])
