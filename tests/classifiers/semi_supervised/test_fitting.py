"""Texts with and without labels, read and parted; how estimators use it: test_semi_supervised."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot import Unlabeled
from fewshot.data.semi_supervised_data import read_learning_data
from fewshot.models.fingerprint import fingerprint


def test_data_are_parted_by_labels():
    data = read_learning_data(
        ["a", "b", "c"],
        [1, -1, 2],
        [1.0, 5.0, 2.0],
        Unlabeled(["d", "a"]),
        fields=("text",),
        largest=10,
        rng=np.random.default_rng(0),
    )

    assert data.labelled.examples.rows() == ["a", "c"]
    assert data.labelled.labels.values.tolist() == [1, 2]
    assert data.labelled.sample_weight.tolist() == [1.0, 2.0]
    assert data.pool.examples.rows() == ["b", "d"]


@pytest.mark.parametrize("y", [["x", "y", "x", None, None], None], ids=["labels", "none"])
def test_rows_of_weight_zero_are_as_if_they_were_not_there(y):
    texts, weights = ["a", "b", "c", "d", "e"], [1.0, 2.0, 0.0, 0.0, 3.0]
    keep = [0, 1, 4]

    data, expected = (
        read_learning_data(
            [texts[row] for row in rows],
            None if y is None else [y[row] for row in rows],
            [weights[row] for row in rows],
            Unlabeled(["c", "f"]),
            fields=("text",),
            largest=10,
            rng=np.random.default_rng(0),
        )
        for rows in (range(5), keep)
    )

    assert data.pool.examples == expected.pool.examples
    assert fingerprint(data.labelled and tuple(data.labelled)) == fingerprint(
        expected.labelled and tuple(expected.labelled)
    )


def test_without_labels_all_texts_are_the_pool():
    data = read_learning_data(
        ["a", "b"],
        None,
        None,
        None,
        fields=("text",),
        largest=10,
        rng=np.random.default_rng(0),
    )

    assert data.labelled is None
    assert data.pool.examples.rows() == ["a", "b"]
