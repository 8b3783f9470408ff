"""What the classifiers share: reading input, class weights, warnings, predictions from scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.exceptions import DataConversionWarning, NotFittedError

from fewshot.errors import CollapseWarning, InputError, TruncationWarning, VerbalizerError
from fewshot.estimator import TextClassifier, warn_truncated
from fewshot.inputs import read_labels
from fewshot.settings import new_rng
from fewshot.training_data import (
    class_labels,
    class_targets,
    label_array,
    labelled_part,
    read_training_data,
)


class Scripted(TextClassifier):
    """Scores texts by a table."""

    def __init__(self, table=None) -> None:
        self.table = table

    def fit(self, X=None, y=None) -> Scripted:
        self.classes_ = np.array(sorted(set(y)), dtype=object)
        return self

    def _class_scores(self, X):
        return np.array([self.table[text] for text in X], dtype=np.float64)


TABLE = {"x": [1.0, 2.0, 3.0], "y": [5.0, 0.0, -1000.0]}


@pytest.fixture
def three() -> Scripted:
    return Scripted(TABLE).fit(y=["a", "b", "c"])


# ---- Predictions ------------------------------------------------------------------------------


def test_predictions_are_the_labels_of_the_best_scores(three):
    assert three.predict(["x", "y", "x"]).tolist() == ["c", "a", "c"]


def test_probabilities_are_a_softmax_in_float64(three):
    proba = three.predict_proba(["x", "y"])

    assert proba.dtype == np.float64
    assert proba[0] == pytest.approx([0.090031, 0.244728, 0.665241], abs=1e-6)
    assert proba.sum(1) == pytest.approx([1.0, 1.0])


def test_log_probabilities_are_finite_where_probabilities_vanish(three):
    log_proba = three.predict_log_proba(["y"])

    assert three.predict_proba(["y"])[0, 2] == 0.0
    assert log_proba[0].tolist() == pytest.approx([-0.006715, -5.006715, -1005.006715], abs=1e-5)


def test_three_classes_have_a_decision_column_each(three):
    assert three.decision_function(["x"]).tolist() == [[1.0, 2.0, 3.0]]


def test_two_classes_have_the_log_odds_of_the_second():
    two = Scripted({"x": [1.0, 2.5], "y": [3.0, 0.0]}).fit(y=["a", "b"])

    decision = two.decision_function(["x", "y"])

    assert decision.tolist() == [1.5, -3.0]
    proba = softmax([[1.0, 2.5], [3.0, 0.0]], axis=1)[:, 1]
    assert 1 / (1 + np.exp(-decision)) == pytest.approx(proba)


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
def test_before_fit_there_is_no_prediction(method):
    with pytest.raises(NotFittedError, match="Scripted"):
        getattr(Scripted(TABLE), method)(["x"])


def test_before_fit_there_is_nothing_to_save(tmp_path):
    with pytest.raises(NotFittedError):
        Scripted(TABLE).save(tmp_path / "model")


# ---- Warnings ---------------------------------------------------------------------------------


def test_a_class_that_takes_nearly_everything_is_warned_of(three):
    with pytest.warns(CollapseWarning, match="'c' takes 19 of 20 predictions.*calibrate") as found:
        three.predict(["x"] * 19 + ["y"])

    assert len(found) == 1
    assert found[0].filename == __file__


@pytest.mark.parametrize("texts", [["x"] * 19, ["x"] * 17 + ["y"] * 3], ids=["few", "mixed"])
@pytest.mark.filterwarnings("error")
def test_few_or_mixed_predictions_are_not_warned_of(three, texts):
    three.predict(texts)


def test_shortened_texts_are_counted_in_the_warning():
    with pytest.warns(TruncationWarning, match="3 of 8 texts were shortened to fit 96 tokens"):
        warn_truncated(3, 8, 96)


@pytest.mark.filterwarnings("error")
def test_without_shortened_texts_there_is_no_warning():
    warn_truncated(0, 8, 96)


# ---- Training data ----------------------------------------------------------------------------


def test_a_column_of_labels_is_flattened_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        data = read_training_data(["x", "y"], np.array([["a"], ["b"]]), None)

    assert data.labels.values.tolist() == ["a", "b"]


def test_a_matrix_of_labels_is_refused():
    with pytest.raises(
        InputError, match=r"one label for each text, got an array of shape \(2, 2\)"
    ):
        read_training_data(["x", "y"], np.zeros((2, 2)), None)


def test_without_weights_all_texts_weigh_one():
    assert read_training_data(["x", "y"], [0, 1], None).sample_weight.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    "weights",
    [[1.0], [1.0, 2.0, 3.0], [1.0, -0.5], [1.0, np.nan], [1.0, np.inf], [[1.0], [1.0]], 1.0],
    ids=["short", "long", "negative", "nan", "infinite", "column", "number"],
)
def test_weights_that_are_not_one_good_number_a_text_are_refused(weights):
    with pytest.raises(InputError, match="sample_weight is 2 finite numbers"):
        read_training_data(["x", "y"], [0, 1], weights)


@pytest.mark.parametrize("weights", [["a", "b"], [None, 1.0], [[1.0], [1.0, 2.0]]])
def test_weights_that_are_no_numbers_are_refused_as_ours(weights):
    with pytest.raises(InputError, match="sample_weight is 2 finite numbers"):
        read_training_data(["x", "y"], [0, 1], weights)


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(InputError, match="sample_weight"):
        read_training_data(["x", "y"], [0, 1], [0.0, 0.0])


# ---- Classes ----------------------------------------------------------------------------------


def test_classes_are_those_that_occur_sorted():
    assert class_labels(read_labels(["b", "a", None, "b"], 4)) == ["a", "b"]
    assert class_labels(read_labels([10, 9, -1], 3)) == [9, 10]


def test_given_classes_stay_even_without_an_example():
    assert class_labels(read_labels(["b", "b"], 2), ["c", "b", "a"]) == ["a", "b", "c"]


def test_given_classes_become_plain_values():
    classes = class_labels(read_labels([0, 2], 2), np.array([2, 0, 1]))

    assert classes == [0, 1, 2]
    assert all(type(label) is int for label in classes)
    assert label_array(classes).dtype == np.int64


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("ab", InputError, r"labels is a list of all labels, such as \['no', 'yes'\], got 'ab'"),
        (2, InputError, "labels is a list of all labels.* got 2"),
        (["a", 1], VerbalizerError, r"expected labels all of str or all of int, got \['a', 1\]"),
        (["a", "b", "a"], VerbalizerError, "the label 'a' stands twice"),
        (["a", 1.5], VerbalizerError, "a label is a str or an int, got float: 1.5"),
    ],
)
def test_given_classes_that_cannot_be_used_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        class_labels(read_labels(["a", "b"], 2), given)


def test_a_label_that_is_not_given_is_named():
    with pytest.raises(
        InputError, match=r"labels \['x'\], which are unknown; known are \['a', 'b'\]"
    ):
        class_labels(read_labels(["a", "x"], 2), ["a", "b"])


def test_one_class_is_too_few():
    with pytest.raises(
        InputError, match=r"needs 2 classes at least, got 1 class: \['a'\].*labels="
    ):
        class_labels(read_labels(["a", "a"], 2))


def targets_of(y, classes, class_weight=None, sample_weight=None):
    data = read_training_data([f"text {i}" for i in range(len(y))], y, sample_weight)
    return class_targets(data, classes, class_weight)


def test_targets_are_one_hot_in_the_order_of_the_classes():
    targets, weights = targets_of(["b", "a", "b"], ["a", "b", "c"])

    assert targets.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]]
    assert weights.tolist() == [1, 1, 1]


@pytest.mark.parametrize("y", [["b", None, "a"], [1, -1, 0], [1, None, 0]])
def test_rows_without_a_label_weigh_nothing(y):
    targets, weights = targets_of(y, sorted({y[0], y[2]}))

    assert targets[[0, 2]].tolist() == [[0, 1], [1, 0]]
    assert weights.tolist() == [1, 0, 1]


def test_balanced_class_weights_by_hand():
    _, weights = targets_of(["a", "b", "b", "b", None], ["a", "b", "c"], "balanced")

    # n / (n_classes * count) over the two classes that occur: 4 / (2 * 1) and 4 / (2 * 3).
    assert weights.tolist() == pytest.approx([2.0, 2 / 3, 2 / 3, 2 / 3, 0.0])


def test_class_weights_multiply_sample_weights():
    _, weights = targets_of(["a", "b", "a"], ["a", "b"], {"a": 3.0}, [1.0, 2.0, 0.5])

    assert weights.tolist() == [3.0, 2.0, 1.5]


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"z": 1.0}, r"class_weight has unknown labels \['z'\]; known are \['a', 'b'\]"),
        ("even", "class_weight is None, 'balanced' or a mapping .* got 'even'"),
        (3, "class_weight is None, 'balanced' or a mapping .* got 3"),
        ({"a": -1.0}, "class_weight"),
        ({"a": float("nan")}, "class_weight"),
        ({"a": 0.0, "b": 0.0}, "class_weight"),
        ({"a": "x"}, "class_weight holds finite numbers"),
        ({"a": None}, "class_weight holds finite numbers"),
    ],
)
def test_class_weights_that_cannot_be_used_are_refused(class_weight, message):
    with pytest.raises(InputError, match=message):
        targets_of(["a", "b", "a"], ["a", "b"], class_weight)


def test_weights_that_are_zero_once_multiplied_are_refused():
    with pytest.raises(InputError, match="no text has a label and a weight above 0"):
        targets_of(["a", "b"], ["a", "b"], {"a": 0.0}, [1.0, 0.0])


def test_without_any_label_targets_weigh_nothing():
    _, weights = targets_of([None, None], ["a", "b"])

    assert weights.tolist() == [0.0, 0.0]


def test_the_labelled_part_holds_the_rows_that_count():
    data = read_training_data(["x", "y", "z"], ["b", None, "a"], [2.0, 1.0, 0.0])

    examples, targets, weights = labelled_part(data, ["a", "b"], None)

    assert examples.joined() == ["x"]
    assert targets.tolist() == [[0, 1]]
    assert weights.tolist() == [2.0]


def test_without_any_label_there_is_no_labelled_part():
    data = read_training_data(["x", "y"], [None, None], None)

    with pytest.raises(InputError, match="no text has a label; label at least one"):
        labelled_part(data, ["a", "b"], None)


# ---- Random states ----------------------------------------------------------------------------


def test_a_random_state_decides_the_generator():
    draws = [new_rng(state).random() for state in (3, 3, np.random.RandomState(3), 4)]

    assert draws[0] == draws[1] == draws[2] != draws[3]


@pytest.mark.parametrize(
    "state",
    ["x", -1, 1.5, np.random.default_rng(0)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_random_state_is_refused(state):
    with pytest.raises(InputError, match="random_state is an int, 0 or more, a RandomState or"):
        new_rng(state)


def test_label_array_keeps_python_types():
    assert label_array([1, 5]).dtype == np.int64
    assert label_array(["a", "b"]).dtype == object
