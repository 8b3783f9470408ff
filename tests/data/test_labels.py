"""Labels of texts, some of which may be missing."""

from __future__ import annotations

from enum import Enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.exceptions import DataConversionWarning

from fewshot.data.labels import read_label_set, read_labels
from fewshot.errors import InputError, VerbalizerError

_CONTAINERS = [list, tuple, np.array, pd.Series, pd.Categorical, pl.Series, pa.array, iter]


@pytest.mark.parametrize("container", [*_CONTAINERS, lambda y: pa.chunked_array([y])])
def test_every_container_of_labels_gives_the_same_array(container):
    labels = read_labels(container(["b", "a", "b"]), 3)

    assert labels.values.tolist() == ["b", "a", "b"]
    assert labels.values.dtype == object
    assert labels.is_labeled.all()
    assert labels.classes() == ["a", "b"]


@pytest.mark.parametrize(
    "y", [[2, 0, 2], np.array([2.0, 0.0, 2.0]), pd.Series([2, 0, 2]), torch.tensor([2, 0, 2])]
)
def test_integers_become_int64(y):
    labels = read_labels(y, 3)

    assert labels.values.tolist() == [2, 0, 2]
    assert labels.values.dtype == np.int64
    assert all(type(label) is int for label in labels.classes())


def test_minus_one_among_integers_marks_an_unlabelled_row():
    labels = read_labels([1, -1, 0], 3)

    assert labels.is_labeled.tolist() == [True, False, True]
    assert labels.classes() == [0, 1]


@pytest.mark.parametrize(
    "y",
    [
        pd.array([3, None, 0], dtype="Int64"),
        pd.Series([3, None, 0], dtype=pd.ArrowDtype(pa.int64())),
        pd.Series([3, None, 0]),
        pl.Series([3, None, 0]),
        pa.array([3, None, 0]),
        np.ma.array([3, 1, 0], mask=[0, 1, 0]),
    ],
    ids=["Int64", "ArrowDtype", "float", "polars", "pyarrow", "masked"],
)
def test_a_missing_number_is_a_missing_label_in_every_container(y):
    labels = read_labels(y, 3)

    assert labels.values.tolist() == [3, None, 0]
    assert labels.is_labeled.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "y",
    [
        torch.tensor([2.0, 0.0], requires_grad=True),
        torch.tensor([2, 0]).bfloat16(),
        torch.tensor([2, 0]).to_sparse(),
        [torch.tensor(2), torch.tensor(0)],  # as datasets in the format of torch have them
        [np.array(2), np.array(0)],
    ],
    ids=["gradient", "bfloat16", "sparse", "one each", "arrays"],
)
def test_tensors_of_every_kind_are_labels(y):
    assert read_labels(y, 2).values.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.zeros(2, device="meta"), "on the meta device holds no values; pass a list"),
        ([torch.tensor(0, device="meta")] * 2, "on the meta device holds no values; pass a list"),
        ([np.array("2020-01-01", dtype="datetime64[ns]")] * 2, "labels are str or int"),
        ([np.ma.array(3, mask=True), 1], "labels are str or int"),
    ],
    ids=["tensor", "tensors", "dates", "masked"],
)
def test_rows_without_a_value_are_refused(y, message):
    with pytest.raises(InputError, match=message):
        read_labels(y, 2)


@pytest.mark.parametrize(
    "y",
    [
        [True, False],
        np.array([True, False]),
        pd.array([True, False], dtype="boolean"),
        torch.tensor([True, False]),
    ],
)
def test_bools_stay_bools(y):
    labels = read_labels(y, 2)

    assert labels.values.dtype == bool
    assert labels.classes() == [False, True]
    assert read_labels([True, None], 2).classes() == [True]
    assert read_label_set([np.True_, False]) == read_label_set(y) == (True, False)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_none_marks_an_unlabelled_row(missing):
    assert read_labels(["b", missing, "a"], 3).is_labeled.tolist() == [True, False, True]
    assert read_labels([3, missing, -1], 3).is_labeled.tolist() == [True, False, False]


def test_other_negative_integers_are_labels():
    assert read_labels([-2, -1, 3], 3).classes() == [-2, 3]


def test_a_length_that_differs_is_refused():
    with pytest.raises(InputError, match=r"X and y differ in length.*3 texts, 2 labels"):
        read_labels(["a", "b"], 3)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y"),
        ("ab", "y is a sequence of labels"),
        (5, "y is a sequence of labels"),
        ([True, 2], r"or all bool\), got for example \[True, 2\]"),
        (["a\udc80", "b"], "the label .* in row 0 holds a lone surrogate"),
        ([10**5000, 1], "int an int of thousands of digits"),
        (["a", ""], "the label is '' in row 1, as an empty cell .*None marks a text"),
        (np.array([" ", "a"]), "the label is .*' '.* in row 0"),
        ([0, 1.5], "got float 1.5 in row 1"),
        (["a", 1], r"all str or all int .*, got for example \['a', 1\]"),
        ([2**70, 1], "labels that are int have 64 bits at most"),
        ([1e20, None], "labels that are int have 64 bits at most"),
        (["a", ("b",)], "labels are str or int, got tuple"),
    ],
)
def test_labels_of_other_types_are_refused(y, message):
    with pytest.raises(InputError, match=message):
        read_labels(y, 2)


def test_labels_without_order_are_refused():
    with pytest.raises(InputError, match=r"y is a sequence of labels.*set"):
        read_labels({"a", "b"}, 2)


class Topic(str, Enum):
    SPORT = "sport"
    LAW = "law"


def test_labels_that_are_members_of_an_enum_are_their_value():
    with pytest.warns(DataConversionWarning, match=r"'sport' for <Topic.SPORT.*label.value"):
        labels = read_labels([Topic.SPORT], 1)

    assert labels.values.tolist() == ["sport"]
    assert read_label_set(Topic) == ("sport", "law")
    assert [type(label) for label in read_label_set(Topic)] == [str, str]


def test_a_named_label_has_64_bits_at_most():
    with pytest.raises(VerbalizerError, match="64 bits at most"):
        read_label_set([2**63, 1])


@pytest.mark.parametrize("labels", [0, np.array(1), np.array([["a", "b"]]), iter(["a", "b"])])
def test_what_is_no_list_of_labels_or_is_empty_when_read_again_is_refused(labels):
    with pytest.raises(VerbalizerError, match=r"labels is a list of all labels, .*, got "):
        read_label_set(labels)


def test_a_named_label_holds_no_lone_surrogate():
    with pytest.raises(VerbalizerError, match="lone surrogate"):
        read_label_set(["a\udc80", "b"])
