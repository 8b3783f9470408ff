"""Ways to classify, on the texts that settings may be chosen by.

``python -m benchmarks.development --data-dir DATA`` prints a Markdown table: accuracy averaged over
seeds, and the CPU seconds of a fit, for each data set and method, all on the encoder of one model.
Texts are development data: no test text of a data set is read. With ``--results FILE`` each fit is
appended to a file of JSON lines, and those that it holds are not run again.
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
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import log_loss

from fewshot import (
    Classifier,
    EmbeddingClassifier,
    FineTuneClassifier,
    MaskedLM,
    PromptClassifier,
    SetFitClassifier,
    TfidfClassifier,
    load_masked_lm,
    load_task,
)
from fewshot.benchmark import load_bbc_news
from fewshot.errors import FewShotWarning
from fewshot.models.embedded import EMBEDDED

_MAX_LENGTH = 128  # tokens
_MOST = 300  # texts that a classifier is judged by


class Data(NamedTuple):
    """Labelled texts to draw from, the labels per class, and the settings of prompts."""

    texts: list[str]
    labels: list[Any]
    n_labels: int
    settings: dict[str, Any]
    train: Callable[[int], tuple[list[str], list[Any]]] | None = None  # published splits, by seed
    model: str = "fewshot-mini"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--labels", type=int, help="per class; else each set's own")
    parser.add_argument("--model", choices=list(EMBEDDED), default="fewshot-mini")
    parser.add_argument("--results", type=Path, help="JSON lines of fits that are done")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    rows = _read(args.results) if args.results and args.results.is_file() else []
    here = args.model, args.labels
    rows = [row for row in rows if (row.get("model", "fewshot-mini"), row.get("labels")) == here]
    done = {(row["set"], row["method"], row["seed"]) for row in rows}
    for name in args.sets:
        data = SETS[name](args.data_dir)._replace(model=args.model)
        if args.labels:
            data = data._replace(n_labels=args.labels, train=None)
        for seed in args.seeds:
            for method in args.methods:
                if (name, method, seed) not in done:
                    row = {"set": name, "model": args.model, "labels": args.labels}
                    row |= {"method": method, "seed": seed}
                    rows.append(row | measured(data, METHODS[method], seed))
                    if args.results:
                        with args.results.open("a", encoding="utf-8") as stream:
                            stream.write(json.dumps(rows[-1]) + "\n")
    sys.stdout.writelines(f"{line}\n" for line in _table(rows, args.sets, args.methods))


def measured(data: Data, make: Callable[[Data, int], Any], seed: int) -> dict[str, float]:
    """Fit on the labels of a seed; return the scores on other texts, and the costs."""
    texts, labels, test, truth = _split(data, seed)
    clf = make(data, seed)
    clf._load_models()
    wall, cpu = time.perf_counter(), time.process_time()
    if isinstance(clf, PromptClassifier) and clf.tuning == "none":
        clf.set_params(labels=sorted(set(data.labels))).fit()
    else:
        clf.fit(texts, labels)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    proba = clf.predict_proba(test)
    accuracy = float(np.mean(clf.classes_[proba.argmax(1)] == np.array(truth, dtype=object)))
    loss = float(log_loss(truth, proba, labels=clf.classes_))
    return {"accuracy": accuracy, "log_loss": loss, "cpu": cpu, "wall": wall}


def _split(data: Data, seed: int) -> tuple[list[str], list[Any], list[str], list[Any]]:
    order = np.random.default_rng(seed).permutation(len(data.labels)).tolist()
    if data.train is not None:
        texts, labels = data.train(seed)
        rest = [i for i in order if data.texts[i] not in set(texts)]
    else:
        y = np.array(data.labels, dtype=object)[order]
        chosen = [
            n for c in sorted(set(data.labels)) for n in np.flatnonzero(y == c)[: data.n_labels]
        ]
        drawn = [order[n] for n in chosen]
        texts, labels = [data.texts[i] for i in drawn], [data.labels[i] for i in drawn]
        rest = [i for i in order if i not in set(drawn)]
    test = rest[:_MOST]
    return texts, labels, [data.texts[i] for i in test], [data.labels[i] for i in test]


# ---- Data sets --------------------------------------------------------------------------------


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _rows(file: Path) -> tuple[list[str], list[str]]:
    rows = _read(file)
    return [row["text"] for row in rows], [row["label"] for row in rows]


def _prompt_of(task: str) -> dict[str, Any]:
    found = load_task(task)
    return {"template": found.templates[0], "verbalizer": found.verbalizer}


def _ag_news(folder: Path) -> Data:
    return Data(*_rows(folder / "ag_news" / "dev.jsonl"), 8, _prompt_of("ag_news"))


def _bbc_news(_folder: Path) -> Data:
    texts, labels = load_bbc_news()
    return Data([text[:600] for text in texts], [str(y) for y in labels], 8, _prompt_of("bbc_news"))


def _clinc(folder: Path, *, has_domains: bool) -> Data:
    texts, intents = _rows(folder / "clinc150" / "val.jsonl")
    domains = json.loads((folder / "clinc150" / "domains.json").read_text(encoding="utf-8"))
    of = {intent: name for name, found in domains.items() for intent in found}
    labels = [(of[intent] if has_domains else intent).replace("_", " ") for intent in intents]
    return Data(texts, labels, 8 if has_domains else 5, {})


def _emerging_nlp(folder: Path) -> Data:
    return Data(*_rows(folder / "emerging_nlp" / "train.jsonl"), 5, _prompt_of("emerging_nlp"))


def _tickets(folder: Path) -> Data:
    return Data(*_rows(folder / "tickets.jsonl"), 4, {})


def _list_split(task: str, name: str) -> Callable[[Path], Data]:
    def read(folder: Path) -> Data:
        pool = _read(folder / "list" / name / "unlabeled.jsonl")
        texts, labels = [row["text"] for row in pool], [int(row["label"]) for row in pool]

        def train(seed: int) -> tuple[list[str], list[int]]:
            [file] = (folder / "list" / name / f"30-{seed}").glob("train.*")
            with file.open(encoding="utf-8", newline="") as stream:
                if file.suffix == ".csv":
                    pairs = [(text, int(y)) for y, text in csv.reader(stream)]
                else:
                    lines = (line.rstrip("\n").rsplit("\t", 1) for line in stream)
                    pairs = [(text, int(y)) for text, y in lines]
            return [text for text, _ in pairs], [y for _, y in pairs]

        return Data(texts, labels, 15, _prompt_of(task), train)

    return read


SETS: dict[str, Callable[[Path], Data]] = {
    "AG News": _ag_news,
    "BBC News": _bbc_news,
    "SST-2": _list_split("sst2", "SST-2"),
    "subj": _list_split("subj", "subj"),
    "tickets": _tickets,
    "domains": lambda folder: _clinc(folder, has_domains=True),
    "CLINC150": lambda folder: _clinc(folder, has_domains=False),
    "Emerging NLP": _emerging_nlp,
}


# ---- Methods ----------------------------------------------------------------------------------


def prompt(tuning: Any, **settings: Any) -> Callable[[Data, int], PromptClassifier]:
    def make(data: Data, seed: int) -> PromptClassifier:
        more = {"max_length": _MAX_LENGTH, "random_state": seed, "verbose": 0}
        return PromptClassifier(
            **{"model": data.model} | data.settings | more | settings, tuning=tuning
        )

    return make


def _classifier(data: Data, seed: int) -> Classifier:
    words = data.settings.get("verbalizer", {})
    described = {label: list(words[label]) for label in words}
    more = {"model": data.model, "random_state": seed, "verbose": 0}
    return Classifier(descriptions=described or None, **more)


def _in_float32(model: str) -> MaskedLM:
    return load_masked_lm(model, precision="float32")


METHODS: dict[str, Callable[[Data, int], Any]] = {
    "TF-IDF": lambda _data, _seed: TfidfClassifier(),
    "zero-shot": prompt("none"),
    "zero-shot, words": prompt("none", name_weight=0),
    "names": lambda data, _seed: EmbeddingClassifier(
        data.model, head="names", max_length=_MAX_LENGTH
    ),
    "embedding": lambda data, _seed: EmbeddingClassifier(
        data.model, head="regression", max_length=_MAX_LENGTH
    ),
    "embedding and names": lambda data, _seed: EmbeddingClassifier(
        data.model, max_length=_MAX_LENGTH
    ),
    "head": prompt("head"),
    "head, words": prompt("head", name_weight=0),
    "full": prompt("full"),
    "full, float32": lambda data, seed: prompt("full", model=_in_float32(data.model))(data, seed),
    "contrastive": prompt("contrastive"),
    "Classifier": _classifier,
    "fine-tuning": lambda data, seed: FineTuneClassifier(
        data.model, max_length=_MAX_LENGTH, random_state=seed, verbose=0
    ),
    "SetFit": lambda data, seed: SetFitClassifier(  # minutes for a fit
        data.model, max_length=_MAX_LENGTH, random_state=seed, verbose=0
    ),
}


def _table(rows: list[dict[str, Any]], sets: list[str], methods: list[str]) -> Iterator[str]:
    yield f"| method | {' | '.join(sets)} | mean | CPU seconds |"
    yield "|---" * (len(sets) + 3) + "|"
    for method in methods:
        found = [[r for r in rows if (r["set"], r["method"]) == (name, method)] for name in sets]
        means = [float(np.mean([row["accuracy"] for row in part])) for part in found]
        costs = [float(np.mean([row["cpu"] for row in part])) for part in found]
        shown = " | ".join(
            f"{mean:.3f} ({cost:.0f} s)" for mean, cost in zip(means, costs, strict=True)
        )
        yield f"| {method} | {shown} | {np.mean(means):.3f} | {np.mean(costs):.0f} |"


if __name__ == "__main__":
    main()
