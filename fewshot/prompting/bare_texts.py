"""Token ids of texts without a template."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fewshot.prompting.tokens import TOKENIZER_LOCK, Tokenizer


def token_ids(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int
) -> tuple[list[npt.NDArray[np.int32]], int]:
    """Tokenise whole texts with the special tokens of the model.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    texts : sequence of str
    pairs : sequence of str, optional
        Second texts.
    max_length : int
        Longer texts lose their end; of a pair, the longer one.

    Returns
    -------
    ids : list of ndarray of int32
    n_truncated : int
        How many were cut.
    """
    ids = _encode(tokenizer, list(texts), None if pairs is None else list(pairs), None)
    long = [i for i, row in enumerate(ids) if len(row) > max_length]
    if long:
        second = None if pairs is None else [pairs[i] for i in long]
        cut = _encode(tokenizer, [texts[i] for i in long], second, max_length)
        for i, row in zip(long, cut, strict=True):
            ids[i] = row
    return [np.array(row, dtype=np.int32) for row in ids], len(long)


def _encode(
    tokenizer: Tokenizer, texts: list[str], pairs: list[str] | None, max_length: int | None
) -> list[list[int]]:
    with TOKENIZER_LOCK:
        encoded = tokenizer(
            texts,
            pairs,
            truncation=max_length is not None,
            max_length=max_length,
            padding=False,
            split_special_tokens=True,  # "[SEP]" in a text stays text
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
    ids: list[list[int]] = encoded["input_ids"]
    return ids
