"""The maker of the embedded models: its text, its batches, and resuming where it stopped."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from fewshot import load_masked_lm
from fewshot.models.embedded import local_encoder
from tests.tiny_models import tiny_mpnet

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
    import train_embedded

    yield train_embedded
    sys.modules.pop("train_embedded", None)
    sys.modules.pop("mini_probe", None)


def make_data(trainer, lengths):
    rng = np.random.default_rng(0)
    ids = [rng.integers(2000, 3000, n).astype(np.int32) for n in lengths]
    words = trainer.Vocabulary(mask=MASK, padding=0, first=999, size=30522)
    return trainer.Data(
        ids, [np.zeros(n, dtype=np.int8) for n in lengths], np.array(lengths), words
    )


# ---- Text -------------------------------------------------------------------------------------


def test_a_package_of_other_content_is_refused(corpus, tmp_path):
    for package in corpus.PACKAGES:
        (tmp_path / package.file).write_bytes(b"other")

    with pytest.raises(ValueError, match=r"SHA-256 is .*, expected"):
        corpus.fetch(tmp_path)


# ---- Batches ----------------------------------------------------------------------------------


def test_updates_go_on_from_any_step(trainer):
    data = make_data(trainer, [5 + i % 40 for i in range(600)])

    from_start = list(islice(trainer.updates(data, trainer.RECIPES["fewshot-mini"], 0, 0), 12))
    from_fifth = list(islice(trainer.updates(data, trainer.RECIPES["fewshot-mini"], 0, 5), 7))

    for (step, parts), (other_step, other_parts) in zip(from_start[5:], from_fifth, strict=True):
        assert step == other_step
        assert all(np.array_equal(a, b) for a, b in zip(parts, other_parts, strict=True))


def test_parts_hold_their_budget_and_every_row_once_per_epoch(trainer):
    data = make_data(trainer, [5 + i % 40 for i in range(600)])
    recipe = trainer.RECIPES["fewshot-mini"]
    parts = [part for _, made in islice(trainer.updates(data, recipe, 0, 0), 5) for part in made]

    assert max(len(part) * data.lengths[part].max() for part in parts) <= recipe.part_tokens
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

    wide_a, wide_b = trainer.widen(a, b, 128, torch.Generator().manual_seed(0))

    assert wide_a.shape == (trainer.RECIPES["fewshot-mini"].rank, 5)
    assert wide_b.shape == (7, trainer.RECIPES["fewshot-mini"].rank)
    torch.testing.assert_close(wide_b @ wide_a, b @ a)


def test_the_rate_warms_up_and_ends_at_zero(trainer):
    optimizer = trainer.make_optimizer(nn.Linear(2, 2), trainer.RECIPES["fewshot-mini"])
    rates = []

    for progress in (0.0, trainer.WARM_UP, 1.0):
        trainer.set_rate(optimizer, progress)
        rates.append(optimizer.param_groups[1]["lr"])

    assert rates == pytest.approx([0.0, trainer.RECIPES["fewshot-mini"].other_rate, 0.0])


def test_training_goes_on_exactly_from_a_checkpoint(trainer, tmp_path):
    def step(model, optimizer, number):
        optimizer.zero_grad()
        model(torch.full((1, 3), float(number))).square().sum().backward()
        optimizer.step()

    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    optimizer = trainer.make_optimizer(model, trainer.RECIPES["fewshot-mini"])
    trainer.set_rate(optimizer, 0.5)
    for number in range(3):
        step(model, optimizer, number)
    trainer.save_checkpoint(tmp_path / "c.pt", model, optimizer, {"step": 3, "elapsed": 1.5})
    for number in range(3, 6):
        step(model, optimizer, number)

    other = nn.Linear(3, 2)
    other_optimizer = trainer.make_optimizer(other, trainer.RECIPES["fewshot-mini"])
    state = trainer.resume(tmp_path / "c.pt", other, other_optimizer)
    for number in range(int(state["step"]), 6):
        step(other, other_optimizer, number)

    assert state == {"step": 3, "elapsed": 1.5}
    assert torch.equal(other.weight, model.weight)


def low_rank(trainer):
    torch.manual_seed(0)
    linear = nn.Linear(3, 2)
    linear.weight.requires_grad_(False)
    return trainer.LowRank(linear, torch.ones(1, 3), torch.full((2, 1), 2.0)), linear


def test_an_added_update_acts_like_a_changed_weight_and_makes_no_gradient_of_it(trainer):
    layer, linear = low_rank(trainer)
    states = torch.tensor([[1.0, -2.0, 3.0]])

    found = layer(states)
    found.sum().backward()

    # SCALE * B @ A is 4 everywhere; the states sum to 2.
    torch.testing.assert_close(found, linear(states) + 8.0)
    assert layer.weight.grad is None
    assert layer.A.grad.tolist() == [[8.0, -16.0, 24.0]]  # 2 * (2 + 2) * states


def test_the_result_holds_the_update_without_the_anchor(trainer, tmp_path):
    model = nn.ModuleDict({"dense": nn.Linear(3, 2), "anchor": nn.Linear(3, 3, bias=False)})
    model["dense"], _ = low_rank(trainer)

    trainer.export(model, trainer.EMBEDDED["fewshot-mini"], tmp_path / "delta.safetensors")

    delta = load_file(tmp_path / "delta.safetensors")
    assert set(delta) == {"dense.A", "dense.B", "dense.bias"}
    assert delta["dense.B"].tolist() == [[2.0], [2.0]]
    assert {tensor.dtype for tensor in delta.values()} == {torch.float16}


# ---- The anchor -------------------------------------------------------------------------------


def test_the_anchor_is_zero_for_equal_mean_states_and_ignores_padding(trainer):
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [9.0, -9.0]]])  # [1, 3, 2], the last is padding
    attention = torch.tensor([[1, 1, 0]])

    loss = trainer.anchor_loss(nn.Identity(), states, attention, torch.tensor([[2.0, 2.0]]))

    assert float(loss) == pytest.approx(0.0, abs=1e-6)


def test_the_anchor_is_computed_once_and_kept(trainer, tmp_path):
    encoder, asked = tiny_mpnet()[0].mpnet.eval(), []
    encoder.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    ids = [np.array([0, 7, 8, 2]), np.array([0, 9, 2]), np.array([0, 5, 6, 7, 2])]
    words = trainer.Vocabulary(mask=4, padding=1, first=5, size=40)
    data = trainer.Data(ids, [], np.array([4, 3, 5]), words)

    first = trainer.Anchor(encoder, data, tmp_path / "a.npy").of(np.array([1, 0]))
    again = trainer.Anchor(encoder, data, tmp_path / "a.npy").of(np.array([0, 1, 2]))

    assert asked == [2, 1]
    assert torch.equal(again[:2], first.flip(0))
    with torch.no_grad():
        alone = encoder(torch.tensor([[0, 9, 2]])).last_hidden_state.mean(1)
    torch.testing.assert_close(first[:1], alone, atol=0.03, rtol=0.02)  # in half precision


@pytest.mark.parametrize("name", ["fewshot-mini", "fewshot-base"])
def test_what_is_trained_starts_as_the_packaged_model(trainer, name):
    model = trainer.EMBEDDED[name]
    if local_encoder(model) is None:
        pytest.skip(f"the encoder of {name} is not on this machine; get it: {model.remedy}")
    expected = load_masked_lm(name)
    inputs = expected.tokenizer("A text about it.", return_tensors="pt")

    built = trainer.build(
        local_encoder(model), model.delta_file, trainer.RECIPES[name].rank, seed=0
    )

    with torch.no_grad():
        found, wanted = built(**inputs).logits, expected.model(**inputs).logits
    torch.testing.assert_close(found, wanted, atol=2e-3, rtol=1e-3)
    trained = {n for n, p in built.named_parameters() if p.requires_grad} - {"anchor.weight"}
    assert trained == set(load_file(model.delta_file))
