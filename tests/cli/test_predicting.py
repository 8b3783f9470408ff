"""From a file to a file: columns, formats, broken rows, interruptions."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

import fewshot
from fewshot import Classifier, EmbeddingClassifier, PromptClassifier, cli
from fewshot.data.table_files import read_table
from tests.tiny_estimators import POOL, WORDS, X, Y, prompt, tiny_lm
from tests.tiny_models import tiny_bert

MODEL = "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / MODEL
    prompt().fit(X, Y).save(folder)
    return folder


@pytest.fixture(autouse=True)
def in_an_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_table(path: str, texts: list[str]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "body"), *enumerate(texts)])


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_keep_their_columns_and_get_those_of_predict(model: Path, suffix: str) -> None:
    write_table("in.csv", POOL)

    assert run("predict", model, "in.csv", f"out.{suffix}", "--part-rows", 7, "--proba") == 0

    rows = [row.values for row in read_table(Path(f"out.{suffix}"))]
    clf = fewshot.load(model)
    assert list(rows[0]) == ["id", "body", "label", "score", "proba_politics", "proba_sports"]
    assert [(row["id"], row["body"]) for row in rows] == [
        (str(i), text) for i, text in enumerate(POOL)
    ]
    assert [row["label"] for row in rows] == clf.predict(POOL).tolist()
    found = [[float(row["proba_politics"]), float(row["proba_sports"])] for row in rows]
    assert found == clf.predict_proba(POOL).tolist()
    assert sorted(path.name for path in Path().iterdir()) == ["in.csv", f"out.{suffix}"]


def test_columns_of_parquet_keep_their_types(model: Path) -> None:
    given = pa.table(
        {
            "text": POOL[:2],
            "at": pa.array([1, None], pa.timestamp("ns")),
            "id": pa.array([2**63 + 1, 2], pa.uint64()),
            "more": pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int32())),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "empty": pa.array([None, None], pa.int8()),
        }
    )
    parquet.write_table(given, "in.parquet")

    assert run("predict", model, "in.parquet", "out.parquet", "--part-rows", 1) == 0

    found = parquet.read_table("out.parquet").drop(["label", "score"])
    assert found.schema.equals(given.schema)
    assert found.to_pylist() == given.to_pylist()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pa.table({"text": ["a"], "at": pa.array([2**40], pa.timestamp("s"))}),
            "the rows after 0 cannot be read",
        ),
        (pa.Table.from_arrays([["a"], ["b"], ["c"]], ["text", "n", "n"]), "distinct names"),
    ],
)
def test_parquet_that_python_cannot_hold_is_a_line(
    table: pa.Table, message: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet.write_table(table, "in.parquet")

    assert run("predict", model, "in.parquet", "out.jsonl") == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("text,body\na,b\n", "Texts are in the column 'text'"),
        ("a text without a header\nb\n", "Texts are in the column 'a text without a header'"),
        ("text,id\na,b\n", None),
    ],
)
def test_a_column_that_others_could_be_is_said(
    content: str, note: str | None, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.csv").write_text(content)

    assert run("predict", model, "in.csv", "out.csv") == 0

    shown = capsys.readouterr().err
    assert "Texts are in" not in shown if note is None else note in shown


def test_a_first_row_without_a_text_is_set_aside(model: Path) -> None:
    Path("in.jsonl").write_text('{"id": 1}\n{"text": "goal"}\n')

    assert run("predict", model, "in.jsonl", "out.jsonl", "--skip-bad") == 0

    assert [row.values["text"] for row in read_table(Path("out.jsonl"))] == ["goal"]
    assert [row.values["line"] for row in read_table(Path("out.jsonl.bad.jsonl"))] == [1]


def test_a_command_whose_parts_cannot_be_joined_is_repeated(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("in.csv").write_text("text\ngoal\na,b\n")
    command = ("predict", model, "in.csv", "out.csv", "--skip-bad")
    with monkeypatch.context() as patched:
        patched.setattr("fewshot.cli.streams.join_parts", full_disk)
        assert run(*command) == 1

    assert run(*command) == 0
    assert Path("out.csv.bad.jsonl").exists()


def test_the_summary_for_machines_counts_rows_and_labels(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table("in.csv", POOL)

    assert run("predict", model, "in.csv", "out.csv", "--json", "--min-confidence", 0.6) == 0

    done = json.loads(capsys.readouterr().out)
    scores = fewshot.load(model).predict_proba(POOL).max(1)
    assert done["rows"] == len(POOL) == 36
    assert done["unsure"] == int((scores < 0.6).sum())
    assert sum(done["labels"].values()) == len(POOL) - done["unsure"]
    labels = [row.values["label"] for row in read_table(Path("out.csv"))]
    assert labels.count("") == done["unsure"]


def test_a_pipe_is_read_and_written(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table("in.csv", POOL)
    run("predict", model, "in.csv", "out.csv")
    given = io.TextIOWrapper(io.BufferedReader(io.BytesIO(Path("in.csv").read_bytes())))
    taken = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdin", given)
    monkeypatch.setattr(sys, "stdout", taken)

    assert run("predict", model, "-", "-", "--part-rows", 5) == 0

    assert taken.buffer.getvalue() == Path("out.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.csv", "there.csv"], "there.csv is there already; give another name, or --force"),
        (["absent.csv", "out.csv"], "absent.csv: the file cannot be read: No such file"),
        (["in.csv", "no/out.csv"], "there is no folder 'no'; make it first"),
        (["in.csv", "out.xlsx"], "out.xlsx: the suffix gives the format and must be one of"),
        (["in.csv", "out.csv", "--text", "bdoy"], "no column 'bdoy' (did you mean 'body'?)"),
        (["labeled.csv", "out.csv"], "there is a column 'label' already"),
        (["empty.csv", "out.csv"], "empty.csv: the file has no rows; add texts"),
        (["header.csv", "out.csv"], "header.csv: the file has no rows; add texts"),
        (["blank.csv", "out.csv"], "blank.csv, line 3: no text in 'text'"),
        (["gap.csv", "out.csv"], "gap.csv, line 3: no text in 'text'"),
        (["in.csv", "out.csv.gz"], "out.csv.gz: what is written is not compressed; leave .gz out"),
        (["in.csv", "folder.csv", "--force"], "folder.csv is a folder, which no file replaces"),
        (["late.jsonl", "out.csv"], "there is a column 'label' already"),
        (["huge.jsonl", "out.parquet"], "Parquet, whose columns hold values of one type each"),
        (["mixed.jsonl", "out.parquet"], "Parquet, whose columns hold values of one type each"),
        (
            ["mixed.jsonl", "out.parquet", "--part-rows", "1"],
            "Parquet, whose columns hold values of one type each",
        ),
        (["-", "out.csv", "--format", "xlsx"], "a format is one of ['csv', 'tsv', 'jsonl'"),
        (["in.csv", "-", "--skip-bad"], "name an output file"),
        (["short.csv", "out.csv", "--skip-bad"], "line 2, and so all rows: expected 1 columns"),
    ],
)
def test_what_is_wrong_is_a_line_and_not_a_traceback(
    model: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table("in.csv", POOL)
    Path("there.csv").write_text("mine")
    Path("labeled.csv").write_text("text,label\na,b\n")
    Path("empty.csv").write_text("")
    Path("header.csv").write_text("text,id\n")
    Path("short.csv").write_text("text\na,1\nb,2\n")
    Path("blank.csv").write_text("text,id\na,1\n ,2\n")
    Path("gap.csv").write_text('text\na\n""\nb\n')
    Path("folder.csv").mkdir()
    Path("late.jsonl").write_text('{"text": "a"}\n{"text": "b", "label": "by hand"}\n')
    Path("huge.jsonl").write_text(f'{{"text": "a", "n": -1}}\n{{"text": "b", "n": {2**63}}}\n')
    Path("mixed.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n')

    status = run("predict", model, *arguments)

    shown = capsys.readouterr()
    assert status == 1
    assert shown.out == ""
    assert shown.err.splitlines()[-1].startswith("fewshot: ")
    assert message in shown.err.splitlines()[-1]
    assert Path("there.csv").read_text() == "mine"
    assert not Path("out.csv").exists()


def test_a_model_that_is_not_there_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_table("in.csv", POOL)

    assert run("predict", "absent", "in.csv", "out.csv") == 1
    assert "/absent'; give the folder that" in capsys.readouterr().err


def test_broken_rows_are_set_aside_and_the_others_predicted(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f'{i},"{text}"\r\n' for i, text in enumerate(POOL)]
    rows[3] = '3,"a goal",too,many\r\n'
    rows[8] = '8,"never closed\r\n'
    rows[20] = "20, \r\n"
    rows[21] = '21,"two\r\nlines"\r\n'
    rows[35] = "35,a,b\r\n"  # alone in the last part
    Path("in.csv").write_bytes(("\ufeffid,body\r\n" + "".join(rows)).encode())

    assert run("predict", model, "in.csv", "out.csv") == 1
    assert "in.csv, line 5: expected 2 columns" in capsys.readouterr().err
    assert run("predict", model, "in.csv", "out.csv", "--skip-bad", "--part-rows", 11) == 0

    kept = [i for i in range(len(POOL)) if i not in (3, 8, 20, 35)]
    done = [row.values for row in read_table(Path("out.csv"))]
    assert [int(row["id"]) for row in done] == kept
    texts = [POOL[i] if i != 21 else "two\r\nlines" for i in kept]
    assert [row["label"] for row in done] == fewshot.load(model).predict(texts).tolist()
    bad = [row.values for row in read_table(Path("out.csv.bad.jsonl"))]
    assert [row["line"] for row in bad] == [5, 10, 22, 38]
    assert bad[1]["content"] == '8,"never closed\r\n'


def test_rows_without_any_value_are_set_aside_and_no_row_moves_up(model: Path) -> None:
    Path("in.csv").write_text('id,text\n1,a goal\n"",\n\n3,a vote\n,\n,\n')

    assert run("predict", model, "in.csv", "out.csv", "--skip-bad") == 0

    assert [row.values["id"] for row in read_table(Path("out.csv"))] == ["1", "3"]
    bad = [row.values for row in read_table(Path("out.csv.bad.jsonl"))]
    assert [row["line"] for row in bad] == [3]  # what spreadsheets leave at the end is no row


def test_an_empty_line_of_a_single_column_is_a_row(model: Path) -> None:
    Path("in.csv").write_text("text\na goal\n\na vote\n\n")

    assert run("predict", model, "in.csv", "out.csv", "--skip-bad") == 0

    assert [row.values["line"] for row in read_table(Path("out.csv.bad.jsonl"))] == [3]


def test_a_long_field_is_one_row(model: Path) -> None:
    long = "a goal\n" * 30_000
    Path("in.csv").write_text(f'text\n"{long}"\na vote\n')

    assert run("predict", model, "in.csv", "out.csv", "--skip-bad") == 0

    assert [row.values["text"] for row in read_table(Path("out.csv"))] == [long, "a vote"]


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_line_ends_within_a_field_are_quoted(model: Path, suffix: str) -> None:
    texts = ["a\rgoal", "a\nvote", "a\r\nlaw", "plain"]
    Path("in.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))

    assert run("predict", model, "in.jsonl", f"out.{suffix}") == 0

    assert [row.values["text"] for row in read_table(Path(f"out.{suffix}"))] == texts


def test_parts_with_rows_that_were_set_aside_are_not_resumed_without(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("in.csv").write_text("text,n\na,1\n,2\nb,3\n")
    with monkeypatch.context() as patch:
        patch.setattr("fewshot.cli.streams.join_parts", lambda *_: (_ for _ in ()).throw(OSError))
        assert run("predict", model, "in.csv", "out.csv", "--skip-bad") != 0

    assert run("predict", model, "in.csv", "out.csv", "--force") == 1
    assert "in.csv, line 3: no text in 'text'" in capsys.readouterr().err


def test_the_column_of_the_texts_does_not_depend_on_the_size_of_parts(model: Path) -> None:
    rows = [("a note that is longer than its mail", "a goal"), *[("-", text) for text in POOL]]
    with open("in.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("note", "mail"), *rows])

    for n_rows in (1, 8192):
        assert run("predict", model, "in.csv", f"{n_rows}.csv", "--part-rows", n_rows) == 0

    assert Path("1.csv").read_text() == Path("8192.csv").read_text()


def test_a_named_pipe_is_read_once(model: Path) -> None:
    write_table("in.csv", POOL)
    os.mkfifo("pipe.csv")
    writer = threading.Thread(
        target=lambda: Path("pipe.csv").write_bytes(Path("in.csv").read_bytes()), daemon=True
    )
    writer.start()

    assert run("predict", model, "pipe.csv", "out.csv") == 0

    assert len(read_table(Path("out.csv"))) == len(POOL)


def test_rows_of_an_earlier_run_stay_aside(model: Path) -> None:
    write_table("in.csv", POOL)
    Path("out.csv.bad.jsonl").write_text("mine")

    assert run("predict", model, "in.csv", "out.csv") == 0
    assert Path("out.csv.bad.jsonl").read_text() == "mine"
    assert run("predict", model, "in.csv", "other.csv", "--skip-bad") == 0
    assert not Path("other.csv.bad.jsonl").exists()


def test_zero_shot_is_calibrated_on_texts_from_all_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fewshot.cli.predicting._CALIBRATION_TEXTS", 9)
    backbone, labels = tmp_path / "backbone", ",".join(WORDS)
    for part in tiny_bert():
        part.save_pretrained(backbone)
    write_table("in.csv", ["", "", *POOL])
    options = ("--labels", labels, "--model", backbone, "--text", "body", "--proba", "--skip-bad")

    for n_rows in (2, 8192):
        rows = ("--part-rows", n_rows, "--output", f"{n_rows}.csv")
        assert run("zero-shot", "in.csv", *options, *rows) == 0

    assert "Calibrating on 9 of the texts." in capsys.readouterr().err
    assert Path("2.csv").read_text() == Path("8192.csv").read_text()
    clf = PromptClassifier(labels=list(WORDS), model=backbone, tuning="none", verbose=0)
    proba = clf.fit(POOL[::4]).predict_proba(POOL)[:, 0]
    found = [float(row.values[f"proba_{clf.classes_[0]}"]) for row in read_table(Path("2.csv"))]
    assert found == pytest.approx(proba.tolist(), abs=1e-6)


def test_zero_shot_by_names_learns_from_the_texts_of_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = [f"{text} {i}" for i in range(2000, 2012) for text in POOL]
    write_table("in.csv", texts)
    options = ("--labels", ",".join(WORDS), "--text", "body", "--proba", "--output")

    assert run("zero-shot", "in.csv", *options, "out.csv") == 0
    assert run("zero-shot", "in.csv", *options, "again.csv", "--part-rows", 7) == 0

    assert (
        "unlabelled texts of fit" not in capsys.readouterr().err
    )  # texts that it has learned from
    assert Path("again.csv").read_text() == Path("out.csv").read_text()
    clf = Classifier(sorted(WORDS), model="fewshot-mini", random_state=0, verbose=0).fit(texts)
    assert isinstance(clf.estimator_, EmbeddingClassifier)
    rows = read_table(Path("out.csv"))
    assert [row.values["label"] for row in rows] == clf.estimator_.predict(texts).tolist()
    proba = clf.estimator_.predict_proba(texts)[:, 0]
    found = [float(row.values[f"proba_{clf.classes_[0]}"]) for row in rows]
    assert found == pytest.approx(proba.tolist(), abs=1e-6)


def test_rows_of_json_with_a_new_key_are_refused_where_columns_are_fixed(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in.jsonl").write_text('{"text": "a"}\n{"text": "b", "n": 1}\n')

    assert run("predict", model, "in.jsonl", "out.csv") == 1
    assert "in.jsonl, line 2: the column 'n' is not in the first row" in capsys.readouterr().err
    assert run("predict", model, "in.jsonl", "out.jsonl") == 0


def test_a_killed_command_resumes_and_gives_what_an_undisturbed_one_gives(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [f"{POOL[i % len(POOL)]} {i}" for i in range(6_000)]
    write_table("in.csv", texts)
    command = ["predict", str(model), "in.csv", "out.csv", "--part-rows", "50"]
    environment = {**os.environ, "PYTHONPATH": str(Path(fewshot.__file__).parents[1])}
    process = subprocess.Popen([sys.executable, "-m", "fewshot", *command], env=environment)
    try:
        while len(list(Path().glob(".out.csv.parts/*.json"))) < 3 and process.poll() is None:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not Path("out.csv").exists()

    assert run(*command, "--json") == 0
    resumed = json.loads(capsys.readouterr().out)
    assert run("predict", model, "in.csv", "whole.csv", "--part-rows", 50) == 0

    assert 150 <= resumed["resumed"] < resumed["rows"] == 6_000
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()
    assert not Path(".out.csv.parts").exists()


def test_parts_of_other_settings_or_rows_are_not_taken(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fewshot.cli.predicting._PEEKED_ROWS", 2)
    write_table("in.csv", ["goal", "vote", "law", "team"])
    Path("in.csv").write_text(f"{Path('in.csv').read_text()}9,a,b\n")
    command = ["predict", model, "in.csv", "out.csv", "--part-rows", 2, "--json"]
    assert run(*command) == 1  # at its last row, after two parts

    write_table("in.csv", ["goal", "vote", "another", "team"])
    capsys.readouterr()
    assert run(*command) == 0
    assert json.loads(capsys.readouterr().out)["resumed"] == 2

    texts = ["goal", "vote", "another", "team"]
    expected = fewshot.load(model).predict_proba(texts).max(1).tolist()
    assert [float(row.values["score"]) for row in read_table(Path("out.csv"))] == expected


def test_a_disk_that_is_full_is_a_line_and_what_was_done_is_kept(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource", reason="limits of files are those of POSIX")
    write_table("in.csv", POOL)
    command = ["predict", model, "in.csv", "out.csv", "--part-rows", 5, "--json"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # room for parts only
        assert run(*command) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in capsys.readouterr().err
    assert not Path("out.csv").exists()

    assert run(*command) == 0
    assert json.loads(capsys.readouterr().out)["resumed"] == len(POOL)


def test_two_runs_do_not_write_one_file(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from filelock import FileLock

    write_table("in.csv", POOL)
    Path(".out.csv.parts").mkdir()
    with FileLock(".out.csv.parts/running.lock"):
        assert run("predict", model, "in.csv", "out.csv") == 1

    assert "another run is writing out.csv" in capsys.readouterr().err


def test_an_exported_model_takes_the_place_of_the_saved_one(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="fewshot[onnx] is missing")
    write_table("in.csv", POOL)

    assert run("export", model, "fast", "--texts", "in.csv", "--precision", "float32") == 0
    assert "(onnx, float32): the class of 0 of 36 texts changed" in capsys.readouterr().err
    assert run("export", model, "fast") == 1
    assert "fast is there already" in capsys.readouterr().err
    assert run("predict", "fast", "in.csv", "out.csv") == 0

    labels = [row.values["label"] for row in read_table(Path("out.csv"))]
    assert labels == fewshot.load(model).predict(POOL).tolist()
    assert run("info", "fast", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["classes"], content["max_length"]) == (["politics", "sports"], 96)
    assert "model" not in content


def test_a_pool_of_classifiers_is_distilled_before_it_is_exported(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="fewshot[onnx] is missing")
    clf = fewshot.Classifier(list(WORDS), model=tiny_lm(), random_state=0, verbose=0).fit()
    clf.save(tmp_path / "auto")
    write_table("in.csv", [f"{first} {second}" for first in POOL[:12] for second in POOL[:12]])

    options = ("--texts", "in.csv", "--precision", "float32")
    assert run("export", "auto", "fast", *options) == 1
    assert "export clf.distill(texts)" in capsys.readouterr().err
    assert run("export", model, "fast", *options, "--distill") == 1
    assert "--distill is for a model of 'fewshot fit --method auto'" in capsys.readouterr().err
    assert run("export", "auto", "fast", *options, "--distill", "--json") == 0
    out, err = capsys.readouterr()
    assert "distilled on 144 texts: of 144 of these, " in err
    assert json.loads(out)["distilled"]["n_texts"] == 144
    assert run("predict", "fast", "in.csv", "out.csv") == 0
