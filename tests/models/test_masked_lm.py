"""MaskedLM: exactly the model's own logits, for the words asked, whatever else is in the batch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertModel

from fewshot.data.examples import Examples
from fewshot.errors import ModelError
from fewshot.models import mask_head
from fewshot.models.masked_lm import EncoderCounts, MaskedLM
from fewshot.prompting.prompts import Prompts, build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from tests import tiny_models
from tests.tiny_models import WHOLE_HEADS

TEXTS = [
    "the film was great and the actor was very good",
    "bad",
    "",
    "government election news : the market is very poor , and so is the bank of the man",
    "an awful movie",
    "the film was great and the actor was very bad",
    "wonderful dreadful basketball",
]


def prompts_for(lm: MaskedLM, texts=TEXTS, pattern="{text} it was {mask}.", **options) -> Prompts:
    template = Template(pattern)
    slots = tokenize_slots(lm.tokenizer, [template], Examples({"text": list(texts)}))
    options = {"max_length": lm.max_length} | options
    return build_prompts(lm.tokenizer, template, slots, **options)


def full_logits(model, prompts: Prompts) -> torch.Tensor:
    """The model's own logits over the vocabulary at the masks, one prompt at a time."""
    rows = []
    with torch.inference_mode():
        for ids, positions in zip(prompts.ids, prompts.mask_positions, strict=True):
            batch = torch.from_numpy(ids.astype(np.int64))[None]
            rows.append(model(input_ids=batch).logits[0, torch.from_numpy(positions)])
    return torch.stack(rows)  # [n, masks, vocab]


def all_of_it(name: str) -> bool:
    return True


def fresh_copy(lm: MaskedLM) -> MaskedLM:
    """The same weights with nothing remembered."""
    return lm.copy(lambda name: False)


