"""Modules beside a frozen model: they act, they stay apart, and they follow copies and pickles."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.models.added_modules import (
    AddedModules,
    EmbeddedPrompts,
    Stacked,
    after,
    before,
    detach,
)
from fewshot.models.masked_lm import MaskedLM
from tests.models.test_masked_lm import fresh_copy, prompts_for

N_INSERTED = 2


class Push(AddedModules):
    """Adds one vector to all word embeddings, by a hook."""

    def __init__(self, model) -> None:
        super().__init__()
        width = model.get_input_embeddings().weight.shape[1]
        self.vector = nn.Parameter(torch.zeros(width))
        self.register_buffer("fixed", torch.ones(width))

    @property
    def settings(self):
        return {}

    def attach(self, model) -> None:
        after(model.get_input_embeddings(), self._push)

    def _push(self, _inputs, output):
        return output + self.fixed * self.vector


class Insert(AddedModules):
    """Inserts vectors after the first token."""

    def __init__(self, model, length=N_INSERTED) -> None:
        super().__init__()
        table = model.get_input_embeddings().weight
        self.vectors = nn.Parameter(table[5 : 5 + length].detach().clone())

    @property
    def settings(self):
        return {"length": len(self.vectors)}

    @property
    def n_inserted(self) -> int:
        return len(self.vectors)

    def embed(self, ids, attention, embeddings) -> EmbeddedPrompts:
        new = self.vectors.expand(len(ids), -1, -1)
        ones = attention.new_ones(len(ids), self.n_inserted)
        return EmbeddedPrompts(
            torch.cat([embeddings[:, :1], new, embeddings[:, 1:]], 1),
            torch.cat([attention[:, :1], ones, attention[:, 1:]], 1),
            self.n_inserted,
        )


def nothing(_name: str) -> bool:
    return False


def moved(lm: MaskedLM, by: float = 0.3) -> MaskedLM:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in lm.tuned_parameters().values():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))
    lm.freeze()
    return lm


def is_other(states, others) -> bool:
    return bool(np.abs(states - others).max() > 1e-2)


@pytest.fixture(scope="module")
def lm(tiny) -> MaskedLM:
    return MaskedLM(*tiny, device="cpu")


@pytest.fixture
def bert(tiny_bert) -> MaskedLM:
    return MaskedLM(*tiny_bert, device="cpu")


# ---- Acting -----------------------------------------------------------------------------------


def test_at_zero_a_hook_changes_no_bit_and_later_it_does(lm):
    prompts = prompts_for(lm)
    expected = fresh_copy(lm).states(prompts)

    twin = lm.copy(nothing, Push(lm.model))

    assert np.array_equal(twin.states(prompts).mask, expected.mask)
    assert is_other(moved(twin).states(prompts).mask, expected.mask)


def test_inserted_vectors_are_those_of_the_same_words_as_text(lm):
    # The words 5 and 6 of the vocabulary, after the first token.
    prompts = prompts_for(lm)
    longer = type(prompts)(
        [np.concatenate([ids[:1], np.array([5, 6], np.int32), ids[1:]]) for ids in prompts.ids],
        prompts.mask_positions + 2,
        prompts.examples,
        prompts.n_examples,
        prompts.n_truncated,
    )
    with torch.no_grad():
        expected, _ = lm.forward(longer)

        at_mask, _ = lm.copy(nothing, Insert(lm.model)).forward(prompts)

    torch.testing.assert_close(at_mask, expected, atol=1e-4, rtol=1e-4)


def test_the_mean_is_taken_over_the_tokens_of_the_text_only(bert):
    prompts = prompts_for(bert, ["a good film", "bad"])
    twin = bert.copy(nothing, Insert(bert.model))
    kept = []
    after(twin.model.base_model, lambda _inputs, output: kept.append(output[0]) or output)

    with torch.no_grad():
        _, mean = twin.forward(prompts)

    for row, length in enumerate(prompts.lengths):
        states = torch.cat([kept[0][row, :1], kept[0][row, 3 : length + 2]])
        torch.testing.assert_close(mean[row], states.mean(0))


@pytest.mark.parametrize("kind", [Push, Insert])
def test_a_padded_batch_gives_the_states_of_single_prompts(lm, kind):
    prompts = prompts_for(lm)
    twin = moved(lm.copy(nothing, kind(lm.model)))

    with torch.no_grad():
        mask, mean = twin.forward(prompts)

    states = twin.states(prompts)
    np.testing.assert_allclose(mask.numpy(), states.mask, atol=2e-3, rtol=1e-3)
    np.testing.assert_allclose(mean.numpy(), states.mean, atol=2e-3, rtol=1e-3)


def test_arguments_can_be_changed_before_a_module_runs(bert):
    prompts = prompts_for(bert)
    twin = bert.copy(nothing)
    one_word = torch.full((1, 1), 50)
    before(
        twin.model.get_input_embeddings(),
        lambda inputs, keywords: ((one_word.expand_as(inputs[0]),), keywords),
    )

    states = twin.states(prompts.take([0, 1])).mean

    assert is_other(states, bert.states(prompts.take([0, 1])).mean)
    detach(twin.model)
    assert np.array_equal(fresh_copy(twin).states(prompts).mean, bert.states(prompts).mean)


# ---- Parameters -------------------------------------------------------------------------------


def test_all_added_parameters_are_tuned_and_those_of_the_model_as_asked(lm):
    twin = lm.copy(lambda name: name.endswith("bias"), Push(lm.model))

    tuned = twin.tuned_parameters()

    assert "added.vector" in tuned
    assert all(name == "added.vector" or name.endswith("bias") for name in tuned)
    ours = dict(lm.model.named_parameters())
    for name, parameter in twin.model.named_parameters():
        assert (parameter.data_ptr() == ours[name].data_ptr()) == (not name.endswith("bias"))


def test_the_model_itself_has_no_new_tensor(lm):
    twin = lm.copy(nothing, Push(lm.model))

    assert twin.model.state_dict().keys() == lm.model.state_dict().keys()


def test_freezing_ends_all_gradients_and_forgets_states(bert):
    prompts = prompts_for(bert)
    twin = bert.copy(nothing, Push(bert.model))
    old = twin.states(prompts)
    twin.train()
    assert twin.added.training

    moved(twin)

    assert twin.tuned_parameters() == {}
    assert not twin.added.training
    assert is_other(twin.states(prompts).mask, old.mask)


def test_gradients_reach_added_parameters_only(lm):
    twin = lm.copy(nothing, Insert(lm.model))

    twin.forward(prompts_for(lm))[0].square().sum().backward()

    assert twin.added.vectors.grad.abs().min() > 0
    assert all(parameter.grad is None for parameter in twin.model.parameters())


# ---- Copies and pickles -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Push, Insert])
def test_a_copy_keeps_what_was_added_and_shares_it(lm, kind):
    prompts = prompts_for(lm)
    twin = moved(lm.copy(nothing, kind(lm.model)))

    again = twin.copy(nothing)

    assert np.array_equal(again.states(prompts).mask, twin.states(prompts).mask)
    ours, theirs = twin.added.state_dict(), again.added.state_dict()
    assert all(theirs[name].data_ptr() == ours[name].data_ptr() for name in ours)


def test_a_copy_to_tune_what_was_added_leaves_the_original(bert):
    prompts = prompts_for(bert)
    twin = moved(bert.copy(nothing, Push(bert.model)))
    expected = fresh_copy(twin).states(prompts)

    again = twin.copy(lambda name: name == "added.vector")
    assert list(again.tuned_parameters()) == ["added.vector"]
    moved(again)

    assert np.array_equal(fresh_copy(twin).states(prompts).mask, expected.mask)
    assert is_other(again.states(prompts).mask, expected.mask)


@pytest.mark.parametrize("kinds", [(Push, Push), (Push, Insert), (Insert, Push), (Insert, Insert)])
def test_more_can_be_added_on_top(lm, kinds):
    prompts = prompts_for(lm)
    lower = moved(lm.copy(nothing, kinds[0](lm.model)))

    both = lower.copy(nothing, kinds[1](lm.model))

    assert isinstance(both.added, Stacked)
    assert all(name.startswith("added.upper.") for name in both.tuned_parameters())
    assert both.added.n_inserted == N_INSERTED * kinds.count(Insert)
    before_tuning = both.states(prompts).mask
    assert np.array_equal(before_tuning, lower.states(prompts).mask) == (kinds[1] is Push)
    assert is_other(moved(both).states(prompts).mask, before_tuning)


@pytest.mark.parametrize("kind", [Push, Insert])
def test_a_pickle_brings_it_back(lm, kind):
    prompts = prompts_for(lm)
    twin = moved(lm.copy(nothing, kind(lm.model)))

    again = pickle.loads(pickle.dumps(twin))

    assert np.array_equal(again.states(prompts).mask, twin.states(prompts).mask)
    with torch.no_grad():
        next(again.added.parameters())[..., 3] += 0.5
    assert is_other(again.states(prompts).mask, twin.states(prompts).mask)


def test_two_tasks_on_one_model_do_not_disturb_each_other(lm):
    prompts = prompts_for(lm)
    first = moved(lm.copy(nothing, Push(lm.model)), 0.2)
    second = moved(lm.copy(nothing, Push(lm.model)), -0.4)
    expected = fresh_copy(first).states(prompts).mask

    mine = fresh_copy(second).states(prompts).mask

    assert is_other(mine, expected)
    assert np.array_equal(fresh_copy(first).states(prompts).mask, expected)


def test_hooks_of_others_stay(bert):
    calls = []
    twin = bert.copy(nothing)
    twin.model.get_input_embeddings().register_forward_hook(lambda *_: calls.append(1))

    again = twin.copy(nothing, Push(bert.model)).copy(nothing)
    again.states(prompts_for(bert).take([0]))

    assert calls == [1]
