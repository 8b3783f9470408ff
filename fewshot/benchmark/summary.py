"""Summaries of results: tables of plain values."""

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
    """The costs of a cell: averages over the seeds, but the highest memory and parameters."""

    fit_seconds: float | None  # None where nothing was measured
    predict_seconds: float | None
    tokens: float | None
    trainable_parameters: float | None
    peak_memory_mb: float | None
    peak_gpu_memory_mb: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One method on one data set at one number of shots, over the seeds that are done."""

    method: str
    scores: dict[str, Estimate]  # by metric, those that could be computed
    by_seed: dict[int, float]  # the score in the data set's metric
    # Against the best method of the group: tied if the paired test does not show it to be worse,
    # untested with fewer than two common seeds, None without a score.
    standing: Standing | None
    test: PairedTest | None  # this method minus the best; None for the best and without a score
    costs: Costs
    n_train: int
    n_unlabeled: int


@dataclass(frozen=True, slots=True)
class Group:
    """All methods on one data set at one number of shots."""

    data_set: str
    title: str
    metric: str
    shots: int
    seeds: tuple[int, ...]  # those of the spec
    entries: dict[str, Entry]  # by method, those with a cell that is done
    n_test: int
    n_train: int
    splits: tuple[str, ...]  # descriptions
    data_hashes: tuple[str, ...]  # several, if the data has changed between cells

    def score(self, method: str) -> Estimate | None:
        """Return the estimate in the data set's metric; None if the method has none."""
        entry = self.entries.get(method)
        return None if entry is None else entry.scores.get(self.metric)


@dataclass(frozen=True, slots=True)
class Table:
    """All data sets at one number of shots."""

    shots: int
    groups: tuple[Group, ...]
    # Over the data sets, of methods with a score on each of them. Empty for a single data set;
    # means also if the metrics point in different directions.
    means: dict[str, float]
    ranks: dict[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """The summary of a results file."""

    name: str  # of the benchmark
    methods: tuple[str, ...]  # in the order of the spec
    tables: tuple[Table, ...]  # by shots
    gaps: tuple[Gap, ...]
    n_done: int  # cells with scores

    def data_sets(self) -> dict[str, tuple[Group, ...]]:
        """Return the groups of each data set by name, in the order of the spec."""
        groups: dict[str, list[Group]] = {}
        for table in self.tables:
            for group in table.groups:
                groups.setdefault(group.data_set, []).append(group)
        return {name: tuple(members) for name, members in groups.items()}


def summarize(results: Results) -> Summary:
    """Summarize the cells of a results file: means, intervals and tests over the seeds.

    A method that failed or is missing at some seeds is described by the seeds it has, and
    compared with the best method on their common seeds. The best method has the best mean among
    those with the most seeds.

    Parameters
    ----------
    results : Results

    Returns
    -------
    Summary
        With a table per number of shots in ``tables``. Each has ``groups``, one per data set,
        whose ``entries`` hold the scores and costs of each method.

    See Also
    --------
    read_results : Read a results file.
    write_report : The same numbers as a web page and as Markdown.

    Examples
    --------
    >>> from fewshot.benchmark import read_results, summarize
    >>> summary = summarize(read_results("quick.jsonl"))  # doctest: +SKIP
    >>> summary.tables[0].groups[0].score("TF-IDF").mean  # doctest: +SKIP
    0.58
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
        fit_seconds=_average([cell.fit_seconds for cell in cells]),
        predict_seconds=_average([cell.predict_seconds for cell in cells]),
        tokens=_average([cell.tokens for cell in cells]),
        trainable_parameters=_highest([cell.trainable_parameters for cell in cells]),
        peak_memory_mb=_highest([cell.peak_memory_mb for cell in cells]),
        peak_gpu_memory_mb=_highest([cell.peak_gpu_memory_mb for cell in cells]),
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


def _average(values: Sequence[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return fmean(measured) if measured else None


def _highest(values: Sequence[float | None]) -> float | None:
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
