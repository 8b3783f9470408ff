"""A bounded memory of what the encoder has computed, so that a search encodes nothing twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.prompting.prompts import Prompts

_CACHE_BYTES = 256 * 2**20


class MaskStates(NamedTuple):
    """What the encoder knows of some prompts.

    Parameters
    ----------
    mask : ndarray of shape (n_prompts, n_masks, hidden), float32
        States at the masks after the transform of the MLM head: the product with a row of the
        decoder is a logit.
    mean : ndarray of shape (n_prompts, hidden), float32
        Mean of the encoder's last states over the tokens of a prompt.
    """

    mask: npt.NDArray[np.float32]
    mean: npt.NDArray[np.float32]


class StateCache:
    """States by prompt, the least recently used forgotten first.

    Parameters
    ----------
    n_bytes : int
        The most memory that the states take. A call with more states than fit is computed
        without being remembered.
    """

    def __init__(self, n_bytes: int = _CACHE_BYTES) -> None:
        self._n_bytes = n_bytes
        self._used = 0
        self._lock = Lock()  # clones of an estimator share a model, and a search may use threads
        self._rows: OrderedDict[bytes, tuple[npt.NDArray[np.float32], ...]] = OrderedDict()

    def fill(self, prompts: Prompts, encode: Callable[[Prompts], MaskStates]) -> MaskStates:
        """Return the states of all prompts, encoding only distinct ones that are not known.

        Parameters
        ----------
        prompts : Prompts
        encode : callable
            Computes the states of prompts.

        Returns
        -------
        MaskStates
        """
        positions = prompts.mask_positions
        if prompts.soft_positions is not None:  # the same ids may be words of a text elsewhere
            positions = np.hstack([positions, prompts.soft_positions])
        keys = [
            ids.tobytes() + places.tobytes()
            for ids, places in zip(prompts.ids, positions, strict=True)
        ]
        with self._lock:
            known = {key: self._rows[key] for key in keys if key in self._rows}
        new = {key: row for row, key in reversed(list(enumerate(keys))) if key not in known}
        rows = sorted(new.values())
        if rows:
            states = encode(prompts.take(rows))
            if len(rows) == len(keys) and states.mask.nbytes + states.mean.nbytes > self._n_bytes:
                return states
            known |= {keys[row]: (states.mask[i], states.mean[i]) for i, row in enumerate(rows)}
        with self._lock:
            for key in keys:
                self._remember(key, known[key])
        mask, mean = zip(*(known[key] for key in keys), strict=True)
        return MaskStates(np.stack(mask), np.stack(mean))

    def _remember(self, key: bytes, states: tuple[npt.NDArray[np.float32], ...]) -> None:
        if key in self._rows:
            self._rows.move_to_end(key)
            return
        self._rows[key] = tuple(part.copy() for part in states)  # a view would keep its batch
        self._used += sum(part.nbytes for part in states)
        while self._used > self._n_bytes:
            _, dropped = self._rows.popitem(last=False)
            self._used -= sum(part.nbytes for part in dropped)
