"""Where words come from, as tables and in a notebook."""

from __future__ import annotations

import sys
from dataclasses import asdict

import pytest

from fewshot import Verbalizer
from fewshot.errors import MissingExtraError, VerbalizerError
from fewshot.prompting.found_terms import FoundTerm, read_terms

NOTES = [
    FoundTerm("law", "law", "name"),
    FoundTerm("law", "court", "wordnet+corpus", 1.5, 0.625, 0.25),
    FoundTerm("law", "<tort>", "wordnet", 1.0, 0.125, dropped="similarity 0.12, not above 0.2"),
]
WORDS = {"law": {"law": 1.0, "court": 0.5}, "sport": ["game"]}


@pytest.fixture
def verbalizer() -> Verbalizer:
    return Verbalizer(WORDS, provenance=NOTES)


def test_a_frame_has_a_row_for_each_word_and_then_for_those_that_were_dropped(verbalizer):
    frame = verbalizer.to_frame()

    assert list(frame.columns) == [
        *("label", "word", "weight", "source", "source_score", "similarity", "contrast", "dropped")
    ]
    assert frame.word.tolist() == ["law", "court", "game", "<tort>"]
    assert frame.weight.tolist() == [1.0, 0.5, 1.0, 0.0]
    assert frame.source.tolist() == ["name", "wordnet+corpus", "given", "wordnet"]
    assert frame.similarity[1] == 0.625
    assert frame.dropped.tolist() == ["", "", "", "similarity 0.12, not above 0.2"]


def test_words_that_a_user_wrote_have_a_frame_too():
    frame = Verbalizer({0: "bad", 1: {"good": 2.0}}).to_frame()

    assert frame[["label", "word", "weight", "source"]].values.tolist() == [
        [0, "bad", 1.0, "given"],
        [1, "good", 2.0, "given"],
    ]


def test_without_pandas_the_error_has_the_line_that_installs_it(verbalizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(MissingExtraError, match=r'pip install "fewshot\[pandas\]"'):
        verbalizer.to_frame()


def test_a_notebook_shows_words_by_class_with_weights_scores_and_reasons(verbalizer):
    shown = verbalizer._repr_html_()

    assert shown.count("<tr>") == 3
    assert '<span title="wordnet+corpus, score 1.50, similarity 0.62, contrast 0.25">' in shown
    assert "court <small>(0.5)</small>" in shown
    assert "&lt;tort&gt; <small>(similarity 0.12, not above 0.2)</small>" in shown
    assert "<tort>" not in shown


def test_a_class_with_hundreds_of_words_is_shown_in_part():
    words = {f"w{i}": 1.0 for i in range(50)}
    notes = [FoundTerm("a", word, "wordnet") for word in words]

    shown = Verbalizer({"a": words, "b": "x"}, provenance=notes)._repr_html_()

    assert " and 30 more</td>" in shown


def test_provenance_makes_no_difference_to_equality(verbalizer):
    assert verbalizer == Verbalizer(WORDS)
    assert hash(verbalizer) == hash(Verbalizer(WORDS))


def test_provenance_goes_along_with_labels(verbalizer):
    renamed = verbalizer.rename({"law": 0, "sport": 1})

    assert [note.label for note in renamed.provenance] == [0, 0, 0]
    assert verbalizer.subset(["sport", "law"]).provenance == tuple(NOTES)
    assert Verbalizer(WORDS | {"b": "x"}, provenance=NOTES).subset(["sport", "b"]).provenance == ()


def test_a_dict_keeps_provenance_and_a_file_of_words_does_not(verbalizer, tmp_path):
    again = Verbalizer.from_dict(verbalizer.to_dict())
    verbalizer.to_yaml(tmp_path / "words.yaml")

    assert again.provenance == tuple(NOTES)
    assert Verbalizer.from_file(tmp_path / "words.yaml").provenance == ()
    assert "provenance" not in Verbalizer(WORDS).to_dict()


@pytest.mark.parametrize("row", [{"label": "law"}, "law", asdict(NOTES[0]) | {"more": 1}])
def test_provenance_that_was_altered_is_refused(row):
    with pytest.raises(VerbalizerError, match="provenance holds mappings of"):
        read_terms([row])
