"""Accuracy when most texts of a stream are of one class, with and without the stream in ``fit``.

``python -m benchmarks.skewed_pools --data-dir DATA`` prints a Markdown table: for each data set and
share of the largest class, the mean accuracy over the seeds on that stream. ``without`` is a fit
that never sees the stream, ``pool`` one that gets it as unlabelled texts, ``known`` one that is
also given its class shares for calibration and decision. PET is compared with ``head``, LiST and
PCP with ``full``: what they are without a pool; Classifier with itself. ``--powers`` adds columns:
the scores of the fit without the stream, at the class shares that they show in it, to a power.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fewshot import (
    Classifier,
    LiSTClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    Unlabeled,
    load_task,
)
from fewshot.benchmark import load_bbc_news
from fewshot.scoring.shares import estimate_shares

_SHARES = (None, 0.5, 0.8, 0.95)  # None: all classes alike
_MOST = 200  # texts of a stream
_LABELS = 8  # per class
_METHODS = ("zero-shot", "head", "full", "PET", "LiST", "PCP", "Classifier")
_TUNING = {"zero-shot": "none", "PET": "head", "LiST": "full", "PCP": "full"}
_COLUMNS = ("without", "pool", "known")
_SETS = ("AG News", "AG News, dev", "BBC News", "SST-2", "subj", "tickets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=_METHODS, default=_METHODS)
    parser.add_argument("--sets", nargs="+", choices=_SETS, default=_SETS)
    parser.add_argument("--shares", nargs="+", type=float, help="of the largest class; 0: alike")
    parser.add_argument("--columns", nargs="+", choices=_COLUMNS, default=_COLUMNS)
    parser.add_argument("--powers", nargs="+", type=float, default=[], help="of estimated shares")
    args = parser.parse_args()
    head = ["data set", "method", "largest class", *args.columns]
    head += [f"power {power:g}" for power in args.powers]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    loaded = _data_sets(args.data_dir)
    for name in args.sets:
        for share in args.shares or _SHARES:
            drawn = [_draw(loaded[name], share, seed) for seed in range(args.seeds)]
            known: dict[tuple[int, str], float] = {}  # without the stream; methods share it
            for method in args.methods:
                rows = [
                    [_accuracy(part, method, column, known, n) for column in args.columns]
                    + (_at_powers(part, method, args.powers) if args.powers else [])
                    for n, part in enumerate(drawn)
                ]
                shown = " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))
                print(f"| {name} | {method} | {share or 'alike'} | {shown} |", flush=True)


def _data_sets(folder: Path) -> dict[str, tuple[list[str], list[str], dict[str, Any]]]:
    """Return texts, labels and settings by name."""
    ag, sst2, subj = (load_task(name) for name in ("ag_news", "sst2", "subj"))
    news = load_bbc_news()
    read = {
        "AG News": (*_read(folder / "ag_news" / "test.jsonl"), {"verbalizer": ag.verbalizer}),
        "AG News, dev": (*_read(folder / "ag_news" / "dev.jsonl"), {"verbalizer": ag.verbalizer}),
        "BBC News": ([t[:600] for t in news[0]], [str(y) for y in news[1]], {}),
        "SST-2": (
            *_read(folder / "list" / "SST-2" / "unlabeled.jsonl"),
            {"verbalizer": sst2.verbalizer, "template": sst2.templates[0]},
        ),
        "subj": (
            *_read(folder / "list" / "subj" / "unlabeled.jsonl"),
            {"verbalizer": subj.verbalizer, "template": subj.templates[0]},
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


class Drawn(NamedTuple):
    """Labelled texts of a seed, and a stream."""

    settings: dict[str, Any]
    classes: list[Any]
    X: list[str]
    y: list[Any]
    stream: list[str]
    truth: Any  # labels of the stream, [n]

    @property
    def prior(self) -> dict[Any, float]:
        """The shares of the classes in the stream; each counts one text more."""
        counts = np.array([np.sum(self.truth == c) + 1.0 for c in self.classes])
        return dict(zip(self.classes, counts / counts.sum(), strict=True))


def _draw(data: Any, share: float | None, seed: int) -> Drawn:
    texts, labels, settings = data
    y = np.array(labels, dtype=object)
    classes, rng = sorted(set(labels)), np.random.default_rng(seed)
    order = rng.permutation(len(y))
    k = min(_LABELS, min(np.sum(y == c) for c in classes) // 2)
    train = np.concatenate([order[y[order] == c][:k] for c in classes])
    rest = np.setdiff1d(order, train, assume_unique=True)
    stream = _stream(y, rest, classes, share, classes[seed % len(classes)], rng)
    X, X_stream = [texts[i] for i in train], [texts[i] for i in stream]
    return Drawn(settings, classes, X, y[train].tolist(), X_stream, y[stream])


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


def _accuracy(
    drawn: Drawn, method: str, column: str, known: dict[tuple[int, str], float], number: int
) -> float:
    tuning = _TUNING.get(method, method)
    place = (number, tuning)
    if column == "without" and place in known:
        return known[place]
    settings = {"class_prior": drawn.prior} if column == "known" else {}
    pool = [] if column == "without" else drawn.stream
    if method == "Classifier":
        fitted = _automatic(drawn, pool, **settings)
    else:
        fitted = _fit(_prompt(drawn, tuning, **settings), method, drawn, pool)
    found = float(np.mean(fitted.predict(drawn.stream) == drawn.truth))
    if column == "without":
        known[place] = found
    return found


def _at_powers(drawn: Drawn, method: str, powers: list[float]) -> list[float]:
    """Return accuracies at shares that are estimated on the stream and believed in part."""
    fitted = _fit(_prompt(drawn, _TUNING.get(method, method)), method, drawn, [])
    scores = fitted.predict_log_proba(drawn.stream)
    shares, _ = estimate_shares(scores, np.full(len(scores), 1.0 / len(scores)))
    chosen = [(scores + power * np.log(shares)).argmax(1) for power in powers]
    return [float(np.mean(fitted.classes_[best] == drawn.truth)) for best in chosen]


def _prompt(drawn: Drawn, tuning: str, **settings: Any) -> PromptClassifier:
    settings = {"labels": drawn.classes, "max_length": 128} | drawn.settings | settings
    return PromptClassifier(**settings, tuning=tuning, random_state=0, verbose=0)


def _automatic(drawn: Drawn, pool: list[str], **settings: Any) -> Classifier:
    words = drawn.settings.get("verbalizer", {})
    described = {label: list(words[label]) for label in words} or None
    clf = Classifier(
        model="fewshot-mini", descriptions=described, random_state=0, verbose=0, **settings
    )
    return clf.fit(drawn.X, drawn.y, unlabeled=Unlabeled(pool) if pool else None)


def _fit(clf: PromptClassifier, method: str, drawn: Drawn, pool: list[str]) -> Any:
    if method == "zero-shot":
        return clf.fit(pool) if pool else clf.fit()
    meta = {"PET": PETClassifier, "LiST": LiSTClassifier, "PCP": PCPClassifier}.get(method)
    if meta is not None and pool:
        return meta(clf, random_state=0, verbose=0).fit(drawn.X, drawn.y, unlabeled=Unlabeled(pool))
    return clf.fit([*drawn.X, *pool], [*drawn.y, *[None] * len(pool)])


if __name__ == "__main__":
    main()
