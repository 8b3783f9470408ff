"""The content of a report, which the templates lay out as a web page and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from fewshot.benchmark.data_sets.entries import ENTRIES
from fewshot.benchmark.metrics import METRICS
from fewshot.benchmark.report.charts import learning_curves, legend, score_by_seconds
from fewshot.benchmark.report.provenance import (
    chosen_settings,
    hosts,
    list_warnings,
    method_grid,
    provenance,
    spec_yaml,
)
from fewshot.benchmark.report.tables import (
    Grid,
    cost_grid,
    gap_grid,
    joined,
    plural,
    score_grid,
    shots_grid,
)
from fewshot.benchmark.results import Results
from fewshot.benchmark.summary import Group, Summary, summarize
from fewshot.prompting.library import load_task

_NORMAL = 1.96  # standard errors on either side of a 95 % interval

_READING = (
    "A number is the mean over the seeds ± their standard deviation. A seed draws the labeled "
    "texts, unless the data set's protocol has a single draw, and seeds the method. All methods "
    "get the same texts, and the test texts are the same for all seeds.",
    "Bold marks the best mean of a column, among the methods with the most seeds there.",
    "≈ marks methods that cannot be distinguished from the best: the paired t-test over the common "
    "seeds gives p ≥ 0.05, or favors the method. Without a mark a method is worse than the best, "
    "p < 0.05. ? marks methods with fewer than two seeds in common with the best.",
    "A method without any score has no row; missing cells are listed below the tables, with the "
    "reason.",
)
_LIMITS = (
    "≈ does not mean equally good. A few seeds reveal only large differences: methods that are not "
    "distinguished here may well differ.",
    "The tests are not corrected for their number: of 20 methods that are as good as the best, "
    "about one loses its ≈ by chance. The p-values are in the tables of each data set.",
    "The best method was chosen by the same numbers, so the best mean is slightly optimistic.",
    "Labeled texts of different seeds come from one pool and may overlap, and all seeds share the "
    "test texts. The t-test and the intervals assume independent seeds, so they are somewhat "
    "overconfident (Dietterich, 1998; Nadeau and Bengio, 2003).",
    "The intervals cover other labeled texts, not other test texts, whose effect is given with "
    "each data set.",
    "± 0.000 means that the score did not change with the seed, for example because one class is "
    "always predicted; it does not mean certainty.",
    "This run chose no setting on test texts. A method with a grid chooses within its few labels; "
    "the others run with the given settings, whatever their origin.",
    "Unless the settings name another model, the methods of this package ran on fewshot-mini, "
    "a small embedded English model. The best method on it need not be the best on a larger model, "
    "and these scores say little about what a method can reach there.",
    "Seconds and memory are those of the machines named below, perhaps with other cells running at "
    "the same time. Compare them only within this report, and ignore small differences. Peak "
    "memory is that of the process, including models loaded by earlier cells.",
)
_STATISTICS = (
    ("95 % interval", "of the mean over the seeds, by Student's t."),
    (
        "Minus best",
        "the mean difference to the best method on common seeds, with p of the two-sided paired "
        "t-test; where all differences are equal, p is 1 if they are 0 and 0 otherwise.",
    ),
    (
        "Mean rank",
        "the rank is 1 for the best score on a data set, and equal scores share a rank; averaged, "
        "like the mean, over the methods with a score on every data set of the table.",
    ),
)


@dataclass(frozen=True, slots=True)
class ClozeExample:
    """A test text as the prompt sees it."""

    before: str  # the mask
    after: str
    label: str
    words: Mapping[str, float]  # label words with their probabilities, the best first
    predictions: Mapping[str, str]  # by method


@dataclass(frozen=True, slots=True)
class DataSetPart:
    """The part of a report on one data set."""

    title: str
    facts: tuple[tuple[str, str], ...]
    drawings: tuple[str, ...]  # SVG elements, for the web page: the tables hold their numbers
    legend: tuple[tuple[str, str], ...]  # SVG elements with the names of methods
    caption: str
    scores: Grid
    costs: Grid
    chosen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report says."""

    name: str
    opening: str
    reading: tuple[str, ...]
    tables: tuple[Grid, ...]  # one per number of shots
    gaps: Grid | None
    warnings: tuple[str, ...]
    examples: tuple[ClozeExample, ...]
    limits: tuple[str, ...]
    data_sets: tuple[DataSetPart, ...]
    definitions: tuple[tuple[str, str], ...]
    methods: Grid
    provenance: tuple[tuple[str, str], ...]
    spec: str


