"""k-shot samples and splits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.model_selection import GridSearchCV, cross_val_score

from fewshot.classifiers.tfidf import TfidfClassifier
from fewshot.data.sampling import KShotSplit, _shares, hold_out, k_shot_sample, stratified_sample
from fewshot.errors import InputError

LABELS = ["a"] * 20 + ["b"] * 12 + ["c"] * 10


def counts(indices, y=LABELS):
    return {label: sum(y[i] == label for i in indices) for label in sorted(set(y) - {None})}


# ---- The function -----------------------------------------------------------------------------


def test_sample_has_k_of_each_class():
    sample = k_shot_sample(LABELS, 4, random_state=0)

    assert counts(sample) == {"a": 4, "b": 4, "c": 4}
    assert len(set(sample.tolist())) == 12
    assert sample.dtype == np.int64


def test_samples_are_nested_over_k():
    samples = [set(k_shot_sample(LABELS, k, random_state=3).tolist()) for k in (1, 2, 4, 8, 10)]

    assert all(small < large for small, large in pairwise(samples))


def test_sample_is_seeded():
    assert (
        k_shot_sample(LABELS, 5, random_state=1).tolist()
        == k_shot_sample(LABELS, 5, random_state=1).tolist()
    )
    assert set(k_shot_sample(LABELS, 5, random_state=1)) != set(
        k_shot_sample(LABELS, 5, random_state=2)
    )


def test_random_state_object_gives_another_sample_at_each_call():
    state = np.random.RandomState(0)

    first, second = (
        k_shot_sample(LABELS, 5, random_state=state),
        k_shot_sample(LABELS, 5, random_state=state),
    )

    assert set(first) != set(second)


def test_sampling_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()

    k_shot_sample(LABELS, 3)

    assert (np.random.get_state()[1] == before).all()


@pytest.mark.parametrize(
    ("y", "unlabelled"),
    [
        ([0, -1, 1, -1, 0, 1], {1, 3}),
        (["x", None, "y", None, "x", "y"], {1, 3}),
        (pd.Series([0.0, None, 1.0, None, 0.0, 1.0]), {1, 3}),
    ],
    ids=["ints", "None", "float column with gaps"],
)
def test_unlabelled_rows_are_in_neither_part(y, unlabelled):
    sample = k_shot_sample(y, 1, random_state=0)
    [(train, test)] = KShotSplit(k=1, n_splits=1).split(y, y)

    assert not unlabelled & {*sample, *train, *test}
    assert {*train, *test} == {0, 2, 4, 5}


@pytest.mark.parametrize(
    ("y", "k", "seed", "message"),
    [
        *((LABELS, k, 0, "k is a whole number, at least 1") for k in (0, -1, 2.0, True, None, "8")),
        ([-1, -1], 1, 0, "y holds no label"),
        (None, 1, 0, "y is None"),
        (LABELS, 1, -1, "random_state is an int, 0 or more"),
        (LABELS, 11, 0, r"'c' has 10 examples, fewer than k=11; lower k"),
        ([0, 1], 2, 0, r"1 example, fewer than k=2 \(and 1 more classes\)"),
    ],
    ids=str,
)
def test_a_sample_that_cannot_be_drawn_is_refused(y, k, seed, message):
    with pytest.raises(InputError, match=message):
        k_shot_sample(y, k, random_state=seed)


# ---- The splitter -----------------------------------------------------------------------------


def test_split_trains_on_k_each_and_tests_on_the_rest():
    for train, test in KShotSplit(k=8, n_splits=3).split(LABELS, LABELS):
        assert counts(train) == {"a": 8, "b": 8, "c": 8}
        assert counts(test) == {"a": 12, "b": 4, "c": 2}
        assert sorted([*train, *test]) == list(range(42))


def test_splits_differ_and_repeat_at_every_call():
    splitter = KShotSplit(k=4, n_splits=3)

    trains = [train.tolist() for train, _ in splitter.split(LABELS, LABELS)]

    assert len({frozenset(train) for train in trains}) == 3
    assert trains == [train.tolist() for train, _ in splitter.split(LABELS, LABELS)]


def test_first_split_is_the_sample_of_that_seed():
    train, _ = next(KShotSplit(k=4, random_state=7).split(LABELS, LABELS))

    assert train.tolist() == k_shot_sample(LABELS, 4, random_state=7).tolist()


def test_test_size_limits_the_test_in_the_proportions_of_the_classes():
    _, test = next(KShotSplit(k=2, test_size=21).split(LABELS, LABELS))

    assert counts(test) == {"a": 10, "b": 6, "c": 5}
    _, rest = next(KShotSplit(k=8, test_size=1000).split(LABELS, LABELS))
    assert len(rest) == 42 - 24


def test_limited_test_is_the_same_for_every_k():
    tests = [
        next(KShotSplit(k=k, test_size=10).split(LABELS, LABELS))[1].tolist() for k in (1, 4, 7)
    ]

    assert tests[0] == tests[1] == tests[2]
    assert len(tests[0]) == 10


def test_split_takes_any_container_that_has_a_length():
    frame = pd.DataFrame({"text": LABELS})
    for X in (frame, csr_matrix((42, 3)), np.zeros((42, 2)), tuple(LABELS), None):
        assert len(list(KShotSplit(k=1, n_splits=1).split(X, LABELS))) == 1


@pytest.mark.parametrize(
    ("settings", "X", "y", "message"),
    [
        ({"k": 0}, LABELS, LABELS, "k is a whole number, at least 1, got 0"),
        ({"n_splits": 0}, LABELS, LABELS, "n_splits is a whole number, at least 1, got 0"),
        ({"test_size": 0}, LABELS, LABELS, "test_size is a whole number, .*, or None, got 0"),
        ({"k": 11}, LABELS, LABELS, "'c' has 10 examples"),
        ({"k": 2}, range(4), [0, 0, 1, 1], "k=2 takes all labelled examples"),
        ({"k": 1}, range(5), [0, 0, 1, 1], "differ in length"),
    ],
    ids=str,
)
def test_a_split_that_cannot_be_made_is_refused(settings, X, y, message):
    with pytest.raises(InputError, match=message):
        next(KShotSplit(**settings).split(X, y))


def test_splitter_works_in_cross_validation_and_grid_search():
    X = [f"{label * 3} text" for label in LABELS]
    splitter = KShotSplit(k=2, n_splits=3)

    scores = cross_val_score(TfidfClassifier(), X, LABELS, cv=splitter)
    search = GridSearchCV(TfidfClassifier(), {"C": [1.0, 10.0]}, cv=splitter).fit(X, LABELS)

    assert scores.tolist() == [1.0, 1.0, 1.0]
    assert search.best_score_ == 1.0


def test_repr_shows_the_settings():
    assert KShotSplit(n_splits=7).get_n_splits() == 7
    assert repr(KShotSplit(k=4)) == "KShotSplit(k=4, n_splits=5, random_state=0)"
    assert repr(KShotSplit(test_size=9)).endswith("random_state=0, test_size=9)")


# ---- Holding out ------------------------------------------------------------------------------


def test_a_stratified_sample_keeps_the_proportions_of_the_classes():
    y = ["a"] * 60 + ["b"] * 30 + ["c"] * 10

    sample = stratified_sample(y, 10, random_state=0)

    assert sorted(y[i] for i in sample) == ["a"] * 6 + ["b"] * 3 + ["c"]
    assert list(sample) == sorted(set(sample))
    assert list(sample) == list(stratified_sample(y, 10, random_state=0))
    assert list(sample) != list(stratified_sample(y, 10, random_state=1))


def test_a_stratified_sample_leaves_out_rows_without_a_label():
    assert list(stratified_sample(["a", None, "b"], 5, random_state=0)) == [0, 2]


def test_hold_out_takes_its_share_of_each_class():
    classes = np.array([0] * 8 + [1] * 4)

    held_out = hold_out(classes, 0.25, np.random.default_rng(0))

    assert np.bincount(classes[held_out]).tolist() == [2, 1]


def test_hold_out_leaves_each_class_an_example():
    held_out = hold_out(np.array([0, 1, 1, 1]), 0.9, np.random.default_rng(0))

    assert 0 not in held_out
    assert len(held_out) == 2


def test_hold_out_that_takes_nothing_is_refused():
    assert len(hold_out(np.array([0, 1]), 0.0, np.random.default_rng(0))) == 0
    with pytest.raises(InputError, match="leaves none to hold out"):
        hold_out(np.array([0, 1]), 0.1, np.random.default_rng(0))
    with pytest.raises(InputError, match="validation_fraction is from 0 to below 1"):
        hold_out(np.array([0, 1]), 1.0, np.random.default_rng(0))


def test_what_is_left_goes_to_the_largest_remainders():
    # Exactly 2, 1.2 and 0.8 of 4.
    assert _shares(np.array([5, 3, 2]), 4).tolist() == [2, 1, 1]


# ---- Several labels for a text ------------------------------------------------------------------

SETS = [["a"]] * 20 + [["b"]] * 12 + [["a", "b"]] * 4 + [["c"]] * 10 + [[]] * 6


def counts_of_sets(indices):
    return {label: sum(label in SETS[i] for i in indices) for label in "abc"}


def test_a_sample_of_label_sets_has_k_of_each_label():
    sample = k_shot_sample(SETS, 4, random_state=0)

    found = counts_of_sets(sample)
    assert found["c"] == 4
    assert 4 <= found["a"] <= found["a"] + found["b"] <= 12
    assert min(found.values()) == 4
    assert all(SETS[i] for i in sample)


def test_samples_of_label_sets_are_nested_over_k():
    samples = [set(k_shot_sample(SETS, k, random_state=3).tolist()) for k in (1, 2, 4, 8)]

    assert all(small < large for small, large in pairwise(samples))


def test_forms_of_label_sets_give_the_same_sample():
    rows = np.array([[label in labels for label in "abc"] for labels in SETS], dtype=int)
    forms = [SETS, [set(labels) for labels in SETS], rows, csr_matrix(rows)]

    samples = [k_shot_sample(y, 2, random_state=0).tolist() for y in forms]

    assert all(sample == samples[0] for sample in samples)


def test_a_split_of_label_sets_tests_on_all_others_with_and_without_labels():
    ((train, test),) = KShotSplit(k=2, n_splits=1).split(SETS, SETS)

    assert sorted([*train, *test]) == list(range(len(SETS)))


def test_the_test_of_label_sets_has_the_shares_of_the_labels():
    ((_, test),) = KShotSplit(k=2, n_splits=1, test_size=24).split(SETS, SETS)

    # 24 of the some 47 others: half of those with each label, and of those without any.
    assert len(test) == 24
    assert counts_of_sets(test) == pytest.approx({"a": 11, "b": 7, "c": 4}, abs=1)
    assert sum(not SETS[i] for i in test) == pytest.approx(3, abs=1)


def test_rows_whose_labels_are_unknown_are_in_neither_part():
    y = [["a"], None, ["b"], ["a", "b"], None, ["b"]]

    ((train, test),) = KShotSplit(k=1, n_splits=1).split(y, y)

    assert set(train) | set(test) == {0, 2, 3, 5}


def test_a_label_of_too_few_texts_is_named():
    with pytest.raises(
        InputError,
        match=r"the label 'c' has 10 examples, fewer than k=11; lower k, or leave such l",
    ):
        k_shot_sample(SETS, 11)
