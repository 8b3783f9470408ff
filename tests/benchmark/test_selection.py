"""Model selection: halves of the labels, the best mean, the earlier of equals, never the test."""

from __future__ import annotations

import pytest

from fewshot.benchmark.metrics import evaluate
from fewshot.benchmark.selection import candidates, choose, halves
from fewshot.errors import BenchmarkError

LABELS = ["a"] * 4 + ["b"] * 4


def choose_answer(metric: str, grid: dict, labels: list[str] = LABELS) -> tuple[dict, list]:
    """Choose among classifiers with one answer; return what was learned from, too."""
    seen = []

    def score(candidate: dict, train: list[int], valid: list[int]) -> float | None:
        seen.append((candidate, train))
        predicted = [candidate.get("answer", "a")] * len(valid)
        return evaluate([labels[i] for i in valid], predicted, None, ["a", "b"])[metric]

    return choose(grid, labels, score, n_splits=3, seed=0, metric=metric), seen


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

    assert choose_answer("accuracy", {"answer": ["a", "b"]}, labels)[0] == {"answer": "b"}


def test_of_equals_the_earlier_wins() -> None:
    assert choose_answer("accuracy", {"answer": ["b", "a"]})[0] == {"answer": "b"}
    assert choose_answer("accuracy", {"noise": [3, 1, 2]})[0] == {"noise": 3}


def test_each_candidate_meets_the_same_halves_of_the_training_texts() -> None:
    _, seen = choose_answer("accuracy", {"answer": ["a", "b"]})

    of_a, of_b = ([train for c, train in seen if c == {"answer": answer}] for answer in "ab")
    assert of_a == of_b
    assert [len(train) for train in of_a] == [4, 4, 4]


def test_a_metric_where_less_is_better_is_turned_round() -> None:
    losses = {"good": 0.1, "bad": 2.0}

    chosen = choose(
        {"answer": ["bad", "good"]},
        LABELS,
        lambda candidate, train, valid: losses[candidate["answer"]],
        n_splits=2,
        seed=0,
        metric="log_loss",
    )

    assert chosen == {"answer": "good"}


def test_a_method_without_probabilities_cannot_be_chosen_by_log_loss() -> None:
    with pytest.raises(BenchmarkError, match=r"by log_loss, which needs.*choose another metric"):
        choose_answer("log_loss", {"answer": ["a", "b"]})
