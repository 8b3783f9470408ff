"""A bounded memory of results by what they were made from, shared by all estimators."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

from fewshot.prompting.shortening import Ids

_TEXTS_REMEMBERED = 20_000  # some 10 MB for short texts


class _SlotKey(NamedTuple):
    field: str
    bare: bool
    after_space: bool


class TokenCache:
    """Token ids of texts by field and place, so that a text is tokenised once for all templates.

    Parameters
    ----------
    n_texts : int
        The most texts; those that came first are forgotten first.
    """

    def __init__(self, n_texts: int = _TEXTS_REMEMBERED) -> None:
        self._n_texts = n_texts
        self._ids: OrderedDict[tuple[bool, bool, str], Ids] = OrderedDict()
        self._lock = Lock()

    def fill(
        self, texts: list[str], key: _SlotKey, tokenize: Callable[[list[str]], list[Ids]]
    ) -> list[Ids]:
        """Return the ids of texts, tokenising only distinct ones that are not known."""
        if len(texts) > self._n_texts:
            return tokenize(texts)
        entries = [(key.bare, key.after_space, text) for text in texts]
        with self._lock:
            known = {entry: self._ids[entry] for entry in entries if entry in self._ids}
        new = [entry for entry in dict.fromkeys(entries) if entry not in known]
        if new:
            known.update(zip(new, tokenize([entry[2] for entry in new]), strict=True))
        with self._lock:
            self._ids.update((entry, known[entry]) for entry in new)
            while len(self._ids) > self._n_texts:
                self._ids.popitem(last=False)
        return [known[entry] for entry in entries]


Value = TypeVar("Value")


class ContentCache(Generic[Value]):
    """Results by a fingerprint of what they were made from; the longest unused are forgotten.

    Parameters
    ----------
    n_bytes : int
        The most memory that the results take; the last one is kept in any case.
    size_of : callable
        Returns the bytes of a result.
    """

    def __init__(self, n_bytes: int, size_of: Callable[[Value], int]) -> None:
        self._n_bytes, self._size_of = n_bytes, size_of
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._lock = Lock()  # a search may use threads

    def get(self, key: str, make: Callable[[], Value]) -> Value:
        """Return the result of a fingerprint, made now if it is not known."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            sizes = {name: self._size_of(known) for name, known in self._values.items()}
            while len(self._values) > 1 and sum(sizes.values()) > self._n_bytes:
                oldest, _ = self._values.popitem(last=False)
                del sizes[oldest]
        return value

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()
