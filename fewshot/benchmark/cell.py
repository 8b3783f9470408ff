"""A cell of a benchmark: a method fitted to a split, tested and measured."""

from __future__ import annotations

import gc
import os
import platform
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy.typing as npt
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from fewshot import __version__
from fewshot.benchmark.data_sets.data_set import DataSetInfo, Split
from fewshot.benchmark.data_sets.splits import Text
from fewshot.benchmark.measures import Estimator, TokenCount, trainable_parameters
from fewshot.benchmark.methods import (
    build_method,
    load_models,
    takes_unlabeled,
    uses_labels,
)
from fewshot.benchmark.metrics import TextLabels, evaluate, label_names
from fewshot.benchmark.predictions import (
    class_names,
    copied,
    given_labels,
    predict,
    predict_probabilities,
)
from fewshot.benchmark.results import Cell, CellKey
from fewshot.benchmark.results_file import now
from fewshot.benchmark.selection import choose
from fewshot.benchmark.spec import MethodSpec
from fewshot.data.labels import Label
from fewshot.data.unlabeled import Unlabeled
from fewshot.models.hardware import device_name, measured_memory
from fewshot.models.reproducible import seeded_global_state, threads_of_a_worker

_PACKAGES = (
    "numpy", "scipy", "scikit-learn", "torch", "transformers", "tokenizers",
    "sentence-transformers", "setfit",
)  # fmt: skip
_FRAMES_SHOWN, _WARNINGS_KEPT, _WARNING_LENGTH, _LABELS_SHOWN = 3, 5, 200, 3
_MEGABYTE = 2**20


@dataclass(frozen=True)
class CellTask:
    """Everything that a worker needs to run a cell."""

    key: CellKey
    method: MethodSpec
    split: Split  # with only those unlabeled texts that the method may use
    data: DataSetInfo
    validation_splits: int
    n_threads: int  # of torch


def run_cell(task: CellTask) -> Cell:
    """Fit and test a method on a split; an error is recorded in the cell."""
    with (
        _freed_memory(),
        warnings.catch_warnings(record=True) as caught,
        threadpool_limits(1, "blas"),  # so that results do not depend on the number of workers
        threads_of_a_worker(task.n_threads),
        seeded_global_state(task.key.seed),
    ):
        warnings.simplefilter("always")
        try:
            cell = _measured(task)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # recorded; other cells still run
            cell = failed_cell(task, f"{type(error).__name__}: {error}", _last_frames(error))
    return replace(cell, warnings=_texts(caught))


@contextmanager
def _freed_memory() -> Iterator[None]:
    """Free what is left of a cell at its end: it would count as memory of the next one."""
    # What was there before is frozen meanwhile. To visit it takes longer than a small cell.
    is_own = not _was_frozen()
    if is_own:
        gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        if is_own:
            gc.unfreeze()


@cache
def _was_frozen() -> bool:
    """Tell whether others froze objects before the first cell: to count them takes long, too."""
    return gc.get_freeze_count() > 0


def failed_cell(task: CellTask, error: str, frames: str = "") -> Cell:
    """Return the cell of a method that failed, with the end of the traceback."""
    return replace(_blank(task), status="failed", error=error, traceback=frames)


def _measured(task: CellTask) -> Cell:
    split, seed = task.split, task.key.seed
    estimator = build_method(task.method, task.data, seed)
    load_models(estimator)  # a process does it once, so it is not part of the seconds of fit
    tokens = TokenCount(estimator)
    with measured_memory() as peak:
        started = time.perf_counter()
        chosen = _choose(task, estimator, tokens)
        y = given_labels(estimator, split.train_labels, task.data)
        n_unlabeled = _fit(estimator, split.train_texts, y, split.unlabeled)
        learned = time.perf_counter()
        predicted, proba = predict(estimator, split.test_texts, task.data)
        done = time.perf_counter()
    _warn_unknown(predicted, task.data.labels)
    scores = _scores(task, estimator, split.test_texts, split.test_labels, predicted, proba)
    seen = split.train_texts if split.train_texts else split.unlabeled
    tokens.add(estimator, [*seen, *split.test_texts])
    return replace(
        _blank(task),
        scores=scores,
        fit_seconds=learned - started,
        predict_seconds=done - learned,
        tokens=tokens.total,
        trainable_parameters=trainable_parameters(estimator),
        peak_memory_mb=_megabytes(peak.process),
        peak_gpu_memory_mb=_megabytes(peak.gpu),
        n_unlabeled=n_unlabeled,
        chosen=chosen,
        estimator=f"{type(estimator).__module__}.{type(estimator).__qualname__}",
    )


