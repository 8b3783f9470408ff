"""What unlabelled texts bring: ``python -m benchmarks.self_training``.

For every data set and seed all methods get the same few labels, the same pool of unlabelled texts
and the same test texts; the three never share a text. Nothing is chosen on test texts. Every
outcome is a line of the results file as soon as it is there; a run that is started again does what
is missing.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from fewshot import (
    KShotSplit,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    Task,
    Unlabeled,
    load_task,
)
from fewshot.demo_data import load_bbc_news
from fewshot.errors import FewShotWarning
from fewshot.pretraining import Pretraining

_SHARED = Path(__file__).parents[2] / "shared" / "data"
_SHOTS = 8  # a class, for the topics; LiST's own splits have 30 labels in total
_PATTERNS = 4
_KEY = ("set", "method", "tuning", "seed", "pool", "test", "epochs")


class Sample(NamedTuple):
    """What the methods are given."""

    task: Task
    train: tuple[list[str], list[str]]
    test: tuple[list[str], list[str]]
    pool: list[str]


def bbc_news(seed: int, pool_size: int, test_size: int) -> Sample:
    """Draw from BBC News: headline and lead."""
    news = load_bbc_news()
    return _drawn(
        "bbc_news", dict(zip(news.texts, news.labels, strict=True)), seed, pool_size, test_size
    )


def ag_news(seed: int, pool_size: int, test_size: int) -> Sample:
    """Draw from AG News' official test set."""
    rows = _json_lines(_SHARED / "ag_news" / "official_test.jsonl")
    return _drawn(
        "ag_news", {row["text"]: row["label"] for row in rows}, seed, pool_size, test_size
    )


def sst2(seed: int, pool_size: int, test_size: int) -> Sample:
    """Read LiST's split of SST-2."""
    return _list_split("sst2", "SST-2", "tsv", seed, pool_size, test_size)


def subj(seed: int, pool_size: int, test_size: int) -> Sample:
    """Read LiST's split of subj."""
    return _list_split("subj", "subj", "csv", seed, pool_size, test_size)


_SETS: dict[str, Callable[[int, int, int], Sample]] = {
    "ag": ag_news,
    "bbc": bbc_news,
    "sst2": sst2,
    "subj": subj,
}


def _methods(task: Task, tuning: str, seed: int, epochs: int) -> dict[str, Any]:
    def prompt() -> PromptClassifier:
        return PromptClassifier(
            task.templates[0], task.verbalizer, tuning=tuning, random_state=seed, verbose=0
        )

    def pcp(objective: str) -> PCPClassifier:
        return PCPClassifier(
            prompt(),
            objective=objective,
            pretraining=Pretraining(num_epochs=epochs),
            random_state=seed,
            verbose=0,
        )

    patterns = list(task.templates[:_PATTERNS])
    return {
        "prompt": prompt(),
        "PET": PETClassifier(prompt(), templates=patterns, random_state=seed, verbose=0),
        "iPET": PETClassifier(
            prompt(), templates=patterns, generations=2, random_state=seed, verbose=0
        ),
        "TAPT": pcp("mlm"),
        "PCP": pcp("prompt"),
    }


