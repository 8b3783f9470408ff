"""The demo: classify news with 8 labels per topic, by prompts and by the usual methods."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.benchmark.data_sets.loading import load_data_set
from fewshot.benchmark.demo_page import (
    TABLE_HEADER,
    Example,
    MethodResults,
    Report,
    results_by_method,
)
from fewshot.benchmark.methods import Defaults, build_method
from fewshot.benchmark.report.page import make_folder
from fewshot.benchmark.runner import run
from fewshot.benchmark.spec import Spec
from fewshot.benchmark.spec_reader import load_spec
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.data.files import write_whole

_ZERO_SHOT, _TUNED = "Prompt, zero-shot", "Prompt, head tuned"
_DATA = "bbc_news"
_REPORT = "demo.html"
_WORDS_SHOWN = 5
# Methods besides the baselines, which every benchmark has.
_METHODS: list[dict[str, Any]] = [
    {"name": name, "estimator": "prompt", "settings": {"tuning": tuning, "calibration": "domain"}}
    for name, tuning in ((_ZERO_SHOT, "none"), (_TUNED, "head"), ("Prompt, all tuned", "full"))
]


@dataclass(frozen=True)
class DemoSettings:
    """What the user may choose.

    Parameters
    ----------
    seeds : int
        How often training articles are drawn.
    shots : int
        Labelled training articles of each topic.
    test_size : int
        Test articles, the same for all methods and seeds.
    output : Path
        Folder of the report.
    command : str
        What was typed, for the report.
    """

    seeds: int = 3
    shots: int = 8
    test_size: int = 300
    output: Path = Path("reports")
    command: str = "python -m fewshot demo"


def run_demo(settings: DemoSettings, out: TextIO) -> int:
    """Compare the methods on BBC News, show a table and write a report.

    Parameters
    ----------
    settings : DemoSettings
    out : TextIO
        Where the table goes; the progress goes to the standard error.

    Returns
    -------
    int
        Exit status: 1 if a method failed.

    Raises
    ------
    MissingExtraError
        If the articles or the model are not installed.
    InputError
        If the folder cannot be written, or there are too few articles for the settings.
    """
    started = time.perf_counter()
    make_folder(settings.output)  # before the work, so that nothing is lost for want of it
    spec, data = load_spec(demo_spec(settings)), load_data_set(_DATA)
    methods = results_by_method(run(spec))
    out.write(f"\n{format_table(methods)}\n\n")
    report = Report(
        title="News topics from a handful of labels",
        setting=_describe(settings, data),
        methods=methods,
        examples=cloze_examples(spec, data),
        command=settings.command,
        seconds=time.perf_counter() - started,
    )
    path = write_whole(settings.output / _REPORT, report.to_html())
    out.write(f"{report.seconds / 60:.1f} minutes. Report: {path.resolve()}\n")
    return int(any(results.errors for results in methods))


def demo_spec(settings: DemoSettings) -> dict[str, Any]:
    """Return the benchmark that the demo runs.

    Parameters
    ----------
    settings : DemoSettings

    Returns
    -------
    dict
        See :func:`fewshot.benchmark.load_spec`.
    """
    return {
        "name": "Demo",
        "methods": _METHODS,
        "data_sets": [_DATA],
        "shots": [settings.shots],
        "seeds": list(range(settings.seeds)),
        "test_size": settings.test_size,
    }


def format_table(methods: Sequence[MethodResults]) -> str:
    """Lay results out as plain text; what failed is told below.

    Parameters
    ----------
    methods : sequence of MethodResults

    Returns
    -------
    str
    """
    rows = [TABLE_HEADER, *(results.row() for results in methods)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE_HEADER))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    failures = [
        f"{results.method} failed: {error}" for results in methods for error in results.errors
    ]
    return "\n".join([*lines, *failures])


def cloze_examples(spec: Spec, data: DataSet) -> list[Example]:
    """Show what the prompts of the first seed make of one test article of each topic.

    Each label word becomes a class of its own here, so that its share can be seen.

    Parameters
    ----------
    spec : Spec
    data : DataSet

    Returns
    -------
    list of Example
    """
    (entry,) = spec.data_sets
    split = data.split(entry.shots[0], entry.seeds[0], entry.test_size)
    labels = sorted(set(split.test_labels))
    texts = [split.test_texts[split.test_labels.index(label)] for label in labels]
    defaults = Defaults(data.templates, data.verbalizer, data.labels)
    zero_shot, tuned = (
        build_method(spec.method(name), defaults, entry.seeds[0]) for name in (_ZERO_SHOT, _TUNED)
    )
    words = {word: [word] for label in data.labels for word in data.verbalizer[label]}
    prompt = PromptClassifier(
        data.template, words, model=zero_shot.model, tuning="none", calibration="domain"
    )
    shares = prompt.fit(split.train_texts).predict_proba(texts)
    zero_shot.fit(split.train_texts)
    tuned.fit(split.train_texts, split.train_labels)
    predicted = {_ZERO_SHOT: zero_shot.predict(texts), _TUNED: tuned.predict(texts)}
    examples = []
    for place, (label, text) in enumerate(zip(labels, texts, strict=True)):
        before, after = data.template.preview({"text": str(text)}, mask="\0").split("\0")
        best = shares[place].argsort()[::-1][:_WORDS_SHOWN]
        examples.append(
            Example(
                before=before,
                after=after,
                label=label,
                words={str(prompt.classes_[i]): float(shares[place, i]) for i in best},
                predictions={method: str(found[place]) for method, found in predicted.items()},
            )
        )
    return examples


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = row
    return [first.ljust(widths[0])] + [
        cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
    ]


def _describe(settings: DemoSettings, data: DataSet) -> str:
    seeds = "1 seed" if settings.seeds == 1 else f"{settings.seeds} seeds"
    return (
        f"BBC News, headline and lead paragraph: {len(data.labels)} topics, {settings.shots} "
        f"labelled articles of each, {settings.test_size} test articles, {seeds}"
    )
