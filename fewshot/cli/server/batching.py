"""Dynamic batching: texts of concurrent requests are predicted together, in one thread."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fewshot.errors import FewShotError

# The longest that a batch waits for more texts: a share of what the last one took, but from and to
# so many seconds. Once none has come for a third of it, the batch waits no more.
_WAIT_SHARE, _WAITS = 0.15, (0.006, 0.1)

_LOG = logging.getLogger("fewshot.serving")
Row = TypeVar("Row")


class UnforeseenError(RuntimeError):
    """A prediction failed for a reason that is not the request's; the log has it."""


@dataclass(frozen=True)
class _Item(Generic[Row]):
    text: Any
    row: asyncio.Future[Row]


class Batcher(Generic[Row]):
    """A queue of texts and the only thread that predicts them."""

    # A batch takes what waits, `most` texts at most. Clients that have got the last one may be
    # sending again: while texts keep coming it waits for as many, but not for long. If it fails,
    # its texts are predicted one by one, so that a request only fails by a text of its own.

    def __init__(
        self,
        predict: Callable[[list[Any]], Sequence[Row]],
        most: int,
        watch: Callable[[int], object],  # of the size of each batch
    ) -> None:
        self._predict = predict
        self._most = most
        self._watch = watch
        self._waiting: deque[_Item[Row]] = deque()
        self._has_texts = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fewshot-serving")

    @property
    def n_waiting(self) -> int:
        """Count the texts that are not in work yet."""
        return len(self._waiting)

    async def predict(self, texts: Sequence[Any]) -> list[Row]:
        """Return the prediction of each text as soon as batches had room for all."""
        loop = asyncio.get_running_loop()
        items = [_Item(text, loop.create_future()) for text in texts]
        self._waiting.extend(items)
        self._has_texts.set()
        try:
            return list(await asyncio.gather(*(item.row for item in items)))
        finally:  # after an error, or when the client has left, the others need not be predicted
            for item in items:
                item.row.cancel()

    async def run(self) -> None:
        """Predict batches until this is cancelled."""
        batch: list[_Item[Row]] = []
        seconds = 0.0  # that the last batch took
        try:
            while True:
                await self._has_texts.wait()
                await self._gather_texts(len(batch), seconds)
                started, batch = time.monotonic(), self._next_batch()
                if batch:
                    await self._answer(batch)
                seconds = time.monotonic() - started
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _gather_texts(self, enough: int, seconds: float) -> None:
        longest = min(max(_WAIT_SHARE * seconds, _WAITS[0]), _WAITS[1])
        n_before, end = 0, time.monotonic() + longest
        while n_before < len(self._waiting) < enough and time.monotonic() < end:
            n_before = len(self._waiting)
            await asyncio.sleep(longest / 3)

    def _next_batch(self) -> list[_Item[Row]]:
        batch: list[_Item[Row]] = []
        while self._waiting and len(batch) < self._most:
            item = self._waiting.popleft()
            if not item.row.done():
                batch.append(item)
        if not self._waiting:
            self._has_texts.clear()
        return batch

    async def _answer(self, batch: Sequence[_Item[Row]]) -> None:
        """Give each text its row or its error."""
        texts = [item.text for item in batch]
        done = asyncio.wrap_future(self._thread.submit(self._predict, texts))
        await asyncio.wait([done])
        error = done.exception()
        if error is None:
            self._watch(len(batch))
            for item, row in zip(batch, done.result(), strict=True):
                if not item.row.done():
                    item.row.set_result(row)
        elif len(batch) > 1:
            for item in batch:
                await self._answer([item])
        elif not batch[0].row.done():
            batch[0].row.set_exception(_public(error))


def _public(error: BaseException) -> BaseException:
    """Return an error that a client may read; log others, without what they say of texts."""
    if isinstance(error, FewShotError):
        return error
    places = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("a prediction failed with %s:\n%s", type(error).__name__, places)
    return UnforeseenError("the prediction failed; the log of the server says where")
