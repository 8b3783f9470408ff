"""Several labels for a text, in all the forms that people have them in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csc_array, csr_matrix
from sklearn.preprocessing import MultiLabelBinarizer

from fewshot.data.label_sets import holds_label_sets, read_label_sets
from fewshot.data.training_data import read_training_data
from fewshot.errors import FewShotError, InputError

ROWS = [["b", "a"], [], ["a"]]
MATRIX = np.array([[1, 1], [0, 0], [1, 0]])


def targets(y, classes=None):
    labels = read_label_sets(y, 3)
    classes = labels.resolve(classes)
    return classes, labels.targets(classes).tolist()


@pytest.mark.parametrize(
    ("y", "form"),
    [
        (ROWS, "lists"),
        ([tuple(row) for row in ROWS], "tuples"),
        ([set(row) for row in ROWS], "sets"),
        ([frozenset(row) for row in ROWS], "sets"),
        (pd.Series(ROWS, index=[5, 6, 7]), "lists"),
        (pl.Series(ROWS), "lists"),
        (pa.array(ROWS), "lists"),
        ([np.array(["a", "b"]), np.array([], dtype=str), np.array(["a"])], "lists"),
    ],
)
def test_collections_of_labels_are_read_alike(y, form):
    assert holds_label_sets(y)
    assert targets(y) == (["a", "b"], MATRIX.tolist())
    assert read_label_sets(y, 3).kind.form == form


@pytest.mark.parametrize(
    ("y", "form"),
    [
        (MATRIX, "indicators"),
        (MATRIX.astype(bool), "indicators"),
        (MATRIX.astype(float), "indicators"),
        (MATRIX.astype(object), "indicators"),
        (MATRIX.tolist(), "indicators"),
        (torch.from_numpy(MATRIX), "indicators"),
        (list(MATRIX), "indicators"),
        (csr_matrix(MATRIX), "sparse"),
        (csc_array(MATRIX), "sparse"),
    ],
)
def test_indicators_are_read_alike(y, form):
    assert holds_label_sets(y)
    assert targets(y) == ([0, 1], MATRIX.tolist())
    assert targets(y, ["z", "a"]) == (["z", "a"], MATRIX.tolist()), "names in the order of columns"
    assert read_label_sets(y, 3).kind.form == form


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame, pa.table])
def test_columns_of_a_table_keep_their_names_and_order(table):
    y = table({"joy": [1, 0, 1], "anger": [0, 0, 1]})

    assert targets(y) == (["joy", "anger"], [[1, 0], [0, 0], [1, 1]])
    assert targets(y, ["anger", "joy"]) == (["joy", "anger"], [[1, 0], [0, 0], [1, 1]])


def test_it_reads_what_the_binarizer_of_scikit_learn_writes():
    binarizer = MultiLabelBinarizer()

    assert targets(binarizer.fit_transform(ROWS), list(binarizer.classes_)) == targets(ROWS)


@pytest.mark.parametrize(
    "y",
    [
        [["a"], None, ["b"]],
        [["a"], np.nan, ["b"]],
        pd.Series([["a"], None, ["b"]]),
        pd.DataFrame({"a": [1, None, 0], "b": [0, None, 1]}),
        np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]]),
        np.ma.array([[1, 0], [0, 0], [0, 1]], mask=[[0, 0], [1, 1], [0, 0]]),
        [[1, 0], None, [0, 1]],
    ],
    ids=str,
)
def test_labels_may_be_unknown_which_is_not_none_of_them(y):
    labels = read_label_sets(y, 3)

    assert labels.is_labeled.tolist() == [True, False, True]
    assert labels.targets(labels.resolve(None)).tolist() == [[1, 0], [0, 0], [0, 1]]
    assert read_label_sets(ROWS, 3).is_labeled.all()


def test_numbers_may_be_labels():
    assert targets([[3, 7], [], [7]]) == ([3, 7], [[1, 1], [0, 0], [0, 1]])


def test_labels_of_one_text_are_no_several_labels():
    for y in (["a", "b"], [0, 1], np.array([[0], [1]]), pd.DataFrame({"y": [0, 1]}), "ab", None):
        assert not holds_label_sets(y)


def test_a_label_that_no_text_has_keeps_its_column_if_it_is_named():
    assert targets(ROWS, ["c", "b", "a"]) == (["a", "b", "c"], [[1, 1, 0], [0, 0, 0], [1, 0, 0]])
    assert targets([[1, 0, 0], [0, 0, 0], [1, 1, 0]], ["x", "y", "z"])[0] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        ([[1, 0], [0, 0], [1, 0]], None, r"no text has the label 1: 1 of 2 columns .* labels="),
        ([[2, 0], [0, 0], [1, 1]], None, r"row 1 of y lists a label twice: list \[0, 0\]"),
        (np.array([[2, 0], [0, 0], [1, 1]]), None, r"0 and 1, got 2 in row 0, column 0"),
        (np.array([[0.5, 0], [0, 0], [1, 1]]), None, r"0 and 1, got 0.5 in row 0, column 0"),
        (np.array([[1, 0], [0, np.nan], [1, 1]]), None, r"got nan in row 1, column 1; .*None"),
        (np.array([["a", "b"]] * 3), None, r"holds 0 and 1, got str_.*'a'.*; for several labels"),
        (pd.DataFrame({"a": ["x"] * 3, "b": [1] * 3}), None, r"holds 0 and 1, got str 'x'"),
        (pd.DataFrame([[1, 0, 1]] * 3, columns=["a", "b", "a"]), None, "are different labels"),
        ([["a"], "b", ["b"]], None, r"but not in row 1: str 'b'; write a list for each text"),
        ([["a"], 3, ["b"]], None, r"but not in row 1: int 3"),
        ([["a"], [None], ["b"]], None, r"row 1 of y holds a label that is None or -1.*\[\]"),
        (
            [["a", " "], [""], ["b"]],
            None,
            r"blank in rows 0, 1 of y: list \['a', ' '\],.*write \[\]",
        ),
        ([[], [], []], None, r"no text has a label: the lists in y are all empty\. Label some"),
        ([[], None, []], None, r"no text has a label: the lists in y are all empty"),
        (pd.DataFrame({"a": [1, 0, 1], "": [1, 0, 0]}), None, "columns of y are different labels"),
        ([[2], [-1], [3]], None, r"row 1 of y holds a label that is None or -1"),
        ([["a"], [1], ["b"]], None, r"all str or all int"),
        ([["a"], ["b"]], None, r"differ in length .* 3 texts, 2 labels"),
        ([["a"], [], ["a"]], None, r"several labels are two at least, got \['a'\]"),
        (ROWS, ["a", "c"], r"y holds the labels \['b'\], which are unknown; known are"),
        (MATRIX, ["a", "b", "c"], r"y has 2 columns, and 3 labels are named"),
        (pd.DataFrame({"a": [1, 0, 1], "b": [1, 0, 0]}), ["a", "b", "c"], r"no column 'c'"),
        (pd.DataFrame({"a": [1, 0, 1], "b": [1, 0, 0]}), ["a", "c"], r"\['b'\], which are unkn"),
    ],
)
def test_what_cannot_be_read_is_refused(y, classes, message):
    with pytest.raises(FewShotError, match=message):
        targets(y, classes)


def test_names_of_columns_in_an_unknown_order_are_refused():
    labels = read_label_sets(MATRIX, 3)

    labels.check_order(["a", "b"])
    with pytest.raises(InputError, match=r"names \['b', 'a'\], which are not sorted.* labels="):
        labels.check_order(["b", "a"])


def test_training_data_read_labels_of_either_kind():
    assert read_training_data(["x", "y", "z"], iter(ROWS)).labels.kind.has_several
    assert not read_training_data(["x", "y", "z"], iter("aba")).labels.kind.has_several
