"""A queue before one thread: batches, order, and errors that stay with their text."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fewshot.errors import InputError

batching = pytest.importorskip("fewshot.cli.server.batching", reason="fewshot[serve] is missing")


def run(
    predict: Callable[[list[Any]], Sequence[Any]], requests: Sequence[Sequence[Any]], most: int = 4
) -> tuple[list[Any], list[int]]:
    """Return what each request got, a list or an error, and the sizes of the batches."""
    sizes: list[int] = []

    async def main() -> list[Any]:
        batcher = batching.Batcher(predict, most, sizes.append)
        task = asyncio.create_task(batcher.run())
        found = await asyncio.gather(*map(batcher.predict, requests), return_exceptions=True)
        task.cancel()
        return found

    return asyncio.run(main()), sizes


def upper(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]


def test_requests_that_wait_are_predicted_together_and_answered_apart():
    found, sizes = run(upper, [["a"], ["b", "c"], [], ["d", "e", "f"]])

    assert found == [["A"], ["B", "C"], [], ["D", "E", "F"]]
    assert sizes == [4, 2]


def test_clients_that_send_again_are_predicted_together():
    sizes: list[int] = []

    async def client(batcher: Any, number: int) -> None:
        for _ in range(3):
            await batcher.predict([str(number)])
            await asyncio.sleep(0.005 * number)  # reads the answer

    async def main() -> None:
        batcher = batching.Batcher(lambda texts: time.sleep(0.4) or texts, 4, sizes.append)
        task = asyncio.create_task(batcher.run())
        await asyncio.gather(*(client(batcher, number) for number in range(4)))
        task.cancel()

    asyncio.run(main())
    assert sizes == [4] * 3


def test_after_a_burst_single_texts_are_not_gathered_for_long():
    sizes: list[int] = []

    def predict(texts: list[str]) -> list[str]:
        time.sleep(0.001 * len(texts))
        return texts

    async def main() -> None:
        batcher = batching.Batcher(predict, 64, sizes.append)
        task = asyncio.create_task(batcher.run())
        await asyncio.gather(*(batcher.predict(["burst"]) for _ in range(64)))
        singles = []
        for _ in range(30):
            singles.append(asyncio.create_task(batcher.predict(["single"])))
            await asyncio.sleep(0.01)
        await asyncio.gather(*singles)
        task.cancel()

    asyncio.run(main())
    assert sizes[0] == 64
    assert np.median(sizes[-10:]) <= 3  # without an end to the wait all 30 would be one batch


def test_a_text_after_many_is_predicted_although_no_others_come():
    sizes: list[int] = []

    async def main() -> list[str]:
        batcher = batching.Batcher(upper, 4, sizes.append)
        task = asyncio.create_task(batcher.run())
        await batcher.predict(["a", "b", "c"])
        found = await asyncio.wait_for(batcher.predict(["d"]), 10)
        task.cancel()
        return found

    assert asyncio.run(main()) == ["D"]
    assert sizes == [3, 1]


def test_one_thread_predicts_all_batches():
    threads = set()

    def predict(texts: list[str]) -> list[str]:
        threads.add(threading.get_ident())
        return texts

    run(predict, [[str(i)] for i in range(20)])

    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_a_text_that_fails_fails_its_own_request_only():
    def predict(texts: list[str]) -> list[str]:
        if "bad" in texts:
            raise InputError("'bad' is no text")
        return upper(texts)

    found, _ = run(predict, [["a"], ["b", "bad"], ["c"]])

    assert found[0] == ["A"]
    assert isinstance(found[1], InputError)
    assert found[2] == ["C"]


def test_an_unforeseen_error_is_logged_without_the_text(caplog):
    def predict(texts: list[str]) -> list[str]:
        raise KeyError(texts[0])

    found, _ = run(predict, [["a secret"]])

    assert isinstance(found[0], batching.UnforeseenError)
    assert "secret" not in str(found[0])
    assert "a prediction failed with KeyError" in caplog.text
    assert "secret" not in caplog.text
    assert "in predict" in caplog.text


def test_texts_whose_request_has_ended_are_not_predicted():
    seen: list[str] = []

    def predict(texts: list[str]) -> list[str]:
        seen.extend(texts)
        if "bad" in texts:
            raise InputError("no")
        return texts

    found, _ = run(predict, [["bad", "a", "b"], ["c"]], most=1)

    assert isinstance(found[0], InputError)
    assert found[1] == ["c"]
    assert seen in (["bad", "c"], ["bad", "a", "c"])  # 'a' may have been in work
