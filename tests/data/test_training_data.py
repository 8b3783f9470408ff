"""What is passed to ``fit``: texts, labels and weights, checked once."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

from fewshot.data.examples import Examples
from fewshot.data.labels import read_labels
from fewshot.data.training_data import concatenate, read_training_data
from fewshot.errors import FewShotWarning, InputError


def test_a_column_of_labels_is_flattened_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        data = read_training_data(["x", "y"], np.array([["a"], ["b"]]))

    assert data.labels.values.tolist() == ["a", "b"]


def test_a_cube_of_labels_is_refused():
    with pytest.raises(
        InputError, match=r"one label for each text, got an array of shape \(2, 2, 2\)"
    ):
        read_training_data(["x", "y"], np.zeros((2, 2, 2)))


def test_parts_with_several_labels_are_joined_with_parts_without_any():
    labeled = read_training_data(["x", "y"], [["b", "a"], []])
    pool = read_training_data(["z"], None)

    joined = concatenate([labeled, pool])

    assert joined.examples.columns["text"] == ["x", "y", "z"]
    assert joined.labels.targets(["a", "b"]).tolist() == [[1, 1], [0, 0], [0, 0]]
    assert joined.labels.is_labeled.tolist() == [True, True, False]


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


def test_weights_may_come_from_an_iterator():
    assert read_training_data(["x", "y"], [0, 1], iter([1.0, 3.0])).sample_weight.tolist() == [
        0.5,
        1.5,
    ]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, np.nan], "got nan in row 1; 0 leaves a row out"),
        (np.ma.array([1, 2], mask=[False, True]), "got nan in row 1"),
        ([-2.0, 1.0], "got -2.0 in row 0"),
        ([1e308, 1e308], "so is their sum; got a sum of inf"),
        ([1, 10**400], "int too large"),
    ],
)
def test_the_bad_weight_is_named(weights, message):
    with pytest.raises(InputError, match=message):
        read_training_data(["x", "y"], [0, 1], weights)


@pytest.mark.parametrize("form", [list, tuple, iter])
def test_a_missing_weight_of_pandas_is_named(form):
    with pytest.raises(InputError, match="got nan in row 1; 0 leaves a row out"):
        read_training_data(["x", "y"], [0, 1], form([1.0, pd.NA]))


def test_weights_that_are_all_zero_are_refused():
    with pytest.raises(InputError, match="sample_weight"):
        read_training_data(["x", "y"], [0, 1], [0.0, 0.0])


def test_without_y_no_text_has_a_label():
    data = read_training_data(iter(["x", "y"]), None)

    assert data.examples.joined() == ["x", "y"]
    assert data.labels.is_labeled.tolist() == [False, False]


def test_data_that_was_read_already_is_passed_as_it_is():
    data = read_training_data(["x", "y"], ["a", None], [1.0, 2.0])

    again = read_training_data(data, None)

    assert again.examples is data.examples
    assert again.labels is data.labels
    assert again.sample_weight.tolist() == [1.0, 1.0]
    assert read_training_data(data.examples, data.labels).labels is data.labels


def test_checked_labels_of_another_length_are_refused():
    with pytest.raises(InputError, match="differ in length"):
        read_training_data(["x", "y"], read_labels(["a"], 1))


def test_of_data_that_was_read_already_the_fields_are_selected():
    data = read_training_data([{"a": "x", "b": "y"}], ["l"])

    assert read_training_data(data, None, None, ["b"]).examples.columns == {"b": ["y"]}


@pytest.mark.parametrize(
    ("labels", "expected", "dtype"),
    [
        ((["a", None], ["b"]), ["a", None, "b"], object),
        (([1, -1], [0]), [1, None, 0], object),
        (([1, 0], [0]), [1, 0, 0], np.int64),
    ],
)
def test_parts_are_concatenated(labels, expected, dtype):
    parts = [
        read_training_data(["x", "y"], labels[0]),
        read_training_data(["z"], labels[1], [3.0]),
    ]

    whole = concatenate(parts)

    assert whole.examples == Examples({"text": ["x", "y", "z"]})
    assert whole.labels.values.tolist() == expected
    assert whole.labels.values.dtype == dtype
    assert whole.sample_weight.tolist() == [1.0, 1.0, 1.0]


def test_only_ratios_of_weights_count_among_labelled_and_among_unlabelled_texts():
    data = read_training_data(
        ["u", "v", "w", "x", "y"], ["a", "b", "a", None, None], [1, 3, 0, 2, 6]
    )

    # The mean of the weights above 0 is 2 with a label and 4 without.
    assert data.sample_weight.tolist() == [0.5, 1.5, 0.0, 0.5, 1.5]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array(["a", "b", np.nan]), "'nan' in y is a class: NumPy and pandas make it of a"),
        (["a", "<NA>", "b"], "'<NA>' in y is a class"),
        (["a", "b ", "b"], "'b' and 'b ' in y are two classes, which differ in spaces"),
        ([["a", " b"], ["b"], []], "' b' and 'b' in y are two classes"),
    ],
)
def test_classes_that_may_be_none_are_warned_of_once(y, message):
    with pytest.warns(FewShotWarning, match=message) as shown:
        data = read_training_data(["x", "y", "z"], y)

    assert len(shown) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_training_data(data.examples, data.labels)
