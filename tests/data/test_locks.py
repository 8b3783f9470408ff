"""Locks in a forked process."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

import fewshot
from fewshot.data import cache
from fewshot.models import loading, reproducible
from fewshot.prompting import tokens

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")


def _child_can(take: Callable[[], object]) -> bool:
    """Fork, and return whether the child could take a lock within seconds."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # ends a child that waits for ever
        take()
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
@pytest.mark.parametrize(
    "lock",
    [lambda: reproducible.torch_seed(np.random.default_rng(0)), lambda: loading._LOCK],
    ids=["seed", "loading"],
)
def test_a_lock_that_another_thread_holds_for_long_is_free_in_a_forked_process(
    lock: Callable[[], AbstractContextManager[None]],
) -> None:
    is_held, may_end = Event(), Event()

    def work() -> None:
        with lock():
            is_held.set()
            may_end.wait()

    def take() -> None:
        with lock():
            pass

    thread = Thread(target=work)
    thread.start()
    is_held.wait()
    try:
        assert _child_can(take)
    finally:
        may_end.set()
        thread.join()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("lock", [cache._LOCK, tokens.TOKENIZER_LOCK], ids=["cache", "tokenizer"])
def test_a_fork_waits_for_a_lock_that_is_held_for_moments(lock) -> None:
    events, is_held = [], Event()

    def work() -> None:
        with lock:
            is_held.set()
            events.append("started")
            Event().wait(0.2)
            events.append("done")

    thread = Thread(target=work)
    thread.start()
    is_held.wait()

    assert _child_can(lambda: lock.acquire(timeout=5))
    assert events == ["started", "done"]
    thread.join()


def test_every_lock_of_the_package_is_one_of_these() -> None:
    root = Path(fewshot.__file__).parent
    texts = {file: file.read_text(encoding="utf-8") for file in root.rglob("*.py")}

    of_threading = re.compile(r"threading import .*Lock|threading\.R?Lock")
    with_own = [file.name for file, text in texts.items() if of_threading.search(text)]

    assert with_own == ["locks.py"]