def compose(results: Results, examples: Sequence[ClozeExample] = ()) -> Report:
    """Gather the content of the report of a results file."""
    summary = summarize(results)
    titles = {data["name"]: data["name"] for data in results.header.spec["data_sets"]}
    titles |= {name: groups[0].title for name, groups in summary.data_sets().items()}
    return Report(
        name=summary.name,
        opening=_opening(results, summary),
        reading=_READING,
        tables=tuple(shots_grid(table, summary) for table in summary.tables),
        gaps=gap_grid(summary.gaps, titles) if summary.gaps else None,
        warnings=list_warnings(results.cells),
        examples=tuple(examples),
        limits=(*_LIMITS, *_special_limits(results, summary)),
        data_sets=tuple(
            _data_set(groups, results, summary) for groups in summary.data_sets().values()
        ),
        definitions=(*((m.title, m.definition) for m in METRICS.values()), *_STATISTICS),
        methods=method_grid(results),
        provenance=provenance(results),
        spec=spec_yaml(results.header.spec),
    )


def _opening(results: Results, summary: Summary) -> str:
    shots = joined([table.shots for table in summary.tables])
    seeds = {len(group.seeds) for table in summary.tables for group in table.groups}
    most = max(seeds, default=0)
    n_failed = len(results.cells) - summary.n_done
    n_missing = sum(len(gap.seeds) for gap in summary.gaps if gap.kind == "not run")
    counts = [plural(summary.n_done, "cell"), f"{n_failed} failed"]
    if n_missing:
        counts.append(f"{n_missing} not run yet")
    return (
        f"{plural(len(summary.methods), 'method')} for text classification from few labels, "
        f"compared on {plural(len(summary.data_sets()), 'data set')} at {shots or 'no'} shots "
        f"(labeled texts per class, or in total where the data set's protocol says so), "
        f"{'up to ' if len(seeds) > 1 else ''}{plural(most, 'seed')} each. "
        f"{', '.join(counts)}."
    )


def _special_limits(results: Results, summary: Summary) -> Iterator[str]:
    """Yield the limits that apply to these results only."""
    groups = [group for table in summary.tables for group in table.groups]
    if any(len({g.metric for g in t.groups}) > 1 and t.means for t in summary.tables):
        yield "The means over data sets mix metrics, each data set with that of its protocol."
    if any(len(e.by_seed) < len(g.seeds) for g in groups for e in g.entries.values()):
        yield (
            "Where seeds are missing, a mean is over fewer texts than those next to it: the seeds "
            "that fail may be the hard ones. Means and ranks over data sets include such means."
        )
    if any(len(group.seeds) == 1 for group in groups):
        yield (
            "With one seed there is no deviation, no interval and no test: nothing shows how much "
            "is luck."
        )
    if len(hosts(results.cells)) > 1:
        yield "The cells ran on different machines or numbers of threads: do not compare seconds."
    changed = sorted({group.title for group in groups if len(group.data_hashes) > 1})
    if changed:
        names = joined(changed, "; ")
        yield f"The texts changed between cells, so methods are not comparable: {names}."


def _data_set(groups: Sequence[Group], results: Results, summary: Summary) -> DataSetPart:
    drawings: list[str] = []
    caption = (
        "Score against seconds: a marker for each number of shots, joined by a line, the largest "
        "for the most shots."
    )
    if any(group.score(method) for group in groups for method in group.entries):
        drawings.append(score_by_seconds(groups, summary.methods))
        if len(groups) > 1:
            drawings.insert(0, learning_curves(groups, summary.methods))
            caption = f"Score against shots: means, with their 95 % intervals as bands. {caption}"
    present = {method for group in groups for method in group.entries}
    name = groups[0].data_set
    return DataSetPart(
        title=groups[0].title,
        facts=tuple(_facts(groups)),
        drawings=tuple(drawings),
        legend=tuple(entry for entry in legend(summary.methods) if entry[1] in present),
        caption=f"{caption} The score axes need not start at 0; hollow markers are below them.",
        scores=score_grid(groups),
        costs=cost_grid(groups),
        chosen=chosen_settings(cell for cell in results.cells if cell.data_set == name),
    )


def _facts(groups: Sequence[Group]) -> Iterator[tuple[str, str]]:
    first = groups[0]
    yield "Name", first.data_set
    yield "Metric", METRICS[first.metric].title
    if first.data_set in ENTRIES:
        entry = ENTRIES[first.data_set]
        yield "Licence of the data", load_task(entry.task).licence
        yield "Source", entry.url
        yield "Protocol", entry.protocol
    n_test = min(group.n_test for group in groups)
    # The variance of a proportion is at most 1 / 4.
    margin = 100 * _NORMAL * sqrt(0.25 / n_test)
    yield (
        "Test texts",
        f"{n_test}. Other texts from the same source would change an accuracy by up to "
        f"± {margin:.1f} points (95 %); a difference between methods usually changes less, since "
        "all are tested on the same texts",
    )
    drawn: dict[str, list[int]] = {}
    for group in groups:
        for split in group.splits:
            drawn.setdefault(split, []).append(group.shots)
    for split, shots in drawn.items():
        yield f"Texts at {joined(shots)} shots", split
    yield "SHA-256 of the data", ", ".join(dict.fromkeys(h for g in groups for h in g.data_hashes))
