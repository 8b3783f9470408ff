"""Attention with a prefix: the formula, masks, and that positions do not shift."""

from __future__ import annotations

import copy

import pytest
import torch

from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning.soft_prompts import prefix_attention
from fewshot.tuning.soft_prompts.prefix_attention import (
    KeysValues,
    attend,
    attention_modules,
    put_prefix,
    record_attention,
)
from tests.models.test_masked_lm import prompts_for

WITHOUT = {"deberta", "deberta_v2", "deberta_v2_tied", "mpnet"}


def by_hand(query, keys, values, mask=None) -> torch.Tensor:
    scores = query @ keys.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1) @ values


def some(*shape) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_prefixes_stand_before_the_keys_and_values_of_the_text():
    query, own = some(2, 3, 5, 4), KeysValues(some(2, 3, 5, 4), some(2, 3, 5, 4) * 2)
    one, two = (KeysValues(some(3, n, 4), some(3, n, 4) + 1) for n in (1, 2))

    output = attend(query, own, None, (one, two))

    keys, values = (
        torch.cat([part.expand(2, -1, -1, -1) for part in (a, b)] + [c], 2)
        for a, b, c in zip(one, two, own, strict=True)
    )
    torch.testing.assert_close(output, by_hand(query, keys, values))


@pytest.mark.parametrize("kind", ["bool", "added"])
def test_a_mask_hides_text_and_never_the_prefix(kind):
    query, own = some(1, 2, 3, 4), KeysValues(some(1, 2, 3, 4), some(1, 2, 3, 4) * 2)
    prefix = KeysValues(some(2, 1, 4), some(2, 1, 4) + 1)
    seen = torch.tensor([True, True, False])[None, None, None].expand(1, 1, 3, 3)
    mask = seen if kind == "bool" else torch.where(seen, 0.0, torch.finfo().min)

    output = attend(query, own, mask, (prefix,))

    keys = torch.cat([prefix.keys[None], own.keys[:, :, :2]], 2)
    values = torch.cat([prefix.values[None], own.values[:, :, :2]], 2)
    torch.testing.assert_close(output, by_hand(query, keys, values))


def attend_past_prefixes(query, own, attention_mask, prefixes, **settings) -> torch.Tensor:
    """Put the prefixes before the text as usual, but behind a mask."""
    n_new = sum(part.keys.shape[1] for part in prefixes)
    if attention_mask is None:
        attention_mask = torch.ones(1, 1, 1, own.keys.shape[2], dtype=torch.bool)
    hidden = False if attention_mask.dtype == torch.bool else torch.finfo().min
    shape = (*attention_mask.shape[:-1], n_new)
    both = [
        torch.cat([*(part[i].expand(len(query), -1, -1, -1) for part in prefixes), own[i]], 2)
        for i in (0, 1)
    ]
    mask = torch.cat([attention_mask.new_full(shape, hidden), attention_mask], -1)
    return attend(query, KeysValues(*both), mask, (), **settings)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_a_prefix_behind_a_mask_leaves_the_model_as_it_is(
    tiny, family, implementation, monkeypatch
):
    if family in WITHOUT:
        pytest.skip("refused")
    model = copy.deepcopy(tiny[0])
    model.set_attn_implementation(implementation)
    lm = MaskedLM(model, tiny[1], device="cpu")
    prompts = prompts_for(lm)
    twin = lm.copy(lambda _name: False)
    for module in attention_modules(twin.model).values():
        put_prefix(twin.model, module, lambda: KeysValues(some(2, 5, 16), some(2, 5, 16) + 1))
    with torch.no_grad():
        expected = lm.forward(prompts)
        assert (twin.forward(prompts)[0] - expected[0]).abs().max() > 0.01

        monkeypatch.setattr(prefix_attention, "attend", attend_past_prefixes)
        found = twin.forward(prompts)

    # Positions would shift otherwise, as they do elsewhere.
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert twin.model.config._attn_implementation == implementation


def test_keys_and_values_can_be_recorded(tiny_bert):
    lm = MaskedLM(*tiny_bert, device="cpu").copy(lambda _name: False)
    module = attention_modules(lm.model)["bert.encoder.layer.0.attention.self"]
    recorded: list[KeysValues] = []
    record_attention(lm.model, module, recorded.append)

    with torch.no_grad():
        lm.forward(prompts_for(lm).take([1]))

    length = prompts_for(lm).lengths[1]
    assert recorded[0].keys.shape == recorded[0].values.shape == (1, 2, length, 16)


def test_architectures_without_a_place_for_a_prefix_are_refused(tiny, family):
    if family not in WITHOUT:
        assert len(attention_modules(tiny[0])) == (1 if family == "albert" else 2)
        return
    with pytest.raises(
        TuningError, match=r"attention of .*ForMaskedLM.*use tuning='prompt', 'lora'"
    ):
        attention_modules(tiny[0])


def test_other_implementations_of_attention_are_refused(tiny_bert):
    model = copy.deepcopy(tiny_bert[0])
    model.config._attn_implementation = "flash_attention_2"

    with pytest.raises(TuningError, match=r"\['eager', 'sdpa'\], got 'flash_attention_2'"):
        attention_modules(model)
