"""Models that work exactly, and those that are refused when they are wrapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.errors import ModelError, TuningError
from fewshot.models.masked_lm import MaskedLM
from tests.models.test_masked_lm import full_logits, logits_of, prompts_for
from tests.tiny_models import byte_bpe_tokenizer, tiny_bert

_TOKENIZER = byte_bpe_tokenizer()
_SIZES: dict[str, Any] = {
    "vocab_size": len(_TOKENIZER),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 100,
}
_TWO_SIDED: dict[str, Any] = {
    "vocab_size": len(_TOKENIZER),
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 100,
    "pad_token_id": 1,
}


def _xmod(language: str | None) -> hf.PreTrainedModel:
    model = hf.XmodForMaskedLM(hf.XmodConfig(**_SIZES, languages=["en_XX"], pad_token_id=1))
    if language is not None:
        model.set_default_language(language)
    return model


def _longformer() -> hf.PreTrainedModel:
    return hf.LongformerForMaskedLM(
        hf.LongformerConfig(**_SIZES, attention_window=4, pad_token_id=1)
    )


def _luke() -> hf.PreTrainedModel:
    return hf.LukeForMaskedLM(hf.LukeConfig(**_SIZES, entity_vocab_size=10, entity_emb_size=16))


def _funnel() -> hf.PreTrainedModel:
    sizes = {"d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 64}
    return hf.FunnelForMaskedLM(
        hf.FunnelConfig(
            vocab_size=len(_TOKENIZER), **sizes, block_sizes=[1, 1], num_decoder_layers=1
        )
    )


def _bart() -> hf.PreTrainedModel:
    return hf.BartForConditionalGeneration(hf.BartConfig(**_TWO_SIDED))


FAMILIES: dict[str, Callable[[], hf.PreTrainedModel]] = {
    "longformer": _longformer,
    "luke": _luke,
    "bart": _bart,
    "mbart": lambda: hf.MBartForConditionalGeneration(hf.MBartConfig(**_TWO_SIDED)),
    "mvp": lambda: hf.MvpForConditionalGeneration(hf.MvpConfig(**_TWO_SIDED)),
    "xmod": lambda: _xmod("en_XX"),
    "funnel": _funnel,
    "big_bird": lambda: hf.BigBirdForMaskedLM(
        hf.BigBirdConfig(**_SIZES, attention_type="original_full")
    ),
}


def _made(make: Callable[[], hf.PreTrainedModel]) -> hf.PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_other_families_have_their_own_logits_too(family):
    model = _made(FAMILIES[family])
    lm = MaskedLM(model, _TOKENIZER, device="cpu")
    prompts = prompts_for(lm)
    tokens = torch.tensor([5, 9, 33])

    ours, theirs = logits_of(lm, prompts, tokens), full_logits(model, prompts)[..., tokens]

    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert theirs.std() > 1e-3


def _reformer() -> hf.PreTrainedModel:
    layers = {"attn_layers": ["local"], "local_attn_chunk_length": 4, "axial_pos_embds": False}
    return hf.ReformerForMaskedLM(
        hf.ReformerConfig(
            vocab_size=len(_TOKENIZER),
            hidden_size=32,
            attention_head_size=16,
            num_attention_heads=2,
            feed_forward_size=64,
            is_decoder=False,
            max_position_embeddings=100,
            **layers,
        )
    )


def _perceiver() -> hf.PreTrainedModel:
    heads = {"num_self_attention_heads": 2, "num_cross_attention_heads": 2}
    return hf.PerceiverForMaskedLM(
        hf.PerceiverConfig(
            vocab_size=len(_TOKENIZER),
            d_model=32,
            d_latents=32,
            num_latents=4,
            num_self_attends_per_block=1,
            qk_channels=32,
            v_channels=32,
            max_position_embeddings=100,
            **heads,
        )
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_reformer, r"states of shape \(1, 8, 64\) .* where \(1, 8, 32\) was expected"),
        (_perceiver, "PerceiverForMaskedLM has no matrix with a row for each token"),
        (lambda: _xmod(None), "XmodForMaskedLM cannot read a text: .*set_default_language"),
        (lambda: _bart().to(torch.float8_e5m2), "weights in .*float8_e5m2.*dtype=torch.float32"),
    ],
    ids=["reformer", "perceiver", "xmod", "float8"],
)
def test_a_model_that_cannot_be_used_is_refused_with_the_reason(make, message):
    with pytest.raises(ModelError, match=message):
        MaskedLM(_made(make), _TOKENIZER)


@pytest.mark.parametrize("tuning", ["prompt", "dept", "ept"])
@pytest.mark.parametrize("family", ["bart", "mbart"])
def test_vectors_in_place_of_tokens_are_refused_where_these_are_read_twice(family, tuning):
    lm = MaskedLM(_made(FAMILIES[family]), _TOKENIZER)
    clf = PromptClassifier(
        "{text} {mask}", {"a": "good", "b": "bad"}, model=lm, tuning=tuning, verbose=0
    )

    with pytest.raises(TuningError, match=r"reads them twice.*use tuning='full'"):
        clf.fit(["nice", "poor"], ["a", "b"])


def test_a_tokenizer_with_more_tokens_than_embeddings_is_refused():
    model, tokenizer = tiny_bert()
    n_tokens = len(tokenizer)
    tokenizer.add_tokens(["foobar"])

    message = f"has {n_tokens + 1} tokens.*has embeddings for {n_tokens}.*resize_token_embeddings"
    with pytest.raises(ModelError, match=message):
        MaskedLM(model, tokenizer)
    model.resize_token_embeddings(len(tokenizer))
    lm = MaskedLM(model, tokenizer)

    assert n_tokens in prompts_for(lm, ["foobar good"]).ids[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(value):
    model, tokenizer = tiny_bert()
    with torch.no_grad():
        model.bert.encoder.layer[1].output.dense.bias[3] = value

    with pytest.raises(ModelError, match=r"not finite numbers, in \['bert.encoder.layer.1.output"):
        MaskedLM(model, tokenizer)


def test_a_token_for_unknown_words_that_is_no_token_is_refused():
    model, tokenizer = tiny_bert()
    tokenizer.unk_token = ""  # transformers then looks for its id without end

    with pytest.raises(ModelError, match=r"unk_token=''.*not in its vocabulary; name one"):
        MaskedLM(model, tokenizer)
