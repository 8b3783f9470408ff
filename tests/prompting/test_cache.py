"""A memory by content: made once, bounded, the longest unused forgotten first."""

from __future__ import annotations

import pytest

from fewshot.prompting.cache import ContentCache


def cache(n_bytes=10) -> ContentCache:
    return ContentCache(n_bytes, len)


def never():
    raise AssertionError


def test_a_result_is_made_once():
    known = cache()

    assert known.get("a", lambda: "xx") == "xx"
    assert known.get("a", never) == "xx"


def test_the_longest_unused_are_forgotten():
    known = cache(n_bytes=6)
    for key in ("a", "b", "c"):
        known.get(key, lambda: "xx")
    known.get("a", never)

    known.get("d", lambda: "xx")

    assert known.get("a", never) == "xx"
    with pytest.raises(AssertionError):
        known.get("b", never)


def test_the_last_result_is_kept_however_large():
    known = cache(n_bytes=1)
    known.get("a", lambda: "x" * 100)

    assert known.get("a", never) == "x" * 100


def test_a_result_that_cannot_be_made_is_not_remembered():
    known = cache()
    with pytest.raises(AssertionError):
        known.get("a", never)

    assert known.get("a", lambda: "x") == "x"


def test_all_can_be_forgotten():
    known = cache()
    known.get("a", lambda: "x")

    known.clear()

    assert known.get("a", lambda: "y") == "y"
