"""The voices of a Classifier on development texts, what each adds, and the rule made of that.

``python -m benchmarks.classifier collect --data-dir DATA --results FOLDER`` fits every voice and
keeps what it says of held-out and of other texts, one file for each data set, number of labels per
class, seed and voice; what is there is not run again. ``... table --results FOLDER`` prints the
accuracy of each voice alone and of the pool, chosen by a rule that has not seen the data set, and
how often the accuracy lies in the interval that was expected. ``... rule --results FOLDER`` writes
what the voices add to the cheap ones into ``fewshot/classifiers/automatic/evidence.json``. ``...
budgets --data-dir DATA`` fits ``Classifier`` with several time budgets, on a machine that does
nothing else, and prints the accuracy and the seconds that it took. ``... pools --data-dir DATA``
prints the accuracy of a Classifier with ``--texts`` without labels and without them, of its pool of
voices before these are distilled into one classifier, of single voices with the same texts, and of
what ``distill`` makes of the fit without them; and how often ``fit`` ended with one classifier.
With ``--labels 0`` classes are known by their names alone.

Texts are development data: no test text of a data set is read. Classes are known by their names; in
``collect``, ``table`` and ``pools`` with ``--words`` by the words of the library's task.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.development import SETS, Data, _split
from fewshot import Classifier, Unlabeled
from fewshot.classifiers.automatic import evidence
from fewshot.classifiers.automatic.expectation import Expectation, expect
from fewshot.classifiers.automatic.pool import Heard, pool_weights, pooled, verdict
from fewshot.classifiers.automatic.task import Task, read_classes
from fewshot.classifiers.automatic.voices import (
    CHEAP,
    COSTLY,
    ZERO_SHOT,
    Voice,
    class_scores,
)
from fewshot.data.semi_supervised_data import read_semi_supervised_data
from fewshot.data.training_data import read_training_data
from fewshot.errors import FewShotWarning
from fewshot.models.loading import load_masked_lm

_MOST = 300  # texts that a voice is judged by
_WORDS = "-words"  # of cells
_FIXED = ("head", "embedding", "tfidf", "contrastive")  # what one would take for all sets
_POOL = 300  # texts without a label, where a voice learns from them
_FOLDS = {"contrastive": 3, "full": 2, "pet": 0, "pcp": 0}  # of the others five
_NAMES = {"SST-2": ["negative", "positive"], "subj": ["subjective", "objective"]}  # of 0 and 1
_CHEAP = [voice.name for voice in CHEAP]
_RULE = Path(evidence.__file__).with_name("evidence.json")


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["collect", "table", "rule", "budgets", "pools"])
    parser.add_argument("--results", type=Path, help="folder of what voices said")
    parser.add_argument("--data-dir", type=Path, help="folder of the data sets")
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--labels", nargs="+", type=int, default=[8], help="per class")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    names = [voice.name for voice in _voices()]
    parser.add_argument(
        "--voices", nargs="+", choices=names, help="to collect, or to compare with in pools"
    )
    parser.add_argument("--model", default="fewshot-mini")
    parser.add_argument("--pool", action="store_true", help="with texts without labels")
    parser.add_argument("--words", action="store_true", help="where the library has some")
    parser.add_argument("--texts", type=int, default=1000, help="without labels, in pools")
    parser.add_argument("--budgets", nargs="+", type=float, default=[5, 30, 120], help="seconds")
    args = parser.parse_args()
    warnings.simplefilter("ignore", FewShotWarning)
    if args.command == "collect":
        _collect(args)
    elif args.command == "budgets":
        sys.stdout.writelines(f"{line}\n" for line in _budgets(args))
    elif args.command == "pools":
        sys.stdout.writelines(f"{line}\n" for line in _with_pools(args))
    elif args.command == "table":
        sys.stdout.writelines(f"{line}\n" for line in _table(_read(args.results, args.words)))
    else:
        _write_rule(_read(args.results))


def _voices() -> tuple[Voice, ...]:
    return (ZERO_SHOT, *CHEAP, *COSTLY)


# ---- What voices say --------------------------------------------------------------------------


def _collect(args: argparse.Namespace) -> None:
    args.results.mkdir(parents=True, exist_ok=True)
    for name in args.sets:
        data = _named(name, SETS[name](args.data_dir), has_words=args.words)
        for n_labels in args.labels:
            for seed in args.seeds:
                pool = ("pool" if args.pool else "none") + _WORDS * args.words
                cell = f"{args.model}_{name.replace(' ', '-')}_{n_labels}_{pool}_{seed}"
                missing = [
                    voice
                    for voice in _voices()
                    if (not args.voices or voice.name in args.voices)
                    and not (args.results / f"{cell}_{voice.name}.npz").exists()
                ]
                if missing and _is_large(data, n_labels):
                    _measure(
                        args, data._replace(n_labels=n_labels, train=None), seed, missing, cell
                    )


def _named(name: str, data: Data, *, has_words: bool = False) -> Data:
    """Return a data set whose labels are names; of its settings words of the classes are kept."""
    names = dict(enumerate(_NAMES.get(name, ())))
    words = data.settings.get("verbalizer", {}) if has_words else {}
    described = {names.get(label, label): list(words[label]) for label in words}
    labels = [names.get(label, label) for label in data.labels]
    return data._replace(labels=labels, settings={"descriptions": described} if words else {})


def _is_large(data: Data, n_labels: int) -> bool:
    counts = np.unique(np.array(data.labels, dtype=object).astype(str), return_counts=True)[1]
    return bool(counts.min() > n_labels)


def _measure(
    args: argparse.Namespace, data: Data, seed: int, voices: Sequence[Voice], cell: str
) -> None:
    texts, labels, test, truth = _split(data, seed)
    used = {*texts, *test}
    pool = [text for text in data.texts if text not in used] if args.pool else []
    chosen = np.random.default_rng(seed).permutation(len(pool))[:_POOL]
    task = _task(args.model, texts, labels, [pool[i] for i in chosen], seed, **data.settings)
    situation = astuple(evidence.situation_of(task))
    classes = [str(label) for label in task.classes]
    for voice in voices:
        if not voice.suits(task):
            continue
        start = time.process_time()
        clf = voice.fit(task)
        seconds = time.process_time() - start
        n_folds = _FOLDS.get(voice.name, 5)
        blank = np.full((len(labels), len(classes)), np.nan)
        held_out = voice.held_out(task, n_folds) if n_folds else blank
        found = {
            "scores": class_scores(clf, test),
            "truth": np.array([classes.index(label) for label in truth]),
            "held_out": held_out,
            "labels": np.array([classes.index(label) for label in labels]),
            "seconds": seconds,
            "situation": situation,
        }
        np.savez_compressed(args.results / f"{cell}_{voice.name}.npz", **found)
        accuracy = np.mean(found["scores"].argmax(1) == found["truth"])
        sys.stdout.write(f"{cell} {voice.name}: {accuracy:.3f}, {seconds:.1f} s\n")
        sys.stdout.flush()


def _task(
    model: str,
    texts: list[str],
    labels: list[str],
    pool: list[str],
    seed: int,
    descriptions: dict[str, list[str]] | None = None,
) -> Task:
    rows = read_training_data([*texts, *pool], [*labels, *[None] * len(pool)])
    data = read_semi_supervised_data(
        rows, None, fields=("text",), max_unlabeled=_POOL, rng=np.random.default_rng(seed)
    )
    load_masked_lm(model)  # before anything is timed
    classes, _, verbalizer = read_classes(None, descriptions, data.labeled)
    return Task(data, classes, verbalizer, None, model, seed)


# ---- What they are worth ----------------------------------------------------------------------


class Cell(NamedTuple):
    """What all voices said for a data set, a number of labels, and a seed."""

    model: str
    name: str
    n_labels: int
    has_pool: bool
    voices: dict[str, dict[str, Any]]

    def accuracy(self, *names: str) -> float:
        """Return the accuracy of a voice, or of a pool of several."""
        found = [self.voices[name] for name in names]
        scores = found[0]["scores"]
        if len(names) > 1:
            scores = pooled(self.weights(names), [voice["scores"] for voice in found])
        return float(np.mean(scores.argmax(1) == found[0]["truth"]))

    @property
    def truth(self) -> tuple[Any, Any]:
        """One-hot labels of the labelled texts, and their weights."""
        voice = next(iter(self.voices.values()))
        n_classes = voice["scores"].shape[1]
        return np.eye(n_classes)[voice["labels"]], np.ones(len(voice["labels"]))

    def weights(self, names: Sequence[str]) -> Any:
        """Return the weights of a pool."""
        start = {voice.name: voice.weight for voice in _voices()}
        heard = [Heard(start[name], _held_out(self.voices[name])) for name in names]
        return pool_weights(heard, *self.truth)

    def expected(self, names: Sequence[str]) -> Any:
        """Return the accuracy that held-out texts let expect of a pool."""
        asked = [i for i, n in enumerate(names) if _held_out(self.voices[n]) is not None]
        weights = self.weights(names)[asked]
        held_out = pooled(weights, [self.voices[names[i]]["held_out"] for i in asked])
        decided = verdict(held_out, *self.truth)
        return Expectation() if decided is None else expect(decided)


def _held_out(voice: dict[str, Any]) -> Any:
    scores = voice["held_out"]
    return scores if np.isfinite(scores).any() else None


def _read(folder: Path, has_words: bool = False) -> list[Cell]:
    cells: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*.npz")):
        cell, _, voice = file.stem.rpartition("_")
        with np.load(file) as found:
            cells.setdefault(cell, {})[voice] = dict(found)
    read = []
    for key, voices in cells.items():
        model, name, n_labels, pool, _seed = key.split("_")
        if pool.endswith(_WORDS) == has_words:
            has_pool = pool.startswith("pool")
            read.append(Cell(model, name, int(n_labels), has_pool, voices))
    return read


def _table(cells: Sequence[Cell]) -> Iterator[str]:
    groups = sorted({(cell.model, cell.n_labels, cell.has_pool) for cell in cells})
    for group in groups:
        rows = [cell for cell in cells if (cell.model, cell.n_labels, cell.has_pool) == group]
        chosen = {id(cell): _chosen(cell, _rule(cells, without=cell.name)) for cell in rows}
        yield from _group(rows, chosen, *group)


def _chosen(cell: Cell, rule: Sequence[dict[str, Any]]) -> list[str]:
    """Return the voices that a Classifier with time enough would pool."""
    situation = evidence.Situation(*cell.voices[_CHEAP[0]]["situation"])
    names = [name for name in _CHEAP if name in cell.voices]
    for voice in COSTLY:
        gain = evidence.expected_gain(voice.name, situation, cell.model, rule)
        if voice.name in cell.voices and (gain is None or gain > 0):
            names.append(voice.name)
    return names


def _group(
    cells: Sequence[Cell],
    chosen: dict[int, list[str]],
    model: str,
    n_labels: int,
    has_pool: bool,
) -> Iterator[str]:
    sets = sorted({cell.name for cell in cells})
    more = ", with texts without labels" if has_pool else ""
    yield f"\n{model}, {n_labels} labels per class{more}\n"
    yield f"| | {' | '.join(sets)} | mean |"
    yield "|---" * (len(sets) + 2) + "|"
    for voice in _voices():
        heard = [cell for cell in cells if voice.name in cell.voices]
        if {cell.name for cell in heard} == set(sets):
            yield _line(voice.name, sets, {id(cell): [voice.name] for cell in heard}, heard)
    cheap = {id(cell): [n for n in _CHEAP if n in cell.voices] for cell in cells}
    yield _line("pool of the cheap ones", sets, cheap, cells)
    yield _line("Classifier", sets, chosen, cells)
    inside = []
    for cell in cells:
        expected = cell.expected(chosen[id(cell)])
        if expected.interval is not None:
            low, high = expected.interval
            inside.append(low <= cell.accuracy(*chosen[id(cell)]) <= high)
    yield (
        f"\nOf {len(inside)} cells, {sum(inside)} have the accuracy of Classifier in the interval "
        "that was expected."
    )


def _line(
    title: str, sets: Sequence[str], names: dict[int, list[str]], cells: Sequence[Cell]
) -> str:
    found = [[c.accuracy(*names[id(c)]) for c in cells if c.name == name] for name in sets]
    means = [float(np.mean(part)) for part in found]
    shown = " | ".join(f"{mean:.3f}" for mean in [*means, float(np.mean(means))])
    return f"| {title} | {shown} |"


# ---- Time budgets ------------------------------------------------------------------------------


def _budgets(args: argparse.Namespace) -> Iterator[str]:
    yield f"| seconds | {' | '.join(args.sets)} |"
    yield "|---" * (len(args.sets) + 1) + "|"
    data = {name: _named(name, SETS[name](args.data_dir)) for name in args.sets}
    load_masked_lm(args.model)  # before anything is timed
    for budget in args.budgets:
        cells = []
        for name in args.sets:
            part = data[name]._replace(n_labels=args.labels[0], train=None)
            found = [_within(args.model, budget, *_split(part, seed)) for seed in args.seeds]
            accuracy, seconds = np.mean(found, axis=0)
            cells.append(f"{accuracy:.3f} ({seconds:.0f} s)")
        yield f"| {budget:g} | {' | '.join(cells)} |"


def _within(model: str, budget: float, *split: Any) -> tuple[float, float]:
    """Return the accuracy of a fit within a budget, and the seconds that it took."""
    texts, labels, test, truth = split
    started = time.perf_counter()
    clf = Classifier(model=model, time_budget=budget, random_state=0, verbose=0).fit(texts, labels)
    seconds = time.perf_counter() - started
    return clf.score(test, truth), seconds


# ---- Texts without labels ---------------------------------------------------------------------


def _with_pools(args: argparse.Namespace) -> Iterator[str]:
    """Tell what a Classifier gains by texts without labels, and how often that was expected."""
    found: dict[str, dict[str, list[float]]] = {}
    inside = []
    for name in args.sets:
        data = _named(name, SETS[name](args.data_dir), has_words=args.words)
        data = data._replace(n_labels=args.labels[0], train=None)
        for seed in args.seeds:
            measure = _of_pool if data.n_labels else _without_labels
            accuracies, is_inside = measure(args, data, seed)
            inside.append(is_inside)
            for way, accuracy in accuracies.items():
                found.setdefault(way, {}).setdefault(name, []).append(accuracy)
            sys.stderr.write(f"{name} {seed} {accuracies}\n")
    yield f"| | {' | '.join(args.sets)} | mean |"
    yield "|---" * (len(args.sets) + 2) + "|"
    for way, of_sets in found.items():
        means = [float(np.mean(of_sets[name])) for name in args.sets]
        yield f"| {way} | {' | '.join(f'{x:.3f}' for x in [*means, float(np.mean(means))])} |"
    yield f"\nOf {len(inside)} draws, {sum(inside)} have the accuracy in the expected interval."


def _drawn_pool(args: argparse.Namespace, data: Data, seed: int, used: set[str]) -> list[str]:
    rest = [text for text in data.texts if text not in used]
    return [rest[i] for i in np.random.default_rng(seed).permutation(len(rest))[: args.texts]]


def _without_labels(
    args: argparse.Namespace, data: Data, seed: int
) -> tuple[dict[str, float], bool]:
    """Return the accuracy of names without and with the texts; no interval is promised."""
    _, _, test, truth = _split(data, seed)
    settings = {"model": args.model, "random_state": 0, "verbose": 0} | data.settings
    clf = Classifier(sorted(set(data.labels)), **settings)
    alone = clf.fit().score(test, truth)
    clf.fit(unlabeled=Unlabeled(_drawn_pool(args, data, seed, set(test))))
    scores = pooled(clf.weights_, [class_scores(voice, test) for voice in clf.voices_.values()])
    right = clf.classes_[scores.argmax(1)] == np.array(truth, dtype=object)
    return {
        "without these texts": alone,
        **{name: voice.score(test, truth) for name, voice in clf.voices_.items()},
        "voices pooled": float(np.mean(right)),
        "Classifier": clf.score(test, truth),
        "one classifier": float(hasattr(clf, "estimator_")),
    }, True


def _of_pool(args: argparse.Namespace, data: Data, seed: int) -> tuple[dict[str, float], bool]:
    texts, labels, test, truth = _split(data, seed)
    pool = _drawn_pool(args, data, seed, {*texts, *test})
    settings = {"model": args.model, "random_state": 0, "verbose": 0} | data.settings
    alone = Classifier(**settings).fit(texts, labels)
    clf = Classifier(**settings).fit(texts, labels, unlabeled=Unlabeled(pool))
    task = _task(args.model, texts, labels, pool, seed, **data.settings)
    fixed = {
        voice.name: (clf.voices_.get(voice.name) or voice.fit(task)).score(test, truth)
        for voice in _voices()
        if voice.name in (args.voices or _FIXED) and voice.suits(task)
    }
    scores = pooled(clf.weights_, [class_scores(voice, test) for voice in clf.voices_.values()])
    right = clf.classes_[scores.argmax(1)] == np.array(truth, dtype=object)
    accuracies = {
        "without these texts": alone.score(test, truth),
        "distilled later": alone.distill(pool).score(test, truth),
        **fixed,
        "voices pooled": float(np.mean(right)),
        "Classifier": clf.score(test, truth),
        "one classifier": float(hasattr(clf, "estimator_")),  # the share of the draws
    }
    low, high = clf.report_.interval or (0.0, 1.0)
    return accuracies, low <= accuracies["Classifier"] <= high


# ---- The rule ---------------------------------------------------------------------------------


def _rule(cells: Sequence[Cell], without: str | None = None) -> list[dict[str, Any]]:
    """Return what each costly voice added to the voices before it, by data set and labels."""
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        if cell.name != without:
            key = (cell.model, cell.name, cell.n_labels, cell.has_pool)
            groups.setdefault(key, []).append(cell)
    rows = []
    for (model, name, n_labels, has_pool), part in sorted(groups.items()):
        situation = np.mean([cell.voices[_CHEAP[0]]["situation"] for cell in part], axis=0)
        row = {
            "set": name,
            "labels_per_class": n_labels,
            "model": model,
            "pool": has_pool,
            "situation": np.round(situation, 2).tolist(),
            "gains": _gains(part),
        }
        rows.append(row)
    return [row for row in rows if row["gains"]]


def _gains(cells: Sequence[Cell]) -> dict[str, float]:
    gains: dict[str, list[float]] = {}
    for cell in cells:
        before = [name for name in _CHEAP if name in cell.voices]
        costly = [voice.name for voice in COSTLY if voice.name in cell.voices]
        for name in costly:
            gains.setdefault(name, []).append(cell.accuracy(*before, name) - cell.accuracy(*before))
            before += [name] if name == COSTLY[0].name else []  # which is nearly always tried
    return {name: round(float(np.mean(found)), 3) for name, found in gains.items()}


def _write_rule(cells: Sequence[Cell]) -> None:
    """Write the gains that were measured; of other cells and voices those that are there stay."""
    known = {_place(row): row for row in evidence.evidence()}
    for row in _rule(cells):
        before = known.get(_place(row), {"gains": {}})
        known[_place(row)] = row | {"gains": before["gains"] | row["gains"]}
    lines = ",\n".join(f"  {json.dumps(known[place])}" for place in sorted(known))
    _RULE.write_text('{"cells": [\n' + lines + "\n]}\n", encoding="utf-8")


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("model", "set", "labels_per_class", "pool"))


if __name__ == "__main__":
    main()
