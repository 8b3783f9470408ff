"""Results: lines that are read as they were written, and files that are not results."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from fewshot.benchmark.results import Cell, Header, read_results
from fewshot.data.files import content_sha256
from fewshot.errors import BenchmarkError, FileError

HEADER = Header({"name": "é"}, "abc", "2026-11-21T12:00:00+00:00", "0.1.0")


def cell(seed: int = 0, **changes: object) -> Cell:
    return Cell("m", "d", 8, seed, "done", "accuracy", "D", **changes)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "results.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    known = cell(scores={"accuracy": 0.5, "ece": None}, warnings=("a",), chosen={"C": 1.0})

    results = read_results(write(tmp_path, HEADER.to_line(), known.to_line()))

    assert results.header == HEADER
    assert results.cells == (known,)


def test_numbers_that_json_does_not_have_become_null() -> None:
    line = cell(scores={"accuracy": float("nan"), "log_loss": float("inf")}).to_line()

    assert json.loads(line)["scores"] == {"accuracy": None, "log_loss": None}


def test_of_a_cell_that_ran_twice_the_last_outcome_counts(tmp_path: Path) -> None:
    failed = Cell("m", "d", 8, 0, "failed", "accuracy", "D", error="ValueError: no")

    path = write(tmp_path, HEADER.to_line(), failed.to_line(), cell(1).to_line(), cell().to_line())

    assert read_results(path).cells == (cell(0), cell(1))


def test_a_last_line_without_an_end_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER.to_line(), cell(0).to_line(), cell(1).to_line()[:-1])

    assert read_results(path).cells == (cell(0),)


def test_a_key_of_a_later_version_is_passed_over(tmp_path: Path) -> None:
    content = {"kind": "cell", **asdict(cell()), "new": 1}
    line = json.dumps(content | {"sha256": content_sha256(content)}) + "\n"

    assert read_results(write(tmp_path, HEADER.to_line(), line)).cells == (cell(),)


def old(line: str) -> str:
    """Return a line as it was written in format 1, without a digest."""
    content = json.loads(line) | ({"format": 1} if "created" in line else {})
    del content["sha256"]
    return json.dumps(content) + "\n"


def test_a_file_of_format_1_is_read_and_may_be_continued(tmp_path: Path) -> None:
    path = write(tmp_path, old(HEADER.to_line()), old(cell(0).to_line()), cell(1).to_line())

    assert read_results(path).cells == (cell(0), cell(1))
    assert read_results(path).header.format == 1


@pytest.mark.parametrize("path", sorted(Path("benchmarks/results").glob("*.jsonl")), ids=str)
def test_committed_results_are_still_read(path: Path) -> None:
    results = read_results(path)

    assert len(results.cells) == len(path.read_bytes().splitlines()) - 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (cell().to_line().replace('"shots": 8', '"shots": 9'), "line 2: the line was altered"),
        (old(cell().to_line()), "line 2: the line was altered"),
        (cell(1).to_line() + cell(1).to_line(), r"line 3: .*seed=1\) is there already"),
        (cell(1).to_line() + cell(1, n_test=3).to_line(), "line 3: .* is there already"),
        (cell(n_test="3").to_line(), "n_test: expected int, got '3'"),
        (cell(n_test=True).to_line(), "n_test: expected int, got True"),
        (cell(scores={"accuracy": "1"}).to_line(), r"scores.accuracy: expected float or None"),
        (Cell("m", "d", 8, 0, "over", "a", "D").to_line(), "status: expected 'done' or 'failed'"),
    ],
)
def test_a_line_that_is_not_as_it_was_written_is_refused(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(BenchmarkError, match=message):
        read_results(write(tmp_path, HEADER.to_line(), line))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "it has no complete line"),
        (["{"], "it has no complete line"),
        (
            ["method,accuracy\n"],
            "not a results file: it begins with 'method,accuracy'",
        ),
        (["[]\n"], r"not a results file: it begins with '\[\]'; name another one"),
        ([cell().to_line()], r"not a results file: it begins with '\{\"kind\": \"cell\""),
        (
            ['{"kind": "header", "format": 3}\n'],
            "format is 3, this version .* reads 1 to 2",
        ),
        (
            ['{"kind": "header", "format": 1}\n'],
            "not a header of this format: it has no 'spec'",
        ),
        (
            [HEADER.to_line(), "{\n", cell().to_line()],
            "line 2: not JSON.*repair or delete",
        ),
        ([HEADER.to_line(), HEADER.to_line()], "line 2: expected a cell"),
        ([old(HEADER.to_line()), '{"kind": "cell"}\n'], "line 2: not a cell of this format"),
    ],
)
def test_a_file_that_holds_no_results_is_reported(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    with pytest.raises(BenchmarkError, match=message):
        read_results(write(tmp_path, *lines))


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.jsonl cannot be read: there is no such file"):
        read_results(tmp_path / "none.jsonl")
