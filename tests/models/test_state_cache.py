"""The bounded memory of encoder states: nothing is encoded twice, and memory stays bounded."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from fewshot.models.state_cache import MaskStates, StateCache
from fewshot.prompting.prompts import Prompts

WIDTH = 4  # a prompt's states take 2 * WIDTH float32: 32 bytes


class Encoder:
    """Encodes a prompt as its first token id, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, prompts: Prompts) -> MaskStates:
        first = np.array([ids[0] for ids in prompts.ids], dtype=np.float32)
        self.calls.append([int(value) for value in first])
        mask = np.broadcast_to(first[:, None, None], (len(first), 1, WIDTH)).copy()
        return MaskStates(mask, np.broadcast_to(-first[:, None], (len(first), WIDTH)).copy())


def prompts_of(*tokens: int) -> Prompts:
    ids = [np.array([token, 9], dtype=np.int32) for token in tokens]
    positions = np.ones((len(tokens), 1), dtype=np.int64)
    return Prompts(ids, positions, np.arange(len(tokens)), len(tokens), 0)


def test_each_prompt_is_encoded_once_and_states_come_in_the_order_of_the_prompts():
    encoder, cache = Encoder(), StateCache()

    cache.fill(prompts_of(3, 1), encoder)
    states = cache.fill(prompts_of(5, 3, 5, 1, 2), encoder)

    assert encoder.calls == [[3, 1], [5, 2]]
    assert states.mask[:, 0, 0].tolist() == [5, 3, 5, 1, 2]
    assert states.mean[:, 0].tolist() == [-5, -3, -5, -1, -2]
    assert states.mask.shape == (5, 1, WIDTH)


def test_the_same_tokens_with_the_mask_elsewhere_are_another_prompt():
    encoder, cache = Encoder(), StateCache()
    elsewhere = Prompts(
        prompts_of(1).ids, np.zeros((1, 1), dtype=np.int64), np.zeros(1, dtype=np.int64), 1, 0
    )

    cache.fill(prompts_of(1), encoder)
    cache.fill(elsewhere, encoder)

    assert len(encoder.calls) == 2


def test_what_is_remembered_does_not_keep_its_batch_alive():
    batches: list[weakref.ref] = []

    def encode(prompts: Prompts) -> MaskStates:
        states = Encoder()(prompts)
        batches.append(weakref.ref(states.mask))
        return states

    StateCache().fill(prompts_of(1, 2, 3), encode)

    assert batches[0]() is None


def test_changing_the_result_does_not_change_what_is_remembered():
    cache = StateCache()

    cache.fill(prompts_of(1, 2), Encoder()).mask[:] = 99

    assert cache.fill(prompts_of(1, 2), Encoder()).mask[:, 0, 0].tolist() == [1, 2]


@pytest.fixture
def _eager_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_eager_threads")
def test_threads_share_a_cache():
    cache, errors = StateCache(n_bytes=320), []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        try:
            for _ in range(150):
                tokens = rng.integers(0, 30, size=8).tolist()
                states = cache.fill(prompts_of(*tokens), Encoder())
                assert states.mask[:, 0, 0].tolist() == tokens
        except Exception as error:  # noqa: BLE001  # reported by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert cache.size <= 320
