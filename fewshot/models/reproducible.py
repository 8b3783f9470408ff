"""Threads: many batches at once, each on one; and no more than a batch can feed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock, current_thread, main_thread
from typing import TypeVar

import numpy as np
import torch

_TOKENS_A_THREAD = 256
_TRAINS_ON_ONE: ContextVar[bool] = ContextVar("_TRAINS_ON_ONE", default=False)

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_single_threaded(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Apply a function to items on as many threads as torch may use, each without helpers.

    A matrix product that torch splits over threads gives a row other last bits when the number of
    rows changes; on one thread it does not. Batches side by side use the machine as well as one
    batch after the other, split, and better for small models.

    Parameters
    ----------
    function : callable
    items : iterable

    Yields
    ------
    object
        The results in the order of the items. At most two items a thread are in work, so results
        need not fit in memory.
    """
    n_threads = torch.get_num_threads()
    if n_threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: list[Future[Result]] = []
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 2 * n_threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
            # A worker sets the number for itself and for threads that are yet to start.
            torch.set_num_threads(n_threads)


@contextmanager
def limited_threads(n_tokens: int) -> Iterator[None]:
    """Use no more threads than a batch of so many tokens can feed.

    Threads that wait for one another cost more than they bring for a handful of texts, and on a
    busy machine a hundred times more. Afterwards the number is as before.

    Parameters
    ----------
    n_tokens : int
        Tokens of a batch.
    """
    n_threads = torch.get_num_threads()
    most = 1 if _TRAINS_ON_ONE.get() else n_threads
    torch.set_num_threads(max(1, min(most, n_tokens // _TOKENS_A_THREAD)))
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def thread_share(n_workers: int) -> int:
    """Return how many threads each of some workers gets of those that torch may use."""
    return max(1, torch.get_num_threads() // n_workers)


@contextmanager
def threads_of_a_worker(n_threads: int) -> Iterator[None]:
    """Use so many threads to encode and one to train; afterwards all is as before.

    What is encoded does not depend on the number of threads. Training does, in its last bits: on
    one thread its result is the same, whatever the number of workers that share the machine.

    Parameters
    ----------
    n_threads : int
    """
    before = torch.get_num_threads()
    token = _TRAINS_ON_ONE.set(True)
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _TRAINS_ON_ONE.reset(token)


# Rows from which a product gives each row the same bits (measured with MKL, one thread).
SMALLEST_PRODUCT = 16


def n_copies(n_rows: int) -> int:
    """Return how often rows must be repeated for their bits not to depend on their number.

    Parameters
    ----------
    n_rows : int
        At least 1.

    Returns
    -------
    int

    Examples
    --------
    >>> n_copies(5), n_copies(200)
    (4, 1)
    """
    return -(-SMALLEST_PRODUCT // n_rows)


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
