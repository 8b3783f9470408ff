"""Writing results: whole lines, resumed after a cut, by one writer, for one spec and version."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

import fewshot
from fewshot.benchmark import results_file
from fewshot.benchmark.results import Cell, read_results
from fewshot.benchmark.results_file import open_results
from fewshot.benchmark.spec import Spec
from fewshot.benchmark.spec_reader import load_spec
from fewshot.errors import BenchmarkError, FileError


def spec(**changes: object) -> Spec:
    content = {"name": "N", "methods": ["majority"], "data_sets": ["bbc_news"], "shots": [8]}
    return load_spec(content | {"seeds": [0, 1]} | changes)


def cell(seed: int) -> Cell:
    return Cell("Majority", "bbc_news", 8, seed, "done", "accuracy", "BBC", split="é" * 50)


def write(path: Path, *seeds: int) -> None:
    with open_results(path, spec()) as file:
        for seed in seeds:
            file.append(cell(seed))


def test_a_cell_is_in_the_file_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "results.jsonl"

    with open_results(path, spec()) as file:
        file.append(cell(0))
        seen = read_results(path)

    assert seen.cells == (cell(0),)
    assert seen.header.spec == spec().to_dict()
    assert seen.header.spec_hash == spec().hash


def test_a_file_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, 0)
    header = path.read_text(encoding="utf-8").splitlines()[0]

    with open_results(path, spec()) as file:
        known = dict(file.cells)
        file.append(cell(1))

    assert known == {cell(0).key: cell(0)}
    assert read_results(path).cells == (cell(0), cell(1))
    assert path.read_text(encoding="utf-8").splitlines()[0] == header


def test_wherever_a_write_was_cut_the_rest_of_the_line_goes(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, 0, 1)
    whole = path.read_bytes()
    end_of_header, end_of_first = whole.index(b"\n") + 1, whole[:-1].rindex(b"\n") + 1

    for cut in (0, 1, end_of_header - 1, end_of_header, end_of_header + 1, end_of_first - 1):
        path.write_bytes(whole[:cut])
        write(path, 0, 1)
        assert read_results(path).cells == (cell(0), cell(1)), cut
        assert len(path.read_bytes()) == len(whole), cut


def test_two_writers_at_once_are_refused_and_one_after_the_other_are_not(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"

    with (
        open_results(path, spec()),
        pytest.raises(BenchmarkError, match="another benchmark is writing this file"),
        open_results(path, spec()),
    ):
        pass

    write(path, 0)
    assert len(read_results(path).cells) == 1


def test_a_file_of_another_spec_is_refused_with_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, 0)
    before = path.read_bytes()
    methods = [{"name": "TF-IDF", "estimator": "tfidf", "settings": {"C": 2}}]
    other = spec(methods=methods, data_sets=[{"name": "bbc_news", "seeds": [7]}])

    with pytest.raises(BenchmarkError) as caught, open_results(path, other):
        pass

    message = str(caught.value)
    assert "results are of a different spec" in message
    assert "methods.TF-IDF.settings.C was None and is 2" in message
    assert "data_sets.bbc_news.seeds was [0, 1] and is [7]" in message
    assert "name another results file" in message
    assert path.read_bytes() == before


def test_many_differences_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path)
    entries = [{"name": "bbc_news", "test_size": 5, "metric": "ece", "shots": [1], "seeds": [9]}]

    with (
        pytest.raises(BenchmarkError, match="and 1 more differences"),
        open_results(path, spec(name="M", validation_splits=2, data_sets=entries)),
    ):
        pass


def test_a_file_of_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.jsonl"
    write(path, 0)
    monkeypatch.setattr(results_file, "__version__", "9.9.9")

    with (
        pytest.raises(
            BenchmarkError,
            match=rf"are of fewshot {re.escape(fewshot.__version__)}, this is 9\.9\.9",
        ),
        open_results(path, spec()),
    ):
        pass


@pytest.mark.parametrize("text", ["It was a dark night.\nAnd stormy", "It was", '{"kin": 1}'])
def test_a_file_that_is_no_results_file_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "novel.txt"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BenchmarkError, match="not a results file"):
        write(path, 0)

    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["folder", "folder/file/results.jsonl"])
def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()

    with (
        pytest.raises(FileError, match="cannot be written: "),
        open_results(tmp_path / name, spec()),
    ):
        pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_reported() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    file = results_file.ResultsFile(
        Path("/dev/full"), descriptor, replace(read_header(), created=""), {}
    )

    with pytest.raises(FileError, match="has no room for a cell: the disk is full"):
        file.append(cell(0))

    os.close(descriptor)
    assert file.cells == {}


def read_header() -> results_file.Header:
    with open_results(None, spec()) as file:
        return file.header


def test_without_a_path_cells_are_kept_in_memory() -> None:
    with open_results(None, spec()) as file:
        file.append(cell(0))

    assert file.cells == {cell(0).key: cell(0)}
