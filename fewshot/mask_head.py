"""The MLM head of a model, run on chosen states without its encoder."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import transformers
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

__all__ = ["mask_head", "stub_encoder"]


def stub_encoder(model: transformers.PreTrainedModel) -> nn.Module:
    """Return the model with a stub for the encoder; all weights are shared."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in _tensors(model)}
    shared[id(model.base_model)] = _StubEncoder(model.base_model)
    return copy.deepcopy(model, shared)


def mask_head(model: transformers.PreTrainedModel) -> nn.Module:
    """Return the model's own MLM head up to the decoder, as a model of given states."""
    head = stub_encoder(model)
    head.get_output_embeddings().forward = _identity  # type: ignore[operator]
    return head.eval()


class _StubEncoder(nn.Module):
    """Stands in for the encoder and hands on the states that it is given."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        # Past nn.Module, which would register it; some heads read the encoder's embeddings.
        object.__setattr__(self, "_encoder", encoder)

    def forward(self, *_: object, **kwargs: Tensor) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=kwargs["inputs_embeds"])

    def __getattr__(self, name: str) -> Any:  # as in nn.Module
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_encoder"), name)


def _identity(states: Tensor) -> Tensor:
    return states


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
