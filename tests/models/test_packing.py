"""Prompts in one row: the states that each has alone, to the last bit, or no packing at all."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fewshot.models.masked_lm import MaskedLM
from fewshot.models.packing import can_pack, plan_packed, run_packed, split_packed
from fewshot.models.reproducible import threads
from tests.models.test_masked_lm import prompts_for
from tests.tiny_models import FAMILIES

PACKED = {"bert", "camembert", "electra", "roberta", "xlm_roberta"}


def prompts(*lengths: int) -> list[np.ndarray]:
    """Draw tokens, now and then the one for padding, which RoBERTa gives no position."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 100, length, dtype=np.int32) for length in lengths]


# ---- Which models -----------------------------------------------------------------------------


def test_families_with_plain_attention_and_given_positions_are_packed(tiny, family):
    assert can_pack(tiny[0].eval()) == (family in PACKED)


def test_attention_over_the_whole_row_is_not_packed(tiny_bert):
    model = copy.deepcopy(tiny_bert[0]).eval()
    model.set_attn_implementation("eager")

    assert not can_pack(model)


def test_a_layer_that_mixes_tokens_is_not_packed(tiny_bert):
    class Mixing(nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return states + states.mean(1, keepdim=True)

    model = copy.deepcopy(tiny_bert[0]).eval()
    model.bert.encoder.layer[0].intermediate.intermediate_act_fn = Mixing()

    assert not can_pack(model)


def test_a_model_that_takes_no_such_row_is_not_packed(tiny_bert):
    model = copy.deepcopy(tiny_bert[0]).eval()
    for layer in model.bert.encoder.layer:
        layer.chunk_size_feed_forward = 7  # rows must have a multiple of it

    assert not can_pack(model)


def test_attention_that_is_changed_later_ends_packing(tiny_bert):
    model, tokenizer = tiny_bert
    lm = MaskedLM(copy.deepcopy(model), tokenizer, device="cpu")
    texts = ["good", "a good film", "bad"]
    lm.states(prompts_for(lm, texts))

    lm.model.set_attn_implementation("eager")
    lm.freeze()  # forgets the states

    together = lm.states(prompts_for(lm, texts)).mean
    lm.freeze()
    assert np.array_equal(together[[0]], lm.states(prompts_for(lm, texts[:1])).mean)


def test_a_model_with_few_positions_is_not_packed(tiny_bert):
    config = copy.deepcopy(tiny_bert[0].config)
    config.max_position_embeddings = 17

    assert not can_pack(type(tiny_bert[0])(config).eval())


# ---- States -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", sorted(PACKED))
def test_states_in_a_row_are_those_of_each_prompt_alone_to_the_last_bit(family):
    model = FAMILIES[family]()[0].eval()
    row = prompts(40, 23, 23, 23, 16, 50, 16)

    with torch.inference_mode():
        packed = run_packed(model, row)
        alone = [model.base_model(input_ids=torch.from_numpy(ids)[None].long())[0] for ids in row]

    assert torch.equal(packed, torch.cat(alone, 1)[0])


def test_rows_are_split_where_the_length_changes():
    rows = torch.arange(11)

    parts = split_packed(rows, prompts(3, 2, 2, 3, 1))

    assert [part.tolist() for part in parts] == [[[0, 1, 2]], [[3, 4], [5, 6]], [[7, 8, 9]], [[10]]]


@pytest.mark.parametrize(("n_threads", "n_passes"), [(1, 1), (2, 2)])
def test_prompts_of_many_lengths_are_one_pass_for_each_thread(tiny_bert, n_threads, n_passes):
    lm = MaskedLM(*tiny_bert, device="cpu")
    lm.states(prompts_for(lm, ["good"]))
    texts = [" ".join(["good"] * n) for n in range(1, 33)]  # 656 tokens with the template's
    seen: list[int] = []
    count = lm.model.get_input_embeddings().register_forward_hook(lambda *_: seen.append(1))

    with threads(n_threads), count:
        lm.states(prompts_for(lm, texts))

    assert len(seen) == n_passes


# ---- Plans ------------------------------------------------------------------------------------


def plan(lengths: list[int], batch_tokens: int, n_threads: int) -> list[list[int]]:
    batches = plan_packed(np.array(lengths, dtype=np.int64), batch_tokens, n_threads)
    return [batch.tolist() for batch in batches]


def test_batches_are_planned_by_hand():
    lengths = [200, 500, 300, 500]  # longest first: 500, 500, 300, 200

    assert plan(lengths, 1500, 1) == [[1, 3, 2, 0]]
    assert plan(lengths, 1500, 2) == [[1, 3], [2, 0]]  # 1,000 tokens start below 750
    assert plan(lengths, 750, 1) == [[1, 3], [2, 0]]
    assert plan(lengths, 750, 3) == [[1], [3], [2, 0]]


def test_few_tokens_are_not_shared_among_threads():
    assert plan([100, 100, 100], 1024, 16) == [[0, 1, 2]]
    assert plan([100], 50, 1) == [[0]]


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 600), min_size=1, max_size=60),
    batch_tokens=st.integers(1, 1024),
    n_threads=st.integers(1, 8),
)
def test_batches_cover_each_row_once_and_keep_to_the_budget(lengths, batch_tokens, n_threads):
    batches = plan(lengths, batch_tokens, n_threads)

    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:  # all but its last prompt
        assert sum(lengths[row] for row in batch[:-1]) < batch_tokens
