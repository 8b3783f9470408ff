"""Statistics over seeds: means with their uncertainty, paired tests and ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy import stats

from fewshot.errors import InputError

CONFIDENCE = 0.95
_ROUNDING = 1e-12  # scores that differ by less are equal


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds with its uncertainty."""

    n: int  # seeds
    mean: float
    deviation: float | None  # of the sample; None for a single seed, as are low and high
    low: float | None  # 95 % confidence interval by Student's t; it may exceed the range of a score
    high: float | None


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A paired t-test of two methods on their common seeds."""

    n: int  # common seeds
    difference: float | None  # mean of the first minus the second; None without a common seed
    p_value: float | None  # two-sided; None for fewer than two common seeds


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the mean of a score over seeds."""
    if not values:
        raise InputError("expected a value for at least one seed, got none")
    n, mean = len(values), fmean(values)
    if n == 1:
        return Estimate(n, mean, None, None, None)
    deviation = stdev(values)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, df=n - 1))
    reach = quantile * deviation / sqrt(n)
    return Estimate(n, mean, deviation, mean - reach, mean + reach)


def paired_test(first: Mapping[int, float], second: Mapping[int, float]) -> PairedTest:
    """Test whether two methods differ on the seeds that both have; scores are by seed."""
    seeds = sorted(first.keys() & second.keys())
    differences = [first[seed] - second[seed] for seed in seeds]
    n = len(seeds)
    if n == 0:
        return PairedTest(0, None, None)
    mean = fmean(differences)
    if n == 1:
        return PairedTest(n, mean, None)
    if max(differences) - min(differences) < _ROUNDING:
        # Without a variance to estimate, p is the limit of the test.
        return PairedTest(n, mean, 1.0 if abs(mean) < _ROUNDING else 0.0)
    test = stats.ttest_rel([first[seed] for seed in seeds], [second[seed] for seed in seeds])
    return PairedTest(n, mean, float(test.pvalue))


def mean_ranks(
    columns: Sequence[Mapping[str, float]], higher_is_better: Sequence[bool]
) -> dict[str, float]:
    """Rank methods on each data set (1 is best, equal scores share a rank), and average."""
    ranks: dict[str, list[float]] = {method: [] for column in columns for method in column}
    for column, is_better in zip(columns, higher_is_better, strict=True):
        # Rounded, so that scores that differ by rounding alone share a rank.
        scores = [round(-score if is_better else score, 12) for score in column.values()]
        for method, rank in zip(column, stats.rankdata(scores), strict=True):
            ranks[method].append(float(rank))
    return {method: fmean(values) for method, values in ranks.items()}
