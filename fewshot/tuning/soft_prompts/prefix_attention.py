"""Attention that also reads given keys and values, before those of the text."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import transformers
from torch import Tensor, nn

from fewshot.errors import TuningError
from fewshot.models.added_modules import before
from fewshot.models.parts import Backbone, encoder_layers

_NAME = "fewshot_prefix"
_ARGUMENT = "fewshot_prefixes"
# Others take masks of another kind.
_KNOWN = ("eager", "sdpa")


class KeysValues(NamedTuple):
    """Keys and values of one attention, [..., n_heads, length, head_size]."""

    keys: Tensor
    values: Tensor


def attention_modules(model: Backbone) -> dict[str, nn.Module]:
    """Return the attention modules of all layers, the lowest first, by name."""
    # An architecture with an attention of its own (DeBERTa, MPNet) has no place for keys without a
    # position: a TuningError.
    found = {}
    for layer in encoder_layers(model):
        inside = layer.parts.get("key", layer.parts.get("query_key_value", layer.name))
        name = inside.rpartition(".")[0]
        module = model.get_submodule(name)
        interface = sys.modules[type(module).__module__]
        if not hasattr(interface, "ALL_ATTENTION_FUNCTIONS") or not hasattr(module, "config"):
            raise TuningError(
                f"a prefix cannot be put into the attention of {type(model).__name__}, whose keys "
                "have relative positions; use tuning='prompt', 'lora' or 'adapter'"
            )
        found[name] = module
    implementation = model.config._attn_implementation
    if implementation not in _KNOWN:
        raise TuningError(
            f"a prefix needs a model loaded with attn_implementation of {list(_KNOWN)}, got "
            f"{implementation!r}"
        )
    return found


def put_prefix(model: Backbone, module: nn.Module, prefix: Callable[[], KeysValues]) -> None:
    """Let an attention module read the keys and values that `prefix` returns at each call."""
    # They are [n_heads, length, head_size] and have no positions, so those of the text do not
    # shift.
    _use_interface(model, module)

    def hand_in(inputs: Any, keywords: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        prefixes = (*keywords.get(_ARGUMENT, ()), prefix())
        return inputs, keywords | {_ARGUMENT: prefixes}

    before(module, hand_in)


def record_attention(
    model: Backbone, module: nn.Module, record: Callable[[KeysValues], None]
) -> None:
    """Pass the keys and values of an attention module [n, n_heads, length, head_size] on."""
    _use_interface(model, module)
    before(module, lambda inputs, keywords: (inputs, keywords | {"fewshot_record": record}))


def attend(
    query: Tensor,
    own: KeysValues,
    attention_mask: Tensor | None,
    prefixes: tuple[KeysValues, ...],
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
) -> Tensor:
    """Attend to keys of the text and to prefixes [n_heads, length, head_size], never masked."""
    # `query` and `own` are [n, n_heads, length, head_size]. The mask is broadcast to [n, n_heads,
    # length, length]; it is bool (True is read) or added.
    if prefixes:
        n = query.shape[0]  # a trace takes len() for a constant
        keys = [prefix.keys.expand(n, -1, -1, -1) for prefix in prefixes]
        values = [prefix.values.expand(n, -1, -1, -1) for prefix in prefixes]
        n_new = sum(part.shape[2] for part in keys)
        own = KeysValues(torch.cat([*keys, own.keys], 2), torch.cat([*values, own.values], 2))
        if attention_mask is not None:
            is_read = True if attention_mask.dtype == torch.bool else 0.0
            seen = attention_mask.new_full((*attention_mask.shape[:-1], n_new), is_read)
            attention_mask = torch.cat([seen, attention_mask], -1)
    return nn.functional.scaled_dot_product_attention(
        query, own.keys, own.values, attn_mask=attention_mask, dropout_p=dropout, scale=scaling
    )


def _use_interface(model: Backbone, module: nn.Module) -> None:
    """Make a module attend by :func:`attend`; the model's own configuration stays as it is."""
    transformers.AttentionInterface.register(_NAME, _attention)
    config = copy.copy(model.config)
    config._attn_implementation = _NAME
    setattr(module, "config", config)  # noqa: B010  # nn.Module types attributes as tensors


def _attention(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    fewshot_prefixes: tuple[KeysValues, ...] = (),
    fewshot_record: Callable[[KeysValues], None] | None = None,
    **_others: object,  # transformers passes what some implementation may need
) -> tuple[Tensor, None]:
    if fewshot_record is not None:
        fewshot_record(KeysValues(key, value))
    output = attend(
        query,
        KeysValues(key, value),
        attention_mask,
        fewshot_prefixes,
        dropout=dropout,
        scaling=scaling,
    )
    return output.transpose(1, 2).contiguous(), None
