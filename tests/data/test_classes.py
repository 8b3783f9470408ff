"""Classes, one-hot targets, and weights of the texts."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from fewshot.data.classes import (
    class_labels,
    class_offset,
    class_shares,
    class_targets,
    label_array,
    read_labeled_texts,
)
from fewshot.data.labels import read_labels
from fewshot.data.task_kind import TaskKind
from fewshot.data.training_data import read_training_data
from fewshot.errors import InputError, LabelWordWarning, UnlabeledWarning, VerbalizerError


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
        (
            "ab",
            VerbalizerError,
            "labels is a list of all labels.* got 'ab'",
        ),
        (2, VerbalizerError, "labels is a list of all labels.* got 2"),
        (
            ["a", 1],
            VerbalizerError,
            r"expected labels all of str, of int or of bool, got \['a', 1\]",
        ),
        (["a", "b", "a"], VerbalizerError, "the label 'a' is duplicated"),
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


def test_numbers_stand_for_sorted_names_if_the_last_is_among_them():
    for found in ([0, 1, 2], [2, 0, 0]):
        with pytest.warns(LabelWordWarning, match=r"0 to 2 stand for \['a', 'b', 'c'\], sorted"):
            assert class_labels(read_labels(found, 3), ["c", "a", "b"]) == [0, 1, 2]


@pytest.mark.parametrize("found", [[0, 1, 1], [1, 2, 3], [2, 1, 1], [True, False, True], [5, 0, 2]])
def test_numbers_that_may_stand_for_other_classes_are_refused(found):
    with pytest.raises(InputError, match=r"unknown; known are \['a', 'b', 'c'\].*labels="):
        class_labels(read_labels(found, 3), ["a", "b", "c"])


def test_numbers_of_fewer_classes_than_are_known_are_warned_of():
    with pytest.warns(LabelWordWarning, match=r"\[0, 1\] of \[0, 1, 2\].*stand for others"):
        assert class_labels(read_labels([0, 1], 2), [0, 1, 2]) == [0, 1, 2]


@pytest.mark.parametrize("found", [[5, 7], [0, 2]])
def test_numbers_that_nobody_counted_are_not_warned_of(found):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert class_labels(read_labels(found, 2), [0, 2, 5, 7]) == [0, 2, 5, 7]


def test_bools_are_classes_of_their_own_kind():
    classes = class_labels(read_labels([True, False], 2))

    assert label_array(classes).dtype == bool
    assert label_array(classes).tolist() == [False, True]


def test_a_column_that_equals_the_labels_is_refused_where_all_are_read():
    def read(X, y):
        return read_labeled_texts(X, y, None, labels=None, class_weight=None)

    table = pd.DataFrame({"text": ["x", "y", "z"], "label": ["a", "b", "a"]})

    with pytest.raises(InputError, match=r"the column 'label' of X equals y.*X.drop\(columns='lab"):
        read(table, [*table["label"][:2], None])
    with pytest.raises(InputError, match="the column 'label' of X equals y"):
        read(table.assign(label=["0", "1", "1"]), [0, 1, 1])
    assert len(read(table, ["a", "a", "b"]).targets) == 3
    assert len(read(table[["label"]], table["label"]).targets) == 3  # the only text there is


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


def test_weights_of_classes_by_label_do_not_weigh_texts():
    _, weights = targets_of(["a", "b", "a"], ["a", "b"], {"a": 3.0}, [1.0, 2.0, 3.0])

    assert weights.tolist() == [0.5, 1.0, 1.5]


def test_the_offset_of_classes_is_the_log_of_their_weights_and_shares_by_hand():
    offset = class_offset(["a", "b"], {"a": 4.0}, {"a": 0.25, "b": 0.75})

    # log 4 + log(0.25 x 2) = log 2; log 1 + log(0.75 x 2) = log 1.5.
    assert offset.tolist() == pytest.approx([np.log(2.0), np.log(1.5)])


@pytest.mark.parametrize(("weight", "prior"), [(None, None), ("balanced", "uniform")])
def test_without_weights_of_classes_there_is_no_offset(weight, prior):
    assert class_offset(["a", "b", "c"], weight, prior).tolist() == pytest.approx([0.0] * 3)


def test_a_class_of_weight_0_is_never_chosen_and_stays_finite():
    offset = class_offset(["a", "b"], {"a": 0.0})

    assert offset[0] < -700
    assert np.isfinite(offset).all()


@pytest.mark.parametrize(
    ("class_prior", "message"),
    [
        ({"a": 1.0}, "class_prior holds a share above 0 for each of"),
        ({"a": 0.5, "b": 0.6}, "they sum to 1"),
        ({"a": 0.5, "b": 0.5, "z": 0.0}, r"class_prior has unknown labels \['z'\]"),
        ({"a": "x"}, "class_prior holds finite numbers"),
        ([0.5, 0.5], "class_prior is None, 'uniform' or a mapping"),
        ("even", "class_prior is None, 'uniform' or a mapping"),
    ],
)
def test_shares_that_cannot_be_used_are_refused(class_prior, message):
    with pytest.raises(InputError, match=message):
        class_shares(["a", "b"], class_prior)


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


def test_without_any_label_targets_weigh_nothing():
    _, weights = targets_of([None, None], ["a", "b"])

    assert weights.tolist() == [0.0, 0.0]


def test_only_labelled_rows_with_a_weight_are_learned_from():
    data = read_labeled_texts(
        ["x", "y", "z"], ["b", None, "a"], [2.0, 1.0, 0.0], labels=None, class_weight=None
    )

    assert data.classes == ["a", "b"]
    assert data.examples.joined() == ["x"]
    assert data.targets.tolist() == [[0, 1]]
    assert data.weights.tolist() == [1.0]  # only ratios count


def test_rows_that_weigh_nothing_balance_nothing():
    more = read_labeled_texts(
        list("uvwxyz"), list("abbaaa"), [1, 1, 1, 0, 0, 0], labels=None, class_weight="balanced"
    )

    assert more.weights.tolist() == [1.5, 0.75, 0.75]  # 3 / (2 * 1) and 3 / (2 * 2)


def test_labels_are_balanced_where_the_shares_of_classes_are_known():
    data = read_training_data(list("uvw"), list("abb"))

    weights = class_targets(data, ["a", "b"], None, {"a": 0.9, "b": 0.1})[1]

    assert weights.tolist() == [1.5, 0.75, 0.75]


def test_known_odds_take_the_place_of_those_that_were_learned():
    kind, prior = TaskKind("lists"), {"a": 0.5, "b": 0.2, "c": 0.2}

    fresh = class_offset(["a", "b", "c"], None, prior, kind)
    learned = class_offset(["a", "b", "c"], None, prior, kind, np.log([1.0, 0.5, 0.25]))

    assert fresh == pytest.approx(np.log([2.0, 0.5, 0.5]))  # odds of 1/3 for each, 1 to 2
    assert learned == pytest.approx(np.log([1.0, 0.5, 1.0]))


def test_without_any_label_there_is_nothing_to_learn_from():
    with pytest.raises(InputError, match="no text has a label; label at least one"):
        read_labeled_texts(["x"], [None], None, labels=["a", "b"], class_weight=None)


def test_without_y_there_is_nothing_to_learn_from():
    with pytest.raises(InputError, match="requires y to be passed, but the target y is None"):
        read_labeled_texts(["x"], None, None, labels=["a", "b"], class_weight=None)


def test_label_array_keeps_python_types():
    assert label_array([1, 5]).dtype == np.int64
    assert label_array(["a", "b"]).dtype == object


def test_rows_with_minus_one_are_counted_where_they_are_left_out():
    with pytest.warns(UnlabeledWarning, match="2 rows of y with -1 count as unlabelled"):
        data = read_labeled_texts(
            list("abcdef"), [-1, 0, 1] * 2, None, labels=None, class_weight=None
        )

    assert data.classes == [0, 1]
    with pytest.raises(InputError, match=r"got 1 class: \[1\].*1 rows with -1 count as unlabelled"):
        class_labels(read_labels([-1, 1], 2))


def test_labels_that_scikit_learn_has_numbered_get_advice():
    with pytest.raises(InputError, match=r"scikit-learn makes the numbers 0 to n-1"):
        class_labels(read_labels([2, 0, 1], 3), [1, 2, 3])
