"""A small benchmark for tests: a CSV file, and a specification of cheap methods."""

from __future__ import annotations

import csv
import json
import random
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline

NO_SETFIT = [{"method": "SetFit", "reason": "takes seconds"}]
_SPORT = "match team player goal win football game".split()  # noqa: SIM905
_BUSINESS = "money market bank stock company price economy".split()  # noqa: SIM905


def write_texts(folder: Path, n_texts: int = 20) -> Path:
    """Write a CSV file with texts of two classes, with words that the tiny models know."""
    path = folder / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for number in range(n_texts):
            for label, words in (("sport", _SPORT), ("business", _BUSINESS)):
                picked = [words[(number * step + step) % 7] for step in (1, 2, 3)]
                rows.writerow([" ".join(["the", *picked, f"number {number}"]), label])
    return path


def small_spec(folder: Path, *methods: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a spec over those texts; majority and TF-IDF come by themselves."""
    data = {"name": "mine", "train": str(write_texts(folder)), "text": "text", "label": "label"}
    return {
        "name": "Small",
        "methods": list(methods) or ["majority"],
        "data_sets": [data],
        "shots": [2],
        "seeds": [0, 1],
        "left_out": NO_SETFIT,
    } | changes


def several_spec(folder: Path, *methods: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a spec over texts about sport, business, both or neither, with a test part."""
    rows = [
        {"text": f"the {' '.join(words)} number {number}", "label": labels}
        for number in range(12)
        for words, labels in (
            (_SPORT[number % 5 :][:3], ["sport"]),
            (_BUSINESS[number % 5 :][:3], ["business"]),
            ([_SPORT[number % 7], _BUSINESS[number % 7]], ["business", "sport"]),
            ([], []),
        )
    ]
    data = {"name": "mine", "text": "text", "label": "label"}
    for part, found in (("train", rows[:32]), ("test", rows[32:])):
        data[part] = str(folder / f"{part}.jsonl")
        lines = (json.dumps(row) + "\n" for row in found)
        Path(data[part]).write_text("".join(lines), encoding="utf-8")
    return small_spec(folder, *methods) | {"data_sets": [data], "shots": [4]} | changes


class Failing(ClassifierMixin, BaseEstimator):
    """Fails on every second seed."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: list[str], y: list[str]) -> Failing:
        if self.random_state == 1:
            raise RuntimeError("out of <luck>\nand more")
        self.classes_ = sorted(set(y))
        return self

    def predict(self, X: list[str]) -> list[str]:
        return [self.classes_[0]] * len(X)


class Slow(Failing):
    """Takes a while, so that it can be killed half-way."""

    def fit(self, X: list[str], y: list[str]) -> Slow:
        time.sleep(0.1)
        self.classes_ = sorted(set(y))
        return self


class Spy(Slow):
    """Remembers what it was given."""

    seen: list = []  # noqa: RUF012

    def fit(self, X: list[str], y: list[str]) -> Spy:
        Spy.seen.append((self.random_state, list(X), list(y)))
        self.classes_ = sorted(set(y))
        return self

    def predict(self, X: list[str]) -> list[str]:
        Spy.seen.append((self.random_state, list(X), None))
        return super().predict(X)


class Cyclic(Slow):
    """Refers to itself, and remembers which of its like are still there when one learns."""

    known: list = []  # noqa: RUF012
    alive: list = []  # noqa: RUF012

    def fit(self, X: list[str], y: list[str]) -> Cyclic:
        Cyclic.alive.append(sum(other() is not None for other in Cyclic.known))
        Cyclic.known.append(weakref.ref(self))
        self.itself = self
        return super().fit(X, y)


class Interrupted(Failing):
    """As if the user pressed Ctrl-C while it learns."""

    def fit(self, X: list[str], y: list[str]) -> Interrupted:
        raise KeyboardInterrupt


class Dying(Failing):
    """Takes its process down, as the system does when memory runs out."""

    def fit(self, X: list[str], y: list[str]) -> Dying:
        import os
        import signal

        if self.random_state == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.classes_ = sorted(set(y))
        return self


class Raising:
    """Cannot be built."""

    def __init__(self) -> None:
        raise RuntimeError("out of order")


class Exiting(Failing):
    """Ends the program while it learns."""

    def fit(self, X: list[str], y: list[str]) -> Exiting:
        raise SystemExit("enough")


class Greedy(Failing):
    """Empties all lists that it gets."""

    def fit(self, X: list[str], y: list[str]) -> Greedy:
        self.classes_ = sorted(set(y))
        X.clear()
        y.clear()
        return self

    def predict(self, X: list[str]) -> list[str]:
        predicted = [self.classes_[0]] * len(X)
        X.clear()
        return predicted


class Drawing(Slow):
    """Draws from the global random states."""

    def predict(self, X: list[str]) -> list[str]:
        return [random.choice(self.classes_) for _ in X[::2]] + [
            str(np.random.choice(self.classes_)) for _ in X[1::2]
        ]


class Strange(Slow):
    """Predicts what no text is."""

    def predict(self, X: list[str]) -> list[str]:
        return ["weather", *super().predict(X[1:])]


class Nested(Slow):
    """Predicts a column instead of a list."""

    def predict(self, X: list[str]) -> list[list[str]]:
        return [[label] for label in super().predict(X)]


class Nameless:
    """Has probabilities, and does not say of which classes."""

    def fit(self, X: list[str], y: list[str]) -> None:
        self.answer = y[0]

    def predict(self, X: list[str]) -> list[str]:
        return [self.answer] * len(X)

    def predict_proba(self, X: list[str]) -> np.ndarray:
        return np.tile([1.0, 0.0], (len(X), 1))


class Learning(Slow):
    """Learns from unlabelled texts, if there are any, and remembers them."""

    seen: list = []  # noqa: RUF012

    def __init__(self, random_state: int | None = None, answer: int = 0) -> None:
        super().__init__(random_state)
        self.answer = answer

    def fit(self, X: list[str], y: list[str], unlabeled: Any = None) -> Learning:
        rows = [row for part in unlabeled.batches(["text"]) for row in part.joined()]
        Learning.seen.append((list(X), rows))
        return super().fit(X, y)


def bag_of_words(alpha: float = 1.0) -> Pipeline:
    """A factory function, as users write them."""
    from sklearn.feature_extraction.text import CountVectorizer

    return make_pipeline(CountVectorizer(), MultinomialNB(alpha=alpha))


def one_vs_rest() -> Pipeline:
    """A classifier of scikit-learn that takes rows of 0 and 1."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    return make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LogisticRegression(C=100)))


not_an_estimator = print
