"""Specs: their cells, and the order of these."""

from __future__ import annotations

from typing import Any

from fewshot.benchmark.spec import LeftOut
from fewshot.benchmark.spec_reader import load_spec


def minimal(**changes: Any) -> dict[str, Any]:
    content = {"methods": ["majority"], "data_sets": ["bbc_news"], "shots": [8], "seeds": [0]}
    return content | changes


def test_the_first_shots_come_first_then_the_first_seeds_then_cheap_methods() -> None:
    rte = {"name": "list_rte", "shots": [10]}
    spec = load_spec(minimal(data_sets=["bbc_news", rte], shots=[8, 0], seeds=[3, 1]))

    cells = [tuple(key) for key in spec.cells(frozenset({"Majority", "TF-IDF"}))]

    assert cells == [
        ("Majority", "bbc_news", 8, 3),
        ("TF-IDF", "bbc_news", 8, 3),
        ("SetFit", "bbc_news", 8, 3),
        ("Majority", "list_rte", 10, 3),
        ("TF-IDF", "list_rte", 10, 3),
        ("SetFit", "list_rte", 10, 3),
        ("Majority", "bbc_news", 8, 1),
        ("TF-IDF", "bbc_news", 8, 1),
        ("SetFit", "bbc_news", 8, 1),
        ("Majority", "list_rte", 10, 1),
        ("TF-IDF", "list_rte", 10, 1),
        ("SetFit", "list_rte", 10, 1),
        ("SetFit", "bbc_news", 0, 3),
        ("SetFit", "bbc_news", 0, 1),
    ]


def test_a_method_is_left_out_on_the_data_sets_named_or_on_all() -> None:
    reason = {"reason": "an hour a cell"}
    some = [{"method": "SetFit", "data_sets": ["list_rte"], **reason}]
    spec = load_spec(minimal(data_sets=["bbc_news", "list_rte"], left_out=some))
    without = load_spec(minimal(left_out=[{"method": "SetFit", **reason}]))

    assert ("SetFit", "bbc_news", 8, 0) in set(spec.cells(frozenset()))
    assert ("SetFit", "list_rte", 8, 0) not in set(spec.cells(frozenset()))
    assert spec.left_out == (LeftOut("SetFit", "an hour a cell", ("list_rte",)),)
    assert "SetFit" not in {key.method for key in without.cells(frozenset())}


def test_the_hash_tells_specs_apart_that_differ_in_anything() -> None:
    changes = [{}, {"name": "N"}, {"seeds": [1]}, {"test_size": 5}, {"validation_splits": 2}]
    changes += [{"unlabeled_texts": 5}, {"data_sets": [{"name": "bbc_news", "unlabeled_texts": 5}]}]

    assert len({load_spec(minimal(**change)).hash for change in changes}) == len(changes)
    assert load_spec(minimal()).hash == load_spec(minimal()).hash


def test_the_hash_of_a_spec_stays_the_same_from_version_to_version() -> None:
    spec = load_spec(minimal(methods=[{"name": "P", "estimator": "prompt"}], test_size=9))

    assert spec.hash == "430962465fceb66a114a993f669e8cbdfd2ec8699ed682042112b9648181656d"