def _choose(task: CellTask, estimator: Estimator, tokens: TokenCount) -> dict[str, Any]:
    """Set the settings chosen by validation, and return them."""
    if not task.method.grid:
        return {}
    split = task.split
    texts, labels = split.train_texts, split.train_labels

    def score(candidate: dict[str, Any], train: list[int], valid: list[int]) -> float | None:
        fitted = clone(estimator).set_params(**candidate)
        y = given_labels(fitted, [labels[i] for i in train], task.data)
        _fit(fitted, [texts[i] for i in train], y, split.unlabeled)
        unseen, truth = [texts[i] for i in valid], [labels[i] for i in valid]
        predicted, proba = predict(fitted, unseen, task.data)
        scores = _scores(task, fitted, unseen, truth, predicted, proba)
        tokens.add(fitted, texts)
        return scores[task.data.metric]

    chosen = choose(
        task.method.grid,
        labels,
        score,
        n_splits=task.validation_splits,
        seed=task.key.seed,
        metric=task.data.metric,
    )
    estimator.set_params(**chosen)
    return chosen


def _scores(
    task: CellTask,
    fitted: Estimator,
    texts: Sequence[Text],
    truth: Sequence[TextLabels],
    predicted: Sequence[TextLabels],
    proba: npt.NDArray[Any] | None,
) -> dict[str, float | None]:
    if proba is None:
        proba = predict_probabilities(fitted, texts)
    return evaluate(truth, predicted, proba, class_names(fitted, task.data))


def _fit(estimator: Estimator, texts: list[Text], y: Any, unlabeled: list[Text]) -> int:
    """Fit, and return the number of texts used without labels."""
    X, rest = copied(texts), copied(unlabeled)
    if takes_unlabeled(estimator):
        pool = Unlabeled(rest) if rest else None
        if len(y):
            estimator.fit(X, y, unlabeled=pool)
        else:
            estimator.fit(unlabeled=pool)
        return int(getattr(estimator, "n_unlabeled_", len(unlabeled)))
    if len(y) and uses_labels(estimator):
        estimator.fit(X, y)
        return 0
    seen = X if X else rest
    if seen:
        estimator.fit(seen)
    else:
        estimator.fit()
    return len(texts if texts else unlabeled)


def _megabytes(n_bytes: int | None) -> float | None:
    return None if n_bytes is None else n_bytes / _MEGABYTE


def _warn_unknown(predicted: Sequence[TextLabels], labels: Sequence[Label]) -> None:
    unknown = sorted(label_names(predicted) - set(map(str, labels)))
    if unknown:
        n_wrong = sum(not label_names([found]).isdisjoint(unknown) for found in predicted)
        warnings.warn(
            f"{n_wrong} of {len(predicted)} predictions are not labels of the data set and "
            f"count as wrong, such as {unknown[:_LABELS_SHOWN]}",
            stacklevel=2,
        )


def _blank(task: CellTask) -> Cell:
    split = task.split
    return Cell(
        method=task.key.method,
        data_set=task.key.data_set,
        shots=task.key.shots,
        seed=task.key.seed,
        status="done",
        metric=task.data.metric,
        title=task.data.title,
        n_train=len(split.train_texts),
        n_test=len(split.test_texts),
        settings=task.method.settings,
        data_hash=task.data.data_hash,
        split=split.description,
        versions=_versions(),
        host={
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "threads": task.n_threads,
            "device": device_name(),
        },
        finished=now(),
    )


@cache
def _versions() -> dict[str, str]:
    found = {"fewshot": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _texts(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return the warnings meant for users, each once and shortened; deprecations are not."""
    texts = dict.fromkeys(
        f"{entry.category.__name__}: {entry.message}"[:_WARNING_LENGTH]
        for entry in caught
        if issubclass(entry.category, UserWarning)
    )
    return tuple(texts)[:_WARNINGS_KEPT]


def _last_frames(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_SHOWN:]
    return "".join(traceback.format_list(frames))
