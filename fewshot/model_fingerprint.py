"""The fingerprint of a language model: equal for equal weights and vocabularies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from fewshot.masked_lm import MaskedLM

_DIGEST_BYTES = 16


def model_fingerprint(lm: MaskedLM) -> str:
    """Return a digest of a model's weights, of modules beside it, and of its vocabulary.

    It is computed once a model, and again when the weights were changed.

    Parameters
    ----------
    lm : MaskedLM

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    version = sum(parameter._version for _, parameter in lm.named_parameters())
    if lm not in _KNOWN or _KNOWN[lm][0] != version:
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for name, tensor in _tensors(lm):
            digest.update(name.encode())
            digest.update(_bytes(tensor))
        vocabulary = sorted(lm.tokenizer.get_vocab().items())
        digest.update(json.dumps(vocabulary).encode("ascii"))
        _KNOWN[lm] = version, digest.hexdigest()
    return _KNOWN[lm][1]


_KNOWN: WeakKeyDictionary[MaskedLM, tuple[int, str]] = WeakKeyDictionary()


def _tensors(lm: MaskedLM) -> Iterator[tuple[str, Tensor]]:
    yield from sorted(lm.model.state_dict().items())
    if lm.added is not None:
        yield from sorted(lm.added.state_dict(prefix="added.").items())


def _bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().view(-1)
    return flat.view(torch.uint8).numpy().tobytes()