def logits_of(lm: MaskedLM, prompts: Prompts, tokens: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return lm.mask_head.token_logits(torch.from_numpy(lm.states(prompts).mask), tokens)


@pytest.fixture(scope="module")
def lm(tiny) -> MaskedLM:
    return MaskedLM(*tiny, device="cpu")


@pytest.fixture
def bert(tiny_bert) -> MaskedLM:
    return MaskedLM(*tiny_bert, device="cpu")


@pytest.fixture(params=[1, 2])
def n_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


# ---- The fast path is exact -------------------------------------------------------------------


@pytest.mark.parametrize("n_masks", [1, 3])
def test_the_fast_path_equals_the_models_own_logits(tiny, lm, n_masks):
    prompts = prompts_for(lm, n_masks=n_masks)
    tokens = torch.tensor([len(lm.tokenizer) - 1, 0, 7, 33, 7])

    ours = logits_of(lm, prompts, tokens)

    assert ours.shape == (len(TEXTS), n_masks, 5)
    torch.testing.assert_close(ours, full_logits(tiny[0], prompts)[..., tokens], atol=1e-5, rtol=0)


def test_the_path_with_gradients_equals_the_models_own_logits(tiny, lm):
    prompts = prompts_for(lm)
    tokens = torch.arange(11, 19)

    with torch.no_grad():
        mask, mean = lm.forward(prompts)  # padded
        ours = lm.mask_head.token_logits(mask, tokens)

    assert mean.shape == (len(TEXTS), 32)
    torch.testing.assert_close(ours, full_logits(tiny[0], prompts)[..., tokens], atol=1e-4, rtol=0)


def test_gradients_are_those_of_the_model_itself(tiny, lm):
    prompts = prompts_for(lm, TEXTS[:1])
    model = copy.deepcopy(tiny[0]).requires_grad_(True)
    ids = torch.from_numpy(prompts.ids[0].astype(np.int64))[None]
    model(input_ids=ids).logits[0, prompts.mask_positions[0, 0], 20:23].sum().backward()
    expected = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    twin = lm.copy(all_of_it)
    mask, _ = twin.forward(prompts)
    twin.mask_head.token_logits(mask, torch.arange(20, 23)).sum().backward()

    grads = {name: p.grad for name, p in twin.tuned_parameters().items() if p.grad is not None}
    assert grads.keys() == expected.keys()
    for name, grad in grads.items():
        scale = float(expected[name].abs().max()) + 1e-6
        torch.testing.assert_close(grad / scale, expected[name] / scale, atol=1e-3, rtol=0)


def test_the_mean_state_is_the_mean_over_the_tokens_without_padding(tiny_bert, bert):
    prompts = prompts_for(bert)
    with torch.inference_mode():
        expected = [
            tiny_bert[0].bert(torch.from_numpy(ids.astype(np.int64))[None])[0][0].mean(0)
            for ids in prompts.ids
        ]
        padded = bert.forward(prompts)[1]

    torch.testing.assert_close(torch.from_numpy(bert.states(prompts).mean), torch.stack(expected))
    torch.testing.assert_close(padded, torch.stack(expected), atol=1e-5, rtol=1e-5)


class _Sizes(TorchDispatchMode):
    """Collects the sizes of all tensors of numbers that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                self.seen.update(tensor.shape)
        return result


def test_nothing_as_wide_as_the_vocabulary_is_computed(lm, family, monkeypatch):
    monkeypatch.setattr(mask_head, "_VOCABULARY_BLOCK", 100)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # what is computed on other threads is not seen
    n_rows = len(lm.model.get_input_embeddings().weight)
    fresh = fresh_copy(lm)
    monkeypatch.setattr(MaskedLM, "weights_state", lambda self: 0)  # looks at a column, untouched

    with _Sizes() as sizes:
        mask = torch.from_numpy(fresh.states(prompts_for(fresh)).mask)
        with torch.inference_mode():
            fresh.mask_head.token_logits(mask, torch.arange(5))
            if family not in WHOLE_HEADS:
                fresh.mask_head.log_normalizer(mask)
    torch.set_num_threads(before)

    assert {32, 100} <= sizes.seen or family in WHOLE_HEADS  # it did look
    assert (n_rows in sizes.seen) == (family in WHOLE_HEADS)


# ---- Independence of the batch ----------------------------------------------------------------


def test_states_do_not_depend_on_the_batch_to_the_last_bit(lm, n_threads):
    prompts = prompts_for(lm)
    together = fresh_copy(lm).states(prompts)

    for rows in ([3], [0], [5, 0], [6, 5, 4, 3, 2, 1, 0], [1, 1, 2, 4, 4]):
        alone = fresh_copy(lm).states(prompts.take(rows))

        assert np.array_equal(alone.mask, together.mask[rows])
        assert np.array_equal(alone.mean, together.mean[rows])


# ---- Counting and remembering -----------------------------------------------------------------


def test_each_text_is_encoded_once(bert):
    bert.states(prompts_for(bert, TEXTS[:4]))
    bert.states(prompts_for(bert, TEXTS[2:] + TEXTS))

    n_tokens = int(prompts_for(bert).lengths.sum())
    assert bert.counts == EncoderCounts(len(TEXTS), n_tokens)


# ---- Lengths ----------------------------------------------------------------------------------


def test_the_longest_prompt_that_positions_allow_can_be_encoded(tiny, lm):
    prompts = prompts_for(lm, ["film " * 200])

    assert lm.max_length == 96
    assert prompts.lengths.tolist() == [96]
    expected = full_logits(tiny[0], prompts)[..., :5]
    ours = logits_of(lm, prompts, torch.arange(5))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("max_length", [0, -1, 97])
def test_a_length_that_the_model_does_not_take_is_refused(bert, max_length):
    with pytest.raises(ModelError, match=f"from 1 to 96 for this model, got {max_length}"):
        bert.checked_max_length(max_length)
    assert [bert.checked_max_length(n) for n in (96, 20, None)] == [96, 20, 96]


def test_the_tokenizers_own_limit_counts_too(tiny_bert):
    tokenizer = copy.deepcopy(tiny_bert[1])
    tokenizer.model_max_length = 40

    assert MaskedLM(tiny_bert[0], tokenizer, device="cpu").max_length == 40


# ---- Copies -----------------------------------------------------------------------------------


def test_a_deep_copy_is_the_object_itself(bert):
    assert copy.deepcopy(bert) is bert
    assert copy.deepcopy({"model": [bert]})["model"][0] is bert


def test_a_pickled_model_gives_the_same_states(lm):
    prompts = prompts_for(lm)

    again = pickle.loads(pickle.dumps(lm))

    assert np.array_equal(again.states(prompts).mask, lm.states(prompts).mask)
    assert repr(again) == repr(lm)
    assert again.max_length == lm.max_length


def test_a_pickle_leaves_remembered_states_out(bert):
    before = len(pickle.dumps(bert))
    bert.states(prompts_for(bert, [f"{a} film {b}" for a in range(10) for b in range(10)]))

    assert abs(len(pickle.dumps(bert)) - before) < 1000


def test_a_copy_shares_what_is_frozen(lm):
    twin = lm.copy(lambda name: name.endswith("bias"))

    ours, theirs = dict(lm.model.named_parameters()), dict(twin.model.named_parameters())
    assert ours.keys() == theirs.keys()
    for name, parameter in theirs.items():
        is_shared = parameter.data_ptr() == ours[name].data_ptr()
        assert is_shared == (not name.endswith("bias"))
        assert parameter.requires_grad == name.endswith("bias")
    assert set(twin.tuned_parameters()) == {name for name in ours if name.endswith("bias")}


def test_tuning_a_copy_leaves_the_original_as_it_was(lm):
    prompts = prompts_for(lm)
    before = {name: p.detach().clone() for name, p in lm.model.state_dict().items()}
    states = fresh_copy(lm).states(prompts)

    twin = lm.copy(all_of_it)
    with torch.no_grad():
        for parameter in twin.tuned_parameters().values():
            parameter.add_(0.1)
    twin.freeze()

    assert all(torch.equal(p, before[name]) for name, p in lm.model.state_dict().items())
    assert np.array_equal(fresh_copy(lm).states(prompts).mask, states.mask)
    assert not np.allclose(twin.states(prompts).mask, states.mask)


def test_a_copy_has_tied_weights_tied(bert):
    twin = bert.copy(all_of_it)
    assert twin.model.get_output_embeddings().weight is twin.model.get_input_embeddings().weight

    with torch.no_grad():
        twin.model.get_input_embeddings().weight[7].zero_()

    bias = float(twin.model.get_output_embeddings().bias[7].detach())
    prompts = prompts_for(twin)
    assert logits_of(twin, prompts, torch.tensor([7])).flatten().tolist() == pytest.approx(
        [bias] * len(TEXTS)
    )


def test_a_changed_copy_scores_with_its_changed_head_and_decoder(lm):
    prompts = prompts_for(lm)
    twin = lm.copy(all_of_it)
    with torch.no_grad():
        for parameter in twin.tuned_parameters().values():
            parameter.mul_(1.05)
    twin.freeze()

    tokens = torch.arange(30, 40)
    expected = full_logits(twin.model, prompts)[..., tokens]
    torch.testing.assert_close(logits_of(twin, prompts, tokens), expected, atol=1e-4, rtol=1e-5)


def test_freezing_forgets_states_of_the_old_weights(bert):
    twin = bert.copy(all_of_it)
    prompts = prompts_for(twin)
    old = twin.states(prompts)
    with torch.no_grad():
        for parameter in twin.tuned_parameters().values():
            parameter.mul_(1.1)

    twin.freeze()

    assert not twin.tuned_parameters()
    assert not np.allclose(twin.states(prompts).mask, old.mask)


def test_training_mode_reaches_encoder_and_head(bert):
    twin = bert.copy(all_of_it)

    twin.train()
    assert all(module.training for module in twin.model.modules())
    twin.train(False)

    assert not any(module.training for module in twin.model.modules())
    assert not bert.model.training


# ---- The caller's own objects -----------------------------------------------------------------


def test_the_callers_model_is_left_alone(tiny):
    model, tokenizer = tiny
    model = copy.deepcopy(model).train()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    ids = torch.arange(10)[None]

    lm = MaskedLM(model, tokenizer, device="cpu")
    lm.states(prompts_for(lm))

    assert model.training
    assert all(p.requires_grad for p in model.parameters())
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
    assert model(input_ids=ids).logits.shape[:2] == (1, 10)
    assert model(input_ids=ids).logits.shape[-1] >= len(tokenizer)


def test_the_weights_of_the_callers_model_are_shared_not_copied(tiny_bert):
    lm = MaskedLM(*tiny_bert, device="cpu")

    theirs = dict(tiny_bert[0].named_parameters())
    assert all(p.data_ptr() == theirs[name].data_ptr() for name, p in lm.model.named_parameters())


# ---- Models that do not fit -------------------------------------------------------------------


def test_a_tokenizer_without_mask_token_is_refused(tiny_causal):
    with pytest.raises(ModelError, match=r"has no mask token.*use a masked language model"):
        MaskedLM(*tiny_causal)


def test_a_model_without_mlm_head_is_refused(tiny_bert):
    headless = BertModel(tiny_bert[0].config)

    with pytest.raises(ModelError, match="BertModel has no MLM head; load it with Auto"):
        MaskedLM(headless, tiny_bert[1])


def test_the_name_is_shown(tiny_bert):
    assert repr(MaskedLM(*tiny_bert, name="my-model")) == "MaskedLM('my-model')"
    assert repr(MaskedLM(*tiny_bert)) == "MaskedLM('BertForMaskedLM')"


def test_speed_is_measured_without_counting(bert):
    assert bert.tokens_per_second(prompts_for(bert)) > 0
    assert bert.counts.prompts == 0


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float16, 2**-10), (torch.bfloat16, 2**-7)], ids=str
)
def test_a_model_in_half_precision_is_computed_in_full(dtype, bound):
    model, tokenizer = tiny_models.tiny_bert()
    exact = MaskedLM(copy.deepcopy(model), tokenizer)
    prompts = prompts_for(exact)

    lm = MaskedLM(model.to(dtype), tokenizer)

    assert {p.dtype for p in model.parameters()} == {dtype}  # the caller's stays as it was
    assert {p.dtype for p in lm.model.parameters()} == {torch.float32}
    rounded = MaskedLM(model.float(), tokenizer)
    np.testing.assert_array_equal(lm.states(prompts).mask, rounded.states(prompts).mask)
    difference = np.abs(lm.states(prompts).mask - exact.states(prompts).mask).max()
    assert 0 < difference < 4 * bound * np.abs(exact.states(prompts).mask).max()


# ---- What the caller does to a wrapped model --------------------------------------------------


def _train(model):
    model.train().requires_grad_(True)
    model(input_ids=torch.arange(8)[None]).logits.square().mean().backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    model.eval()


def _double_in_place(model):
    model.load_state_dict({n: 2 * t if n.endswith("weight") else t for n, t in _state(model)})


def _state(model):
    return [(name, tensor.clone()) for name, tensor in model.state_dict().items()]


def _double_past_the_count(model):
    for parameter in model.parameters():
        parameter.data.mul_(2)


def _one_row(model):
    model.get_input_embeddings().weight.data[7] += 1.0  # as users initialize a token


@pytest.mark.parametrize("change", [_train, _double_in_place, _double_past_the_count, _one_row])
def test_states_are_those_of_the_weights_as_they_are_now(change):
    model, tokenizer = tiny_models.tiny_bert()
    lm = MaskedLM(model, tokenizer)
    prompts = prompts_for(lm, [tokenizer.decode([7])])
    before = lm.states(prompts).mask

    change(model)

    assert not np.allclose(lm.states(prompts).mask, before)
    again = MaskedLM(model, tokenizer).states(prompts)
    np.testing.assert_array_equal(lm.states(prompts).mask, again.mask)


def _assign(model):
    model.load_state_dict({name: 2 * tensor for name, tensor in _state(model)}, assign=True)


@pytest.mark.parametrize(
    "change",
    [
        _assign,
        lambda model: model.half(),
        lambda model: model.resize_token_embeddings(400),
        lambda model: model.train(),
    ],
    ids=["assign", "half", "resize", "train"],
)
def test_what_replaces_tensors_of_the_callers_model_leaves_the_wrapped_one(change):
    model, tokenizer = tiny_models.tiny_bert()
    lm = MaskedLM(model, tokenizer)
    prompts = prompts_for(lm)
    before = lm.states(prompts).mask

    change(model)

    np.testing.assert_array_equal(fresh_copy(lm).states(prompts).mask, before)
