"""Randomness that leaves the global state as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
import torch

__all__ = ["torch_seed"]

_LOCK = Lock()


@contextmanager
def torch_seed(rng: np.random.Generator) -> Iterator[None]:
    """Seed torch from a generator; afterwards torch's global state is as before.

    Dropout draws from the one global state, so threads that train wait for one another.

    Parameters
    ----------
    rng : numpy.random.Generator
    """
    with _LOCK, torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**63 - 1)))
        yield
