"""Clean splits: no test text is trained on, and no text counts twice."""

from __future__ import annotations

from collections import Counter

import pytest

from fewshot.benchmark.data_sets.splits import LabeledTexts, clean_pool, halved, text_key
from fewshot.errors import InputError


def texts(part: str, **counts: int) -> LabeledTexts:
    rows = [(f"{part} {label} {i}", label) for label, n in counts.items() for i in range(n)]
    return LabeledTexts(tuple(text for text, _ in rows), tuple(label for _, label in rows))


def test_a_pool_loses_test_texts_repeated_texts_and_texts_with_two_labels() -> None:
    pool = LabeledTexts(
        ("a", "b", " B", "c", "C\n", "d  e", "f"),
        ("pos", "pos", "pos", "pos", "neg", "neg", "neg"),
    )

    kept, notes = clean_pool(pool, ["D e"])

    assert kept == LabeledTexts(("a", "b", "f"), ("pos", "pos", "neg"))
    assert notes == (
        "left out of the pool since they repeat another text: 1",
        "left out of the pool since they have two labels: 2",
        "left out of the pool since they are test texts: 1",
    )


def test_pairs_are_the_same_if_all_their_texts_are() -> None:
    assert text_key({"a": "X", "b": "y"}) == text_key({"b": "Y ", "a": "x"})
    assert text_key({"a": "x", "b": "y z"}) != text_key({"a": "x y", "b": "z"})


def test_half_of_each_class_is_for_testing_and_always_the_same() -> None:
    content = halved(texts("all", neg=9, pos=4), ("neg", "pos"))

    assert Counter(content.training.pool.labels) == {"neg": 5, "pos": 2}
    assert Counter(content.test.labels) == {"neg": 4, "pos": 2}
    assert not set(content.training.pool.texts) & set(content.test.texts)
    assert content == halved(texts("all", neg=9, pos=4), ("neg", "pos"))


def test_a_class_with_one_text_cannot_be_halved() -> None:
    with pytest.raises(InputError, match="the class 'pos' has 1 text, and half of each class"):
        halved(texts("all", neg=9, pos=1), ("neg", "pos"))
