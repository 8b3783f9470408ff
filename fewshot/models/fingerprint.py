"""Fingerprints of content: equal for equal texts, settings and weights."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path, PurePath
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from fewshot.data.examples import Examples
from fewshot.data.files import sha256_of
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer

_DIGEST_BYTES = 16
_WITHOUT_EFFECT = ("verbose", "checkpoint_dir")  # settings that do not change what is learned
_KNOWN: WeakKeyDictionary[MaskedLM, tuple[int, str]] = WeakKeyDictionary()


class UnknownContentError(TypeError):
    """A value, such as a function, does not say what it holds."""


def fingerprint(value: Any) -> str:
    """Return a digest of the content of a value of the kinds that :func:`_add` knows."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    _add(digest, value)
    return digest.hexdigest()


def model_fingerprint(lm: MaskedLM) -> str:
    """Return a digest of a model's weights, added modules and vocabulary."""
    # Cached per model; recomputed when the weights change.
    state = lm.weights_state()
    if lm not in _KNOWN or _KNOWN[lm][0] != state:
        digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        _add_tensors(digest, lm.model.state_dict())
        if lm.added is not None:
            _add_tensors(digest, lm.added.state_dict(prefix="added."))
        vocabulary = sorted(lm.tokenizer.get_vocab().items())
        digest.update(json.dumps(vocabulary).encode("ascii"))
        _KNOWN[lm] = state, digest.hexdigest()
    return _KNOWN[lm][1]


def settings_of(estimator: BaseEstimator) -> dict[str, str]:
    """Return the parameters that decide what an estimator learns, longer ones as digests."""
    settings = {}
    for name, value in estimator.get_params(deep=True).items():
        if name.rpartition("__")[2] in _WITHOUT_EFFECT or isinstance(value, BaseEstimator):
            continue
        is_short = value is None or isinstance(value, (bool, int, float, str))
        settings[name] = repr(value) if is_short else fingerprint(value)
        if isinstance(value, (str, PurePath)) and PurePath(value).suffix:  # not "none" or "full"
            file = Path(os.path.expanduser(value))
            with suppress(OSError):  # what reads it will say so
                settings[name] += f" {sha256_of(file)}" if file.is_file() else ""
    kinds = {
        f"{name}__class" if name else "class": type(value).__name__
        for name, value in {"": estimator, **estimator.get_params(deep=True)}.items()
        if isinstance(value, BaseEstimator)
    }
    return settings | kinds


def _add(digest: Any, value: Any) -> None:
    """Add a value, its kind and its length first, so that no two values run together."""
    if isinstance(value, MaskedLM):
        _put(digest, "model", model_fingerprint(value))
    elif isinstance(value, BaseEstimator):
        _put(digest, "estimator", type(value).__name__)
        _add(digest, settings_of(value))
    elif isinstance(value, torch.nn.Module):  # a sentence encoder
        _put(digest, "module", repr(value))
        _add_tensors(digest, value.state_dict())
    elif isinstance(value, Examples):
        _put(digest, "examples")
        _add(digest, value.columns)
    elif isinstance(value, (Template, Verbalizer)):
        content = value.to_dict() if isinstance(value, Verbalizer) else _values(value)
        _put(digest, type(value).__name__)
        _add(digest, content)
    elif isinstance(value, np.random.RandomState):
        _put(digest, "random state")
        _add(digest, value.get_state(legacy=False))
    elif isinstance(value, (np.ndarray, np.generic, Tensor)):
        _add_array(digest, value)
    elif hasattr(value, "to_numpy"):  # of pandas, such as labels=series
        _add_array(digest, value.to_numpy())
    elif is_dataclass(value) and not isinstance(value, type):
        _put(digest, type(value).__name__)
        _add(digest, _values(value))
    elif isinstance(value, Mapping):
        _put(digest, "mapping", str(len(value)))
        for key, item in value.items():
            _add(digest, key)
            _add(digest, item)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        _put(digest, "sequence", str(len(value)))
        for item in value:
            _add(digest, item)
    elif value is None or isinstance(value, (bool, int, float, str, PurePath)):
        _put(digest, type(value).__name__, str(value))
    else:
        raise UnknownContentError(f"no fingerprint of a {type(value).__name__}")


def _add_array(digest: Any, value: Any) -> None:
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
    _put(digest, "array", str(array.dtype), str(array.shape))
    if array.dtype == object:
        _add(digest, array.ravel().tolist())
    else:
        digest.update(np.ascontiguousarray(array).tobytes())


def _values(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value) if field.init}


def _put(digest: Any, *parts: str) -> None:
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(f"{len(encoded)}:".encode())
        digest.update(encoded)


def _add_tensors(digest: Any, state: Mapping[str, Tensor]) -> None:
    for name, tensor in sorted(state.items()):
        digest.update(name.encode())
        flat = tensor.detach().cpu().contiguous().view(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
