"""What a Classifier is given: budgets, names of classes, descriptions."""

from __future__ import annotations

import pytest

from fewshot.classifiers.automatic.task import read_budget, read_classes, template_for
from fewshot.data.training_data import read_training_data
from fewshot.errors import InputError, VerbalizerError

LABELED = read_training_data(["a", "b"], ["yes", "no"])


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (5, 5.0),
        (0.5, 0.5),
        ("3", 3.0),
        ("30s", 30.0),
        ("30 s", 30.0),
        ("2min", 120.0),
        ("1.5m", 90.0),
        ("1h", 3600.0),
    ],
)
def test_a_budget_is_seconds_or_text(given, seconds):
    assert read_budget(given, 10) == seconds


@pytest.mark.parametrize(("n_labeled", "seconds"), [(0, 60), (40, 60), (100, 120), (5000, 600)])
def test_by_default_it_is_a_minute_and_grows_with_the_labels(n_labeled, seconds):
    assert read_budget(None, n_labeled) == seconds


@pytest.mark.parametrize("given", [0, -1, True, "soon", "0s", "5 days", float("nan"), [5]])
def test_other_budgets_are_refused(given):
    with pytest.raises(InputError, match=r"time_budget is a number of seconds .* '5min'"):
        read_budget(given, 10)


def test_classes_are_those_of_the_labels():
    found, named = ["no", "yes"], ["maybe", "no", "yes"]
    assert read_classes(None, None, LABELED) == (found, found, None)
    assert read_classes(["yes", "no", "maybe"], None, LABELED) == (named, named, None)


def test_a_description_stands_beside_the_name():
    classes, _, verbalizer = read_classes(None, {"no": "it is refused"}, LABELED)

    assert classes == ["no", "yes"]
    assert verbalizer is not None
    assert verbalizer.label_words == {"no": ("no", "it is refused"), "yes": ("yes",)}


def test_descriptions_alone_name_the_classes():
    classes, _, verbalizer = read_classes(None, {1: "good", 0: ["bad", "awful"]}, None)

    assert classes == [0, 1]
    assert verbalizer is not None
    assert verbalizer.label_words == {0: ("bad", "awful"), 1: ("good",)}


def test_a_description_may_repeat_the_name():
    _, _, verbalizer = read_classes(None, {"no": ["no", "it is refused"]}, LABELED)

    assert verbalizer is not None
    assert verbalizer.label_words["no"] == ("no", "it is refused")


def test_a_label_that_is_no_word_is_known_by_its_descriptions():
    _, _, verbalizer = read_classes(["0", "1"], {"0": "bad", "1": ["good", "great"]}, None)

    assert verbalizer is not None
    assert verbalizer.label_words == {"0": ("bad",), "1": ("good", "great")}


@pytest.mark.parametrize(
    ("labels", "descriptions", "message"),
    [
        (None, None, "neither labelled texts nor names of classes"),
        (["a", "b"], {"c": "other"}, r"labels \['c'\], which are unknown; known are \['a', 'b'\]"),
        (None, "a sentence", "descriptions is a mapping of labels"),
        (None, {}, "descriptions is a mapping of labels"),
        (None, {"a": "fine", "b": None}, r"descriptions\['b'\] is a sentence or a list of some"),
        (None, {"a": "fine", "b": []}, r"descriptions\['b'\] is a sentence or a list of some"),
        (None, {"a": "fine", 1: "bad"}, "labels all of str, of int or of bool"),
        ([0, 1], {0: "bad"}, r"labels \[1\] are no words; describe them too"),
        (["a"], None, "at least two labels"),
    ],
)
def test_classes_that_are_not_known_are_refused(labels, descriptions, message):
    with pytest.raises(VerbalizerError, match=message):
        read_classes(labels, descriptions, None)


def test_the_template_has_the_fields_of_the_texts():
    assert template_for(["text"]) is None
    assert template_for(["review"]).text == "A {mask} text: {review}"
    assert template_for(["title", "body"]).text == "A {mask} text: {title} {body}"
