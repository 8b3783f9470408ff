"""Calls of a tokenizer: one at a time, on plain text."""

from __future__ import annotations

from threading import Lock
from typing import Any, TypeAlias

# Any: transformers' tokenizers share no usable static type.
Tokenizer: TypeAlias = Any

# Whether "[MASK]" in a text is special is a state of the tokenizer that each call sets.
TOKENIZER_LOCK = Lock()


def tells_spaces(tokenizer: Tokenizer) -> bool:
    """Tell whether a text has other tokens after a space than without one."""
    return encode(tokenizer, ["a"]) != encode(tokenizer, [" a"])


def encode(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return the ids of texts, in which names of special tokens are plain text."""
    with TOKENIZER_LOCK:
        encoded = tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
    ids: list[list[int]] = encoded["input_ids"]
    return ids
