"""The demo: classify news from 8 labels per topic, with prompts and with the usual baselines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.benchmark.data_sets.loading import load_data_set
from fewshot.benchmark.methods import build_method
from fewshot.benchmark.progress import duration
from fewshot.benchmark.report import make_folder, write_files
from fewshot.benchmark.report.content import ClozeExample
from fewshot.benchmark.results import Results
from fewshot.benchmark.runner import run
from fewshot.benchmark.spec import Spec
from fewshot.benchmark.spec_reader import load_spec
from fewshot.benchmark.statistics import Estimate
from fewshot.benchmark.summary import Entry, summarize
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.data.files import user_path

_ZERO_SHOT, _TUNED = "Prompt, zero-shot", "Prompt, head tuned"
_HEADER = ("Method", "Accuracy", "Macro-F1", "Fit s", "Predict s", "Tokens")
_WORDS_SHOWN = 5
_WHY_NO_SETFIT = "takes longer than all others together; the option --compare runs it"
# Measured on two cores; of a seed at 8 shots and 300 test texts.
_SECONDS, _SETFIT_SECONDS = 30, 170


def demo_spec(seeds: int, shots: int, test_size: int, *, compare: bool = False) -> dict[str, Any]:
    """Return the spec of the demo; SetFit, which takes most of the time, only to compare."""
    tunings = ((_ZERO_SHOT, "none"), (_TUNED, "head"), ("Prompt, all tuned", "full"))
    embeddings = (("Class names", "names"), ("Embeddings", "embedding"))
    return {
        "name": "News topics from a handful of labels",
        "methods": [
            *(
                {
                    "name": name,
                    "estimator": "prompt",
                    "settings": {"tuning": tuning, "calibration": "domain"},
                }
                for name, tuning in tunings
            ),
            *({"name": name, "estimator": estimator} for name, estimator in embeddings),
        ],
        "data_sets": ["bbc_news"],
        "shots": [shots],
        "seeds": list(range(seeds)),
        "test_size": test_size,
        "left_out": [] if compare else [{"method": "SetFit", "reason": _WHY_NO_SETFIT}],
    }


def run_demo(content: Mapping[str, Any], folder: Path, out: TextIO) -> int:
    """Run a spec like demo_spec's, show a table, and write a report; return the exit status."""
    started = time.perf_counter()
    folder = user_path(folder)
    make_folder(folder)  # before the work, so that nothing is lost if it cannot be written
    spec = load_spec(content)
    (entry,) = spec.data_sets
    data = load_data_set({"name": entry.name, **entry.source})
    out.write(f"{_expected_time(spec)}\n")
    out.flush()
    results = run(spec)
    out.write(f"\n{format_table(results)}\n\n")
    page, _ = write_files(results, folder, "demo", list(cloze_examples(spec, data)))
    minutes = (time.perf_counter() - started) / 60
    out.write(f"{minutes:.1f} minutes. Report: {page.resolve()}\n")
    return int(not all(cell.is_done for cell in results.cells))


def _expected_time(spec: Spec) -> str:
    (entry,) = spec.data_sets
    has_setfit = all(gap.method != "SetFit" for gap in spec.left_out)
    seconds = (_SECONDS + _SETFIT_SECONDS * has_setfit) * len(entry.seeds)
    more = "" if has_setfit else "; add --compare for SetFit, some three minutes more per seed"
    return f"About {duration(seconds)} on two cores{more}"


def format_table(results: Results) -> str:
    """Lay out the results on one data set as plain text, followed by the errors."""
    summary = summarize(results)
    entries = summary.tables[0].groups[0].entries if summary.tables else {}
    failures = [gap for gap in summary.gaps if gap.kind == "failed"]
    failed = {gap.method for gap in failures}
    rows: list[tuple[str, ...]] = [_HEADER]
    for method in summary.methods:
        if method in entries:
            rows.append(_row(entries[method]))
        elif method in failed:
            rows.append((method, "failed", "", "", "", ""))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, *(f"{gap.method} failed: {gap.reason}" for gap in failures)])


def cloze_examples(spec: Spec, data: DataSet) -> Iterator[ClozeExample]:
    """Yield one test text per topic as the prompts of the first seed see it."""
    (entry,) = spec.data_sets
    split = data.split(entry.shots[0], entry.seeds[0], entry.test_size)
    labels = sorted(map(str, set(split.test_labels)))
    texts = [split.test_texts[split.test_labels.index(label)] for label in labels]
    zero_shot, tuned = (
        build_method(spec.method(name), data.info, entry.seeds[0]) for name in (_ZERO_SHOT, _TUNED)
    )
    # Each label word becomes a class, so that its share can be shown.
    words = {word: [word] for label in data.labels for word in data.verbalizer[label]}
    prompt = PromptClassifier(
        data.template, words, model=zero_shot.model, tuning="none", calibration="domain"
    )
    shares = prompt.fit(split.train_texts).predict_proba(texts)
    zero_shot.fit(split.train_texts)
    tuned.fit(split.train_texts, split.train_labels)
    predicted = {_ZERO_SHOT: zero_shot.predict(texts), _TUNED: tuned.predict(texts)}
    for place, (label, text) in enumerate(zip(labels, texts, strict=True)):
        before, after = data.template.preview({"text": str(text)}, mask="\0").split("\0")
        best = shares[place].argsort()[::-1][:_WORDS_SHOWN]
        yield ClozeExample(
            before=before,
            after=after,
            label=label,
            words={str(prompt.classes_[i]): float(shares[place, i]) for i in best},
            predictions={method: str(found[place]) for method, found in predicted.items()},
        )


def _row(entry: Entry) -> tuple[str, ...]:
    costs = entry.costs
    return (
        entry.method,
        _estimate(entry.scores["accuracy"]),
        _estimate(entry.scores["macro_f1"]),
        "" if costs.fit_seconds is None else f"{costs.fit_seconds:.2f}",
        "" if costs.predict_seconds is None else f"{costs.predict_seconds:.2f}",
        "" if costs.tokens is None else f"{costs.tokens:,.0f}",
    )


def _estimate(score: Estimate) -> str:
    spread = "" if score.deviation is None else f" ± {score.deviation:.3f}"
    return f"{score.mean:.3f}{spread}"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = row
    return [first.ljust(widths[0])] + [
        cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
    ]
