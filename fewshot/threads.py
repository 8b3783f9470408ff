"""Threads: many batches at once, each on one; and no more than a batch can feed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

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
