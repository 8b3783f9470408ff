"""The demo: classify news with 8 labels per topic, by prompts and by the usual methods."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sklearn.dummy import DummyClassifier

from fewshot.classifier import PromptClassifier
from fewshot.comparison import Method, Outcome, compare, format_table, summarise
from fewshot.demo_data import News, load_bbc_news
from fewshot.library import Task, load_task
from fewshot.masked_lm import MaskedLM
from fewshot.page import make_folder, write_whole
from fewshot.report import Example, Report
from fewshot.sampling import KShotSplit
from fewshot.setfit_classifier import SetFitClassifier
from fewshot.tfidf_classifier import TfidfClassifier

__all__ = ["DemoSettings", "cloze_examples", "news_methods", "run_demo"]

_ZERO_SHOT, _TUNED = "Prompt, zero-shot", "Prompt, all tuned"
_MODEL = "fewshot-mini"
_REPORT = "demo.html"
_WORDS_SHOWN = 5


@dataclass(frozen=True)
class DemoSettings:
    """What the user may choose.

    Parameters
    ----------
    seeds : int
        How often training and test articles are drawn.
    shots : int
        Labelled training articles of each topic.
    test_size : int
        Test articles, the same for all methods.
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


def run_demo(settings: DemoSettings, out: TextIO, progress: TextIO) -> int:
    """Compare the methods on BBC News, show a table and write a report.

    Parameters
    ----------
    settings : DemoSettings
    out : TextIO
        Where the table goes.
    progress : TextIO
        Gets a line for each method and seed while they run.

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
    news, task = load_bbc_news(), load_task("bbc_news")
    lm = _prompt(task, _MODEL, "none", 0).fit(news.texts[:1]).model_
    splitter = KShotSplit(settings.shots, settings.seeds, test_size=settings.test_size)
    progress.write(f"{_describe(settings, news)}\n")
    outcomes = list(compare(*news, splitter, lambda seed: news_methods(task, lm, seed), progress))
    summaries = summarise(outcomes)
    out.write(f"\n{format_table(summaries)}\n\n")
    report = Report(
        title="News topics from a handful of labels",
        setting=_describe(settings, news),
        summaries=summaries,
        examples=cloze_examples(news, splitter, task, lm, outcomes),
        command=settings.command,
        seconds=time.perf_counter() - started,
    )
    path = write_whole(report.to_html(), settings.output / _REPORT)
    out.write(f"{report.seconds / 60:.1f} minutes. Report: {path.resolve()}\n")
    return int(any(summary.errors for summary in summaries))


def news_methods(task: Task, lm: MaskedLM, seed: int) -> list[Method]:
    """Return the methods that the demo compares.

    Parameters
    ----------
    task : Task
        Brings templates and label words.
    lm : MaskedLM
    seed : int

    Returns
    -------
    list of Method
    """

    def prompt(tuning: str) -> PromptClassifier:
        # Weights are shared, known states of texts are not: each method pays for its own.
        return _prompt(task, MaskedLM(lm.model, lm.tokenizer, name=lm.name), tuning, seed)

    return [
        Method("Always one topic", DummyClassifier(strategy="most_frequent")),
        Method("TF-IDF", TfidfClassifier()),
        Method(_ZERO_SHOT, prompt("none"), uses_labels=False),
        Method("Prompt, head tuned", prompt("head")),
        Method(_TUNED, prompt("full")),
        Method("SetFit", SetFitClassifier(random_state=seed, verbose=0)),
    ]


def cloze_examples(
    news: News, splitter: KShotSplit, task: Task, lm: MaskedLM, outcomes: Sequence[Outcome]
) -> list[Example]:
    """Show what the prompt makes of one test article of each topic.

    Each label word becomes a class of its own here, so that its share can be seen.

    Parameters
    ----------
    news : News
    splitter : KShotSplit
    task : Task
    lm : MaskedLM
    outcomes : sequence of Outcome
        What was predicted for the test articles.

    Returns
    -------
    list of Example
    """
    train, test = next(splitter.split(*news))
    first = {news.labels[row]: place for place, row in reversed(list(enumerate(test)))}
    texts = [news.texts[test[first[label]]] for label in sorted(first)]
    template = task.templates[0]
    words = {word: [word] for label in task.labels for word in task.verbalizer[label]}
    prompt = PromptClassifier(template, words, model=lm, tuning="none", calibration="domain")
    shares = prompt.fit([news.texts[row] for row in train]).predict_proba(texts)
    of_first_seed = [outcome for outcome in outcomes if outcome.seed == 0 and not outcome.error]
    examples = []
    for label, text, share in zip(sorted(first), texts, shares, strict=True):
        before, after = template.preview({"text": text}, mask="\0").split("\0")
        best = share.argsort()[::-1][:_WORDS_SHOWN]
        examples.append(
            Example(
                before=before,
                after=after,
                label=label,
                words={str(prompt.classes_[i]): float(share[i]) for i in best},
                predictions={
                    outcome.method: outcome.predicted[first[label]]
                    for outcome in of_first_seed
                    if outcome.method in (_ZERO_SHOT, _TUNED)
                },
            )
        )
    return examples


def _prompt(task: Task, model: str | MaskedLM, tuning: str, seed: int) -> PromptClassifier:
    return PromptClassifier(
        task.templates[0],
        task.verbalizer,
        model=model,
        tuning=tuning,
        calibration="domain",
        random_state=seed,
        verbose=0,
    )


def _describe(settings: DemoSettings, news: News) -> str:
    n_topics = len(set(news.labels))
    seeds = "1 seed" if settings.seeds == 1 else f"{settings.seeds} seeds"
    return (
        f"BBC News, headline and lead paragraph: {n_topics} topics, {settings.shots} labelled "
        f"articles of each, {settings.test_size} test articles, {seeds}"
    )
