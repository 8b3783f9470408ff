"""A bounded memory of results by what they were made from, shared by all estimators."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

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
