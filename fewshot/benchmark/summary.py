"""Summaries: the cells of a results file, gathered into tables of plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from fewshot.benchmark.gaps import Gap, Place, find_gaps, list_places
from fewshot.benchmark.metrics import METRICS
from fewshot.benchmark.results import Cell, Results
from fewshot.benchmark.statistics import Estimate, PairedTest, estimate, mean_ranks, paired_test

SIGNIFICANCE = 0.05
_EQUAL = 1e-12  # means that differ by less are both the best

Standing = Literal["best", "tied", "behind", "untested"]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a cell costs: means over the seeds; memory and parameters are the most of any seed.

    Parameters
    ----------
    fit_seconds, predict_seconds, tokens, trainable_parameters : float or None
        None where nothing was measured.
    peak_memory_mb, peak_gpu_memory_mb : float or None
    """

    fit_seconds: float | None
    predict_seconds: float | None
    tokens: float | None
    trainable_parameters: float | None
    peak_memory_mb: float | None
    peak_gpu_memory_mb: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One method on one data set at one number of shots, over the seeds that are done.

    Parameters
    ----------
    method : str
    scores : dict of str to Estimate
        By the names of the metrics; those that could be computed.
    by_seed : dict of int to float
        The score in the data set's metric.
    standing : {"best", "tied", "behind", "untested"} or None
        Against the best method of the group; tied is what the paired test does not show to be
        worse. Untested for want of two common seeds, None without a score.
    test : PairedTest or None
        This method minus the best; None for the best and without a score.
    costs : Costs
    n_train, n_unlabeled : int
        Training texts drawn, and how many texts it has used without their labels.
    """

    method: str
    scores: dict[str, Estimate]
    by_seed: dict[int, float]
    standing: Standing | None
    test: PairedTest | None
    costs: Costs
    n_train: int
    n_unlabeled: int


@dataclass(frozen=True, slots=True)
class Group:
    """All methods on one data set at one number of shots.

    Parameters
    ----------
    data_set, title, metric : str
    shots : int
    seeds : tuple of int
        Those of the spec.
    entries : dict of str to Entry
        By method, those with a cell that is done.
    n_test, n_train : int
    splits : tuple of str
        How the texts were drawn.
    data_hashes : tuple of str
        One, unless the data has changed between cells.
    """

    data_set: str
    title: str
    metric: str
    shots: int
    seeds: tuple[int, ...]
    entries: dict[str, Entry]
    n_test: int
    n_train: int
    splits: tuple[str, ...]
    data_hashes: tuple[str, ...]

    def score(self, method: str) -> Estimate | None:
        """Return the estimate in the data set's metric; None if the method has none."""
        entry = self.entries.get(method)
        return None if entry is None else entry.scores.get(self.metric)


