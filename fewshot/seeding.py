"""Randomness that leaves the global state as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, current_thread, main_thread

import numpy as np
import torch

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


@contextmanager
def seeded_global_state(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's global random states, for code of others that uses them.

    Afterwards they are as before. In a thread other than the main one nothing happens: it would
    change what other threads draw.

    Parameters
    ----------
    seed : int
    """
    if current_thread() is not main_thread():
        yield
        return
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
