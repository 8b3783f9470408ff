"""Compare sources of label words: ``python -m benchmarks.knowledge``.

Rows: class names only, hand-made words, KPT, SciPrompt with its authors' terms, SciPrompt with
terms found by this package, and the same as soft words. Columns: 0, 1, 5 and 10 labels per class.
All rows see the same texts: the labeled ones, and 200 unlabeled ones for calibration. Nothing is
chosen on test texts, and no test text is left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fewshot import PromptClassifier, Verbalizer, load_task
from fewshot.data.sampling import k_shot_sample
from fewshot.errors import FewShotWarning
from fewshot.knowledge import (
    LearnedVerbalizer,
    SciPromptSoftVerbalizer,
    SciPromptVerbalizer,
    SoftVerbalizer,
    TermFile,
    TermSource,
    WordNet,
)

_SHARED = Path(__file__).parents[2] / "shared" / "data"
_POOL = 200  # unlabeled texts, as in KPT; all 210 of Emerging NLP are used
_MAX_LENGTH = 256  # tokens, as in SciPrompt

Words = Verbalizer | LearnedVerbalizer | None


class Data(NamedTuple):
    """Texts and labels of a data set, and published terms for its classes."""

    train: list[str]
    train_labels: list[str]
    test: list[str]
    test_labels: list[str]
    task: str
    terms: TermSource | None
    scores: bool  # whether the terms come with SciPrompt's scores


def main() -> None:
    """Print a table per data set."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.knowledge", description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(_SETS), help=f"of {list(_SETS)}")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shots", type=int, nargs="*", default=[0, 1, 5, 10])
    parser.add_argument("--tuning", default="head", help="for 1 label per class and more")
    parser.add_argument("--wordnet", type=Path, help="a folder of WordNet's files, for KPT's terms")
    parser.add_argument(
        "--fifty", action="store_true", help="time retrieval for 50 classes instead"
    )
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    if arguments.fifty:
        _time_fifty()
        return
    for name in arguments.sets:
        data = _SETS[name]()
        methods = _methods(data, arguments.wordnet)
        sys.stdout.write(f"\n{name}: accuracy on {len(data.test)} texts, {arguments.seeds} seeds, ")
        sys.stdout.write(f"tuning={arguments.tuning!r}\n| words | ")
        sys.stdout.write(" | ".join(f"{k} per class" for k in arguments.shots) + " | s |\n|---|")
        sys.stdout.write("---|" * (len(arguments.shots) + 1) + "\n")
        for method, words in methods.items():
            started = time.perf_counter()
            cells = [
                _cell([_accuracy(data, words, k, seed, arguments.tuning) for seed in seeds])
                for k, seeds in ((k, range(arguments.seeds)) for k in arguments.shots)
            ]
            seconds = time.perf_counter() - started
            sys.stdout.write(f"| {method} | {' | '.join(cells)} | {seconds:.0f} |\n")
            sys.stdout.flush()


def _time_fifty() -> None:
    """Print the cost of finding words for 50 classes: the first terms of Emerging NLP's file."""
    data = emerging_nlp()
    lines = (_SHARED / "emerging_nlp" / "terms.txt").read_text(encoding="utf-8").splitlines()
    rows = [[term.strip() for term in line.split(",") if term.isascii()] for line in lines]
    firsts = [row[n] for n in range(3) for row in rows if len(row) > n]
    names = list({name.casefold(): name for name in firsts}.values())[:50]
    for attempt in ("first", "second"):
        wall, cpu = time.perf_counter(), time.process_time()
        found = SciPromptVerbalizer().resolve(names, data.train)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        words = sum(found.coverage.values())
        sys.stdout.write(
            f"{attempt}: {len(names)} classes, {len(data.train)} texts, {words} words, "
        )
        sys.stdout.write(f"CPU {cpu:.1f} s, wall {wall:.1f} s\n")
        sys.stdout.flush()


def emerging_nlp() -> Data:
    folder = _SHARED / "emerging_nlp"
    terms = TermFile(folder / "terms.txt", folder / "scores.txt")
    train, test = (_json_lines(folder / f"{part}.jsonl") for part in ("train", "test"))
    return Data(*train, *test, "emerging_nlp", terms, scores=True)


def ag_news() -> Data:
    train, test = (_json_lines(_SHARED / "ag_news" / f"{part}.jsonl") for part in ("dev", "test"))
    file = _SHARED / "openprompt" / "agnews" / "knowledgeable_verbalizer.txt"
    terms = TermFile(file, labels=["World", "Sports", "Business", "Sci/Tech"])
    return Data(*train, *test, "ag_news", terms, scores=False)


def masakhanews() -> Data:
    folder = _SHARED / "masakhanews" / "eng"
    train, test = (_rows(folder / part) for part in ("50/train.tsv", "test.tsv"))
    return Data(*train, *test, "masakhanews", None, scores=False)


_SETS: dict[str, Callable[[], Data]] = {
    "emerging": emerging_nlp,
    "ag": ag_news,
    "masakhanews": masakhanews,
}


def _methods(data: Data, wordnet: Path | None) -> dict[str, Words]:
    manual = load_task(data.task).verbalizer.subset(sorted(set(data.train_labels)))
    terms = WordNet(wordnet) if data.terms is None and wordnet is not None else data.terms
    rows: dict[str, Words] = {"class names": None, "manual": manual}
    if terms is not None:
        rows["KPT"] = SciPromptVerbalizer(
            [terms],
            None,
            encoder=None,
            weights="uniform",
            min_similarity=0.0,
            frequency_cut=0.5,
            relevance="cut",
        )
        rows["SciPrompt, terms of others"] = SciPromptVerbalizer(
            [terms],
            None,
            encoder=None if data.scores else "fewshot-mini",
            min_similarity=0.5 if data.scores else 0.2,
            weights="softmax",
        )
    rows["SciPrompt, own terms"] = SciPromptVerbalizer()
    rows["SciPrompt, own terms, learned weights"] = SciPromptVerbalizer(weights="learnable")
    rows["SciPrompt, own terms, soft"] = SciPromptSoftVerbalizer()
    rows["soft, from class names"] = SoftVerbalizer()
    return rows


def _accuracy(data: Data, words: Words, k: int, seed: int, tuning: str) -> float:
    rows = list(_drawn(data, k, seed))
    classifier = PromptClassifier(
        load_task(data.task).templates[0],
        words,
        labels=sorted(set(data.train_labels)),
        tuning=tuning if k else "none",
        calibration="domain",
        max_length=_MAX_LENGTH,
        random_state=seed,
        verbose=0,
    )
    classifier.fit([text for text, _ in rows], [label for _, label in rows])
    return float(classifier.score(data.test, data.test_labels))


def _drawn(data: Data, k: int, seed: int) -> Iterator[tuple[str, str | None]]:
    """Draw k labeled texts per class, and others without their labels."""
    n_texts = len(data.train)
    labelled = set(k_shot_sample(data.train_labels, k, random_state=seed).tolist()) if k else set()
    if n_texts > 2 * _POOL:
        others = np.random.default_rng(seed).permutation(n_texts)[:_POOL].tolist()
    else:
        others = list(range(n_texts))
    for i in sorted(labelled | set(others)):
        yield data.train[i], data.train_labels[i] if i in labelled else None


def _cell(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def _json_lines(path: Path) -> tuple[list[str], list[str]]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row["text"] for row in rows], [row["label"] for row in rows]


def _rows(path: Path) -> tuple[list[str], list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return [f"{row['headline']} {row['text']}" for row in rows], [row["category"] for row in rows]


if __name__ == "__main__":
    main()
