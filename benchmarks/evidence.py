"""Both embedded models on the whole test parts of data sets, over many seeds.

``python -m benchmarks.evidence --data-dir DATA --results FILE`` fits and tests what FILE lacks,
appends each fit to it (JSON lines), and prints a Markdown table. Unlike a benchmark's spec it
shares the states of frozen models over seeds: a thousand texts more cost one pass, not one a seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fewshot import (
    Classifier,
    EmbeddingClassifier,
    PromptClassifier,
    SetFitClassifier,
    TfidfClassifier,
    load_masked_lm,
)
from fewshot.benchmark import load_data_set
from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.benchmark.metrics import METRICS, evaluate
from fewshot.benchmark.predictions import class_names, given_labels, predict
from fewshot.errors import FewShotWarning
from fewshot.models.masked_lm import MaskedLM

_MAX_LENGTH = 128  # tokens
_MODELS = ("fewshot-mini", "fewshot-base")
_TICKETS = {
    "name": "tickets",
    "train": "docs/data/train.csv",
    "test": "docs/data/test.csv",
    "text": "text",
    "label": "label",
}
# Labels per class: what papers report, or what the development table has.
_SHOTS = {
    "ag_news_official": (8,),
    "bbc_news": (8,),
    "emerging_nlp": (8,),
    "clinc150": (5,),
    "clinc150_domains": (8,),
    "tickets": (4,),  # all that there are: one seed
    "go_emotions_10": (8, 16),
    "go_emotions": (8, 16),
}


class Run(NamedTuple):
    """A data set, and the models that its fits share."""

    data: DataSet
    model: str
    lm: MaskedLM
    shots: int
    test_size: int | None


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--results", type=Path, required=True, help="JSON lines, resumed")
    parser.add_argument("--sets", nargs="+", default=list(_SHOTS))
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=list(_MODELS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=10, help="seeds 0 to this less one")
    parser.add_argument("--shots", type=int, nargs="+", help="labels per class; else as set")
    parser.add_argument("--test-size", type=int, help="the most test texts, always the same")
    parser.add_argument("--metric", choices=list(METRICS), help="of the table; else each set's own")
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    parser.add_argument("--bfloat16", action="store_true", help="read test texts in bfloat16")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    rows = _read(args.results)
    done = {_key(row) for row in rows}
    for name, model in () if args.table else product(args.sets, args.models):
        data = load_data_set(_TICKETS if name == "tickets" else name, args.data_dir)
        for shots in args.shots or _SHOTS[name]:
            run = Run(data, model, load_masked_lm(model), shots, args.test_size)
            for method, seed in product(args.methods, range(args.seeds)):
                place = {"set": name, "shots": shots, "model": model, "method": method}
                place["seed"] = seed if METHODS[method].is_seeded else 0
                if _key(place) not in done:
                    rows.append(place | _measured(run, method, seed, args.bfloat16))
                    done.add(_key(place))
                    with args.results.open("a", encoding="utf-8") as stream:
                        stream.write(json.dumps(rows[-1]) + "\n")
                    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {rows[-1]}\n")
    shown = [row | {"metric": args.metric or row["metric"]} for row in rows]
    shown = [row for row in shown if row["set"] in args.sets and row["metric"] in row["scores"]]
    sys.stdout.writelines(f"{line}\n" for line in table(shown))


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("set", "shots", "model", "method", "seed"))


def _read(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [json.loads(line) for line in lines]


def _measured(run: Run, method: str, seed: int, in_bfloat16: bool) -> dict[str, Any]:
    info = run.data.info
    split = run.data.split(run.shots if METHODS[method].is_seeded else 0, seed, run.test_size)
    clf = METHODS[method].make(run, seed)
    if info.has_several and "threshold" in clf.get_params():
        clf.set_params(threshold="auto")
    started = time.process_time()
    if split.train_texts:
        clf.fit(split.train_texts, given_labels(clf, split.train_labels, info))
    else:
        clf.fit()
    seconds = time.process_time() - started
    with _bfloat16(run.lm) if in_bfloat16 else nullcontext():
        predicted, proba = predict(clf, split.test_texts, info)
    return {
        "metric": run.data.metric,
        "scores": evaluate(split.test_labels, predicted, proba, class_names(clf, info)),
        "n_test": len(predicted),
        "cpu": round(seconds, 2),
        "precision": "bfloat16" if in_bfloat16 else "float32",
    }


@contextmanager
def _bfloat16(lm: MaskedLM) -> Iterator[None]:
    """Run encoders of this kind in bfloat16: a third of the time on processors that have it."""
    kind: Any = type(lm.model.base_model)
    forward = kind.forward
    kind.forward = torch.autocast("cpu", torch.bfloat16)(forward)
    try:
        yield
    finally:
        kind.forward = forward


# ---- Methods ----------------------------------------------------------------------------------


class Method(NamedTuple):
    """A way to classify."""

    make: Callable[[Run, int], Any]  # by run and seed
    is_seeded: bool = True  # else there are no labels to draw


def _prompt(tuning: str) -> Callable[[Run, int], PromptClassifier]:
    def make(run: Run, seed: int) -> PromptClassifier:
        return PromptClassifier(
            run.data.template,
            run.data.verbalizer,
            model=run.lm,
            tuning=tuning,
            max_length=_MAX_LENGTH,
            random_state=seed,
            verbose=0,
        )

    return make


def _names(run: Run, _seed: int) -> EmbeddingClassifier:
    labels = list(run.data.labels)
    return EmbeddingClassifier(run.model, labels=labels, head="names", max_length=_MAX_LENGTH)


def _embedding_and_names(run: Run, _seed: int) -> EmbeddingClassifier:
    return EmbeddingClassifier(run.model, labels=list(run.data.labels), max_length=_MAX_LENGTH)


def _classifier(run: Run, seed: int) -> Classifier:
    words = {label: list(run.data.verbalizer[label]) for label in run.data.labels}
    settings = {"descriptions": words, "time_budget": "2min", "random_state": seed, "verbose": 0}
    return Classifier(list(run.data.labels), model=run.model, **settings)


METHODS = {
    "zero-shot": Method(_prompt("none"), is_seeded=False),
    "names": Method(_names, is_seeded=False),
    "TF-IDF": Method(lambda _run, _seed: TfidfClassifier()),
    "head": Method(_prompt("head")),
    "embedding": Method(
        lambda run, _: EmbeddingClassifier(run.model, head="regression", max_length=_MAX_LENGTH)
    ),
    "embedding and names": Method(_embedding_and_names),
    "Classifier": Method(_classifier),
    "contrastive": Method(_prompt("contrastive")),
    "full": Method(_prompt("full")),
    "SetFit": Method(
        lambda run, seed: SetFitClassifier(
            run.model, max_length=_MAX_LENGTH, random_state=seed, verbose=0
        )
    ),
}


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield scores ± deviations over the seeds: models and methods as rows, sets as columns."""
    columns = list(dict.fromkeys((row["set"], row["shots"]) for row in rows))
    parts = [[r for r in rows if (r["set"], r["shots"]) == column] for column in columns]
    yield f"| | {' | '.join(name for name, _ in columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    yield f"| labels per class | {' | '.join(str(shots) for _, shots in columns)} |"
    yield f"| metric | {' | '.join(METRICS[part[0]['metric']].title for part in parts)} |"
    sizes = [(max(r["n_test"] for r in part), len({r["seed"] for r in part})) for part in parts]
    yield f"| test texts; seeds | {' | '.join(f'{n:,}; {seeds}' for n, seeds in sizes)} |"
    for key in dict.fromkeys((row["model"], row["method"]) for row in rows):
        found = [[r for r in part if (r["model"], r["method"]) == key] for part in parts]
        cells = [_cell(part, *size) for part, size in zip(found, sizes, strict=True)]
        yield f"| {', '.join(key)} | {' | '.join(cells)} |"


def _cell(found: list[dict[str, Any]], n_test: int, n_seeds: int) -> str:
    """Write a mean and a deviation, and what differs from the other methods."""
    if not found:
        return ""
    scores = 100 * np.array([row["scores"][row["metric"]] for row in found])
    spread = f" ± {scores.std(ddof=1):.1f}" if len(scores) > 1 else ""
    notes = []
    if 1 < len(found) < n_seeds:
        notes.append(f"{len(found)} seeds")
    if found[0]["n_test"] < n_test:
        notes.append(f"{found[0]['n_test']:,} texts")
    return f"{scores.mean():.1f}{spread}" + (f" ({', '.join(notes)})" if notes else "")


if __name__ == "__main__":
    main()
