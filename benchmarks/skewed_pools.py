"""Accuracy when most texts of a stream are of one class, with and without the stream in ``fit``.

``python -m benchmarks.skewed_pools --data-dir DATA`` prints a Markdown table: for each data set and
share of the largest class, the mean accuracy over the seeds on that stream. ``without`` is a fit
that never sees the stream, ``pool`` one that gets it as unlabelled texts, ``known`` one that is
also given its class shares for calibration and decision.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from fewshot import PETClassifier, PromptClassifier, Unlabeled, load_task
from fewshot.benchmark import load_bbc_news

_SHARES = (None, 0.5, 0.8, 0.95)  # None: all classes alike
_MOST = 200  # texts of a stream
_LABELS = 8  # per class
_METHODS = ("zero-shot", "head", "full", "PET")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=_METHODS, default=_METHODS)
    args = parser.parse_args()
    print(
        "| data set | method | largest class | without | pool | known |\n|---|---|---|---|---|---|"
    )
    for name, data in _data_sets(args.data_dir).items():
        for method in args.methods:
            for share in _SHARES:
                rows = [_accuracies(data, method, share, seed) for seed in range(args.seeds)]
                shown = " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))
                print(f"| {name} | {method} | {share or 'alike'} | {shown} |", flush=True)


def _data_sets(folder: Path) -> dict[str, tuple[list[str], list[str], dict[str, Any]]]:
    """Return texts, labels and settings by name."""
    ag, sst2 = load_task("ag_news"), load_task("sst2")
    news = load_bbc_news()
    read = {
        "AG News": (*_read(folder / "ag_news" / "test.jsonl"), {"verbalizer": ag.verbalizer}),
        "BBC News": ([t[:600] for t in news[0]], [str(y) for y in news[1]], {}),
        "SST-2": (
            *_read(folder / "list" / "SST-2" / "unlabeled.jsonl"),
            {"verbalizer": sst2.verbalizer, "template": sst2.templates[0]},
        ),
        "tickets": (*_read(folder / "tickets.jsonl"), {}),
    }
    return {
        name: (texts, [type(_first_label(more))(y) for y in labels], more)
        for name, (texts, labels, more) in read.items()
    }


def _read(file: Path) -> tuple[list[str], list[str]]:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [row["text"] for row in rows], [str(row["label"]) for row in rows]


def _first_label(settings: dict[str, Any]) -> object:
    return settings["verbalizer"].labels[0] if "verbalizer" in settings else ""


def _accuracies(data: Any, method: str, share: float | None, seed: int) -> list[float]:
    texts, labels, settings = data
    y = np.array(labels, dtype=object)
    classes, rng = sorted(set(labels)), np.random.default_rng(seed)
    order = rng.permutation(len(y))
    k = min(_LABELS, min(np.sum(y == c) for c in classes) // 2)
    train = np.concatenate([order[y[order] == c][:k] for c in classes])
    rest = np.setdiff1d(order, train, assume_unique=True)
    stream = _stream(y, rest, classes, share, classes[seed % len(classes)], rng)
    X, X_stream = [texts[i] for i in train], [texts[i] for i in stream]
    counts = np.array([np.sum(y[stream] == c) + 1.0 for c in classes])
    prior = dict(zip(classes, counts / counts.sum(), strict=True))
    found = []
    for pool, known in (([], None), (X_stream, None), (X_stream, prior)):
        clf = _fit(method, settings | {"class_prior": known}, X, y[train].tolist(), pool, classes)
        found.append(float(np.mean(clf.predict(X_stream) == y[stream])))
    return found


def _stream(
    y: Any, rest: Any, classes: list[Any], share: float | None, major: Any, rng: Any
) -> list[int]:
    """Draw a stream in which the largest class has this share."""
    parts = {c: rest[y[rest] == c] for c in classes}
    of = {c: (1 - share) / (len(classes) - 1) if share else 1 / len(classes) for c in classes}
    if share:
        of[major] = share
    n = int(min(_MOST, *(len(parts[c]) / of[c] for c in classes)))
    return [i for c in classes for i in rng.permutation(parts[c])[: max(1, round(n * of[c]))]]


def _fit(
    method: str, settings: dict[str, Any], X: Any, y: Any, pool: list[str], classes: list[Any]
) -> Any:
    tuning = {"zero-shot": "none", "PET": "head"}.get(method, method)
    clf = PromptClassifier(
        **settings, tuning=tuning, labels=classes, max_length=128, random_state=0, verbose=0
    )
    if method == "zero-shot":
        return clf.fit(pool) if pool else clf.fit()
    if method == "PET" and pool:
        return PETClassifier(clf, verbose=0).fit(X, y, unlabeled=Unlabeled(pool))
    return clf.fit([*X, *pool], [*y, *[None] * len(pool)])


if __name__ == "__main__":
    main()
