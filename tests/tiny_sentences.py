"""Tiny sentence encoders and cross-encoders, made of a tiny masked language model's encoder."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import torch
from sentence_transformers import CrossEncoder, SentenceTransformer

if TYPE_CHECKING:
    from tests.tiny_models import Tiny


def tiny_sentence_transformer(tiny: Tiny) -> SentenceTransformer:
    """Put an encoder of ours into a `SentenceTransformer`, which only reads folders."""
    model, tokenizer = tiny
    with tempfile.TemporaryDirectory() as folder:
        model.base_model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return SentenceTransformer(folder, device="cpu")  # with mean pooling


def tiny_cross_encoder(tiny: Tiny, num_labels: int = 1) -> CrossEncoder:
    """Put an encoder of ours under a `CrossEncoder`, with a random head."""
    model, tokenizer = tiny
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng():
        torch.manual_seed(0)
        model.base_model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return CrossEncoder(folder, num_labels=num_labels, device="cpu")
