"""Tokenizers of transformers as files of the tokenizers library."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fewshot.errors import ModelError
from fewshot.prompting.tokens import added_special
from fewshot.runtime.manifest import TOKENIZER, TokenizerSettings


def write_tokenizer(tokenizer: Any, folder: Path) -> TokenizerSettings:
    """Write a tokenizer; return what its file does not say."""
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"{type(tokenizer).__name__} is written in Python, so it cannot run without "
            "transformers; load the model with its fast tokenizer (use_fast=True)"
        )
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER), pretty=False)
    named = {n: str(t) for n, t in tokenizer.special_tokens_map.items() if isinstance(t, str)}
    side: Literal["left", "right"] = "left" if tokenizer.truncation_side == "left" else "right"
    return {"roles": named, "added": added_special(tokenizer), "truncation_side": side}
