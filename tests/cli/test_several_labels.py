"""Several labels for a text on the command line: from a file to a file."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

import fewshot
from fewshot import cli
from tests.tiny_estimators import X
from tests.tiny_models import tiny_bert

SETS = [
    ["sports", "football"], ["sports"], ["football", "sports"], ["sports"], [],
    ["politics"], ["politics"], [], ["politics"], ["politics", "sports"],
]  # fmt: skip


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("mails.csv").open("w", newline="") as file:
        rows = [(text, " ; ".join(labels)) for text, labels in zip(X, SETS, strict=True)]
        csv.writer(file).writerows([("text", "topics"), *rows])
    lines = [json.dumps({"text": t, "topics": s}) for t, s in zip(X, SETS, strict=True)]
    Path("mails.jsonl").write_text("\n".join(lines))


def run(*arguments: object) -> int:
    return cli.main(list(map(str, arguments)))


SEPARATED = ("--label", "topics", "--label-separator", ";")


def test_what_predict_writes_into_csv_is_read_as_lists() -> None:
    assert run("fit", "mails.csv", *SEPARATED, "--method", "tfidf", "--output", "model") == 0
    assert run("predict", "model", "mails.csv", "out.csv") == 0
    expected = fewshot.load("model").predict(X)

    for options in ((), ("--label-separator", ";")):
        again = ("fit", "out.csv", "--text", "text", "--label", "label", "--output", "again")
        assert run(*again, "--method", "tfidf", "--force", *options) == 0
        assert set(fewshot.load("again").classes_) == {label for row in expected for label in row}


def test_fit_evaluate_and_predict(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fit", "mails.csv", *SEPARATED, "--method", "tfidf", "--output", "model") == 0
    assert "Learned 3 classes" in capsys.readouterr().err
    clf = fewshot.load("model")
    assert clf.classes_.tolist() == ["football", "politics", "sports"]
    assert clf.thresholds_ is not None

    assert run("evaluate", "model", "mails.csv", *SEPARATED, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["subset_accuracy"] == pytest.approx(clf.score(X, SETS))
    assert found["classes"]["football"]["n"] == 2
    assert run("evaluate", "model", "mails.csv", *SEPARATED) == 0
    shown = re.findall(r"^ (\S+(?: \S+)?)  +[\d.]+ *$", capsys.readouterr().out, re.MULTILINE)
    assert shown == ["Subset accuracy", "Macro-F1", "Micro-F1", "Average precision"]

    assert run("predict", "model", "mails.csv", "out.csv", "--label-separator", ";") == 0
    with Path("out.csv").open(newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    assert labels == [";".join(row) for row in clf.predict(X)]


def test_lists_in_json_lines_need_no_separator() -> None:
    assert run("fit", "mails.jsonl", "--label", "topics", "--method", "tfidf", "--output", "a") == 0
    assert run("fit", "mails.csv", *SEPARATED, "--method", "tfidf", "--output", "b") == 0

    one, other = (fewshot.load(folder).predict_proba(X) for folder in ("a", "b"))
    assert one.tolist() == other.tolist()
    assert run("predict", "a", "mails.jsonl", "out.jsonl") == 0
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows] == fewshot.load("a").predict(X)


def test_zero_shot_gives_several_labels_on_request(tmp_path: Path) -> None:
    for part in tiny_bert():
        part.save_pretrained(tmp_path / "backbone")

    options = ("--labels", "sports,politics", "--model", "backbone", "--label-separator", "; ")
    assert run("zero-shot", "mails.csv", "--output", "out.csv", "--proba", *options) == 0

    with Path("out.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            likely = [n for n in ("politics", "sports") if float(row[f"proba_{n}"]) >= 0.35]
            assert row["label"] == "; ".join(likely)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "model", "mails.csv", "--label", "topics"), "--label-separator ';'"),
        (("fit", "mails.csv", "--label", "topics", "--label-separator", " "), "such as ';'"),
        (("evaluate", "model", "other.csv", *SEPARATED), "no class 'music'"),
        (("words", "mails.jsonl", "--label", "topics"), "one label each"),
    ],
)
def test_what_does_not_fit_is_a_line(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", "mails.csv", *SEPARATED, "--method", "tfidf", "--output", "model") == 0
    Path("other.csv").write_text("text,topics\na song,music;sports\n")
    capsys.readouterr()

    more = ("--output", "new") if arguments[0] == "fit" else ()
    assert run(*arguments, *more) != 0

    assert message in capsys.readouterr().err


def test_a_separator_that_a_label_holds_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"text": text, "topics": ["a;b", topic]} for text, topic in zip(X, "xy" * 5, strict=True)
    ]
    Path("lists.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run("fit", "lists.jsonl", "--label", "topics", "--method", "tfidf", "--output", "m") == 0

    assert run("predict", "m", "lists.jsonl", "out.csv", "--label-separator", ";") == 1
    assert "the label 'a;b' holds the separator ';'; choose another" in capsys.readouterr().err
