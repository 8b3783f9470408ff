"""Texts with and without labels, read and separated; what estimators do with them: test_base."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot import Unlabeled
from fewshot.data.examples import Examples
from fewshot.data.semi_supervised_data import read_semi_supervised_data
from fewshot.data.training_data import read_training_data
from fewshot.models.fingerprint import fingerprint


def read(X, y, sample_weight, unlabeled):
    return read_semi_supervised_data(
        read_training_data(X, y, sample_weight),
        unlabeled,
        fields=("text",),
        max_unlabeled=10,
        rng=np.random.default_rng(0),
    )


def test_data_are_separated_by_labels():
    data = read(["a", "b", "c"], [1, -1, 2], [1.0, 5.0, 2.0], Unlabeled(["d", "a"]))

    assert data.labeled.examples.joined() == ["a", "c"]
    assert data.labeled.labels.values.tolist() == [1, 2]
    assert data.labeled.sample_weight.tolist() == pytest.approx([2 / 3, 4 / 3])
    assert data.pool.joined() == ["b", "d"]


def test_joined_data_have_the_labeled_texts_first():
    joined = read(["a", "b", "c"], [1, -1, 2], [1.0, 5.0, 2.0], Unlabeled(["d"])).joined()

    assert joined.examples.joined() == ["a", "c", "b", "d"]
    assert joined.labels.values.tolist() == [1, 2, None, None]
    assert joined.sample_weight.tolist() == pytest.approx([2 / 3, 4 / 3, 1.0, 1.0])


def test_texts_that_are_checked_can_be_the_pool():
    assert read(["a"], ["x"], None, Examples({"text": ["b", "a"]})).pool.joined() == ["b"]


@pytest.mark.parametrize("y", [["x", "y", "x", None, None], None], ids=["labels", "none"])
def test_rows_of_weight_zero_are_as_if_they_were_not_there(y):
    texts, weights = ["a", "b", "c", "d", "e"], [1.0, 2.0, 0.0, 0.0, 3.0]

    data, expected = (
        read(
            [texts[row] for row in rows],
            None if y is None else [y[row] for row in rows],
            [weights[row] for row in rows],
            Unlabeled(["c", "f"]),
        )
        for rows in (range(5), [0, 1, 4])
    )

    assert data.pool == expected.pool
    assert fingerprint(data.labeled and tuple(data.labeled)) == fingerprint(
        expected.labeled and tuple(expected.labeled)
    )


def test_without_labels_all_texts_are_the_pool():
    data = read(["a", "b"], None, None, None)

    assert data.labeled is None
    assert data.pool.joined() == ["a", "b"]
