"""Texts: every container gives the same columns, bad rows are named."""

from __future__ import annotations

import datasets
import numpy as np
import pandas as pd
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
        iter,
    ],
    ids=[
        "list", "tuple", "str array", "object array", "column vector", "Series",
        "Series with an index", "string Series", "DataFrame", "datasets column", "Dataset",
        "iterator",
    ],
)  # fmt: skip
def test_every_container_of_texts_gives_the_same_column(container):
    examples = read_examples(container(TEXTS), ["text"])

    assert examples == Examples({"text": TEXTS})
    assert all(type(text) is str for text in examples.columns["text"])


@pytest.mark.parametrize(
    "container",
    [
        lambda rows: rows,
        lambda rows: [list(row) for row in rows],
        lambda rows: np.array(rows, dtype=object),
        lambda rows: [{"b": b, "a": a, "c": "more"} for a, b in rows],
        lambda rows: pd.DataFrame([{"b": b, "c": 1, "a": a} for a, b in rows]),
        lambda rows: datasets.Dataset.from_list([{"b": b, "a": a} for a, b in rows]),
    ],
    ids=["tuples", "lists", "array", "mappings", "DataFrame", "Dataset"],
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


@pytest.mark.parametrize("X", ["one text", b"bytes", 7, None, {"text": ["x"]}])
def test_what_is_no_sequence_of_texts_is_refused(X):
    with pytest.raises(InputError, match=r"X is a sequence of texts, got .*write X=\[text\]"):
        read_examples(X)


@pytest.mark.parametrize(
    "X", [[], (), np.array([], dtype=object), pd.DataFrame({"text": []}), pd.Series([], dtype=str)]
)
def test_no_text_at_all_is_refused(X):
    with pytest.raises(InputError, match="X is empty"):
        read_examples(X, ["text"])


@pytest.mark.parametrize("missing", [None, np.nan, float("nan"), pd.NA, pd.NaT])
def test_missing_texts_are_refused_and_their_rows_named(missing):
    with pytest.raises(InputError, match=r"'text' is None or NaN in rows 1, 3;.*empty string"):
        read_examples(["a", missing, "b", missing], ["text"])


def test_a_missing_text_in_the_first_row_is_named_too():
    with pytest.raises(InputError, match="None or NaN in row 0;"):
        read_examples([None, "a"], ["text"])


def test_only_five_bad_rows_are_listed():
    with pytest.raises(InputError, match="in rows 0, 1, 2, 3, 4 and 5 more;"):
        read_examples([None] * 10, ["text"])


@pytest.mark.parametrize("wrong", [3, 2.5, b"bytes"])
def test_texts_of_another_type_are_refused_and_their_rows_named(wrong):
    with pytest.raises(InputError, match="'text' is a string in every row, but not in row 1"):
        read_examples(["a", wrong], ["text"])


def test_single_texts_do_not_fit_a_template_for_pairs():
    with pytest.raises(InputError, match=r"fields \('a', 'b'\), but X holds single texts"):
        read_examples(["x", "y"], ["a", "b"])


def test_tuples_of_another_length_are_named():
    with pytest.raises(InputError, match=r"tuples of 2 texts \(a, b\), but row 1 not"):
        read_examples([("x", "y"), ("x",)], ["a", "b"])


def test_a_text_among_tuples_is_named():
    with pytest.raises(InputError, match="but row 1 not: str 'xy'"):
        read_examples([("x", "y"), "xy"], ["a", "b"])


def test_a_missing_field_of_a_mapping_is_named():
    with pytest.raises(InputError, match=r"'b' is missing in row 1; row 1 has \['a'\]"):
        read_examples([{"a": "x", "b": "y"}, {"a": "x"}], ["a", "b"])


def test_a_row_that_is_no_mapping_is_named():
    with pytest.raises(InputError, match="X holds mappings, but row 1 not: str 'x'"):
        read_examples([{"a": "x"}, "x"], ["a"])


def test_a_missing_column_is_named():
    with pytest.raises(
        InputError, match=r"'b' is missing in X, which has the columns \['a', 'c'\]"
    ):
        read_examples(pd.DataFrame({"a": ["x"], "c": ["y"]}), ["a", "b"])


def test_the_input_is_not_changed():
    rows = [{"a": "x", "b": "y"}]

    read_examples(rows, ["a"])

    assert rows == [{"a": "x", "b": "y"}]


@pytest.mark.parametrize("unordered", [{"a", "b"}, frozenset("ab"), {"a": 1}.keys(), np.array("a")])
def test_what_has_no_order_is_no_sequence_of_texts(unordered):
    with pytest.raises(InputError, match="X is a sequence of texts"):
        read_examples(unordered)


def test_a_lone_surrogate_is_named_by_its_row():
    with pytest.raises(InputError, match=r"lone surrogate in row 1.*errors='replace'"):
        read_examples(["fine", "bad \udc80 byte"])


def test_two_columns_of_one_name_are_refused():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame([["a", "b"]], columns=["text", "text"])

    with pytest.raises(InputError, match="two columns of one name"):
        read_examples(table, ("text",))


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


def test_examples_without_a_row_are_refused():
    with pytest.raises(InputError, match="X is empty"):
        read_examples(Examples({"text": []}))
