"""Masked language modelling: which tokens are hidden, and what is learned from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.errors import InputError, TuningError
from fewshot.masked_lm import MaskedLM
from fewshot.pretraining import (
    Corpus,
    Hidden,
    Pretraining,
    TokenMasking,
    even_batches,
    masked_loss,
    pretrain,
)
from fewshot.rounds import Checkpoint, started
from tests.tiny_models import tiny_bert

NONE = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def lm() -> MaskedLM:
    return MaskedLM(*tiny_bert(), device="cpu")


def lines(lm, texts) -> list[np.ndarray]:
    return [np.array(lm.tokenizer(text)["input_ids"], dtype=np.int32) for text in texts]


def corpus(lm, n=12) -> Corpus:
    texts = ["football team goal", "vote of the government", "law and election of the world"]
    ids = lines(lm, [texts[i % 3] for i in range(n)])
    return Corpus(ids, [NONE] * n)


def run(lm, data, settings, folder=None):
    checkpoint = Checkpoint(folder)
    checkpoint.begin(0, {})
    with started(checkpoint, settings.num_epochs, "PCP", show_progress=False) as rounds:
        return pretrain(lm, data, settings, 7, rounds)


# ---- Hiding tokens ----------------------------------------------------------------------------


def test_shares_of_hidden_tokens():  # pcp.md, E3
    masking = TokenMasking(mask_id=4, special_ids=np.array([0, 1, 2, 3, 4]), n_tokens=1000)
    rng = np.random.default_rng(0)
    ids = [rng.integers(5, 1000, 1000).astype(np.int32) for _ in range(400)]

    hidden = masking.hide(ids, rng)

    new = np.concatenate(hidden.ids)[hidden.rows * 1000 + hidden.positions]
    n = 400_000
    assert len(new) / n == pytest.approx(0.15, abs=0.002)
    assert (new == 4).sum() / n == pytest.approx(0.12, abs=0.002)
    assert (new == hidden.originals).sum() / n == pytest.approx(0.015, abs=0.001)
    is_random = (new != 4) & (new != hidden.originals)
    assert is_random.sum() / n == pytest.approx(0.015, abs=0.001)


def test_a_label_word_is_a_target_fifteen_times_in_a_hundred_epochs():  # pcp.md, E3
    masking = TokenMasking(mask_id=4, special_ids=np.arange(5), n_tokens=1000)
    line = [np.arange(5, 25, dtype=np.int32)]

    counts = [
        sum(9 in masking.hide(line, rng).positions for _ in range(100))
        for rng in map(np.random.default_rng, range(200))
    ]

    assert np.mean(counts) == pytest.approx(15, abs=0.8)
    assert np.std(counts) == pytest.approx(3.57, abs=0.6)


def test_special_tokens_are_never_hidden_and_never_put_in():
    special = np.array([0, 1, 2, 3, 4])
    masking = TokenMasking(mask_id=4, special_ids=special, n_tokens=8, probability=1.0)
    ids = [np.array([1, 5, 6, 7, 2, 0, 0], dtype=np.int32)] * 200

    hidden = masking.hide(ids, np.random.default_rng(0))

    assert set(hidden.positions.tolist()) == {1, 2, 3}
    new = np.array(hidden.ids)[hidden.rows, hidden.positions]
    assert set(new.tolist()) == {4, 5, 6, 7}


def test_what_is_not_chosen_stays():
    masking = TokenMasking(mask_id=4, special_ids=np.arange(5), n_tokens=100)
    ids = [np.arange(5, 60, dtype=np.int32), np.arange(60, 99, dtype=np.int32)]

    hidden = masking.hide(ids, np.random.default_rng(0))

    for row, line in enumerate(ids):
        restored = hidden.ids[row].copy()
        restored[hidden.positions[hidden.rows == row]] = hidden.originals[hidden.rows == row]
        assert restored.tolist() == line.tolist()


def test_chosen_positions_can_be_asked_for():
    masking = TokenMasking(4, np.arange(5), 100, probability=1e-9)
    ids = [np.arange(5, 15, dtype=np.int32)] * 2

    hidden = masking.hide(ids, np.random.default_rng(0), [np.array([3]), np.array([0, 9])])

    assert hidden.rows.tolist() == [0, 1, 1]
    assert hidden.positions.tolist() == [3, 0, 9]
    assert hidden.originals.tolist() == [8, 5, 14]


def test_each_draw_is_new():
    masking = TokenMasking(4, np.arange(5), 100)
    rng = np.random.default_rng(0)
    ids = [np.arange(5, 95, dtype=np.int32)]

    first, second = masking.hide(ids, rng), masking.hide(ids, rng)

    assert first.positions.tolist() != second.positions.tolist()


# ---- Loss -------------------------------------------------------------------------------------


def test_the_loss_is_that_of_transformers(tiny):
    lm = MaskedLM(*tiny, device="cpu")
    ids = lines(lm, ["football team goal", "the government of the world"])
    masked = [row.copy() for row in ids]
    masked[0][2] = masked[1][1] = lm.tokenizer.mask_token_id
    originals = np.array([ids[0][2], ids[1][1]], dtype=np.int64)
    hidden = Hidden(masked, np.array([0, 1]), np.array([2, 1]), originals)

    total = 0.0
    for row, position in ((0, 2), (1, 1)):
        labels = torch.full((1, len(ids[row])), -100)
        labels[0, position] = int(ids[row][position])
        batch = torch.from_numpy(masked[row].astype(np.int64))[None]
        with torch.inference_mode():
            total += float(lm.model(input_ids=batch, labels=labels).loss)

    with torch.inference_mode():
        assert float(masked_loss(lm, hidden)) == pytest.approx(total / 2, rel=1e-4)


def test_without_a_target_the_loss_is_zero(lm):
    empty = np.empty(0, dtype=np.int64)

    assert float(masked_loss(lm, Hidden(lines(lm, ["a"]), empty, empty, empty))) == 0.0


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


def test_an_interrupted_training_goes_on_to_the_same_weights(lm, tmp_path, monkeypatch):
    settings = Pretraining(1e-3, 4, batch_size=4)
    whole, history = run(lm, corpus(lm), settings)
    import fewshot.pretraining as module

    plain, epochs = module._Run.epoch, []

    def broken(self, number):
        if number == 2 and not epochs:
            epochs.append(number)
            raise KeyboardInterrupt
        plain(self, number)

    monkeypatch.setattr(module._Run, "epoch", broken)
    with pytest.raises(KeyboardInterrupt):
        run(lm, corpus(lm), settings, tmp_path)
    again, resumed = run(lm, corpus(lm), settings, tmp_path)

    for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [row["loss"] for row in resumed] == [row["loss"] for row in history]
    assert list(tmp_path.iterdir()) == []


def test_a_diverging_loss_is_raised(lm):
    with pytest.raises(TuningError, match="diverged; lower learning_rate"):
        run(lm, corpus(lm), Pretraining(1e30, 5))


@pytest.mark.parametrize(
    ("n_lines", "batch_size", "steps"),
    # pcp.md, E4, rounded up as newer trainers do: 6,227 lines of SST-2, 8,999 of MNLI, 1,597 of cr.
    [(6227, 128, 4900), (8999, 128, 7100), (1597, 128, 1300)],
)
def test_the_number_of_updates(n_lines, batch_size, steps):
    assert Pretraining(num_epochs=100, batch_size=batch_size).steps(n_lines) == steps


def test_batches_hold_every_row_once_and_little_padding():
    rng = np.random.default_rng(0)
    lengths = rng.integers(5, 200, 1000)

    batches = list(even_batches(lengths, 16, rng))

    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.05 * lengths.sum()


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.0},
        {"learning_rate": "fast"},
        {"num_epochs": -1},
        {"num_epochs": 1.5},
        {"batch_size": 0},
        {"mask_probability": 0.0},
        {"mask_probability": 1.1},
        {"embeddings": "none"},
        {"weight_decay": -0.1},
        {"warmup_ratio": 1.5},
    ],
    ids=str,
)
def test_bad_settings_are_refused(settings):
    with pytest.raises(InputError, match=f"{next(iter(settings))} of Pretraining is"):
        Pretraining(**settings).check()
