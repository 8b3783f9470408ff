"""Tiny sentence encoders: the encoder of a tiny masked language model and mean pooling."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from sentence_transformers import SentenceTransformer

if TYPE_CHECKING:
    from tests.tiny_models import Tiny


def tiny_sentence_transformer(tiny: Tiny) -> SentenceTransformer:
    """Put an encoder of ours into a `SentenceTransformer`, which only reads folders."""
    model, tokenizer = tiny
    with tempfile.TemporaryDirectory() as folder:
        model.base_model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return SentenceTransformer(folder, device="cpu")  # with mean pooling
