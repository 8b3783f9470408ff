"""Verbalizer: a frozen mapping of labels to weighted words."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone

from fewshot.errors import VerbalizerError
from fewshot.prompting.verbalizer import Verbalizer

SENTIMENT = {"neg": ["terrible", "bad"], "pos": "great"}


def test_words_keep_the_given_order_of_labels_and_words():
    verbalizer = Verbalizer({"pos": ["great", "good"], "neg": ["bad"]})

    assert verbalizer.labels == ("pos", "neg")
    assert verbalizer.label_words == {"pos": ("great", "good"), "neg": ("bad",)}
    assert verbalizer["pos"] == ("great", "good")
    assert list(verbalizer) == ["pos", "neg"]
    assert len(verbalizer) == 2
    assert "neg" in verbalizer
    assert "neutral" not in verbalizer


@pytest.mark.parametrize(
    ("given", "words", "weights"),
    [
        ("great", ("great",), (1.0,)),
        ([" Good ", "really bad\n"], ("Good", "really bad"), (1.0, 1.0)),
        ({"bad": 2, "poor": 0}, ("bad", "poor"), (2.0, 0.0)),
        (np.array(["bad", "poor"]), ("bad", "poor"), (1.0, 1.0)),
    ],
    ids=["a string", "stripped", "weights", "an array"],
)
def test_words_are_a_string_a_sequence_or_a_mapping_to_weights(given, words, weights):
    verbalizer = Verbalizer({0: given, 1: "other"})

    assert verbalizer.label_words == {0: words, 1: ("other",)}
    assert verbalizer.weights == {0: weights, 1: (1.0,)}
    assert verbalizer.coverage == {0: len(words), 1: 1}


def test_numpy_labels_become_plain_ones():
    numbers = Verbalizer({np.int64(0): "bad", np.int64(1): "good"})
    names = Verbalizer({np.str_("neg"): np.str_("bad"), np.str_("pos"): "good"})

    assert [type(label) for label in numbers] == [int, int]
    assert [type(label) for label in names] == [str, str]
    assert type(names["neg"][0]) is str
    assert numbers[np.int64(1)] == ("good",)


def test_bools_are_labels_and_come_back_from_files(tmp_path):
    verbalizer = Verbalizer({False: "bad", np.True_: "good"})

    verbalizer.to_yaml(tmp_path / "words.yaml")

    assert verbalizer.labels == (False, True)
    assert [type(label) for label in verbalizer] == [bool, bool]
    assert Verbalizer.from_file(tmp_path / "words.yaml") == verbalizer
    assert Verbalizer.from_dict(json.loads(json.dumps(verbalizer.to_dict()))) == verbalizer


def test_words_of_an_iterator_are_refused_since_it_is_empty_when_read_again():
    with pytest.raises(VerbalizerError, match=r"a list, or a mapping .* got list_iterator"):
        Verbalizer({"a": iter(["x"]), "b": "y"})


def test_the_caller_s_mapping_is_neither_changed_nor_kept():
    words = {"neg": ["bad "], "pos": {"good": 1.0}}
    before = copy.deepcopy(words)

    verbalizer = Verbalizer(words)
    assert words == before

    words["neg"].append("poor")
    verbalizer.label_words["neg"] = ("awful",)
    assert verbalizer["neg"] == ("bad",)


def test_it_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Verbalizer(SENTIMENT).labels = ("a", "b")


def test_equality_and_hash_count_labels_words_weights_and_order():
    verbalizer = Verbalizer(SENTIMENT)

    assert verbalizer == Verbalizer({"neg": ("terrible", "bad"), "pos": {"great": 1.0}})
    assert hash(verbalizer) == hash(Verbalizer(SENTIMENT))
    assert verbalizer != Verbalizer({"neg": ["bad", "terrible"], "pos": "great"})
    assert verbalizer != Verbalizer({"pos": "great", "neg": ["terrible", "bad"]})
    assert verbalizer != Verbalizer({"neg": ["terrible", "bad"], "pos": {"great": 2.0}})
    assert Verbalizer({0: "bad", 1: "good"}) != Verbalizer({"0": "bad", "1": "good"})


def test_it_survives_pickle_deepcopy_and_sklearn_clone():
    class Estimator(BaseEstimator):
        def __init__(self, verbalizer=None):
            self.verbalizer = verbalizer

    verbalizer = Verbalizer({0: {"bad": 0.3}, 1: ["good"]})

    assert pickle.loads(pickle.dumps(verbalizer)) == verbalizer
    assert copy.deepcopy(verbalizer) == verbalizer
    assert clone(Estimator(verbalizer)).verbalizer == verbalizer


def test_repr_can_be_read_back():
    weighted = Verbalizer({0: {"bad": 2.0, "poor": 0.5}, 1: ["good"]})

    assert repr(weighted) == "Verbalizer({0: {'bad': 2.0, 'poor': 0.5}, 1: ['good']})"
    assert eval(repr(weighted)) == weighted  # noqa: S307


def test_repr_of_many_words_and_labels_is_short():
    many = Verbalizer({label: [f"{label}-{i}" for i in range(7)] for label in range(12)})

    assert repr(many).startswith("Verbalizer({0: ['0-0', '0-1', '0-2', '0-3', '0-4', ... 2 more]")
    assert repr(many).endswith("... 2 more labels})")


def test_html_escapes_labels_and_words():
    shown = Verbalizer({"<b>": ["a&b"], "pos": [f"w{i}" for i in range(22)]})._repr_html_()

    assert "<th>&lt;b&gt;</th><td>a&amp;b</td>" in shown
    assert "w19 and 2 more</td>" in shown


def test_subset_takes_labels_in_the_given_order_with_their_weights():
    verbalizer = Verbalizer({"a": {"x": 2.0}, "b": "y", "c": "z"}).subset(["c", "a"])

    assert verbalizer == Verbalizer({"c": "z", "a": {"x": 2.0}})


def test_other_weights_for_the_same_words():
    verbalizer = Verbalizer({"a": ["x", "y"], "b": {"z": 2.0}})

    weighed = verbalizer.with_weights({"b": [1.0], "a": [0.25, 0.75]})

    assert weighed == Verbalizer({"a": {"x": 0.25, "y": 0.75}, "b": "z"})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": [1.0, 1.0]}, "no weights for the label 'b'"),
        ({"a": [1.0], "b": [1.0]}, "label 'a' has 2 words but 1 weights"),
        ({"a": [1.0, 1.0], "b": [1.0], "c": [1.0]}, "has no label 'c'"),
    ],
)
def test_weights_that_do_not_fit_the_words_are_refused(weights, message):
    with pytest.raises(VerbalizerError, match=message):
        Verbalizer({"a": ["x", "y"], "b": "z"}).with_weights(weights)


def test_rename_gives_other_labels_to_the_same_words():
    verbalizer = Verbalizer({"neg": {"bad": 2.0}, "pos": "good"}).rename({"pos": 1, "neg": 0})

    assert verbalizer == Verbalizer({0: {"bad": 2.0}, 1: "good"})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"neg": 0}, "no new name for the label 'pos'"),
        ({"neg": 0, "pos": 0}, r"new labels must differ, got \[0, 0\]"),
        ({"neg": 0, "positive": 1}, r"no label 'positive'; its labels are \['neg', 'pos'\]"),
    ],
)
def test_rename_refuses_names_that_do_not_fit(names, message):
    with pytest.raises(VerbalizerError, match=message):
        Verbalizer(SENTIMENT).rename(names)


def test_an_unknown_label_names_the_known_ones():
    with pytest.raises(VerbalizerError, match=r"no label 'neutral'.*\['neg', 'pos'\]"):
        Verbalizer(SENTIMENT)["neutral"]
    with pytest.raises(VerbalizerError, match=r"no label 'neutral'.*\['neg', 'pos'\]"):
        Verbalizer(SENTIMENT).subset(["neg", "neutral"])


@pytest.mark.parametrize(
    ("label_words", "message"),
    [
        ({}, r"expected at least two labels, got \[\]"),
        ({"neg": "bad"}, r"expected at least two labels, got \['neg'\]"),
        ("neg", r"expected a mapping such as \{'neg': \['bad'\].*got str: 'neg'"),
        ([("neg", "bad")], "expected a mapping .* got list"),
        ({"neg": [], "pos": "good"}, r"label 'neg' has no words; .*\{'neg': \['good'\]\}"),
        ({"neg": ["bad", " "], "pos": "good"}, "label 'neg' has a blank word ' '"),
        ({"neg": "", "pos": "good"}, "label 'neg' has a blank word ''"),
        ({"neg": ["bad", " bad"], "pos": "good"}, "'bad' is duplicated in label 'neg'"),
        ({"neg": ["so", "bad"], "pos": ["so"]}, "'so' stands for both 'neg' and 'pos'"),
        (
            {"neg": {"bad", "poor"}, "pos": "good"},
            "words of label 'neg' are.*got set",
        ),
        ({"neg": None, "pos": "good"}, "words of label 'neg' are.*got NoneType: None"),
        ({"neg": 3, "pos": "good"}, "words of label 'neg' are.*got int: 3"),
        ({"neg": ["bad", 3], "pos": "good"}, "a label word is a str, got int: 3 in label 'neg'"),
        ({"neg": b"bad", "pos": "good"}, "a label word is a str, got int: 98 in label 'neg'"),
        ({1.0: "good", False: "bad"}, "a label is a str or an int, got float: 1.0"),
        ({1.0: "good", 2.0: "bad"}, "a label is a str or an int, got float: 1.0"),
        ({None: "good", "neg": "bad"}, "a label is a str or an int, got NoneType"),
        ({-1: "bad", 1: "good"}, "the label -1 marks unlabelled rows; use another number"),
        ({0: "bad", "pos": "good"}, r"all of str, of int or of bool, got \[0, 'pos'\]"),
        ({0: {"bad": -1.0}, 1: "good"}, "weight of 'bad' in label 0 is a finite .* got -1.0"),
        ({0: {"bad": float("nan")}, 1: "good"}, "weight of 'bad' in label 0 .* got nan"),
        ({0: {"bad": float("inf")}, 1: "good"}, "weight of 'bad' in label 0 .* got inf"),
        ({0: {"bad": "1"}, 1: "good"}, "weight of 'bad' in label 0 .* got '1'"),
        ({0: {"bad": True}, 1: "good"}, "weight of 'bad' in label 0 .* got True"),
        ({0: {"bad": 0, "poor": 0.0}, 1: "good"}, "all weights of label 0 are zero"),
    ],
)
def test_bad_label_words_are_refused(label_words, message):
    with pytest.raises(VerbalizerError, match=message):
        Verbalizer(label_words)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["Sports", "Sci/Tech"], {"Sports": ("sports",), "Sci/Tech": ("sci", "tech")}),
        (
            ["not_entailment", "entail-ment"],
            {"not_entailment": ("not entailment",), "entail-ment": ("entail ment",)},
        ),
        (
            ["WrittenWork", "BERTModel", "RNNs", "iPhone"],
            {
                "WrittenWork": ("written work",),
                "BERTModel": ("bert model",),
                "RNNs": ("rnns",),
                "iPhone": ("iphone",),
            },
        ),
        (
            ["Visual QA (VQA)", "Arts & Music"],
            {
                "Visual QA (VQA)": ("visual qa",),
                "Arts & Music": ("arts", "music"),
            },
        ),
        (["(good)", "bad"], {"(good)": ("good",), "bad": ("bad",)}),
        (["économie", "政治"], {"économie": ("économie",), "政治": ("政治",)}),
    ],
)
def test_label_names_become_label_words(labels, words):
    assert Verbalizer.from_labels(labels).label_words == words


def test_names_that_would_share_a_word_stay_whole():
    verbalizer = Verbalizer.from_labels(["Arts/Culture", "Culture/History"])

    assert verbalizer.label_words == {
        "Arts/Culture": ("arts culture",),
        "Culture/History": ("culture history",),
    }


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        *(
            (labels, r'say what they mean: verbalizer=\{.*: "..."')
            for labels in ([0, 1], ["0", "1"], ["good", "--"])
        ),
        ("sports", "labels is a list of all labels.*, got 'sports'"),
        (3, "labels is a list of all labels.*, got 3"),
        (["a_b", "a-b"], "labels 'a_b' and 'a-b' are the same words; if they are one class"),
    ],
)
def test_labels_that_make_no_words_are_refused(labels, message):
    with pytest.raises(VerbalizerError, match=message):
        Verbalizer.from_labels(labels)


def test_to_dict_survives_json_with_int_labels_and_weights():
    verbalizer = Verbalizer({0: {"bad": 0.1, "poor": 3.0}, 1: "no"})

    content = json.loads(json.dumps(verbalizer.to_dict()))

    assert content == {
        "labels": [0, 1],
        "label_words": [["bad", "poor"], ["no"]],
        "weights": [[0.1, 3.0], [1.0]],
    }
    assert Verbalizer.from_dict(content) == verbalizer


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [[1.0], [1.0]]}, "label 0 has 2 words but 1 weights"),
        ({"weights": [[1.0, 1.0]]}, "expected one entry per label, got .*'weights': 1"),
        ({"weights": [1.0, 2.0]}, "expected lists of words and weights for label 0"),
        ({"label_words": ["ab", ["c"]]}, "expected lists of words and weights for label 0"),
        ({"label_words": [["a", "a"], ["c"]]}, "'a' is duplicated in label 0"),
        ({"weights": 1.0}, r"expected lists as of to_dict\(\), got"),
        ({"wieghts": []}, r"unknown key 'wieghts' \(did you mean 'weights'"),
    ],
)
def test_from_dict_refuses_lists_that_do_not_fit(change, message):
    content = Verbalizer({0: ["bad", "poor"], 1: "good"}).to_dict()

    with pytest.raises(VerbalizerError, match=message):
        Verbalizer.from_dict({**content, **change})


def test_yaml_round_trip_keeps_words_that_yaml_reads_as_other_types(tmp_path):
    verbalizer = Verbalizer({0: ["no", "null", "1.5", "~"], 1: ["yes", "on", "a: b", "#c", "é"]})
    weighted = Verbalizer({"0": {"bad": 0.1, "poor": 1e-7}, "1": ["good"]})

    verbalizer.to_yaml(tmp_path / "words.yaml")
    weighted.to_yaml(tmp_path / "words.yml")

    assert Verbalizer.from_file(tmp_path / "words.yaml") == verbalizer
    assert Verbalizer.from_file(tmp_path / "words.yml") == weighted
    assert (tmp_path / "words.yaml").read_text(encoding="utf-8").startswith("label_type: int\n")


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "words.yaml"
    Verbalizer({0: "bad", 1: "good"}).to_yaml(path)
    old = path.read_text()

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Verbalizer({0: "no", 1: "yes"}).to_yaml(path)

    assert path.read_text() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["words.yaml"]


WORD = st.text(min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(WORD, min_size=2, max_size=6, unique=True), st.floats(1e-3, 1e3))
def test_any_text_survives_dict_pickle_and_json(words, weight):
    label_words = {word: {word: weight} for word in words}

    verbalizer = Verbalizer(label_words)

    assert Verbalizer.from_dict(json.loads(json.dumps(verbalizer.to_dict()))) == verbalizer
    assert pickle.loads(pickle.dumps(verbalizer)) == verbalizer
