"""Texts: every container gives the same columns, bad rows are named."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fewshot.data.examples import Examples, read_examples
from fewshot.errors import InputError

TEXTS = ["first text", "", "third 🎉"]


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: np.array(texts, dtype=object)[:, None],
        pd.Series,
        lambda texts: pd.Series(texts, index=[7, 3, 5]),
        lambda texts: pd.Series(texts, dtype="string"),
        lambda texts: pd.DataFrame({"anything": texts}),
        lambda texts: datasets.Dataset.from_dict({"words": texts})["words"],
        lambda texts: datasets.Dataset.from_dict({"words": texts}),
        pl.Series,
        lambda texts: pl.DataFrame({"words": texts}),
        pa.array,
        lambda texts: pa.chunked_array([texts[:1], texts[1:]]),
        lambda texts: pa.table({"words": texts}),
        lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
        iter,
    ],
    ids=[
        "list", "tuple", "str array", "object array", "column vector", "Series",
        "Series with an index", "string Series", "DataFrame", "datasets column", "Dataset",
        "polars Series", "polars DataFrame", "Array", "ChunkedArray", "Table", "Arrow Series",
        "iterator",
    ],
)  # fmt: skip
def test_every_container_of_texts_gives_the_same_column(container):
    examples = read_examples(container(TEXTS), ["text"])

    assert examples == Examples({"text": TEXTS})
    assert all(type(text) is str for text in examples.columns["text"])


def test_lines_of_an_open_file_are_texts():
    assert read_examples(io.StringIO("first\nsecond\n"), ["text"]).joined() == [
        "first\n",
        "second\n",
    ]


@pytest.mark.parametrize(
    "container",
    [
        lambda rows: rows,
        lambda rows: [list(row) for row in rows],
        lambda rows: np.array(rows, dtype=object),
        lambda rows: [{"b": b, "a": a, "c": "more"} for a, b in rows],
        lambda rows: pd.DataFrame([{"b": b, "c": 1, "a": a} for a, b in rows]),
        lambda rows: datasets.Dataset.from_list([{"b": b, "a": a} for a, b in rows]),
        lambda rows: pl.DataFrame([{"b": b, "c": 1, "a": a} for a, b in rows]),
        lambda rows: pa.Table.from_pylist([{"b": b, "c": 1, "a": a} for a, b in rows]),
        lambda rows: pa.RecordBatch.from_pylist([{"b": b, "a": a} for a, b in rows]),
        lambda rows: np.array([(b, a) for a, b in rows], dtype=[("b", "U2"), ("a", "U2")]),
    ],
    ids=[
        "tuples",
        "lists",
        "array",
        "mappings",
        "DataFrame",
        "Dataset",
        "polars",
        "Table",
        "RecordBatch",
        "structured array",
    ],
)
def test_every_container_of_pairs_gives_the_same_columns(container):
    examples = read_examples(container([("a0", "b0"), ("a1", "b1")]), ["a", "b"])

    assert examples == Examples({"a": ["a0", "a1"], "b": ["b0", "b1"]})
    assert examples.fields == ("a", "b")


def test_without_fields_those_of_the_input_are_taken():
    assert read_examples(["x"]).fields == ("text",)
    assert read_examples([("x", "y")]).fields == ("text_0", "text_1")
    assert read_examples([{"title": "x", "body": "y"}]).fields == ("title", "body")


def test_named_tuples_are_read_by_the_names_of_their_fields():
    table = pd.DataFrame({"b": ["b0", "b1"], "c": [1, 2], "a": ["a0", "a1"]})

    for rows in (table.itertuples(), list(table.itertuples(index=False))):
        assert read_examples(rows, ["a", "b"]) == read_examples(table, ["a", "b"])
    with pytest.raises(
        InputError, match=r"'d' is missing in rows 0, 1; row 0 has \['a', 'b', 'c'\]"
    ):
        read_examples(table.itertuples(index=False), ["a", "d"])
    assert read_examples(table[["a"]].itertuples(index=False)).columns == {"a": ["a0", "a1"]}
    assert read_examples(table[["a"]].itertuples(index=False), ["text"]).fields == ("text",)


def test_a_single_column_fits_a_single_field_of_any_name():
    assert read_examples(pd.DataFrame({"headline": ["x"]}), ["text"]).columns == {"text": ["x"]}


def test_rows_can_be_taken_and_joined():
    examples = Examples({"a": ["a0", "a1", "a2"], "b": ["b0", "b1", "b2"]})

    assert len(examples) == 3
    assert examples.take([2, 0]).columns == {"a": ["a2", "a0"], "b": ["b2", "b0"]}
    assert examples.joined() == ["a0 b0", "a1 b1", "a2 b2"]


_NO_TEXTS = ["one text", b"bytes", 7, None, {"text": ["x"]}]
_NO_ORDER = [{"a", "b"}, frozenset("ab"), {"a": 1}.keys(), np.array("a")]
_EMPTY = [[], (), np.array([], dtype=object), pd.DataFrame({"text": []}), Examples({"text": []})]
_MISSING = [None, np.nan, float("nan"), pd.NA, pd.NaT]
_BAD = [
    *((X, None, r"X is a sequence of texts, got .*write X=\[text\]") for X in _NO_TEXTS),
    *((X, None, "X is a sequence of texts") for X in _NO_ORDER),
    *((X, ["text"], "X is empty") for X in [*_EMPTY, pd.Series([], dtype=str)]),
    *(
        (["a", x, "b", x], ["text"], r"'text' is None or NaN in rows 1, 3;.*empty string")
        for x in _MISSING
    ),
    ([None, "a"], ["text"], "None or NaN in row 0;"),
    ([None] * 10, ["text"], "in rows 0, 1, 2, 3, 4 and 5 more;"),
    *(
        (["a", x], ["text"], "'text' is a string in every row, but not in row 1")
        for x in (3, 2.5, b"bytes")
    ),
    (["fine", "bad \udc80 byte"], None, r"lone surrogate in row 1.*errors='replace'"),
    (["x", "y"], ["a", "b"], r"fields \('a', 'b'\), but X holds single texts"),
    ([("x", "y"), ("x",)], ["a", "b"], r"tuples of 2 texts \(a, b\), but row 1 not"),
    ([("x", "y"), "xy"], ["a", "b"], "but row 1 not: str 'xy'"),
    ([{"a": "x", "b": "y"}, {"a": "x"}], ["a", "b"], r"'b' is missing in row 1; row 1 has \['a'\]"),
    ([{"a": "x"}, "x"], ["a"], "X holds mappings, but row 1 not: str 'x'"),
    (
        pd.DataFrame({"a": ["x"], "c": ["y"]}),
        ["a", "b"],
        r"'b' is missing in X, which has the columns \['a', 'c'\]",
    ),
    (pd.DataFrame([["a", "b"]], columns=["text"] * 2), ["text"], "two columns of one name"),
    (pa.table([["a"], ["b"]], names=["text"] * 2), ["text"], "two columns of one name"),
    (pl.LazyFrame({"text": ["a"]}), ["text"], r"got LazyFrame .*a lazy table X.collect\(\)"),
]


@pytest.mark.parametrize(("X", "fields", "message"), _BAD, ids=lambda value: type(value).__name__)
def test_what_holds_no_good_texts_is_refused_and_bad_rows_are_named(X, fields, message):
    with pytest.raises(InputError, match=message):
        read_examples(X, fields)


def test_the_input_is_not_changed():
    rows = [{"a": "x", "b": "y"}]

    read_examples(rows, ["a"])

    assert rows == [{"a": "x", "b": "y"}]


def test_examples_that_were_read_already_are_passed_as_they_are():
    examples = Examples({"a": ["x"], "b": ["y"]})

    assert read_examples(examples) is examples
    assert read_examples(examples, ["a", "b"]) is examples


def test_of_examples_only_the_fields_are_selected():
    examples = Examples({"a": ["x"], "b": ["y"]})

    assert read_examples(examples, ["b"]).columns == {"b": ["y"]}
    assert read_examples(Examples({"a": ["x"]}), ["text"]).columns == {"text": ["x"]}
    with pytest.raises(InputError, match=r"'c' is missing in X, which has the columns"):
        read_examples(examples, ["c", "a"])


@pytest.mark.parametrize("names", ["text", ["n", "text"]])
def test_a_field_in_the_index_of_a_table_is_refused_and_no_other_column_is_read_for_it(names):
    table = pd.DataFrame({"text": ["a", "b"], "n": [1, 2], "label": ["x", "y"]}).set_index(names)

    with pytest.raises(InputError, match=r"'text' is the index of X.*pass X.reset_index\(\)"):
        read_examples(table, ["text"])
    found = read_examples(table.reset_index(), ["text"])

    assert found.columns == {"text": ["a", "b"]}


def test_an_index_of_the_same_name_as_a_column_does_no_harm():
    table = pd.DataFrame({"text": ["a", "b"]}, index=pd.Index([7, 8], name="text"))

    assert read_examples(table, ["text"]).columns == {"text": ["a", "b"]}
