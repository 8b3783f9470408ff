"""Reading tables: their contents, and errors that name file, line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fewshot.benchmark.data_sets.tables import read_labeled, read_texts
from fewshot.data.table_files import Row, read_table
from fewshot.errors import InputError
from tests.benchmark.data_sets.data_folder import write


def error(message: str) -> object:
    return pytest.raises(InputError, match=message)


def test_csv_is_read_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufefftext,label\r\n"a ""b"",\nc",pos\r\n\r\nd,neg\r\n')

    assert read_table(path) == [
        Row(2, {"text": 'a "b",\nc', "label": "pos"}),
        Row(5, {"text": "d", "label": "neg"}),
    ]


def test_tsv_is_parted_by_tabs(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"a\tb, c"\t1\n')

    assert read_table(path) == [Row(2, {"text": "a\tb, c", "label": "1"})]


def test_quotes_are_text_where_fields_are_not_quoted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", '"The" end\t1\nhe said "no\t0\n')

    assert read_table(path, ("text", "label"), is_quoted=False) == [
        Row(1, {"text": '"The" end', "label": "1"}),
        Row(2, {"text": 'he said "no', "label": "0"}),
    ]


@pytest.mark.parametrize("header", ["", "sentence,label\n"])
def test_a_file_with_named_columns_may_have_a_header(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "a.csv", f"{header}good,1\n")

    assert [row.values for row in read_table(path, ("text", "label"))] == [
        {"text": "good", "label": "1"}
    ]


def test_other_columns_than_the_named_ones_are_an_error(tmp_path: Path) -> None:
    with error(r"a\.csv: expected rows of text, label"):
        read_table(write(tmp_path / "a.csv", "1,good,1\n"), ("text", "label"))


def test_json_lines_keep_line_separators_inside_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "a\u2028b", "label": 1}\n\n{"text": "c"}')

    assert read_table(path) == [
        Row(1, {"text": "a\u2028b", "label": 1}),
        Row(3, {"text": "c"}),
    ]


def test_parquet_is_read_row_by_row(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a", None], "label": [0, 1]}), path)

    assert read_table(path) == [
        Row(1, {"text": "a", "label": 0}),
        Row(2, {"text": None, "label": 1}),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", r"a\.csv: the file has no rows"),
        ("a.csv", "text,label\n", r"a\.csv: the file has no rows"),
        ("a.jsonl", "\n", r"a\.jsonl: the file has no rows"),
        ("a.csv", "text,text\na,b\n", r"line 1: expected a header with distinct names, got"),
        ("a.csv", ",text\na,b\n", r"line 1: expected a header with distinct names, got"),
        ("a.csv", "text,label\na,b\nc,d,e\n", r"a\.csv, line 3: expected 2 columns .* got 3"),
        ("a.csv", 'text,label\n"a" b,c\n', r"a\.csv, line 2: .*put fields that hold quotes"),
        ("a.tsv", 'text\tlabel\na\tb\n"c\td\n', r"a\.tsv, line 3: unexpected end of data"),
        ("a.jsonl", '{"text": "a"}\n{text: a}\n', r"a\.jsonl, line 2: not JSON"),
        ("a.jsonl", '["a", "b"]\n', r'a\.jsonl, line 1: expected an object .* got \["a"'),
        (
            "a.txt",
            "a",
            r"a\.txt: the suffix gives the format and must be one of \['\.csv', '\.tsv'",
        ),
        ("a.parquet", "text", r"a\.parquet: not a Parquet file"),
    ],
)
def test_files_that_are_not_well_formed_are_errors(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    path = write(tmp_path / name, content)

    with error(message):
        read_table(path)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_file_that_is_missing_is_an_error(tmp_path: Path, name: str) -> None:
    with error(rf"{name}: the file cannot be read"):
        read_table(tmp_path / name)


def test_another_encoding_is_an_error_that_names_the_line_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\ngood,1\nZürich,0\n".encode("latin-1"))

    with error(r"a\.csv, line 3: not UTF-8 text \(.*\); .* iconv -f windows-1252"):
        read_table(tmp_path / "a.csv")


# ---- Columns ----------------------------------------------------------------------------------


def rows(*values: dict[str, object]) -> list[Row]:
    return [Row(line, value) for line, value in enumerate(values, start=2)]


def test_one_column_gives_strings_and_several_give_mappings() -> None:
    table = rows({"a": " x ", "b": "y", "c": "z"})

    assert read_texts(table, ["a"], "f") == ("x",)
    assert read_texts(table, ["a", "c"], "f") == ({"a": "x", "c": "z"},)


def test_one_of_several_texts_may_be_missing() -> None:
    assert read_texts(rows({"a": None, "b": "y"}), ["a", "b"], "f") == ({"a": "", "b": "y"},)


def test_labels_that_are_whole_numbers_become_text() -> None:
    table = rows(*({"t": "x", "y": label} for label in (1, 1.0, "1", " pos ", -1)))

    assert read_labeled(table, ["t"], "y", "f").labels == ("1", "1", "1", "pos", "-1")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Text": "x", "y": "1"}, "f.csv, line 3: no column 't'; the columns are ['Text', 'y']"),
        ({"t": 3, "y": "1"}, "f.csv, line 3: the column 't' holds text, got 3"),
        ({"t": " ", "y": "1"}, "f.csv, line 3: no text in 't'; fill in or delete the rows"),
        ({"t": None, "y": "1"}, "f.csv, line 3: no text in 't'"),
        ({"t": "x\ud800", "y": "1"}, "f.csv, line 3: a lone surrogate in 't'"),
        ({"t": "x"}, "f.csv, line 3: no column 'y'; the columns are ['t']"),
        ({"t": "x", "y": " "}, "f.csv, line 3: no label in 'y'"),
        ({"t": "x", "y": None}, "f.csv, line 3: no label in 'y'"),
        ({"t": "x", "y": 0.5}, "line 3: a label is text or a whole number, got 0.5 in 'y'"),
        ({"t": "x", "y": True}, "line 3: a label is text or a whole number, got True in 'y'"),
    ],
)
def test_rows_without_text_or_label_are_errors(values: dict[str, object], message: str) -> None:
    with error(re.escape(message)):
        read_labeled(rows({"t": "x", "y": "1"}, values), ["t"], "y", "f.csv")


def test_a_column_that_is_nearly_there_is_suggested() -> None:
    with error(r"no column 'lable' \(did you mean 'label'\?\)"):
        read_labeled(rows({"text": "x", "label": "1"}), ["text"], "lable", "f")


def test_the_first_lines_are_named_and_the_others_counted() -> None:
    with error(r"f, lines 2, 3, 4, 5, 6 and 2 more: no text"):
        read_texts(rows(*({"t": ""} for _ in range(7))), ["t"], "f")


# ---- Lists of labels --------------------------------------------------------------------------


def test_lists_of_labels_are_sorted_sets_of_text() -> None:
    found = [["b", "a", "b"], [], [2, "c"]]
    rows = [Row(i, {"text": f"text {i}", "label": labels}) for i, labels in enumerate(found)]

    labeled = read_labeled(rows, ["text"], "label", "a.jsonl")

    assert labeled.labels == (("a", "b"), (), ("2", "c"))
    assert labeled.has_several
    with error("a.jsonl: texts have lists of labels, and one label for each is expected"):
        labeled.one_label_each("a.jsonl")


@pytest.mark.parametrize("other", ["a", ["a", True], ["a", ["b"]], ["a", " "]])
def test_a_label_that_is_no_list_beside_lists_is_an_error(other: object) -> None:
    rows = [Row(1, {"text": "one", "label": ["a"]}), Row(2, {"text": "two", "label": other})]

    with error(r"a.jsonl, line 2: labels are a list of texts or whole numbers in each row, got"):
        read_labeled(rows, ["text"], "label", "a.jsonl")
