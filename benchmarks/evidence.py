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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fewshot import (
    EmbeddingClassifier,
    PromptClassifier,
    SetFitClassifier,
    TfidfClassifier,
    load_masked_lm,
)
from fewshot.benchmark import load_data_set
from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.errors import FewShotWarning
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.sentence_encoder import SentenceEncoder

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
    "ag_news_official": 8,
    "bbc_news": 8,
    "emerging_nlp": 8,
    "clinc150": 5,
    "clinc150_domains": 8,
    "tickets": 4,
}
_CHECKED = 50  # texts on which shared embeddings must predict as the classifier does


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
    parser.add_argument("--test-size", type=int, help="the most test texts, always the same")
    parser.add_argument("--bfloat16", action="store_true", help="read test texts in bfloat16")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    rows = _read(args.results)
    done = {(row["set"], row["model"], row["method"], row["seed"]) for row in rows}
    for name in args.sets:
        for model in args.models:
            left = [
                (method, seed)
                for method in args.methods
                for seed in range(args.seeds if METHODS[method].is_seeded else 1)
                if (name, model, method, seed) not in done
            ]
            for row in _run(name, model, left, args) if left else ():
                rows.append(row)
                with args.results.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(row) + "\n")
    sys.stdout.writelines(f"{line}\n" for line in table(rows))


def _read(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [json.loads(line) for line in lines]


def _run(
    name: str, model: str, left: list[tuple[str, int]], args: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    data = load_data_set(_TICKETS if name == "tickets" else name, args.data_dir)
    run = Run(data, model, load_masked_lm(model), _SHOTS[name], args.test_size)
    embedded = None
    for method, seed in left:
        split = data.split(run.shots if METHODS[method].is_seeded else 0, seed, run.test_size)
        clf = METHODS[method].make(run, seed)
        started = time.process_time()
        clf.fit(split.train_texts, split.train_labels) if split.train_texts else clf.fit()
        seconds = time.process_time() - started
        with _bfloat16(run.lm) if args.bfloat16 else nullcontext():
            if isinstance(clf, EmbeddingClassifier):
                if embedded is None:
                    embedded = _embed(model, split.test_texts)
                predicted = clf.classes_[(embedded @ clf.coef_ + clf.intercept_).argmax(1)]
                _check_same(predicted, clf.predict(split.test_texts[:_CHECKED]))
            else:
                predicted = clf.predict(split.test_texts)
        right = [p == y for p, y in zip(predicted, split.test_labels, strict=True)]
        row = {"set": name, "model": model, "method": method, "seed": seed}
        row |= {"accuracy": float(np.mean(right)), "shots": run.shots, "n_test": len(right)}
        row |= {"cpu": round(seconds, 2), "precision": "bfloat16" if args.bfloat16 else "float32"}
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {row}\n")
        yield row


def _check_same(shared: np.ndarray[Any, Any], own: np.ndarray[Any, Any]) -> None:
    if not np.array_equal(shared[:_CHECKED], own):
        raise RuntimeError("shared embeddings and the classifier disagree")


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


def _embed(model: str, texts: list[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    encoder = SentenceEncoder.frozen(model, _MAX_LENGTH)
    return encoder.unit(encoder.tokenize(texts))


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


METHODS = {
    "zero-shot": Method(_prompt("none"), is_seeded=False),
    "names": Method(_names, is_seeded=False),
    "TF-IDF": Method(lambda _run, _seed: TfidfClassifier()),
    "head": Method(_prompt("head")),
    "embedding": Method(lambda run, _: EmbeddingClassifier(run.model, max_length=_MAX_LENGTH)),
    "contrastive": Method(_prompt("contrastive")),
    "full": Method(_prompt("full")),
    "SetFit": Method(
        lambda run, seed: SetFitClassifier(
            run.model, max_length=_MAX_LENGTH, random_state=seed, verbose=0
        )
    ),
}


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Yield accuracy ± deviation over the seeds: models and methods as rows, sets as columns."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    usual = {name: [_size(rows, name, key) for key in ("shots", "n_test", "seed")] for name in sets}
    yield f"| | {' | '.join(sets)} |"
    yield "|---" * (len(sets) + 1) + "|"
    for place, what in enumerate(("labels per class", "test texts", "seeds")):
        yield f"| {what} | {' | '.join(f'{usual[name][place]:,}' for name in sets)} |"
    for model, method in dict.fromkeys((row["model"], row["method"]) for row in rows):
        of_row = [r for r in rows if (r["model"], r["method"]) == (model, method)]
        cells = [_cell([r for r in of_row if r["set"] == name], usual[name]) for name in sets]
        yield f"| {model}, {method} | {' | '.join(cells)} |"


def _size(rows: list[dict[str, Any]], name: str, key: str) -> int:
    values = [row[key] for row in rows if row["set"] == name]
    return len(set(values)) if key == "seed" else max(values)


def _cell(found: list[dict[str, Any]], usual: list[int]) -> str:
    """Write a mean and a deviation, and what differs from the other methods."""
    if not found:
        return ""
    scores = 100 * np.array([row["accuracy"] for row in found])
    spread = f" ± {scores.std(ddof=1):.1f}" if len(scores) > 1 else ""
    notes = []
    if 1 < len(found) < usual[2]:
        notes.append(f"{len(found)} seeds")
    if found[0]["n_test"] < usual[1]:
        notes.append(f"{found[0]['n_test']:,} texts")
    return f"{scores.mean():.1f}{spread}" + (f" ({', '.join(notes)})" if notes else "")


if __name__ == "__main__":
    main()
