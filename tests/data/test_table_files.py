"""Tables as streams: broken rows are set aside, and the rows around them are kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fewshot.data.delimited import BadRow
from fewshot.data.table_files import Row, read_table, stream_table
from fewshot.data.table_writing import encode_header, encode_rows, join_parts
from fewshot.errors import InputError

BROKEN = (
    b"\xef\xbb\xbfid,text\r\n"
    b'1,"two\r\nlines, and ""quotes"""\r\n'
    b"2,one,too many\r\n"
    b'3,"never closed\r\n'
    b'4,"good, after a stray quote"\r\n'
    b"5,Z\xfcrich\r\n"
    b"6,last\r\n"
)


def test_broken_rows_are_set_aside_and_take_no_others_with_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(BROKEN)
    bad: list[BadRow] = []

    rows = list(stream_table(path, on_bad=bad.append))

    assert rows == [
        Row(2, {"id": "1", "text": 'two\r\nlines, and "quotes"'}),
        Row(6, {"id": "4", "text": "good, after a stray quote"}),
        Row(8, {"id": "6", "text": "last"}),
    ]
    assert [(row.line, row.content) for row in bad] == [
        (4, "2,one,too many\r\n"),
        (5, '3,"never closed\r\n'),
        (7, "5,Z\\xfcrich\r\n"),
    ]
    assert "expected 2 columns as in line 1, got 3" in bad[0].problem
    assert "not UTF-8 text" in bad[2].problem


def test_broken_lines_of_json_are_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"t": 1}\n{t: 2}\n\n[3]\n{"t": "\xff"}\n{"t": 5}\n')
    bad: list[BadRow] = []

    assert list(stream_table(path, on_bad=bad.append)) == [Row(1, {"t": 1}), Row(6, {"t": 5})]
    assert [row.line for row in bad] == [2, 4, 5]


def test_a_broken_header_is_an_error_and_no_row_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,t\xfcxt\n1,a\n")

    with pytest.raises(InputError, match=r"a\.csv, line 1: not UTF-8 text"):
        list(stream_table(path, on_bad=lambda _: None))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet"])
def test_parts_that_are_joined_are_read_as_one_table(tmp_path: Path, name: str) -> None:
    form = name.partition(".")[2]
    first = [{"text": 'a "b",\nc\td', "score": 0.25, "label": None}]
    second = [{"text": "Zürich", "score": 1.0, "label": "x"}, {"text": "", "score": 0.5}]
    columns = ("text", "score", "label")
    parts = [tmp_path / "0", tmp_path / "1"]
    for part, rows in zip(parts, (first, second), strict=True):
        part.write_bytes(encode_rows(rows, columns, form))

    join_parts(parts, encode_header(columns, form), form, tmp_path / name)

    found = [row.values for row in read_table(tmp_path / name)]
    assert [row["text"] for row in found] == ['a "b",\nc\td', "Zürich", ""]
    assert [float(row["score"]) for row in found] == [0.25, 1.0, 0.5]
    assert [row.get("label") or None for row in found] == [None, "x", None]


@pytest.mark.parametrize(
    "content",
    [
        'text,label\r\n"good; bad",pos\r\n',
        'text;label\r\n"good; bad";pos\r\n',
        'text;label;;\r\n"good; bad";pos;;\r\n;;;\r\n\r\n',
        '"text";"label"\r\n"good; bad";"pos";\r\n',
        "text\tlabel\r\ngood; bad\tpos\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_are_read_as_spreadsheets_write_them(
    tmp_path: Path, content: str, encoding: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content.encode(encoding))

    assert read_table(tmp_path / "a.csv") == [Row(2, {"text": "good; bad", "label": "pos"})]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        # The csv module of Python 3.10 refuses a NUL first.
        ("text;label\ngood;pos\n".encode("utf-16-le"), "line 1: .*(-f utf-16le|contains NUL)"),
        ("text\ngood\n".encode("utf-16")[:-1], "cannot be read: .*truncated data"),
        (b"text;label;;\ngood;pos;;x\n", "line 2: expected 2 columns as in line 1, got 4"),
        (b"text;;label\ngood;;pos\n", "line 1: expected a header with distinct names"),
    ],
)
def test_what_no_spreadsheet_writes_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)

    with pytest.raises(InputError, match=problem):
        read_table(tmp_path / "a.csv")


def test_compressed_files_are_read(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"t\na\n"))

    assert read_table(tmp_path / "a.csv.gz") == [Row(2, {"t": "a"})]


def test_damaged_compressed_files_are_refused(tmp_path: Path) -> None:
    import gzip

    content = bytearray(gzip.compress(b"t\na\n"))
    content[10] ^= 255  # the first byte after the header
    (tmp_path / "a.csv.gz").write_bytes(content)

    with pytest.raises(InputError, match="cannot be read: Error -3"):
        read_table(tmp_path / "a.csv.gz")


def test_json_lines_hold_what_json_has_a_name_for() -> None:
    pairs = [("a", float("nan"))]  # of a map of Parquet
    rows = [
        {"n": float("nan"), "list": [1.5, float("inf")], "map": pairs},
        {"when": [date(2026, 12, 1)]},
    ]

    lines = encode_rows(rows, (), "jsonl").decode().splitlines()
    cells = encode_rows(rows[1:], ("when",), "csv").decode()

    assert lines == [
        '{"n": null, "list": [1.5, "inf"], "map": [["a", null]]}',
        '{"when": ["2026-12-01"]}',
    ]
    assert cells == '"[""2026-12-01""]"\n'
