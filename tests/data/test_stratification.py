"""Samples of texts with several labels, computed by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fewshot.data.stratification import draw_in_proportion, draw_k_per_label


def indicators(*texts: str, labels: str = "abc") -> np.ndarray:
    return np.array([[label in text for label in labels] for text in texts])


@pytest.mark.parametrize("seed", range(5))
def test_the_rarest_label_comes_first_and_counts_for_the_labels_beside_it(seed: int) -> None:
    # a is in one text alone, which brings b too; one text more has c. No text is drawn for b.
    rows = indicators("ab", "b", "bc", "c", "c")

    drawn = draw_k_per_label(rows, 1, np.random.default_rng(seed))

    assert drawn[0] == 0
    assert len(drawn) == 2
    assert drawn[1] in (2, 3, 4)


def test_samples_are_nested_over_k() -> None:
    rows = np.random.default_rng(1).random((200, 6)) < 0.2

    samples = [draw_k_per_label(rows, k, np.random.default_rng(0)) for k in (1, 2, 4, 8)]

    assert all(set(small) < set(large) for small, large in pairwise(map(list, samples)))
    assert all(
        rows[sample].sum(0).min() == k for sample, k in zip(samples, (1, 2, 4, 8), strict=True)
    )


def test_with_one_label_for_each_text_exactly_k_of_each_are_drawn() -> None:
    rows = indicators(*"aaaabbbccc")

    drawn = draw_k_per_label(rows, 3, np.random.default_rng(0))

    assert rows[drawn].sum(0).tolist() == [3, 3, 3]
    assert len(set(drawn.tolist())) == 9


def test_texts_without_labels_are_not_drawn() -> None:
    assert draw_k_per_label(indicators("", "abc", ""), 1, np.random.default_rng(0)).tolist() == [1]


@pytest.mark.parametrize("seed", range(5))
def test_a_part_has_its_share_of_each_label_and_of_texts_without_one(seed: int) -> None:
    rows = indicators("ab", "ab", "c", "c", "", "")  # half of them: one of each kind

    drawn = draw_in_proportion(rows, 3, np.random.default_rng(seed))

    assert [row // 2 for row in drawn.tolist()] == [0, 1, 2]


def test_a_part_has_the_size_that_was_asked_for() -> None:
    rows = np.random.default_rng(1).random((101, 5)) < 0.3

    sizes = [len(draw_in_proportion(rows, n, np.random.default_rng(0))) for n in (0, 1, 40, 101)]

    assert sizes == [0, 1, 40, 101]


def test_shares_of_labels_are_near_those_of_all_texts() -> None:
    rows = np.random.default_rng(1).random((400, 4)) < [0.05, 0.1, 0.3, 0.5]

    drawn = draw_in_proportion(rows, 100, np.random.default_rng(0))

    assert rows[drawn].sum(0) == pytest.approx(rows.sum(0) / 4, abs=1)
