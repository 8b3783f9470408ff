"""Encoder states, and a bounded cache of them, so that a search encodes nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.data.cache import BoundedCache
from fewshot.prompting.prompts import Prompts

CACHE_BYTES = 256 * 2**20  # of one model


class MaskStates(NamedTuple):
    """The encoder's states of some prompts, in float32."""

    # [n_prompts, n_masks, hidden], after the transform of the MLM head: the product with a row of
    # the decoder is a logit.
    mask: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]  # [n_prompts, hidden], the average over the tokens of a prompt

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return self.mask.nbytes + self.mean.nbytes


class StateCache:
    """States of prompts; a call with more states than `n_bytes` is computed without being kept."""

    def __init__(self, n_bytes: int = CACHE_BYTES) -> None:
        self._n_bytes = n_bytes
        self._rows: BoundedCache[bytes, MaskStates] = BoundedCache(n_bytes, _n_bytes)

    @property
    def size(self) -> int:
        """Bytes of all states."""
        return self._rows.size

    def fill(self, prompts: Prompts, encode: Callable[[Prompts], MaskStates]) -> MaskStates:
        """Return the states of all prompts, encoding only distinct ones that are not known."""
        keys = _keys(prompts)
        found = self._rows.known(keys)
        new = {key: row for row, key in reversed(list(enumerate(keys))) if key not in found}
        rows = sorted(new.values())
        if rows:
            states = encode(prompts.take(rows))
            if len(rows) == len(keys) and states.nbytes > self._n_bytes:
                return states
            # Copies: a view would keep its batch alive.
            made = {
                keys[row]: MaskStates(states.mask[i].copy(), states.mean[i].copy())
                for i, row in enumerate(rows)
            }
            self._rows.keep(made)
            found.update(made)
        mask, mean = zip(*(found[key] for key in keys), strict=True)
        return MaskStates(np.stack(mask), np.stack(mean))


def _n_bytes(states: MaskStates) -> int:
    return states.nbytes


def _keys(prompts: Prompts) -> list[bytes]:
    positions = prompts.mask_positions
    if prompts.soft_positions is not None:  # the same ids may be words of a text elsewhere
        positions = np.hstack([positions, prompts.soft_positions])
    return [
        ids.tobytes() + places.tobytes() for ids, places in zip(prompts.ids, positions, strict=True)
    ]
