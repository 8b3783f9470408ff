"""Reproducible numbers: products, threads and seeds."""

# Promised: on a CPU the scores of a text do not depend, to the last bit, on the other texts of the
# call, on the number of threads, or on whether the estimator was saved and loaded. Training gives
# the same bits again for the same seed, number of threads and machine. On a GPU none of this holds.
# It takes: batches without padding (of one length, or `packing`), each on one thread
# (`map_single_threaded`); no tiny products (`in_large_products`, `n_copies`); scores rounded to
# float32, since sums in float64 differ in their last bits with the number of rows
# (`fewshot.scoring`); arrays and tensors that are loaded with the order and alignment in memory
# that they had (`fewshot.saving`).

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from multiprocessing import current_process
from threading import current_thread, main_thread
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from fewshot.data.locks import LongLock
from fewshot.errors import FewShotWarning, warn_user

# Rows from which a product gives each row the same bits (measured with MKL, one thread).
SMALLEST_PRODUCT = 16

_TOKENS_PER_THREAD = 256
_TRAINS_ON_ONE: ContextVar[bool] = ContextVar("_TRAINS_ON_ONE", default=False)
_SEED_LOCK = LongLock()

Item = TypeVar("Item")
Result = TypeVar("Result")


# ---- Products ---------------------------------------------------------------------------------


def n_copies(n_rows: int) -> int:
    """Return how often rows must be repeated for their bits not to depend on their number."""
    return -(-SMALLEST_PRODUCT // n_rows)


def in_large_products(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Apply a function of single rows to [n, ...] rows, repeated where there are few."""
    repeated = rows.repeat(n_copies(len(rows)), *[1] * (rows.dim() - 1))
    return function(repeated)[: rows.shape[0]]  # a trace takes len() for a constant


def map_single_threaded(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Apply a function to items on as many threads as torch may use, each without helpers."""
    # A matrix product that torch splits over threads gives a row other last bits when the number of
    # rows changes; on one thread it does not. Batches side by side use the machine as well as split
    # batches, and better for small models. At most two items per thread are in work at a time.
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


# ---- Threads ----------------------------------------------------------------------------------


@contextmanager
def threads(n_threads: int) -> Iterator[None]:
    """Let torch use so many threads; afterwards the number is as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def limited_threads(n_tokens: int) -> Iterator[None]:
    """Use no more threads than a batch of so many tokens can feed."""
    # Threads that wait for one another cost more than they bring for a handful of texts, and on a
    # busy machine a hundred times more.
    most = 1 if _TRAINS_ON_ONE.get() else torch.get_num_threads()
    with threads(max(1, min(most, n_tokens // _TOKENS_PER_THREAD))):
        yield


def warn_in_worker() -> None:
    """Say once that a process of joblib has loaded torch and the model for its own."""
    # joblib numbers its processes; the first speaks for all. A benchmark chose to use them.
    if current_process().name == "LokyProcess-1" and not _TRAINS_ON_ONE.get():
        warn_user(
            "each process of n_jobs loads torch and the model again, which takes longer than most "
            "fits: use n_jobs=1, or share one model with joblib.parallel_config('threading')",
            FewShotWarning,
        )


def thread_share(n_workers: int) -> int:
    """Return how many threads each of some workers gets of those that torch may use."""
    return max(1, torch.get_num_threads() // n_workers)


@contextmanager
def threads_of_a_worker(n_threads: int) -> Iterator[None]:
    """Use so many threads to encode and one to train."""
    # The last bits of training depend on the number of threads: with one, results do not depend on
    # how many workers share the machine.
    token = _TRAINS_ON_ONE.set(True)
    try:
        with threads(n_threads):
            yield
    finally:
        _TRAINS_ON_ONE.reset(token)


# ---- Contexts of the caller -------------------------------------------------------------------


@contextmanager
def plain_torch() -> Iterator[None]:
    """Compute in float32, with gradients and on the model's device, whatever the caller has set."""
    # Autocast, inference mode and default devices hold for a thread: those that we start have none.
    with ExitStack() as stack:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(mode=False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        if torch.empty(0).device.type != "cpu":  # get_default_device may raise in torch 2.7
            stack.enter_context(torch.device("cpu"))
        yield


# ---- Seeds ------------------------------------------------------------------------------------


@contextmanager
def torch_seed(rng: np.random.Generator) -> Iterator[None]:
    """Seed torch from a generator; afterwards torch's global state is as before."""
    # Dropout draws from the one global state, so threads that train wait for one another.
    with _SEED_LOCK, torch.random.fork_rng():
        torch.manual_seed(int(rng.integers(2**63 - 1)))
        yield


@contextmanager
def seeded_global_state(seed: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's global random states for other libraries' code."""
    # Afterwards they are as before. In a thread other than the main one nothing happens: it would
    # change what other threads draw.
    if current_thread() is not main_thread():
        yield
        return
    with _restored_global_state():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        yield


@contextmanager
def exclusive_global_state() -> Iterator[None]:
    """Let code that seeds everything run while no other thread trains."""
    with _SEED_LOCK, _restored_global_state():
        yield


@contextmanager
def _restored_global_state() -> Iterator[None]:
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
