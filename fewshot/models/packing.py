"""Prompts of several lengths in one row of tokens, so that a few texts make large products too."""

# A product reads all weights, however few rows it has, and few texts of a call share a length. But
# for attention, an encoder treats each token alone: prompts go into one row, one after the other,
# and attention takes those of one length at a time. No bit of a prompt depends on the others.

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from fewshot.errors import ModelError
from fewshot.models.parts import position_limit
from fewshot.models.reproducible import SMALLEST_PRODUCT, threads
from fewshot.prompting.prompts import Rows
from fewshot.prompting.shortening import Ids

# Positions are numbers that can be given, and no layer looks at some tokens only.
_FAMILIES = ("bert", "camembert", "electra", "roberta", "xlm-roberta")
_PROBES = (SMALLEST_PRODUCT + 2, SMALLEST_PRODUCT, SMALLEST_PRODUCT)  # tokens of prompts
_FEWEST_TOKENS = 256  # of a batch, where threads share a call


def plan_packed(
    lengths: npt.NDArray[np.int64], batch_tokens: int, n_threads: int
) -> Iterator[Rows]:
    """Group rows, longest first, into batches of about as many tokens, for threads to share."""
    order = np.argsort(-lengths, kind="stable")
    ends = lengths[order].cumsum()
    n_tokens = int(ends[-1])
    fewest = -(-n_tokens // batch_tokens)
    even = fewest + -fewest % n_threads  # no thread waits while another takes the last batch
    n_batches = max(fewest, min(even, n_tokens // _FEWEST_TOKENS))
    numbers = (ends - lengths[order]) * n_batches // n_tokens
    yield from np.split(order, np.flatnonzero(np.diff(numbers)) + 1)


def can_pack(model: transformers.PreTrainedModel) -> bool:
    """Return whether prompts in one row have the states that they have alone, to the last bit."""
    config, limit = model.config, position_limit(model)
    if config.model_type not in _FAMILIES or limit is None or limit < max(_PROBES):
        return False
    # What is known of a family may not hold for a model that somebody has changed.
    words = np.arange(config.vocab_size, dtype=np.int32)  # with the one for padding
    prompts = [np.resize(words, length) for length in _PROBES]
    try:
        with threads(1), torch.inference_mode():
            alone = [model.base_model(input_ids=_row([ids]))[0][0] for ids in prompts]
            return torch.equal(run_packed(model, prompts), torch.cat(alone))
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return False


def run_packed(model: transformers.PreTrainedModel, prompts: Sequence[Ids]) -> Tensor:
    """Return the last states of all tokens, one prompt after the other, [n_tokens, hidden]."""
    table: Any = model.base_model.get_submodule("embeddings.position_embeddings")
    positions = _row([_positions(ids, table.padding_idx) for ids in prompts])
    with _AttentionWithin(prompts) as attention:
        states: Tensor = model.base_model(input_ids=_row(prompts), position_ids=positions)[0]
    if not attention.was_split:
        raise ModelError(
            "the attention of the model was changed after its first prediction; wrap it again, as "
            "MaskedLM(model, tokenizer)"
        )
    return states[0]


def _positions(ids: Ids, padding: int | None) -> npt.NDArray[np.int64]:
    """Return the positions that a model gives the tokens of a prompt."""
    if padding is None:
        return np.arange(len(ids))
    is_token = np.asarray(ids) != padding  # RoBERTa counts these, from after its padding on
    positions: npt.NDArray[np.int64] = is_token.cumsum() * is_token + padding
    return positions


def split_packed(rows: Tensor, prompts: Sequence[Ids]) -> list[Tensor]:
    """Return rows of tokens [n_tokens, ...] as [n, length, ...], for each run of equal lengths."""
    runs = [(length, len(list(same))) for length, same in groupby(map(len, prompts))]
    parts = rows.split([length * n for length, n in runs])
    return [part.unflatten(0, (n, length)) for part, (length, n) in zip(parts, runs, strict=True)]


class _AttentionWithin(TorchFunctionMode):
    """Lets tokens attend to those of their own prompt."""

    def __init__(self, prompts: Sequence[Ids]) -> None:
        super().__init__()
        self._prompts = prompts
        self.was_split = False

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Split attention; leave all else as it is."""
        settings = {} if kwargs is None else kwargs
        if function is not scaled_dot_product_attention:
            return function(*args, **settings)
        self.was_split = True
        query, key, value = (self._split(states) for states in args)
        found = [
            function(*states, **settings).transpose(1, 2).flatten(0, 1)
            for states in zip(query, key, value, strict=True)
        ]
        return torch.cat(found)[None].transpose(1, 2)

    def _split(self, states: Tensor) -> list[Tensor]:
        """Split [1, heads, n_tokens, width] into [n, heads, length, width]."""
        parts = split_packed(states[0].transpose(0, 1), self._prompts)
        return [part.transpose(1, 2) for part in parts]


def _row(parts: Sequence[npt.NDArray[Any]]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64))[None]