def main() -> None:
    """Measure what is missing in the results file, then print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.self_training", description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(_SETS), help=f"of {list(_SETS)}")
    parser.add_argument("--methods", nargs="*", help="by default all")
    parser.add_argument("--tuning", default="full", help="of the prompt classifier in all methods")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--pool", type=int, default=600)
    parser.add_argument("--test-size", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=5, help="of continued pre-training")
    parser.add_argument("--results", type=Path, default=Path("self_training.jsonl"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    done = {_key(row) for row in _json_lines(arguments.results)}
    for name in arguments.sets:
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            sample = _SETS[name](seed, arguments.pool, arguments.test_size)
            methods = _methods(sample.task, arguments.tuning, seed, arguments.epochs)
            for method in arguments.methods or methods:
                row = {
                    "set": name,
                    "method": method,
                    "tuning": arguments.tuning,
                    "seed": seed,
                    "pool": arguments.pool,
                    "test": arguments.test_size,
                    "epochs": arguments.epochs,
                }
                if _key(row) not in done:
                    row |= _measure(methods[method], sample)
                    with arguments.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(row) + "\n")
    sys.stdout.write(_table(_json_lines(arguments.results)))


def _measure(estimator: Any, sample: Sample) -> dict[str, float]:
    started = time.perf_counter()
    if isinstance(estimator, PromptClassifier):
        fitted = estimator.fit(*sample.train)
    else:
        fitted = estimator.fit(*sample.train, unlabeled=Unlabeled(sample.pool))
    learned = time.perf_counter()
    texts, truth = sample.test
    right = np.asarray(fitted.predict(texts)) == np.asarray(truth, dtype=object)
    return {"accuracy": float(right.mean()), "fit_seconds": round(learned - started, 1)}


def _drawn(name: str, labels: dict[str, str], seed: int, pool_size: int, test_size: int) -> Sample:
    texts = list(labels)
    splitter = KShotSplit(_SHOTS, 1, random_state=seed, test_size=test_size)
    train, test = next(splitter.split(texts, list(labels.values())))
    rest = np.setdiff1d(np.arange(len(texts)), np.concatenate([train, test]))
    chosen = np.random.default_rng(seed).permutation(rest)[:pool_size]

    def part(rows: Any) -> tuple[list[str], list[str]]:
        return [texts[i] for i in rows], [labels[texts[i]] for i in rows]

    return Sample(load_task(name), part(train), part(test), part(chosen)[0])


def _list_split(
    name: str, folder: str, kind: str, seed: int, pool_size: int, test_size: int
) -> Sample:
    task, home = load_task(name), _SHARED / "list" / folder
    train = _list_rows(home / f"30-{seed + 1}" / f"train.{kind}", task)
    test = _list_rows(home / f"test.{kind}", task)
    order = np.random.default_rng(0).permutation(len(test))[:test_size]
    test = [test[i] for i in order]
    known = {text for text, _ in (*train, *test)}
    texts = [row["text"].strip() for row in _json_lines(home / "unlabeled.jsonl")]
    texts = [text for text in dict.fromkeys(texts) if text not in known]
    chosen = np.random.default_rng(seed).permutation(len(texts))[:pool_size]

    def part(rows: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
        return [text for text, _ in rows], [label for _, label in rows]

    return Sample(task, part(train), part(test), [texts[i] for i in chosen])


def _list_rows(file: Path, task: Task) -> list[tuple[str, str]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    if file.suffix == ".tsv":
        plain = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        rows = [(text.strip(), number.strip()) for text, number in plain]
    else:
        rows = [(text.strip(), number) for number, text in csv.reader(lines)]
    names = list(task.verbalizer.labels)
    return [(text, names[int(number)]) for text, number in rows if number in ("0", "1")]


def _json_lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        row[name] for name in ("set", "method", "tuning", "seed", "pool", "test", "epochs")
    )


def _table(rows: list[dict[str, Any]]) -> str:
    """Lay out mean and standard deviation over the seeds, and the gain over the prompt alone."""
    lines = [f"{'set':<6}{'tuning':<8}{'method':<8}{'accuracy':>16}{'gain':>8}{'fit s':>8}{'n':>4}"]
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["tuning"], row["method"]), []).append(row)
    for (name, tuning, method), group in sorted(groups.items()):
        values = [row["accuracy"] for row in group]
        plain = {row["seed"]: row["accuracy"] for row in groups.get((name, tuning, "prompt"), [])}
        gains = [row["accuracy"] - plain[row["seed"]] for row in group if row["seed"] in plain]
        spread = f"{fmean(values):.3f} ± {stdev(values):.3f}" if values[1:] else f"{values[0]:.3f}"
        gain = f"{fmean(gains):+.3f}" if gains else ""
        seconds = fmean(row["fit_seconds"] for row in group)
        lines.append(
            f"{name:<6}{tuning:<8}{method:<8}{spread:>16}{gain:>8}{seconds:>8.0f}{len(values):>4}"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
