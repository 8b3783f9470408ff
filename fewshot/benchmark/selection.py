"""Choice of settings within the few labels, by validation on several random halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any

import numpy as np

from fewshot.benchmark.metrics import METRICS, TextLabels
from fewshot.errors import BenchmarkError


def candidates(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all combinations of settings; those of the first key change last."""
    if not grid:
        return []
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


# Zheng, Zhou, Qian, Ding, Li, Jian, Salakhutdinov, Tang, Ruder, Yang (2022). FewNLU: Benchmarking
# State-of-the-Art Methods for Few-Shot Natural Language Understanding, section 3.
def choose(
    grid: Mapping[str, Sequence[Any]],
    labels: Sequence[TextLabels],
    score: Callable[[dict[str, Any], list[int], list[int]], float | None],
    *,
    n_splits: int,
    seed: int,
    metric: str,
) -> dict[str, Any]:
    """Choose settings by multi-split validation; the earlier setting wins among equals."""
    # `score` takes settings, positions to learn from, and positions to score on.
    splits = list(halves(labels, n_splits, seed))
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    means = []
    for candidate in candidates(grid):
        scores = [score(candidate, train, valid) for train, valid in splits]
        found = [sign * value for value in scores if value is not None]
        if len(found) < len(scores):
            raise BenchmarkError(
                f"settings cannot be chosen by {metric}, which needs probabilities; choose another "
                "metric"
            )
        means.append(fmean(found))
    return candidates(grid)[int(np.argmax(means))]  # the first of equals


def halves(
    labels: Sequence[TextLabels], n_splits: int, seed: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Split positions into stratified halves, to learn from and to validate on."""
    # The odd examples of classes go to the two halves in turn; a single example of a class is
    # learned from.
    classes = sorted(set(labels), key=str)  # several labels of a text are a class of their own
    for number in range(n_splits):
        rng = np.random.default_rng([seed, number])
        train: list[int] = []
        valid: list[int] = []
        for label in classes:
            members = rng.permutation([i for i, own in enumerate(labels) if own == label]).tolist()
            takes_more = len(members) == 1 or len(train) <= len(valid)
            half = (len(members) + takes_more) // 2
            train += members[:half]
            valid += members[half:]
        yield sorted(train), sorted(valid)
