"""Checks of a model and its tokenizer when they are wrapped, before any text is read."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import nn

from fewshot.errors import ModelError
from fewshot.models.parts import Backbone

_WIDE = (torch.float32, torch.float64)
_HALF = (torch.float16, torch.bfloat16)
PROBE_TOKENS = 8  # Funnel takes no fewer than some
_OTHERS = "use a masked language model such as BERT, RoBERTa or 'fewshot-mini'"
# Code of other libraries, run on a model that they may not have been written for.
CANNOT_RUN = (RuntimeError, TypeError, AttributeError, ValueError, LookupError)


def check_fits(model: Any, tokenizer: transformers.PreTrainedTokenizerBase, name: str) -> None:
    """Raise ModelError for what cannot fill in a mask: other models, tokenizers and weights."""
    _check_unknown_token(tokenizer, name)
    if getattr(tokenizer, "mask_token_id", None) is None:
        raise ModelError(f"{name} has no mask token, so it cannot fill in a template; {_OTHERS}")
    if getattr(model, "get_output_embeddings", lambda: None)() is None:
        if type(model).__name__.endswith("ForMaskedLM"):
            raise ModelError(
                f"the MLM head of {name} has no matrix with a row for each token, which label "
                f"words need; {_OTHERS}"
            )
        raise ModelError(f"{name} has no MLM head; load it with AutoModelForMaskedLM")
    kinds = {parameter.dtype for parameter in model.parameters()} - {*_WIDE, *_HALF}
    if kinds:
        raise ModelError(
            f"{name} has weights in {sorted(map(str, kinds))}, which cannot be tuned; load it with "
            "dtype=torch.float32"
        )
    _check_vocabulary(model, tokenizer, name)
    check_weights(model, name)


def is_half(model: nn.Module) -> bool:
    """Return whether some weights are in half precision, in which training gives NaN."""
    return any(parameter.dtype in _HALF for parameter in model.parameters())


def check_weights(module: nn.Module, name: str) -> None:
    """Raise ModelError at weights that are NaN or infinite, with their names."""
    bad = [
        own
        for own, parameter in module.named_parameters()
        # The sum is quick, and finite numbers may add up to infinity.
        if not bool(parameter.detach().sum().isfinite() or parameter.detach().isfinite().all())
    ]
    if bad:
        raise ModelError(
            f"{name} has weights that are not finite numbers, in {bad[:3]}: its training has "
            "diverged, or its file is damaged; use another copy or an earlier checkpoint"
        )


def check_runs(model: Backbone, mask_id: int, name: str) -> None:
    """Raise ModelError if the encoder does not give one state for each token of a text."""
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            ids = torch.full((1, PROBE_TOKENS), mask_id, dtype=torch.int64, device=device)
            states = model.base_model(input_ids=ids)[0]
    except CANNOT_RUN as error:
        raise ModelError(f"{name} cannot read a text: {error}") from error
    expected = (1, PROBE_TOKENS, model.config.hidden_size)
    if states.shape != expected:
        raise ModelError(
            f"{name} gives states of shape {tuple(states.shape)} for {PROBE_TOKENS} "
            f"tokens, where {expected} was expected; {_OTHERS}"
        )


def _check_unknown_token(tokenizer: Any, name: str) -> None:
    """Raise ModelError if the token for unknown words is one that the vocabulary lacks."""
    try:
        _ = getattr(tokenizer, "unk_token_id", None)
    except RecursionError:  # its id is looked for as that of an unknown token
        raise ModelError(
            f"the tokenizer of {name} has unk_token={tokenizer.unk_token!r}, which is not in its "
            "vocabulary; name one of its tokens, or null, in its tokenizer_config.json"
        ) from None


def _check_vocabulary(model: Backbone, tokenizer: Any, name: str) -> None:
    """Raise ModelError if the tokenizer has tokens for which the model has no row."""
    n_rows = len(model.get_input_embeddings().get_parameter("weight"))
    if len(tokenizer) > n_rows:
        raise ModelError(
            f"the tokenizer has {len(tokenizer)} tokens, but {name} has embeddings for {n_rows}; "
            "call model.resize_token_embeddings(len(tokenizer)) after adding tokens (and train "
            "them), or use the model's own tokenizer"
        )
