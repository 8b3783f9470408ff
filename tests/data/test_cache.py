"""The bounded cache: made once, bounded, the least recently used dropped first."""

from __future__ import annotations

from threading import Thread

import pytest

from fewshot.data import cache as cache_module
from fewshot.data.cache import BoundedCache


def cache(limit=10) -> BoundedCache[str, str]:
    return BoundedCache(limit, len)


def never():
    raise AssertionError


def test_a_value_is_made_once():
    known = cache()

    assert known.get("a", lambda: "xx") == "xx"
    assert known.get("a", never) == "xx"


def test_unknown_values_are_made_in_one_call_each_once():
    known, calls = cache(), []

    def make(keys):
        calls.append(keys)
        return [key.upper() for key in keys]

    assert known.fill(["a", "b", "a"], make) == ["A", "B", "A"]
    assert known.fill(["c", "b", "d"], make) == ["C", "B", "D"]
    assert calls == [["a", "b"], ["c", "d"]]


def test_the_least_recently_used_are_dropped():
    known = cache(limit=6)
    for key in ("a", "b", "c"):
        known.get(key, lambda: "xx")
    known.get("a", never)

    known.get("d", lambda: "xx")

    assert known.size == 6
    assert known.get("a", never) == "xx"
    with pytest.raises(AssertionError):
        known.get("b", never)


def test_a_single_value_is_kept_however_large():
    known = cache(limit=1)
    known.get("a", lambda: "x" * 100)

    assert known.get("a", never) == "x" * 100


def test_several_values_that_do_not_fit_together_push_nothing_out():
    known = cache(limit=4)
    known.get("a", lambda: "xx")

    assert known.fill(["b", "c"], lambda keys: ["yyy" for _ in keys]) == ["yyy", "yyy"]

    assert known.size == 2
    assert known.get("a", never) == "xx"


def test_a_value_that_cannot_be_made_is_not_remembered():
    known = cache()
    with pytest.raises(AssertionError):
        known.get("a", never)

    assert known.get("a", lambda: "x") == "x"


def test_all_can_be_forgotten():
    known = cache()
    known.get("a", lambda: "x")

    known.clear()

    assert known.size == 0
    assert known.get("a", lambda: "y") == "y"


def test_a_thread_waits_until_another_has_written():
    known = cache()
    threads = [Thread(target=work) for work in (lambda: known.keep({"a": "b"}), known.clear)]

    with cache_module._LOCK:
        for thread in threads:
            thread.start()
            thread.join(0.05)
        are_waiting = [thread.is_alive() for thread in threads]
    for thread in threads:
        thread.join()

    assert are_waiting == [True, True]
