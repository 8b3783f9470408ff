"""The SetFit baseline."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from fewshot.classifiers.setfit import SetFitClassifier
from tests.tiny_models import tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

TEXTS = ["a great film", "an awful film", "great fun", "awful", "great", "bad awful film"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]


def make(transformer=None, **settings):
    defaults = {"learning_rate": 1e-3, "max_pairs": 32, "random_state": 0, "verbose": 0}
    return SetFitClassifier(transformer, **(defaults | settings))


@pytest.fixture(scope="module")
def transformer():
    return tiny_sentence_transformer(tiny_bert())


@pytest.fixture(scope="module")
def fitted(transformer):
    return make(transformer).fit(TEXTS, LABELS)


def test_it_learns(fitted):
    assert fitted.predict(TEXTS).tolist() == LABELS


def test_fitted_attributes(fitted):
    assert fitted.coef_.shape == (32, 2)
    assert fitted.n_pairs_ == 2 * 12  # 12 of one class, 9 of two, oversampled
    [epoch] = fitted.history_
    assert epoch["loss"] > 0
    assert epoch["tokens"] > 24 * 2 * 3


def test_numbers_of_any_type_are_settings(transformer, fitted):
    clf = make(transformer, batch_size=np.int64(16), num_epochs=np.int32(1))
    one = make(transformer, learning_rate=1, max_pairs=2).fit(TEXTS, LABELS)

    clf.set_params(learning_rate=np.float64(1e-3)).fit(TEXTS, LABELS)

    assert np.array_equal(clf.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert one.classes_.tolist() == ["neg", "pos"]


def test_no_epoch_leaves_the_encoder_as_it_is(transformer):
    clf = make(transformer, num_epochs=0).fit(TEXTS, LABELS)

    pairs = zip(transformer.parameters(), clf.encoder_.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert clf.history_ == []


@pytest.mark.parametrize(
    ("settings", "n_steps"),
    [
        ({"max_pairs": 2000}, 48),  # 768 pairs by 16
        ({"num_epochs": 2}, 4),  # capped to 32 pairs
        ({"max_pairs": 2000, "num_iterations": 20}, 80),  # 40 pairs a text
    ],
)
def test_dry_run_tells_the_steps(transformer, settings, n_steps):
    cost = make(transformer, **settings).dry_run(["great film"] * 32, [0, 1, 2, 3] * 8)

    assert (cost.n_texts, cost.n_tokens, cost.n_steps) == (32, 128, n_steps)
    assert cost.seconds > 0


def test_twenty_classes_of_fifty_texts_do_not_explode(transformer):
    cost = SetFitClassifier(transformer, verbose=0).dry_run(["great"] * 1000, list(range(20)) * 50)

    assert cost.n_steps == 125


def test_one_text_a_class_is_enough(transformer):
    clf = make(transformer).fit(["great", "bad"], [0, 1])

    assert clf.n_pairs_ == 4  # each text with itself, and the pair of both, twice
    assert clf.predict(["great", "bad"]).tolist() == [0, 1]


def test_fits_in_threads_equal_those_one_after_the_other(transformer):
    def learned(seed):
        return make(transformer, random_state=seed).fit(TEXTS, LABELS).predict_proba(TEXTS)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(learned, range(4)))

    np.testing.assert_array_equal(found, [learned(seed) for seed in range(4)])
