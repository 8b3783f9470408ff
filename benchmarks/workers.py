"""Predict with one thread, with a thread per core, and with a process per core.

``python -m benchmarks.workers TEXTS.jsonl`` (JSON lines with a field "text", such as AG News).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import torch

from fewshot import PromptClassifier, load_task
from fewshot.classifiers.batch_predictor import BatchPredictor

_N_TEXTS, _REPEATS = 1000, 3
_N_CORES = len(os.sched_getaffinity(0))


def main() -> None:
    """Print texts per second of each way, and memory of the processes."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()[:_N_TEXTS]
    texts = [json.loads(line)["text"] for line in lines]
    task = load_task("ag_news")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        PromptClassifier(task.templates[0], task.verbalizer, tuning="none").fit().save(folder)
        predictor = BatchPredictor(folder)
        spawn = multiprocessing.get_context("spawn")  # a fork can hang after torch has computed
        with ProcessPoolExecutor(_N_CORES, spawn, torch.set_num_threads, (1,)) as pool:
            runs: dict[str, Callable[[], Any]] = {
                "1 thread": lambda: _predict(predictor, texts, 1),
                f"{_N_CORES} threads": lambda: _predict(predictor, texts, _N_CORES),
                f"{_N_CORES} processes": lambda: _share(pool, predictor, texts),
            }
            expected = predictor(texts)
            seconds: dict[str, list[float]] = {name: [] for name in runs}
            for _ in range(_REPEATS):  # in turn, since others may use the machine
                for name, run in runs.items():
                    started = time.perf_counter()
                    found = run()
                    seconds[name].append(time.perf_counter() - started)
                    if found != expected:
                        raise SystemExit(f"{name}: other predictions")
    first = median(seconds["1 thread"])
    for name, taken in seconds.items():
        rate = len(texts) / median(taken)
        print(f"{name:12s} {rate:6.1f} texts per second {first / median(taken):5.2f}")
    _show_serial_share(predictor, texts)


def _show_serial_share(predictor: BatchPredictor, texts: list[str]) -> None:
    """Print how much threads can gain, from processor time: it holds on a busy machine too."""
    started, started_here = time.process_time(), time.thread_time()
    _predict(predictor, texts, max(2, _N_CORES))
    serial = (time.thread_time() - started_here) / (time.process_time() - started)
    bounds = {n: 1 / (serial + (1 - serial) / n) for n in (2, 4, 16)}
    shown = ", ".join(f"{n} threads {bound:.2f}" for n, bound in bounds.items())
    print(f"{serial:.1%} of the work is done by one thread: at most {shown} times as fast")


def _predict(predictor: BatchPredictor, texts: list[str], n_threads: int) -> Any:
    torch.set_num_threads(n_threads)
    classifier: Any = predictor.classifier()
    classifier.model_.freeze()  # forgets the states of the previous run
    return predictor(texts)


def _share(pool: ProcessPoolExecutor, predictor: BatchPredictor, texts: list[str]) -> Any:
    """Give each process as much as every other, of all lengths."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    shares = [order[i::_N_CORES] for i in range(_N_CORES)]
    jobs = [pool.submit(_predict, predictor, [texts[i] for i in share], 1) for share in shares]
    found: dict[int, Any] = {}
    for share, job in zip(shares, jobs, strict=True):
        found.update(zip(share, job.result(), strict=True))
    return [found[i] for i in range(len(texts))]


if __name__ == "__main__":
    main()
