"""Pairs of texts: setfit's counts, and no more memory than the pairs asked for."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from fewshot.classifiers.text_pairs import PairSource

NO_CAP = 10**9


def balanced(n_classes, k):
    return np.repeat(np.arange(n_classes), k)


def source(classes, strategy="oversampling", num_iterations=None, max_pairs=NO_CAP):
    return PairSource(np.asarray(classes), strategy, num_iterations, max_pairs)


# Counts of setfit.md, E2, which were taken from setfit's own code.
@pytest.mark.parametrize(
    ("strategy", "expected"), [("unique", 6), ("undersampling", 4), ("oversampling", 8)]
)
def test_pairs_of_three_texts_are_as_many_as_in_setfit(strategy, expected):
    pairs = source([0, 0, 1], strategy)

    assert (pairs.n_positive, pairs.n_negative) == (4, 2)
    assert pairs.n_pairs == expected
    assert len(pairs.draw(np.random.default_rng(0))) == expected


@pytest.mark.parametrize(
    ("n_classes", "n_positive", "n_negative", "n_pairs"),
    [(2, 72, 64, 144), (4, 144, 384, 768), (6, 216, 960, 1920)],
)
def test_pairs_of_eight_texts_a_class_are_as_many_as_in_setfit(
    n_classes, n_positive, n_negative, n_pairs
):
    pairs = source(balanced(n_classes, 8))

    assert (pairs.n_positive, pairs.n_negative, pairs.n_pairs) == (n_positive, n_negative, n_pairs)


def test_num_iterations_sets_the_number_of_pairs():
    assert source(balanced(2, 8), num_iterations=20).n_pairs == 640
    # MasakhaNEWS, 7 classes, as its authors set it.
    assert source(balanced(7, 8), num_iterations=5).n_pairs == 560
    assert source(balanced(7, 50), num_iterations=5).n_pairs == 3500


@pytest.mark.parametrize("classes", [[0, 0, 1], [2, 0, 1, 0, 2, 2, 1], balanced(5, 7), [0] * 6])
def test_unique_pairs_are_each_pair_once_with_its_target(classes):
    pairs = source(classes, "unique").draw(np.random.default_rng(0))

    n = len(classes)
    found = Counter(tuple(sorted(row)) for row in pairs[:, :2].tolist())
    assert found == Counter((i, j) for i in range(n) for j in range(i, n))
    assert all(is_same == (classes[i] == classes[j]) for i, j, is_same in pairs)


def test_oversampling_is_balanced_and_covers_every_pair():
    pairs = source(balanced(3, 4)).draw(np.random.default_rng(0))

    found = Counter(tuple(sorted(row)) for row in pairs[:, :2].tolist())
    assert len(found) == 12 * 13 // 2
    assert pairs[:, 2].mean() == 0.5
    positives = [n for (i, j), n in found.items() if i // 4 == j // 4]
    assert set(positives) == {1, 2}  # 48 draws of 30 pairs


def test_cap_keeps_the_balance_and_repeats_nothing():
    pairs = source(balanced(4, 8), max_pairs=100).draw(np.random.default_rng(0))

    assert len(pairs) == 100
    assert pairs[:, 2].sum() == 50
    assert len({tuple(sorted(row)) for row in pairs[:, :2].tolist()}) == 100


def test_cap_leaves_the_rarer_kind_of_unique_pairs_whole():
    pairs = source([0, 0, 1, 2, 3, 4], "unique", max_pairs=16).draw(np.random.default_rng(0))

    assert (pairs[:, 2] == 1).sum() == 7  # of 7, with 9 of the 14 negative ones


def test_one_class_makes_no_negative_pairs():
    pairs = source([0, 0, 0]).draw(np.random.default_rng(0))

    assert pairs[:, 2].tolist() == [1] * 6


def test_seed_changes_the_pairs():
    drawn = [source(balanced(4, 8), max_pairs=50).draw(np.random.default_rng(s)) for s in (0, 0, 1)]

    assert (drawn[0] == drawn[1]).all()
    assert {*map(tuple, drawn[0][:, :2])} != {*map(tuple, drawn[2][:, :2])}


def test_many_classes_and_shots_do_not_explode():
    pairs = source(balanced(20, 2000), max_pairs=2000)  # 800 million pairs in all

    tracemalloc.start()
    started = time.perf_counter()
    drawn = pairs.draw(np.random.default_rng(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(drawn) == 2000
    assert (drawn[:, 2] == (drawn[:, 0] // 2000 == drawn[:, 1] // 2000)).all()
    assert peak < 20e6
    assert time.perf_counter() - started < 5
