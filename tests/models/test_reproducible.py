"""Threads: results in order, failures passed on, torch's number of threads as before."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from fewshot.models.reproducible import (
    exclusive_global_state,
    limited_threads,
    map_single_threaded,
    thread_share,
    threads_of_a_worker,
    torch_seed,
)


@pytest.fixture(params=[1, 3])
def n_threads(request) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items(n_threads):
    assert list(map_single_threaded(lambda x: x * x, range(50))) == [x * x for x in range(50)]


def test_no_items_give_no_results(n_threads):
    assert list(map_single_threaded(lambda x: x, [])) == []


def test_each_item_is_worked_on_with_one_torch_thread(n_threads):
    used = list(map_single_threaded(lambda _: torch.get_num_threads(), range(10)))

    assert used == [1] * 10
    assert torch.get_num_threads() == n_threads


def test_items_are_worked_on_side_by_side():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    both_here = threading.Barrier(2, timeout=10)
    try:
        arrived = list(map_single_threaded(lambda _: both_here.wait() >= 0, range(2)))
    finally:
        torch.set_num_threads(before)

    assert arrived == [True, True]


def test_a_failure_is_passed_on_and_the_number_of_threads_restored(n_threads):
    def fail(item: int) -> int:
        if item == 3:
            raise ValueError("item 3 is bad")
        return item

    with pytest.raises(ValueError, match="item 3 is bad"):
        list(map_single_threaded(fail, range(20)))

    assert torch.get_num_threads() == n_threads


def test_a_consumer_that_stops_early_restores_the_number_of_threads(n_threads):
    results = map_single_threaded(lambda x: x, range(100))
    next(results)
    results.close()

    assert torch.get_num_threads() == n_threads


def test_few_items_are_taken_ahead_of_the_results(n_threads):
    taken = []
    items = (taken.append(i) or i for i in range(100))

    next(map_single_threaded(lambda x: x, items))

    assert len(taken) <= 2 * n_threads


@pytest.mark.parametrize(
    ("n_tokens", "expected"), [(0, 1), (255, 1), (256, 1), (512, 2), (768, 3), (10_000, 3)]
)
def test_small_batches_get_few_threads(n_tokens, expected):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with limited_threads(n_tokens):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_failure_restores_the_number_of_threads(n_threads):
    with pytest.raises(ValueError, match="bad"), limited_threads(0):
        raise ValueError("bad")

    assert torch.get_num_threads() == n_threads


@pytest.mark.parametrize(("n_workers", "share"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_workers_share_the_threads_and_each_has_one_at_least(n_workers, share):
    before = torch.get_num_threads()
    torch.set_num_threads(4)

    assert thread_share(n_workers) == share

    torch.set_num_threads(before)


def test_a_worker_encodes_on_its_share_and_trains_on_one(n_threads):
    with threads_of_a_worker(2):
        assert torch.get_num_threads() == 2
        with limited_threads(100_000):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2

    assert torch.get_num_threads() == n_threads
    with limited_threads(100_000):
        assert torch.get_num_threads() == n_threads


@pytest.mark.slow
def test_processes_of_joblib_score_alike_and_say_once_what_they_cost(tmp_path):
    script = tmp_path / "search.py"
    script.write_text(
        "from sklearn.model_selection import GridSearchCV\n"
        "from tests.tiny_estimators import X, Y, prompt\n"
        "if __name__ == '__main__':\n"
        "    for n_jobs in (1, 2):\n"
        "        grid = GridSearchCV(prompt(), {'tuning__C': [0.1, 5]}, cv=2, n_jobs=n_jobs)\n"
        "        grid.fit(X, Y)\n"
        "        print(grid.cv_results_['mean_test_score'], grid.predict_proba(X).tolist())\n"
    )
    folder = str(Path(__file__).parents[2])

    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": folder},
        capture_output=True,
        text=True,
        check=True,
    )

    here, there = done.stdout.splitlines()
    assert here == there
    assert done.stderr.count("each process of n_jobs loads torch and the model again") == 1


@pytest.mark.parametrize("enter", [lambda: torch_seed(rng()), exclusive_global_state])
def test_threads_that_seed_wait_for_one_another(enter):
    def work():
        with enter():
            pass

    thread = threading.Thread(target=work)
    with torch_seed(rng()):
        thread.start()
        thread.join(0.05)
        is_waiting = thread.is_alive()
    thread.join()

    assert is_waiting


def rng() -> np.random.Generator:
    return np.random.default_rng(0)
