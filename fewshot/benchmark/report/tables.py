"""The tables of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fewshot.benchmark.gaps import Gap
from fewshot.benchmark.metrics import METRICS, metrics_of
from fewshot.benchmark.statistics import Estimate, PairedTest
from fewshot.benchmark.summary import Entry, Group, Summary, Table

_MARKS = {"best": "", "tied": "≈", "behind": "", "untested": "?"}
_METHODS, _DATA_SETS, _SHOTS = 0, 2, 3  # columns of the table of gaps

_Row: TypeAlias = tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Value:
    """The content of a table's cell."""

    text: str
    note: str = ""  # shown smaller, such as a deviation
    mark: str = ""  # a sign that the report explains
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first column names the rows."""

    caption: str
    header: tuple[Value, ...]
    sections: tuple[tuple[tuple[Value, ...], ...], ...]  # rows that belong together
    kind: Literal["numbers", "words"] = "numbers"  # words are aligned to the left


_NOTHING = Value("–")


def shots_grid(table: Table, summary: Summary) -> Grid:
    """Tabulate the scores at one number of shots: methods as rows, data sets as columns."""
    header = [Value("Method")]
    for group in table.groups:
        metric = METRICS[group.metric]
        better = "" if metric.higher_is_better else ", lower is better"
        labels = f", {group.n_train} labels" if group.n_train else ""
        header.append(Value(group.title, f"{metric.title}{better}{labels}"))
    if table.means:
        header.append(Value("Mean", "of the data sets"))
    if table.ranks:
        header.append(Value("Mean rank", "1 is best"))
    gaps = [gap for gap in summary.gaps if gap.shots == table.shots]
    kinds = {(gap.method, gap.data_set): gap.kind for gap in gaps}
    tried = {gap.method for gap in gaps if gap.kind == "failed"}
    tried |= {method for group in table.groups for method in group.entries}
    rows = []
    for method in summary.methods:
        if method not in tried:
            continue
        row = [Value(method)]
        for group in table.groups:
            kind = kinds.get((method, group.data_set), "–")
            row.append(_score(group, method) if group.score(method) else Value(kind))
        row += _over_data_sets(table, method)
        rows.append(tuple(row))
    caption = f"{table.shots} shots" if table.shots else "0 shots: no labels"
    return Grid(caption, tuple(header), (tuple(rows),))


def score_grid(groups: Sequence[Group]) -> Grid:
    """Tabulate all scores on a data set, with the interval and the paired test."""
    headline = METRICS[groups[0].metric].title
    scored = {name for group in groups for e in group.entries.values() for name in e.scores}
    has_several = any(METRICS[name].tasks == "several labels" for name in scored)
    metrics = metrics_of(has_several)
    header = [
        Value("Method"),
        Value("Shots"),
        Value("Seeds"),
        Value(headline, "95 % interval"),
        Value("Minus best", "paired"),
        Value("p"),
        *(
            Value(METRICS[name].title, "" if METRICS[name].higher_is_better else "lower is better")
            for name in metrics
        ),
    ]
    sections = tuple(
        tuple(_score_row(group, entry, metrics) for entry in group.entries.values())
        for group in groups
    )
    return Grid("Scores: mean ± standard deviation over the seeds", tuple(header), sections)


def cost_grid(groups: Sequence[Group]) -> Grid:
    """Tabulate the costs of the methods on a data set."""
    header = [
        Value("Method"),
        Value("Shots"),
        Value("Labeled texts"),
        Value("Unlabeled texts used"),
        Value("Fit", "seconds"),
        Value("Predict", "seconds"),
        Value("Tokens", "fit and predict"),
        Value("Trainable parameters"),
        Value("Peak memory", "MB, the whole process"),
    ]
    has_gpu = any(e.costs.peak_gpu_memory_mb is not None for g in groups for e in _entries(g))
    if has_gpu:
        header.append(Value("Peak GPU memory", "MB"))
    sections = []
    for group in groups:
        rows = []
        for entry in _entries(group):
            costs = entry.costs
            row = (
                Value(entry.method),
                Value(str(group.shots)),
                _count(entry.n_train),
                _count(entry.n_unlabeled),
                _seconds(costs.fit_seconds),
                _seconds(costs.predict_seconds),
                _count(costs.tokens),
                _count(costs.trainable_parameters),
                _count(costs.peak_memory_mb),
            )
            rows.append((*row, _count(costs.peak_gpu_memory_mb)) if has_gpu else row)
        sections.append(tuple(rows))
    caption = "Costs: averages per seed; for memory and parameters the highest of any seed"
    return Grid(caption, tuple(header), tuple(sections))


def gap_grid(gaps: Sequence[Gap], titles: dict[str, str]) -> Grid:
    """Tabulate the cells without a score; cells with the same reason share a row."""
    header = tuple(map(Value, ("Methods", "What", "Data sets", "Shots", "Seeds", "Why")))
    cells: list[_Row] = [
        ((gap.method,), (gap.kind,), (gap.data_set,), (gap.shots,), gap.seeds, (gap.reason,))
        for gap in gaps
    ]
    for column in (_SHOTS, _DATA_SETS, _METHODS):
        cells = _merged(cells, column)
    rows = []
    for methods, kind, names, shots, seeds, reason in cells:
        is_all = len(names) == len(titles) > 1
        shown = ["all"] if is_all else [titles.get(str(name), str(name)) for name in names]
        row = (
            joined(methods, "; "),
            *kind,
            joined(shown, "; "),
            joined(shots),
            joined(seeds),
            *reason,
        )
        rows.append(tuple(Value(str(text)) for text in row))
    return Grid("Cells without a score", header, (tuple(rows),), "words")


def joined(values: Sequence[object], separator: str = ", ") -> str:
    """Write values with a separator between them."""
    return separator.join(map(str, values))


def plural(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _entries(group: Group) -> list[Entry]:
    return list(group.entries.values())


def _merged(rows: Sequence[_Row], column: int) -> list[_Row]:
    """Join rows that differ in one column only."""
    values: dict[_Row, tuple[object, ...]] = {}
    for row in rows:
        others = row[:column] + row[column + 1 :]
        values[others] = values.get(others, ()) + row[column]
    return [(*others[:column], found, *others[column:]) for others, found in values.items()]


def _score(group: Group, method: str) -> Value:
    entry = group.entries[method]
    score = entry.scores[group.metric]
    note = _deviation(score)
    if score.n < len(group.seeds):
        note = f"{note} ({score.n} of {len(group.seeds)} seeds)".strip()
    mark = "" if entry.standing is None else _MARKS[entry.standing]
    return Value(f"{score.mean:.3f}", note, mark, is_best=entry.standing == "best")


def _over_data_sets(table: Table, method: str) -> list[Value]:
    row = []
    if table.means:
        best = max if METRICS[table.groups[0].metric].higher_is_better else min
        row.append(_best_of(table.means, method, best(table.means.values()), ".3f"))
    if table.ranks:
        row.append(_best_of(table.ranks, method, min(table.ranks.values()), ".1f"))
    return row


def _best_of(values: dict[str, float], method: str, best: float, form: str) -> Value:
    if method not in values:
        return _NOTHING
    return Value(f"{values[method]:{form}}", is_best=values[method] == best)


def _score_row(group: Group, entry: Entry, metrics: Sequence[str]) -> tuple[Value, ...]:
    score = entry.scores.get(group.metric)
    is_best = entry.standing == "best"
    seeds = f"{0 if score is None else score.n} of {len(group.seeds)}"
    return (
        Value(entry.method),
        Value(str(group.shots)),
        Value(seeds),
        _interval(score),
        Value("best", is_best=True) if is_best else _difference(entry.test),
        _p_value(entry),
        *(_estimate(entry.scores.get(name), name == group.metric and is_best) for name in metrics),
    )


def _interval(score: Estimate | None) -> Value:
    if score is None or score.low is None:
        return _NOTHING
    space = "\N{NO-BREAK SPACE}"
    return Value(f"{score.low:.3f}{space}to{space}{score.high:.3f}")


def _difference(test: PairedTest | None) -> Value:
    if test is None or test.difference is None:
        return _NOTHING
    return Value(f"{test.difference:+.3f}".replace("-", "\N{MINUS SIGN}"))


def _p_value(entry: Entry) -> Value:
    if entry.test is None or entry.test.p_value is None or entry.standing is None:
        return _NOTHING
    p_value, mark = entry.test.p_value, _MARKS[entry.standing]
    return Value("< 0.001" if p_value < 0.001 else f"{p_value:.3f}", mark=mark)


def _estimate(score: Estimate | None, is_best: bool) -> Value:
    if score is None:
        return _NOTHING
    return Value(f"{score.mean:.3f}", _deviation(score), is_best=is_best)


def _deviation(score: Estimate) -> str:
    if score.deviation is None:
        return ""
    return f"±\N{NO-BREAK SPACE}{score.deviation:.3f}"


def _seconds(value: float | None) -> Value:
    if value is None:
        return _NOTHING
    return Value(f"{value:.2f}" if value < 100 else f"{value:,.0f}")


def _count(value: float | None) -> Value:
    return _NOTHING if value is None else Value(f"{value:,.0f}")
