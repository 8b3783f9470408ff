"""A bounded cache that threads may share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from fewshot.data.locks import brief_lock

Key = TypeVar("Key")
Value = TypeVar("Value")

# Clones of an estimator share a model, and a search may use threads.
_LOCK = brief_lock()


class BoundedCache(Generic[Key, Value]):
    """Values by key; the least recently used are dropped when all take more than `limit`."""

    def __init__(self, limit: int, size_of: Callable[[Value], int] = lambda _: 1) -> None:
        self._limit, self._size_of = limit, size_of
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._sizes: dict[Key, int] = {}
        self._size = 0

    @property
    def size(self) -> int:
        """What all values take."""
        return self._size

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made if it is unknown, and then kept whatever its size."""
        return self.fill([key], lambda _: [make()])[0]

    def fill(
        self, keys: Sequence[Key], make: Callable[[list[Key]], Sequence[Value]]
    ) -> list[Value]:
        """Return the values of keys; the unknown ones are made in one call, each once."""
        found = self.known(keys)
        new = [key for key in dict.fromkeys(keys) if key not in found]
        if new:
            made = dict(zip(new, make(new), strict=True))
            self.keep(made)
            found.update(made)
        return [found[key] for key in keys]

    def known(self, keys: Iterable[Key]) -> dict[Key, Value]:
        """Return the values of those keys that are known, which counts as using them."""
        with _LOCK:
            found = {key: self._values[key] for key in keys if key in self._values}
            for key in found:
                self._values.move_to_end(key)
        return found

    def keep(self, values: Mapping[Key, Value]) -> None:
        """Add values, unless they are several and do not fit together."""
        sizes = {key: self._size_of(value) for key, value in values.items()}
        if len(sizes) > 1 and sum(sizes.values()) > self._limit:
            return
        with _LOCK:
            for key, value in values.items():
                self._size += sizes[key] - self._sizes.get(key, 0)
                self._values[key], self._sizes[key] = value, sizes[key]
                self._values.move_to_end(key)
            while self._size > self._limit and len(self._values) > 1:
                dropped, _ = self._values.popitem(last=False)
                self._size -= self._sizes.pop(dropped)

    def clear(self) -> None:
        """Forget all values."""
        with _LOCK:
            self._values.clear()
            self._sizes.clear()
            self._size = 0
