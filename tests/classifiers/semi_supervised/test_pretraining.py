"""Continued pre-training: what is learned from lines, and that it can be taken up again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.classifiers.semi_supervised.pretraining import (
    Pretraining,
    PretrainingRun,
    even_batches,
    pretrain,
)
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.training.checkpoint import Checkpoint
from fewshot.training.rounds import started
from tests.tiny_models import tiny_bert


@pytest.fixture(scope="module")
def lm() -> MaskedLM:
    return MaskedLM(*tiny_bert(), device="cpu")


def lines(lm, texts) -> list[np.ndarray]:
    return [np.array(lm.tokenizer(text)["input_ids"], dtype=np.int32) for text in texts]


def corpus(lm, n=12) -> list[np.ndarray]:
    texts = ["football team goal", "vote of the government", "law and election of the world"]
    return lines(lm, [texts[i % 3] for i in range(n)])


def run(lm, data, settings, folder=None):
    checkpoint = Checkpoint(folder, "one")
    checkpoint.begin(0, {})
    with started(checkpoint, settings.num_epochs, "PCP", show_progress=False) as rounds:
        return pretrain(lm, data, settings, 7, rounds)


# ---- Training ---------------------------------------------------------------------------------


def test_training_lowers_the_loss(lm):
    _, history = run(lm, corpus(lm), Pretraining(3e-3, 15, batch_size=4))

    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_the_model_that_was_given_stays_and_embeddings_are_shared(lm):
    before = {name: p.clone() for name, p in lm.model.named_parameters()}

    own, _ = run(lm, corpus(lm), Pretraining(num_epochs=1))

    assert all(torch.equal(p, before[name]) for name, p in lm.model.named_parameters())
    shared = dict(own.model.named_parameters())
    for name, parameter in lm.model.named_parameters():
        is_shared = shared[name].data_ptr() == parameter.data_ptr()
        assert is_shared == name.endswith("embeddings.weight")


def test_embeddings_are_trained_if_asked_for(lm):
    own, _ = run(lm, corpus(lm), Pretraining(num_epochs=1, embeddings="tuned"))

    name = "bert.embeddings.word_embeddings.weight"
    assert not torch.equal(dict(own.model.named_parameters())[name], lm.model.get_parameter(name))


def test_the_same_seed_gives_the_same_weights(lm):
    one, other = (run(lm, corpus(lm), Pretraining(num_epochs=2))[0] for _ in range(2))

    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("batch_size", [4, 1])  # of 1: some steps hide no token
def test_an_interrupted_training_is_resumed_to_equal_weights(lm, tmp_path, monkeypatch, batch_size):
    settings = Pretraining(1e-3, 4, batch_size=batch_size)
    whole, history = run(lm, corpus(lm), settings)
    plain, epochs = PretrainingRun.epoch, []

    def broken(self, number):
        if number == 2 and not epochs:
            epochs.append(number)
            raise KeyboardInterrupt
        plain(self, number)

    monkeypatch.setattr(PretrainingRun, "epoch", broken)
    with pytest.raises(KeyboardInterrupt):
        run(lm, corpus(lm), settings, tmp_path)
    again, resumed = run(lm, corpus(lm), settings, tmp_path)

    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [row["loss"] for row in resumed] == [row["loss"] for row in history]
    assert list(tmp_path.iterdir()) == []


def test_a_diverging_loss_is_raised(lm):
    with pytest.raises(TuningError, match="diverged; lower learning_rate of Pretraining"):
        run(lm, corpus(lm), Pretraining(1e30, 5))


def test_batches_hold_every_row_once_and_little_padding():
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 200, 1000)

    batches = list(even_batches(lengths, 16, rng))

    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.05 * lengths.sum()


def test_each_epoch_hides_other_tokens(lm):
    still = Pretraining(1e-12, 2, batch_size=12)

    _, history = run(lm, corpus(lm), still)

    assert history[0]["loss"] != pytest.approx(history[1]["loss"], rel=1e-6)
