"""Unlabelled texts: opaque to scikit-learn, read in parts, sampled within a bound."""

from __future__ import annotations

import datasets
import numpy as np
import pandas as pd
import pytest
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params

from fewshot import Unlabeled
from fewshot.data.examples import Examples
from fewshot.data.unlabeled import draw_pool, text_keys
from fewshot.errors import InputError

TEXTS = [f"text {i}" for i in range(3000)]
NOTHING = np.empty(0, dtype=np.uint64)


def pool(texts, largest=5000, without=NOTHING, fields=("text",), seed=0):
    rng = np.random.default_rng(seed)
    return draw_pool(
        Unlabeled(texts).batches(fields), fields, largest=largest, without=without, rng=rng
    )


def test_cross_validation_does_not_slice_it():
    X = ["a", "b", "c"]
    container = Unlabeled(["x", "y", "z"])

    passed = _check_method_params(X, {"unlabeled": container}, indices=[0])

    assert passed["unlabeled"] is container


def test_it_has_nothing_that_scikit_learn_takes_for_rows():
    container = Unlabeled(TEXTS)

    for name in ("__len__", "__getitem__", "__iter__", "shape", "__array__"):
        assert not hasattr(container, name)
    with pytest.raises(Exception, match=r"len|subscript|scalar|iterable|Expected"):
        _safe_indexing(container, [0])


@pytest.mark.parametrize("bad", ["a text", b"bytes", {"text": ["a"]}, {"a"}, 3, None])
def test_what_holds_no_texts_in_order_is_refused(bad):
    with pytest.raises(InputError, match=r"Unlabeled takes a sequence or stream of texts"):
        Unlabeled(bad)


def test_it_is_shown_without_its_texts():
    assert repr(Unlabeled(TEXTS)) == "Unlabeled(list)"


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        iter,
        lambda texts: (text for text in texts),
        lambda texts: np.array(texts, dtype=object),
        pd.Series,
        lambda texts: pd.DataFrame({"text": texts}),
        lambda texts: pd.DataFrame({"label": range(len(texts)), "text": texts}),
        lambda texts: datasets.Dataset.from_dict({"text": texts}),
        lambda texts: datasets.Dataset.from_dict({"sentence": texts}),
        lambda texts: datasets.Dataset.from_dict({"text": texts, "label": [0] * len(texts)}),
        lambda texts: datasets.Dataset.from_dict({"text": texts})["text"],
        lambda texts: datasets.Dataset.from_dict({"text": texts}).to_iterable_dataset(),
    ],
)
def test_all_kinds_of_containers_are_read(container):
    assert pool(container(TEXTS)).examples.columns == {"text": TEXTS}


def test_pairs_are_read_by_field():
    pairs = [("a", "b"), ("c", "d")]

    found = pool(pairs, fields=("one", "two")).examples

    assert found == Examples({"one": ["a", "c"], "two": ["b", "d"]})


@pytest.mark.parametrize("n", [2, 2000])
def test_rows_of_an_array_hold_the_fields(n):
    pairs = np.array([[f"a {i}", f"b {i}"] for i in range(n)], dtype=object)

    columns = pool(pairs, fields=("first", "second")).examples.columns

    assert columns == {"first": pairs[:, 0].tolist(), "second": pairs[:, 1].tolist()}
    assert pool(pairs[:, :1]).examples.joined() == pairs[:, 0].tolist()


def test_a_stream_is_never_held_whole():
    alive = largest_alive = 0

    class Counted(str):
        def __del__(self):
            nonlocal alive
            alive -= 1

    def stream():
        nonlocal alive, largest_alive
        for i in range(20_000):
            alive += 1
            largest_alive = max(largest_alive, alive)
            yield Counted(f"text {i}")

    found = pool(stream(), largest=50)

    assert len(found) == 50
    assert found.n_read == 20_000
    assert largest_alive < 4000


def test_a_stream_is_read_once_only():
    container = Unlabeled(iter(TEXTS))
    next(container.batches(["text"]))

    with pytest.raises(InputError, match="was read before and is empty now"):
        next(container.batches(["text"]))


def test_a_list_can_be_read_again():
    container = Unlabeled(TEXTS)

    assert sum(len(part) for part in container.batches(["text"])) == 3000
    assert sum(len(part) for part in container.batches(["text"])) == 3000


def test_every_text_is_equally_likely_to_be_drawn():
    texts = [str(i) for i in range(10)]

    drawn = [text for seed in range(2000) for text in pool(texts, 3, seed=seed).examples.joined()]

    counts = np.bincount([int(text) for text in drawn], minlength=10)
    # 6,000 draws of ten: 600 each, standard deviation 20.5.
    assert abs(counts - 600).max() < 85


def test_the_sample_keeps_the_order_of_the_texts_and_follows_the_seed():
    first, again, other = pool(TEXTS, 20), pool(TEXTS, 20), pool(TEXTS, 20, seed=1)

    numbers = [int(text.split()[1]) for text in first.examples.joined()]
    assert numbers == sorted(numbers)
    assert first == again
    assert first != other


def test_labelled_and_blank_texts_are_left_out():
    known = text_keys(Examples({"text": [" b "]}))

    found = pool(["a", "b", "", "  ", "c", "b"], without=known)

    assert found.examples.joined() == ["a", "c"]
    assert found.n_read == 6


def test_a_repeated_text_counts_once():
    found = pool(["a", "b", "a", " b"] * 1000 + ["c"], largest=2000)

    assert found.examples.joined() == ["a", "b", "c"]


def test_an_empty_stream_gives_an_empty_pool():
    assert len(pool(iter([]))) == 0


def test_a_bad_text_is_named_by_its_row():
    with pytest.raises(InputError, match=r"unlabelled texts \(from row 2048 on.*row 2"):
        pool([*TEXTS[:2050], None])


def test_keys_tell_fields_apart():
    keys = text_keys(Examples({"a": ["x", "x y"], "b": ["y z", "z"]}))

    assert keys.dtype == np.uint64
    assert keys[0] != keys[1]
