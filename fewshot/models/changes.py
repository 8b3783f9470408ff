"""Numbers that differ after a change of a module, so that nothing remembered of it is stale."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor, nn

_PLAIN = (str, int, float, type(None))
_ELSEWHERE = ("_parameters", "_buffers", "_modules", "training")


def weights_state(tensors: Iterable[Tensor]) -> int:
    """Return a number that differs after a change of weights in place."""
    # torch does not count changes through `parameter.data`; a row and a column show them.
    filled = [tensor.detach() for tensor in tensors if tensor.numel()]
    changes = [(tensor.data_ptr(), tensor._version) for tensor in filled]
    sample = [part for t in filled for part in ((t[0], t[..., 0]) if t.ndim > 1 else (t,))]
    values = [part.flatten().float().cpu().numpy() for part in sample]
    return hash((tuple(changes), np.concatenate(values).tobytes() if values else b""))


def module_state(module: nn.Module) -> int:
    """Return a number that also differs after a change of settings, such as the active adapter."""
    own = [
        (name, _fact(value))
        for part in module.modules()
        for name, value in vars(part).items()
        if name not in _ELSEWHERE
    ]
    kinds = tuple(type(part) for part in module.modules())
    return hash((weights_state((*module.parameters(), *module.buffers())), kinds, tuple(own)))


def _fact(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return tuple((_fact(key), _fact(own)) for key, own in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_fact, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(map(_fact, value))
    return id(value)
