"""The MLM head of a model, run without its encoder on states at masks, for chosen tokens."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from fewshot.errors import ModelError
from fewshot.models.reproducible import SMALLEST_PRODUCT, in_large_products

_VOCABULARY_BLOCK = 4096  # rows; keeps the normaliser free of vocabulary-sized logits
_ROWS_AT_ONCE = 256  # states for which something is computed over the vocabulary
_PROBE_TOLERANCE = 1e-3


class MaskHead:
    """The model's own MLM head up to the decoder, and the rows of the decoder; shares weights."""

    def __init__(self, model: transformers.PreTrainedModel) -> None:
        self._model = model
        self._decoder = model.get_output_embeddings()
        self._module = _without_decoder(model)
        # Whether logits are products with rows of the decoder: true but for a few kinds of head.
        self.has_rows = True
        self.has_rows = self._probe()
        if not self.has_rows:
            self._module = _stub_encoder(model).eval()

    @property
    def width(self) -> int:
        """Width of the transformed states."""
        return int(self._decoder.weight.shape[1])

    def train(self, mode: bool = True) -> None:
        """Switch dropout on or off, as in :class:`torch.nn.Module`."""
        self._module.train(mode)

    def transform(self, states: Tensor) -> Tensor:
        """Run the head on last states [..., hidden] up to the decoder: [..., width]."""
        # Without `has_rows` it returns the logits, [..., vocabulary].
        values = in_large_products(self._run, states.flatten(0, -2)[:, None])
        return values.view(*states.shape[:-1], -1)

    def run(self, states: Tensor) -> Tensor:
        """Run the head on states [n, length, hidden] as they are, which a trace can follow."""
        values: Tensor = self._module(inputs_embeds=states).logits
        return values

    def _run(self, rows: Tensor) -> Tensor:
        return self.run(rows)[:, 0]

    def logits(self, states: Tensor) -> Tensor:
        """Return the logits over the whole vocabulary, of last states [..., hidden]."""
        transformed = self.transform(states)
        return self._decoder(transformed) if self.has_rows else transformed

    def token_logits(self, mask: Tensor, token_ids: Tensor) -> Tensor:
        """Return the logits of some tokens, [..., n_tokens]."""
        # `mask` are transformed states; without `has_rows` those of the encoder.
        if not self.has_rows:
            rows = mask.flatten(0, -2).split(_ROWS_AT_ONCE)
            logits = torch.cat([self.transform(part)[..., token_ids] for part in rows])
            return logits.view(*mask.shape[:-1], -1)
        weight, bias = self._decoder.weight[token_ids], self._decoder.bias
        return nn.functional.linear(
            mask, weight.to(mask.dtype), None if bias is None else bias[token_ids].to(mask.dtype)
        )

    def decoder_rows(self, token_ids: Tensor) -> Tensor:
        """Return the decoder's rows of some tokens, [n_tokens, width]."""
        if not self.has_rows:
            raise ModelError(
                f"the MLM head of {type(self._model).__name__} has no row for each token, which "
                "class vectors and neighbours by embeddings need; use words, and by='predictions'"
            )
        weight: Tensor = self._decoder.weight.detach()
        return weight[token_ids.to(weight.device)]

    def decoder_biases(self, token_ids: Tensor) -> Tensor:
        """Return what the decoder adds to the logits of some tokens, [n_tokens]."""
        bias = self._decoder.bias
        if bias is None:
            return torch.zeros(len(token_ids))
        found: Tensor = bias.detach()[token_ids.to(bias.device)]
        return found

    def log_normalizer(self, mask: Tensor) -> Tensor:
        """Return the log of the softmax denominator over the vocabulary, [...]."""
        rows = mask.flatten(0, -2).split(_ROWS_AT_ONCE)
        return torch.cat([self._log_normalizer(part) for part in rows]).view(mask.shape[:-1])

    def _log_normalizer(self, rows: Tensor) -> Tensor:
        if not self.has_rows:
            return self.transform(rows).logsumexp(-1)
        weight = self._decoder.weight
        blocks = torch.arange(len(weight), device=weight.device).split(_VOCABULARY_BLOCK)
        parts = [self.token_logits(rows, block).logsumexp(-1) for block in blocks]
        return torch.stack(parts).logsumexp(0)

    def _probe(self) -> bool:
        """Return whether head and chosen rows give the model's own logits, on random states."""
        # A few heads do more than multiply with rows of a decoder (ESM, MobileBERT, DeBERTa with
        # ``legacy=False``); these are run whole, but still at the mask only.
        generator = torch.Generator().manual_seed(0)
        width = self._model.config.hidden_size
        states = torch.randn(SMALLEST_PRODUCT, 1, width, generator=generator)
        states = states.to(next(self._model.parameters()))
        tokens = torch.arange(5, device=states.device)
        try:
            with torch.inference_mode():
                full = _stub_encoder(self._model)(inputs_embeds=states).logits[..., tokens]
        except (RuntimeError, TypeError, AttributeError, ValueError) as error:
            raise ModelError(
                f"{type(self._model).__name__} cannot be used: its MLM head needs more than the "
                f"last states of the encoder ({error}); use a model such as BERT or RoBERTa"
            ) from error
        try:
            with torch.inference_mode():
                ours = self.token_logits(self.transform(states), tokens)
        except (RuntimeError, IndexError):
            return False
        return full.shape == ours.shape and torch.allclose(full, ours, atol=_PROBE_TOLERANCE)


def _without_decoder(model: transformers.PreTrainedModel) -> nn.Module:
    """Return the model's MLM head up to the decoder, as a model of given states."""
    head = _stub_encoder(model)
    head.get_output_embeddings().forward = _identity  # type: ignore[operator]
    return head.eval()


def _stub_encoder(model: transformers.PreTrainedModel) -> nn.Module:
    """Return the model with a stub for the encoder; all weights are shared."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in _tensors(model)}
    shared[id(model.base_model)] = _StubEncoder(model.base_model)
    return copy.deepcopy(model, shared)


class _StubEncoder(nn.Module):
    """Stands in for the encoder and returns the states that it gets."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        # Past nn.Module, which would register it; some heads read the encoder's embeddings.
        object.__setattr__(self, "_encoder", encoder)

    def forward(self, *_: object, **kwargs: Tensor) -> BaseModelOutput:
        return _States(last_hidden_state=kwargs["inputs_embeds"])

    def __getattr__(self, name: str) -> Any:  # as in nn.Module
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "_encoder"), name)


class _States(BaseModelOutput):
    """States alone: what heads pass on besides, such as attentions, is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def _identity(states: Tensor) -> Tensor:
    return states


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()
