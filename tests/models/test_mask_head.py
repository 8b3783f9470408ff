"""MaskHead: the logits of the model's own MLM head, for chosen states and chosen tokens."""

from __future__ import annotations

import pytest
import torch

from fewshot.errors import ModelError
from fewshot.models import mask_head
from fewshot.models.mask_head import MaskHead
from tests.tiny_models import WHOLE_HEADS

IDS = torch.tensor([[5, 9, 13, 17, 21], [6, 10, 14, 18, 22]])


@pytest.fixture(scope="module")
def model(tiny):
    return tiny[0].eval()


@pytest.fixture(scope="module")
def head(model) -> MaskHead:
    return MaskHead(model)


@pytest.fixture(scope="module")
def states(model) -> torch.Tensor:
    """What the encoder makes of the tokens, [2, 5, hidden]."""
    with torch.inference_mode():
        return model.base_model(input_ids=IDS)[0]


@pytest.fixture(scope="module")
def expected(model) -> torch.Tensor:
    """The model's own logits, [2, 5, vocabulary]."""
    with torch.inference_mode():
        return model(input_ids=IDS).logits


def given_to_tokens(head: MaskHead, states: torch.Tensor) -> torch.Tensor:
    return head.transform(states) if head.has_rows else states


def test_heads_that_do_more_than_multiply_rows_are_run_whole(head, family):
    assert head.has_rows == (family not in WHOLE_HEADS)


@torch.inference_mode()
def test_logits_are_those_of_the_model(head, states, expected):
    torch.testing.assert_close(head.logits(states), expected, atol=1e-4, rtol=1e-5)


@torch.inference_mode()
def test_logits_of_tokens_are_those_of_the_model_in_the_order_asked(head, states, expected):
    tokens = torch.tensor([33, 0, 7, 33])

    logits = head.token_logits(given_to_tokens(head, states), tokens)

    torch.testing.assert_close(logits, expected[..., tokens], atol=1e-4, rtol=1e-5)


@torch.inference_mode()
def test_the_normaliser_is_that_of_the_whole_vocabulary(head, states, expected, monkeypatch):
    monkeypatch.setattr(mask_head, "_VOCABULARY_BLOCK", 100)
    monkeypatch.setattr(mask_head, "_ROWS_AT_ONCE", 3)

    normaliser = head.log_normalizer(given_to_tokens(head, states))

    torch.testing.assert_close(normaliser, expected.logsumexp(-1), atol=1e-4, rtol=1e-5)


@torch.inference_mode()
def test_rows_of_the_decoder_make_logits_but_for_its_bias(model, head, states, expected):
    tokens = torch.tensor([33, 7])
    if not head.has_rows:
        with pytest.raises(ModelError, match=r"has no row for each token.*by='predictions'"):
            head.decoder_rows(tokens)
        return

    transformed = head.transform(states)
    products = transformed @ head.decoder_rows(tokens).T

    assert transformed.shape[-1] == head.width
    bias = model.get_output_embeddings().bias[tokens]
    torch.testing.assert_close(products + bias, expected[..., tokens], atol=1e-4, rtol=1e-5)
