"""What stands for the classes: words that are given, the labels themselves, and how they count."""

from __future__ import annotations

import warnings

import pytest

from fewshot.classifiers.class_words import (
    resolve_aggregation,
    resolve_verbalizer,
    verbalizer_classes,
)
from fewshot.data.training_data import read_training_data
from fewshot.errors import InputError, LabelWordWarning, VerbalizerError
from fewshot.prompting.verbalizer import Verbalizer

WORDS = {"sports": ["sports", "game"], "law": ["law"]}
WEIGHTED = Verbalizer({"sports": {"sports": 3.0, "game": 1.0}, "law": ["law"]})


def test_a_mapping_becomes_a_verbalizer():
    assert resolve_verbalizer(WORDS, None, None) == Verbalizer(WORDS)


def test_without_words_the_labels_that_occur_are_the_words():
    data = read_training_data(["a", "b", "c"], ["sports", "law", None], None)

    words = resolve_verbalizer(None, None, data)

    assert words.label_words == {"law": ("law",), "sports": ("sports",)}


def test_without_words_labels_and_data_nothing_tells_the_classes():
    with pytest.raises(VerbalizerError, match="pass verbalizer= or labels="):
        resolve_verbalizer(None, None, None)


def test_classes_are_sorted_and_may_be_fewer_than_the_words_have():
    three = Verbalizer(WORDS | {"art": ["art"]})

    assert verbalizer_classes(three, None, None) == ["art", "law", "sports"]
    assert verbalizer_classes(three, ["sports", "law"], None) == ["law", "sports"]


def test_a_label_without_words_is_refused():
    data = read_training_data(["a", "b"], ["sports", "music"], None)

    with pytest.raises(InputError, match=r"'music'.*unknown"):
        verbalizer_classes(Verbalizer(WORDS), None, data)


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
