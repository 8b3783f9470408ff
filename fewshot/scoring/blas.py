"""One thread for the small products of regressions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from fewshot.data.locks import brief_lock

_LOCK = brief_lock()
_limits: list[Any] = []  # one for each regression at work; the first holds the number before


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS use one thread until the last of those that asked for it is done."""
    # Its threads bring nothing for a handful of texts, and while other programs are at work they
    # wait for one another: a step of L-BFGS with 1,536 weights then takes 20 ms in place of 0.2.
    with _LOCK:
        _limits.append(_limits[0] if _limits else _controller().limit(limits=1))
    try:
        yield
    finally:
        with _LOCK:
            limit = _limits.pop()
            if not _limits:
                limit.restore_original_limits()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
