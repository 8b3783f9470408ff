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
    """A mean over seeds with its uncertainty.

    Parameters
    ----------
    n : int
        Number of seeds.
    mean : float
    deviation : float or None
        Sample standard deviation; None for a single seed.
    low, high : float or None
        The 95 % confidence interval of the mean by Student's t; None for a single seed. It may
        reach beyond what a score can be.
    """

    n: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The difference of two methods on the seeds that both have.

    Parameters
    ----------
    n : int
        Number of common seeds.
    difference : float or None
        Mean of the first minus the second; None without a common seed.
    p_value : float or None
        Of the two-sided paired t-test; None for fewer than two common seeds.
    """

    n: int
    difference: float | None
    p_value: float | None


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the mean of what a score is over seeds.

    Parameters
    ----------
    values : sequence of float

    Returns
    -------
    Estimate

    Raises
    ------
    InputError
        If there is no value.

    Examples
    --------
    >>> result = estimate([0.80, 0.84, 0.82])
    >>> print(f"{result.mean:.2f} ± {result.deviation:.2f} [{result.low:.3f}, {result.high:.3f}]")
    0.82 ± 0.02 [0.770, 0.870]
    """
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
    """Test whether two methods differ, on the seeds that both have.

    Both are trained and tested on the same texts at a seed, so their difference varies less than
    either score. Where all differences are the same there is nothing to estimate a variance
    from: p is 1 if they are zero and 0 if not, the limits of the test.

    Parameters
    ----------
    first, second : mapping of int to float
        Scores by seed.

    Returns
    -------
    PairedTest

    Examples
    --------
    >>> test = paired_test({0: 0.9, 1: 0.8, 2: 0.9}, {0: 0.7, 1: 0.7, 2: 0.8, 3: 0.1})
    >>> test.n, round(test.difference, 4), round(test.p_value, 4)
    (3, 0.1333, 0.0572)
    """
    seeds = sorted(first.keys() & second.keys())
    differences = [first[seed] - second[seed] for seed in seeds]
    n = len(seeds)
    if n == 0:
        return PairedTest(0, None, None)
    mean = fmean(differences)
    if n == 1:
        return PairedTest(n, mean, None)
    if max(differences) - min(differences) < _ROUNDING:
        return PairedTest(n, mean, 1.0 if abs(mean) < _ROUNDING else 0.0)
    test = stats.ttest_rel([first[seed] for seed in seeds], [second[seed] for seed in seeds])
    return PairedTest(n, mean, float(test.pvalue))


def mean_ranks(
    columns: Sequence[Mapping[str, float]], higher_is_better: Sequence[bool]
) -> dict[str, float]:
    """Rank methods on each data set, 1 for the best, and take the mean.

    Parameters
    ----------
    columns : sequence of mapping of str to float
        Scores of the methods, for each data set; all with the same methods. Methods with equal
        scores share the mean of their ranks.
    higher_is_better : sequence of bool
        For each data set.

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> mean_ranks([{"a": 0.9, "b": 0.8}, {"a": 0.7, "b": 0.7}], [True, True])
    {'a': 1.25, 'b': 1.75}
    """
    ranks: dict[str, list[float]] = {method: [] for column in columns for method in column}
    for column, is_better in zip(columns, higher_is_better, strict=True):
        # Rounded, so that scores that differ by rounding alone share a rank.
        scores = [round(-score if is_better else score, 12) for score in column.values()]
        for method, rank in zip(column, stats.rankdata(scores), strict=True):
            ranks[method].append(float(rank))
    return {method: fmean(values) for method, values in ranks.items()}
