"""Model selection: halves of the labels, the best mean, the earlier of equals, never the test."""

from __future__ import annotations

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from fewshot.benchmark.metrics import evaluate
from fewshot.benchmark.selection import candidates, choose, halves
from fewshot.errors import BenchmarkError

TEXTS = [f"text {number}" for number in range(8)]
LABELS = ["a"] * 4 + ["b"] * 4


class Guess(ClassifierMixin, BaseEstimator):
    """Predicts what it is set to."""

    fitted: list = []  # noqa: RUF012

    def __init__(self, answer: str = "a", noise: int = 0) -> None:
        self.answer = answer
        self.noise = noise

    def fit(self, X: list[str], y: list[str]) -> Guess:
        Guess.fitted.append((self.answer, tuple(X)))
        return self

    def predict(self, X: list[str]) -> list[str]:
        return [self.answer] * len(X)


def choose_by(metric: str, grid: dict, labels: list[str] = LABELS) -> dict:
    Guess.fitted = []
    return choose(
        Guess(),
        grid,
        TEXTS,
        labels,
        n_splits=3,
        seed=0,
        fit=Guess.fit,
        score=lambda fitted, X, y: evaluate(y, fitted.predict(X), None, ["a", "b"]),
        metric=metric,
    )


def test_candidates_are_all_combinations_and_the_first_key_changes_last() -> None:
    assert candidates({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]
    assert candidates({}) == []


def test_halves_are_disjoint_of_equal_size_and_each_class_is_in_both() -> None:
    for train, valid in halves(LABELS, 5, 0):
        assert sorted(train + valid) == list(range(8))
        assert [LABELS[i] for i in train] == ["a", "a", "b", "b"]


def test_the_odd_ones_of_classes_go_to_either_half_in_turn() -> None:
    ((train, valid),) = halves(["a"] * 3 + ["b"] * 3, 1, 0)

    assert [sum(i < 3 for i in part) for part in (train, valid)] == [2, 1]
    assert [sum(i >= 3 for i in part) for part in (train, valid)] == [1, 2]


def test_a_single_example_of_a_class_is_there_to_learn_from() -> None:
    ((train, valid),) = halves(["a", "b", "b", "b", "b"], 1, 0)

    assert 0 in train
    assert len(train) + len(valid) == 5


def test_halves_depend_on_seed_and_number_alone() -> None:
    assert list(halves(LABELS, 3, 1)) == list(halves(LABELS, 3, 1))
    assert list(halves(LABELS, 3, 1))[:2] == list(halves(LABELS, 2, 1))
    assert list(halves(LABELS, 3, 1)) != list(halves(LABELS, 3, 2))


def test_the_best_mean_wins() -> None:
    labels = ["a"] * 2 + ["b"] * 6

    assert choose_by("accuracy", {"answer": ["a", "b"]}, labels) == {"answer": "b"}


def test_of_equals_the_earlier_wins() -> None:
    assert choose_by("accuracy", {"answer": ["b", "a"]}) == {"answer": "b"}
    assert choose_by("accuracy", {"noise": [3, 1, 2]}) == {"noise": 3}


def test_each_candidate_meets_the_same_halves_of_the_training_texts() -> None:
    choose_by("accuracy", {"answer": ["a", "b"]})

    of_a = [texts for answer, texts in Guess.fitted if answer == "a"]
    of_b = [texts for answer, texts in Guess.fitted if answer == "b"]
    assert of_a == of_b
    assert len(of_a) == 3
    assert all(len(texts) == 4 and set(texts) <= set(TEXTS) for texts in of_a)


def test_a_metric_where_less_is_better_is_turned_round() -> None:
    def score(fitted: Guess, X: list[str], y: list[str]) -> dict:
        return {"log_loss": 0.1 if fitted.answer == "good" else 2.0}

    grid = {"answer": ["bad", "good"]}

    chosen = choose(
        Guess(),
        grid,
        TEXTS,
        LABELS,
        n_splits=2,
        seed=0,
        fit=Guess.fit,
        score=score,
        metric="log_loss",
    )

    assert chosen == {"answer": "good"}


def test_a_method_without_probabilities_cannot_be_chosen_by_log_loss() -> None:
    with pytest.raises(BenchmarkError, match=r"Guess has no log_loss.*choose another metric"):
        choose_by("log_loss", {"answer": ["a", "b"]})
