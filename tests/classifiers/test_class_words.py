"""Classes, their words by default, and how words count."""

from __future__ import annotations

import warnings

import pytest

from fewshot.classifiers.class_words import (
    read_verbalizer,
    resolve_aggregation,
    resolve_classes,
)
from fewshot.data.training_data import read_training_data
from fewshot.errors import InputError, LabelWordWarning, VerbalizerError
from fewshot.prompting.verbalizer import Verbalizer

WORDS = {"sports": ["sports", "game"], "law": ["law"]}
WEIGHTED = Verbalizer({"sports": {"sports": 3.0, "game": 1.0}, "law": ["law"]})


def test_a_mapping_becomes_a_verbalizer():
    assert read_verbalizer(WORDS) == Verbalizer(WORDS)
    assert read_verbalizer(WEIGHTED) is WEIGHTED
    assert read_verbalizer(None) is None


def test_without_words_the_classes_are_the_labels_that_occur():
    data = read_training_data(["a", "b", "c"], ["sports", "law", None])

    assert resolve_classes(None, None, data) == ["law", "sports"]


def test_without_words_labels_and_data_the_classes_are_unknown():
    with pytest.raises(VerbalizerError, match="pass verbalizer= or labels="):
        resolve_classes(None, None, None)


def test_classes_are_sorted_and_may_be_fewer_than_the_words_have():
    three = Verbalizer(WORDS | {"art": ["art"]})

    assert resolve_classes(three, None, None) == ["art", "law", "sports"]
    assert resolve_classes(three, ["sports", "law"], None) == ["law", "sports"]


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