@dataclass(frozen=True, slots=True)
class Table:
    """All data sets at one number of shots.

    Parameters
    ----------
    shots : int
    groups : tuple of Group
    means : dict of str to float
        Over the data sets, of the methods with a score on each; empty if the metrics of the data
        sets point in different directions, or there is one data set only.
    ranks : dict of str to float
        Mean ranks among the same methods; empty if there is one data set only.
    """

    shots: int
    groups: tuple[Group, ...]
    means: dict[str, float]
    ranks: dict[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a results file says.

    Parameters
    ----------
    name : str
        Of the benchmark.
    methods : tuple of str
        In the order of the spec.
    tables : tuple of Table
        By shots.
    gaps : tuple of Gap
    n_done : int
        Cells with scores.
    """

    name: str
    methods: tuple[str, ...]
    tables: tuple[Table, ...]
    gaps: tuple[Gap, ...]
    n_done: int

    def data_sets(self) -> dict[str, tuple[Group, ...]]:
        """Return the groups of each data set, by its name, in the order of the spec."""
        groups: dict[str, list[Group]] = {}
        for table in self.tables:
            for group in table.groups:
                groups.setdefault(group.data_set, []).append(group)
        return {name: tuple(members) for name, members in groups.items()}


def summarize(results: Results) -> Summary:
    """Gather the cells of a results file into tables.

    A method that failed or is missing at some seeds is described by the seeds it has, and
    compared with the best method on the seeds that both have. Best is who has the best mean among
    the methods with the most seeds.

    Parameters
    ----------
    results : Results

    Returns
    -------
    Summary
    """
    spec = results.header.spec
    methods = tuple(str(method["name"]) for method in spec["methods"])
    places = list_places(results)
    groups = [_group(place, methods) for place in places if any(c.is_done for c in place.cells)]
    return Summary(
        name=str(spec["name"]),
        methods=methods,
        tables=tuple(
            _table(shots, tuple(group for group in groups if group.shots == shots))
            for shots in sorted({group.shots for group in groups})
        ),
        gaps=tuple(find_gaps(results, places, methods)),
        n_done=sum(cell.is_done for cell in results.cells),
    )


def _group(place: Place, methods: Sequence[str]) -> Group:
    done = [cell for cell in place.cells if cell.is_done]
    metric = done[0].metric
    entries = {}
    for method in methods:
        cells = sorted((c for c in done if c.method == method), key=lambda cell: cell.seed)
        if cells:
            entries[method] = _entry(method, cells, metric)
    return Group(
        data_set=place.data_set,
        title=done[0].title,
        metric=metric,
        shots=place.shots,
        seeds=place.seeds,
        entries=_with_standings(entries, metric),
        n_test=max(cell.n_test for cell in done),
        n_train=max(cell.n_train for cell in done),
        splits=tuple(dict.fromkeys(cell.split for cell in done if cell.split)),
        data_hashes=tuple(dict.fromkeys(cell.data_hash for cell in done if cell.data_hash)),
    )


def _entry(method: str, cells: Sequence[Cell], metric: str) -> Entry:
    scores = {}
    for name in METRICS:
        values = [value for cell in cells if (value := cell.scores.get(name)) is not None]
        if values:
            scores[name] = estimate(values)
    by_seed = {c.seed: value for c in cells if (value := c.scores.get(metric)) is not None}
    costs = Costs(
        fit_seconds=_mean([cell.fit_seconds for cell in cells]),
        predict_seconds=_mean([cell.predict_seconds for cell in cells]),
        tokens=_mean([cell.tokens for cell in cells]),
        trainable_parameters=_most([cell.trainable_parameters for cell in cells]),
        peak_memory_mb=_most([cell.peak_memory_mb for cell in cells]),
        peak_gpu_memory_mb=_most([cell.peak_gpu_memory_mb for cell in cells]),
    )
    return Entry(
        method=method,
        scores=scores,
        by_seed=by_seed,
        standing=None,
        test=None,
        costs=costs,
        n_train=max(cell.n_train for cell in cells),
        n_unlabeled=max(cell.n_unlabeled for cell in cells),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return fmean(measured) if measured else None


def _most(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _with_standings(entries: Mapping[str, Entry], metric: str) -> dict[str, Entry]:
    """Compare all entries with the best one."""
    sign = 1 if METRICS[metric].higher_is_better else -1
    scored = [entry for entry in entries.values() if entry.by_seed]
    if not scored:
        return dict(entries)
    most = max(len(entry.by_seed) for entry in scored)
    complete = [entry for entry in scored if len(entry.by_seed) == most]
    best = max(complete, key=lambda entry: sign * entry.scores[metric].mean)
    peak = best.scores[metric].mean
    compared = dict(entries)
    for entry in scored:
        if entry in complete and abs(entry.scores[metric].mean - peak) < _EQUAL:
            compared[entry.method] = replace(entry, standing="best")
        else:
            test = paired_test(entry.by_seed, best.by_seed)
            compared[entry.method] = replace(entry, standing=_standing(test, sign), test=test)
    return compared


def _standing(test: PairedTest, sign: int) -> Standing:
    if test.p_value is None or test.difference is None:
        return "untested"
    is_worse = sign * test.difference < 0 and test.p_value < SIGNIFICANCE
    return "behind" if is_worse else "tied"


def _table(shots: int, groups: tuple[Group, ...]) -> Table:
    columns = [
        {method: score.mean for method in group.entries if (score := group.score(method))}
        for group in groups
    ]
    everywhere = [method for method in columns[0] if all(method in column for column in columns)]
    columns = [{method: column[method] for method in everywhere} for column in columns]
    directions = [METRICS[group.metric].higher_is_better for group in groups]
    is_many, is_one_direction = len(groups) > 1, len(set(directions)) == 1
    means = {method: fmean(column[method] for column in columns) for method in everywhere}
    return Table(
        shots,
        groups,
        means if is_many and is_one_direction else {},
        mean_ranks(columns, directions) if is_many else {},
    )
