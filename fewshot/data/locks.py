"""Locks that a forked process can take, whatever other threads were doing at the fork."""

# A fork copies locks as they are, but not the threads that would release them.

from __future__ import annotations

import os
from threading import Lock, RLock
from typing import Any


def brief_lock() -> Lock:
    """Return a lock held for moments: a fork waits for it, so that what it guards is whole."""
    lock = Lock()
    _at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)
    return lock


class LongLock:
    """A lock held for as long as a training lasts: it is free in a forked process."""

    def __init__(self) -> None:
        self._renew()
        _at_fork(after_in_child=self._renew)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = RLock()


def _at_fork(**handlers: Any) -> None:
    if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
        os.register_at_fork(**handlers)
