"""Data sets draw splits: disjoint, nested over k, reproducible, tested on the same texts."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from fewshot import Template, Verbalizer
from fewshot.benchmark import DataSet
from fewshot.benchmark.data_sets.splits import LabeledTexts, Pool, ShotFiles
from fewshot.errors import InputError


def texts(part: str, **counts: int) -> LabeledTexts:
    rows = [(f"{part} {label} {i}", label) for label, n in counts.items() for i in range(n)]
    return LabeledTexts(tuple(text for text, _ in rows), tuple(label for _, label in rows))


def data_set(training: Pool | ShotFiles, test: LabeledTexts) -> DataSet:
    return DataSet(
        "mine",
        "Mine",
        "none",
        "myself",
        (Template("{text} It was {mask}."),),
        Verbalizer({"neg": ["bad"], "pos": ["good"]}),
        "accuracy",
        training,
        test,
    )


@pytest.fixture
def sampled() -> DataSet:
    return data_set(Pool(texts("pool", neg=30, pos=20)), texts("test", neg=60, pos=20))


@pytest.fixture
def published() -> DataSet:
    files = {
        (2, 1): texts("a", neg=1, pos=1),
        (4, 1): texts("a", neg=2, pos=2),
        (2, 5): texts("b", neg=1, pos=1),
    }
    pool = texts("a", neg=4, pos=4).texts
    return data_set(ShotFiles(files, pool, "in total"), texts("test", neg=3, pos=3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "f1"}, r"'mine' has the metric 'f1'; the metrics are \['accur"),
        ({"templates": ()}, "the data set 'mine' has no template"),
        ({"test": texts("test")}, "'mine' has no test texts"),
    ],
)
def test_a_data_set_that_lacks_something_is_refused(sampled: DataSet, change, message) -> None:
    with pytest.raises(InputError, match=message):
        replace(sampled, **change)


# ---- Drawing from a pool ----------------------------------------------------------------------


def test_k_of_each_class_are_drawn(sampled: DataSet) -> None:
    split = sampled.split(3, seed=0)

    assert Counter(split.train_labels) == {"neg": 3, "pos": 3}
    assert all(
        label in text for text, label in zip(split.train_texts, split.train_labels, strict=True)
    )


def test_samples_are_nested_over_k(sampled: DataSet) -> None:
    drawn = [set(sampled.split(k, seed=2).train_texts) for k in (1, 4, 16)]

    assert drawn[0] < drawn[1] < drawn[2]


def test_the_same_seed_gives_the_same_split_and_another_seed_another(sampled: DataSet) -> None:
    assert sampled.split(4, 7) == sampled.split(4, 7)
    assert set(sampled.split(4, 7).train_texts) != set(sampled.split(4, 8).train_texts)


def test_texts_that_were_not_drawn_are_the_unlabelled_ones(sampled: DataSet) -> None:
    split = sampled.split(3, seed=0)

    assert len(split.unlabeled) == 44
    assert set(split.unlabeled) | set(split.train_texts) == set(sampled.training.pool.texts)
    order = sampled.split(0, seed=0).unlabeled
    assert order != list(sampled.training.pool.texts)
    assert sorted(order) == sorted(sampled.training.pool.texts)
    assert not set(split.unlabeled) & (set(split.train_texts) | set(split.test_texts))


def test_zero_shots_train_on_nothing(sampled: DataSet) -> None:
    split = sampled.split(0, seed=3)

    assert (split.train_texts, split.train_labels) == ([], [])
    assert split.description == "no training labels; all 80 test texts"


# ---- The test part ----------------------------------------------------------------------------


def test_test_texts_are_the_same_for_all_shots_and_seeds(sampled: DataSet) -> None:
    splits = [sampled.split(k, seed, test_size=12) for k in (0, 1, 8) for seed in (0, 1)]

    assert all(split.test_texts == splits[0].test_texts for split in splits)


def test_a_capped_test_keeps_the_proportions_of_the_classes(sampled: DataSet) -> None:
    split = sampled.split(1, seed=0, test_size=12)

    assert Counter(split.test_labels) == {"neg": 9, "pos": 3}
    assert split.description == (
        "1 of each class drawn by seed from 50 texts; 12 of 80 test texts, stratified, the same "
        "for all seeds and methods"
    )


@pytest.mark.parametrize("test_size", [None, 80, 1000])
def test_a_cap_that_is_no_cap_keeps_the_test_as_it_is(
    sampled: DataSet, test_size: int | None
) -> None:
    split = sampled.split(1, seed=0, test_size=test_size)

    assert split.test_texts == list(sampled.test.texts)
    assert "all 80 test texts" in split.description


# ---- Published files --------------------------------------------------------------------------


def test_published_files_are_used_as_they_are(published: DataSet) -> None:
    split = published.split(4, seed=1)

    assert split.train_texts == ["a neg 0", "a neg 1", "a pos 0", "a pos 1"]
    assert split.train_labels == ["neg", "neg", "pos", "pos"]
    assert sorted(split.unlabeled) == ["a neg 2", "a neg 3", "a pos 2", "a pos 3"]
    assert split.description.startswith("published file with 4 in total, one for each seed")


def test_a_published_protocol_tells_its_shots_and_seeds(published: DataSet) -> None:
    assert (published.shots, published.seeds, published.shots_kind) == ((2, 4), (1, 5), "in total")


def test_a_single_published_draw_is_the_same_for_all_seeds() -> None:
    data = data_set(
        ShotFiles({(2, None): texts("a", neg=1, pos=1)}, (), "per class"), texts("t", neg=1, pos=1)
    )

    assert data.seeds is None
    assert data.split(2, 0).train_texts == data.split(2, 99).train_texts
    assert "one draw: seeds vary the training only" in data.split(2, 0).description


@pytest.mark.parametrize(
    ("shots", "seeds", "message"),
    [
        ([2, 8], [1], r"mine: the protocol has files for \[2, 4\] shots \(in total\), got 8"),
        ([2], [1, 0], r"mine: the protocol has files of 2 shots for the seeds \[1, 5\], got 0"),
        ([2, 4], [5], r"files of 4 shots for the seeds \[1\], got 5"),
    ],
)
def test_a_file_that_there_is_not_is_an_error(
    published: DataSet, shots: list[int], seeds: list[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        published.check(shots, seeds)


def test_zero_shots_need_no_file_but_a_seed_that_there_is(published: DataSet) -> None:
    published.check([0], [0, 17])

    assert len(published.split(0, 17).unlabeled) == 8


# ---- Errors before any work -------------------------------------------------------------------


def test_a_class_with_fewer_than_k_texts_is_an_error(sampled: DataSet) -> None:
    sampled.check([0, 20], [0])

    with pytest.raises(
        InputError, match=r"mine: the class 'pos' has 20 training texts, fewer than 21 shots"
    ):
        sampled.check([8, 21, 30], [0])


@pytest.mark.parametrize(
    ("shots", "seeds", "test_size", "message"),
    [
        ([-1], [0], None, "shots is a whole number, 0 or more, got -1"),
        ([1.0], [0], None, "shots is a whole number, 0 or more, got 1.0"),
        ([True], [0], None, "shots is a whole number, 0 or more, got True"),
        ([1], ["0"], None, "seed is a whole number, 0 or more, got '0'"),
        (
            [1],
            [0],
            1,
            "test_size is None or a whole number, at least the number of classes, 2; got 1",
        ),
    ],
)
def test_numbers_out_of_range_are_errors(
    sampled: DataSet, shots: list, seeds: list, test_size: int | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sampled.check(shots, seeds, test_size)


# ---- The hash ---------------------------------------------------------------------------------


def test_the_hash_is_the_same_on_all_machines() -> None:
    pool = LabeledTexts(("Zürich \u2028 ok", "bad"), ("pos", "neg"))
    data = data_set(Pool(pool), LabeledTexts(("good",), ("pos",)))

    by_hand = (
        '["pool", 2]\n["Z\\u00fcrich \\u2028 ok", "pos"]\n["bad", "neg"]\n'
        '["test", 1]\n["good", "pos"]\n'
    )
    assert data.data_hash == hashlib.sha256(by_hand.encode("ascii")).hexdigest()


def test_the_hash_covers_each_text_and_label(sampled: DataSet) -> None:
    test = sampled.test
    others = [
        replace(sampled, test=test.take(range(1, 80))),
        replace(sampled, test=LabeledTexts(test.texts, (*test.labels[:-1], "neg"))),
        replace(sampled, training=Pool(texts("pool", neg=30, pos=19))),
        replace(sampled, test=sampled.training.pool, training=Pool(test)),
    ]

    assert len({data.data_hash for data in [sampled, *others]}) == 5
    assert replace(sampled, title="Another").data_hash == sampled.data_hash


def test_the_order_of_a_pairs_fields_does_not_matter_to_the_hash() -> None:
    def pair(text: dict[str, str]) -> DataSet:
        part = LabeledTexts((text,), ("neg",))
        return data_set(Pool(part), part)

    assert pair({"a": "x", "b": "y"}).data_hash == pair({"b": "y", "a": "x"}).data_hash
    assert pair({"a": "x", "b": "y"}).data_hash != pair({"a": "y", "b": "x"}).data_hash
