"""Masked language modelling: which tokens are hidden, and its loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.token_masking import Hidden, TokenMasking, masked_loss
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.tuning.soft_templates import template_tokens
from tests.tiny_models import tiny_bert


@pytest.fixture(scope="module")
def lm() -> MaskedLM:
    return MaskedLM(*tiny_bert(), device="cpu")


def lines(lm, texts) -> list[np.ndarray]:
    return [np.array(lm.tokenizer(text)["input_ids"], dtype=np.int32) for text in texts]


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


def test_virtual_tokens_are_never_hidden():
    masking = TokenMasking(mask_id=4, special_ids=np.arange(5), n_tokens=100, probability=1.0)
    ids = [np.arange(5, 10, dtype=np.int32), np.arange(20, 23, dtype=np.int32)]

    hidden = masking.hide(ids, np.random.default_rng(0), np.array([[1, 2], [0, 2]]))

    assert hidden.positions.tolist() == [0, 3, 4, 1]
    assert hidden.rows.tolist() == [0, 0, 0, 1]
    assert hidden.soft_positions.tolist() == [[1, 2], [0, 2]]


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


def test_the_loss_reads_virtual_tokens_as_they_are_tuned(lm):
    template = Template("{soft:2} {text} {mask}")
    tokens = template_tokens(lm, template)
    own = lm.copy(lambda name: False, tokens)
    slots = tokenize_slots(lm.tokenizer, [template], Examples({"text": ["football"]}), lm.tokens)
    prompts = build_prompts(lm.tokenizer, template, slots, max_length=16)
    word = np.array([prompts.ids[0].tolist().index(lm.tokenizer("football")["input_ids"][1])])
    hidden = Hidden(prompts.ids, np.array([0]), word, np.array([7]), prompts.soft_positions)

    masked_loss(own, hidden).backward()

    (tuned,) = own.tuned_parameters().values()
    assert bool(tuned.grad.any())
