"""Tuning a sentence encoder on pairs."""

from __future__ import annotations

import logging
import random
import warnings

import numpy as np
import pytest
import torch

from fewshot.classifiers.pair_training import PairTraining, train_on_pairs
from tests.tiny_sentences import tiny_sentence_transformer

TEXTS = ["a great film", "great fun", "an awful film", "bad"]
PAIRS = np.array([[0, 1, 1], [2, 3, 1], [0, 2, 0], [1, 3, 0]] * 4)


def settings(**changed):
    defaults = {
        "learning_rate": 1e-3,
        "num_epochs": 3,
        "batch_size": 8,
        "batch_tokens": 40,
        "seed": 0,
        "show_progress": False,
    }
    return PairTraining(**(defaults | changed))


@pytest.fixture
def transformer(tiny_bert):
    return tiny_sentence_transformer(tiny_bert)


def cosines(transformer):
    vectors = transformer.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    return np.array([vectors[i] @ vectors[j] for i, j, _ in PAIRS[:4]])


def test_training_brings_pairs_towards_their_targets(transformer):
    before = np.abs(cosines(transformer) - PAIRS[:4, 2]).mean()

    history = train_on_pairs(transformer, TEXTS, PAIRS, settings(num_epochs=10))

    assert np.abs(cosines(transformer) - PAIRS[:4, 2]).mean() < before - 0.1
    assert [row["epoch"] for row in history] == list(range(10))
    assert history[-1]["loss"] < history[0]["loss"]


def test_first_loss_is_the_mean_squared_difference_of_cosine_and_target(transformer):
    expected = ((cosines(transformer) - PAIRS[:4, 2]) ** 2).mean()

    # One step, before which nothing has changed.
    [row] = train_on_pairs(transformer, TEXTS, PAIRS, settings(num_epochs=1, batch_size=16))

    assert row["loss"] == pytest.approx(expected, abs=1e-4)


def test_seed_decides(tiny_bert):
    weights = []
    for seed in (0, 0, 1):
        transformer = tiny_sentence_transformer(tiny_bert)
        train_on_pairs(transformer, TEXTS, PAIRS, settings(seed=seed, batch_size=4))
        weights.append(next(transformer.parameters()).detach().clone())

    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_training_leaves_all_global_states_as_they_were(transformer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    train_on_pairs(transformer, TEXTS, PAIRS, settings())  # imports change some settings once
    levels = {name: logging.getLogger(name).level for name in ("setfit", "transformers")}
    filters = list(warnings.filters)

    train_on_pairs(transformer, TEXTS, PAIRS, settings())

    assert states[0] == random.getstate()
    assert (states[1] == np.random.get_state()[1]).all()
    assert torch.equal(states[2], torch.get_rng_state())
    assert levels == {name: logging.getLogger(name).level for name in levels}
    assert filters == warnings.filters
    assert not list(tmp_path.iterdir())
    assert not transformer.training


def test_nothing_is_printed_or_warned(transformer, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        train_on_pairs(transformer, TEXTS, PAIRS, settings())

    assert capfd.readouterr() == ("", "")


def test_progress_shows_the_pairs_and_the_steps(transformer, capfd, monkeypatch):
    monkeypatch.setattr("fewshot.classifiers.pair_training._BAR_DELAY", 0)

    train_on_pairs(transformer, TEXTS, PAIRS, settings(show_progress=True))

    output = capfd.readouterr()
    assert "setfit, 16 pairs: 100%" in output.err
    assert "6/6" in output.err
    assert output.out == ""
