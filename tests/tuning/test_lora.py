"""LoRA: low-rank updates that start at nothing, count as they should, and can be merged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import LoRA, merge
from fewshot.tuning.lora import LoRAModules
from tests.models.test_added_modules import fresh_copy, is_other, moved, prompts_for
from tests.tuning.tasks import make_task


def n_new(strategy: LoRA, task) -> int:
    added = strategy.new_modules(task)
    return sum(parameter.numel() for parameter in added.parameters())


def test_at_the_start_nothing_changes_to_the_last_bit(tiny):
    task = make_task(tiny)
    lm = task.scorer.lm

    prepared = LoRA(rank=4).prepare(task).scorer.lm

    prompts = task.views[1]
    assert np.array_equal(prepared.states(prompts).mask, lm.states(prompts).mask)


def test_the_number_of_parameters_is_rank_times_inputs_and_outputs_of_each_matrix(tiny, family):
    n_layers = 1 if family == "albert" else 2
    # Query and value; or one matrix of three times the outputs.
    per_layer = 4 * (32 + 96) if family in ("deberta", "modernbert") else 2 * 4 * (32 + 32)

    assert n_new(LoRA(rank=4), make_task(tiny)) == n_layers * per_layer


def test_all_matrices_of_a_layer_can_be_targets(tiny_bert):
    targets = ["query", "key", "value", "attention_output", "intermediate", "output"]

    # 4 of 32 x 32, and 32 x 64 twice, in two layers.
    expected = 2 * 2 * (4 * 64 + 2 * 96)
    assert n_new(LoRA(rank=2, targets=targets), make_task(tiny_bert)) == expected


def test_an_update_is_alpha_over_rank_times_the_product(tiny_bert):
    lm = MaskedLM(*tiny_bert, device="cpu")
    name = "bert.encoder.layer.0.attention.self.query"
    added = LoRAModules(lm.model, [name], rank=2, alpha=6.0, dropout=0.0)
    with torch.no_grad():
        added.down[0].fill_(1.0)
        added.up[0].fill_(0.5)

    assert added.update(0).shape == (32, 32)
    assert torch.equal(added.update(0), torch.full((32, 32), 3.0))  # 6 / 2 * (0.5 + 0.5)


def test_merged_weights_give_the_same_logits_and_leave_the_tuned_model_alone(tiny):
    task = make_task(tiny)
    tuned = moved(LoRA(rank=4, targets=["query", "value", "output"]).prepare(task).scorer.lm, 0.1)
    prompts = task.views[1]
    expected = tuned.states(prompts)

    merged = merge(tuned)

    assert merged.added is None
    np.testing.assert_allclose(merged.states(prompts).mask, expected.mask, atol=1e-4)
    assert np.array_equal(fresh_copy(tuned).states(prompts).mask, expected.mask)
    assert np.array_equal(
        fresh_copy(task.scorer.lm).states(prompts).mask, task.scorer.lm.states(prompts).mask
    )
    assert is_other(expected.mask, task.scorer.lm.states(prompts).mask)


def test_merging_shares_what_has_no_update(tiny_bert):
    tuned = moved(LoRA().prepare(make_task(tiny_bert)).scorer.lm)

    merged = merge(tuned)

    ours = dict(tuned.model.named_parameters())
    for name, parameter in merged.model.named_parameters():
        is_updated = name.endswith(("query.weight", "value.weight"))
        assert (parameter.data_ptr() == ours[name].data_ptr()) != is_updated


def test_only_a_model_with_low_rank_updates_can_be_merged(tiny_bert):
    with pytest.raises(TuningError, match="merge takes a model tuned with LoRA"):
        merge(make_task(tiny_bert).scorer.lm)


def test_dropout_acts_in_training_only(tiny_bert):
    lm = LoRA(dropout=0.5).prepare(make_task(tiny_bert)).scorer.lm
    moved(lm)
    prompts = prompts_for(lm)

    def twice() -> bool:
        with torch.no_grad():
            return torch.equal(lm.forward(prompts)[0], lm.forward(prompts)[0])

    assert twice()
    lm.train()
    assert not twice()


def test_a_tuned_model_can_be_tuned_once_more_on_top(tiny_bert):
    task = make_task(tiny_bert)
    first = LoRA(num_epochs=1, learning_rate=0.01).tune(task).scorer
    before = {name: p.detach().clone() for name, p in first.lm.added.named_parameters()}

    second = LoRA(rank=2, num_epochs=1).tune(replace(task, scorer=first)).scorer.lm

    assert second.added.upper.rank == 2
    for name, parameter in second.added.lower.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.data_ptr() == first.lm.added.get_parameter(name).data_ptr()
