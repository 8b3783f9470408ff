"""Classes, their words by default, and how words count."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fewshot.classifiers.class_words import (
    read_verbalizer,
    resolve_aggregation,
    resolve_classes,
    resolve_words,
)
from fewshot.data.training_data import read_training_data
from fewshot.errors import InputError, LabelWordError, LabelWordWarning, VerbalizerError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.learned_verbalizer import VerbalizerTask
from fewshot.tuning import Head, NoTuning
from tests.tiny_models import tiny_bert

WORDS = {"sports": ["sports", "game"], "law": ["law"]}
WEIGHTED = Verbalizer({"sports": {"sports": 3.0, "game": 1.0}, "law": ["law"]})


def test_a_mapping_becomes_a_verbalizer():
    assert read_verbalizer(WORDS) == Verbalizer(WORDS)
    assert read_verbalizer(WEIGHTED) is WEIGHTED
    assert read_verbalizer(None) is None


def test_without_words_the_classes_are_the_labels_that_occur():
    data = read_training_data(["a", "b", "c"], ["sports", "law", None])

    assert resolve_classes(None, None, data)[0] == ["law", "sports"]


def test_without_words_labels_and_data_the_classes_are_unknown():
    with pytest.raises(VerbalizerError, match="pass verbalizer= or labels="):
        resolve_classes(None, None, None)


def test_classes_are_sorted_and_may_be_fewer_than_the_words_have():
    three = Verbalizer(WORDS | {"art": ["art"]})

    assert resolve_classes(three, None, None)[0] == ["art", "law", "sports"]
    assert resolve_classes(three, ["sports", "law"], None)[0] == ["law", "sports"]


def test_classes_are_numbers_where_numbers_stand_for_their_names():
    data = read_training_data(["a", "b"], [1, 0])

    with pytest.warns(LabelWordWarning, match=r"stand for \['law', 'sports'\]"):
        found = resolve_classes(Verbalizer(WORDS), None, data)

    assert found == ([0, 1], ["law", "sports"])


@pytest.fixture(scope="module")
def lm():
    return MaskedLM(*tiny_bert(), device="cpu")


def words_of(lm, verbalizer, tuning, classes, names):
    data = read_training_data(["a team", "a law"], classes)
    task = VerbalizerTask.of(classes, lm, Template("{text} {mask}"), data, max_length=32)
    return resolve_words(verbalizer, tuning, task, names)


def test_numbers_have_the_words_of_the_names_that_they_stand_for(lm):
    given = Verbalizer({"sports": ["goal", "team"], "law": "law"})

    for verbalizer, words in ((given, ["goal", "team"]), (None, ["sports"])):
        found, resolved = words_of(lm, verbalizer, Head(), [0, 1], ["law", "sports"])

        assert found == Verbalizer({0: "law", 1: words})
        assert resolved.words == (("law",), tuple(words))


@pytest.mark.parametrize(
    "names", [[0, 1], [False, True], ["👎", "👍"], ["体育", "政治"], ["C", "C++"]]
)
def test_names_that_are_no_words_leave_the_classes_to_what_is_learned(lm, names):
    with pytest.warns(
        LabelWordWarning, match=r"verbalizer=|script|keep it for .*Without words, Head"
    ):
        found, resolved = words_of(lm, None, Head(), names, names)

    assert found is None
    assert resolved.classes == tuple(names)
    # The states of the two texts are as far from their middle as from each other's: by symmetry
    # the regression from nothing makes vectors that sum to zero.
    np.testing.assert_allclose(resolved.vectors.sum(0), 0.0, atol=1e-5)
    assert resolved.vectors.any()
    with pytest.raises((VerbalizerError, LabelWordError), match=r"words|script|keep"):
        words_of(lm, None, NoTuning(), names, names)


def test_a_label_without_words_is_refused():
    data = read_training_data(["a", "b"], ["sports", "music"])

    with pytest.raises(InputError, match=r"'music'.*unknown"):
        resolve_classes(Verbalizer(WORDS), None, data)


def test_weights_count_by_default_where_there_are_some():
    assert resolve_aggregation("auto", WEIGHTED) == "weighted"
    assert resolve_aggregation("auto", Verbalizer(WORDS)) == "mean"
    assert resolve_aggregation("auto", None) == "mean"


def test_an_aggregation_without_the_weights_is_warned_of():
    with pytest.warns(LabelWordWarning, match="aggregation='max' does not use the weights"):
        assert resolve_aggregation("max", WEIGHTED) == "max"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_aggregation("weighted", WEIGHTED) == "weighted"
