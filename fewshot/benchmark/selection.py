"""Choosing settings inside the few labels, by validation on several random halves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any

import numpy as np
from sklearn.base import clone

from fewshot.benchmark.data_sets.splits import Text
from fewshot.benchmark.metrics import METRICS
from fewshot.errors import BenchmarkError

# Any: an estimator, for which scikit-learn has no type.
Estimator = Any


def candidates(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all combinations of settings; those of the first key change last.

    Examples
    --------
    >>> candidates({"C": [1, 10], "tuning": ["head", "full"]})[1]
    {'C': 1, 'tuning': 'full'}
    """
    if not grid:
        return []
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def choose(
    estimator: Estimator,
    grid: Mapping[str, Sequence[Any]],
    texts: Sequence[Text],
    labels: Sequence[str],
    *,
    n_splits: int,
    seed: int,
    fit: Callable[[Estimator, list[Text], list[str]], object],
    score: Callable[[Estimator, list[Text], list[str]], dict[str, float | None]],
    metric: str,
) -> dict[str, Any]:
    """Choose settings by multi-split validation (Zheng et al., 2022).

    The labelled texts are split at random into halves several times; with each setting the
    estimator learns from one half and is scored on the other. The best mean score wins, the
    earlier setting among equals.

    Parameters
    ----------
    estimator : estimator
        Not fitted; each candidate is a clone of it.
    grid : mapping of str to sequence
    texts : sequence of str or of dict
    labels : sequence of str
    n_splits : int
    seed : int
    fit : callable
        Fits an estimator to texts with their labels.
    score : callable
        Returns the scores of a fitted estimator on texts with their labels.
    metric : str
        Which of the scores decides.

    Returns
    -------
    dict
        The settings that won.

    Raises
    ------
    BenchmarkError
        If the estimator has no such score.

    References
    ----------
    Zheng, Zhou, Qian, Ding, Li, Jian, Salakhutdinov, Tang, Ruder, Yang (2022). FewNLU:
    Benchmarking State-of-the-Art Methods for Few-Shot Natural Language Understanding, section 3.
    """
    splits = list(halves(labels, n_splits, seed))
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0
    means = []
    for candidate in candidates(grid):
        scores = []
        for train, valid in splits:
            fitted = clone(estimator).set_params(**candidate)
            fit(fitted, [texts[i] for i in train], [labels[i] for i in train])
            found = score(fitted, [texts[i] for i in valid], [labels[i] for i in valid])[metric]
            if found is None:
                raise BenchmarkError(
                    f"{type(estimator).__name__} has no {metric} to choose settings by, for want "
                    "of probabilities; choose another metric"
                )
            scores.append(sign * found)
        means.append(fmean(scores))
    return candidates(grid)[int(np.argmax(means))]  # the first of equals


def halves(
    labels: Sequence[str], n_splits: int, seed: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Split positions into halves, each class alike.

    The one left over of an odd class goes to either half in turn; a class with one example is
    there to learn from.

    Parameters
    ----------
    labels : sequence of str
    n_splits : int
    seed : int

    Yields
    ------
    train, valid : list of int
    """
    classes = sorted(set(labels))
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
