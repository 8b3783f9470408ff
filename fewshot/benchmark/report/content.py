"""What a report says: tables and charts, how to read them, and what they do not show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

from fewshot.benchmark.data_sets.entries import ENTRIES
from fewshot.benchmark.metrics import METRICS
from fewshot.benchmark.report.charts import learning_curves, legend, score_by_seconds
from fewshot.benchmark.report.document import (
    Block,
    Bullets,
    Code,
    Facts,
    Heading,
    Paragraph,
    Pictures,
)
from fewshot.benchmark.report.provenance import (
    chosen_settings,
    hosts,
    method_grid,
    provenance,
    spec_yaml,
    warnings_met,
)
from fewshot.benchmark.report.tables import (
    cost_grid,
    gap_grid,
    joined,
    score_grid,
    shots_grid,
)
from fewshot.benchmark.results import Results
from fewshot.benchmark.summary import Group, Summary
from fewshot.prompting.library import load_task

_NORMAL = 1.96  # standard errors on either side of a 95 % interval

_READING = (
    "A number is the mean over the seeds ± their standard deviation. A seed draws the labelled "
    "texts, unless the data set's protocol has a single draw, and starts the method. All methods "
    "get the same texts, and the test texts are the same for all seeds.",
    "Bold is the best mean of its column, among the methods with the most seeds there.",
    "≈ marks what cannot be told from the best: the paired t-test over the seeds that both have "
    "gives p ≥ 0.05, or puts it ahead. Without a mark a method is worse than the best, p < 0.05. "
    "? says that there are not two common seeds to test on.",
    "A method without any score has no row; what is missing is listed below the tables, with why.",
)
_LIMITS = (
    "≈ does not mean as good. A few seeds show large differences only: what is not told apart "
    "here may well differ.",
    "The tests are not corrected for their number: of 20 methods that are as good as the best, "
    "about one loses its ≈ by chance. The p-values are in the tables of each data set.",
    "Which method is best was read off the same numbers, so the best mean is a little flattered.",
    "Labelled texts of different seeds come from one pool and may be partly the same, and all "
    "seeds share the test texts. The t-test and the intervals take seeds to be independent, so "
    "they are somewhat too sure (Dietterich, 1998; Nadeau and Bengio, 2003).",
    "The intervals tell what other labelled texts would change, not what other test texts "
    "would. How much that is stands with each data set.",
    "± 0.000 means that the score did not change with the seed, as where one class is always "
    "predicted; it does not mean certainty.",
    "No setting was chosen on test texts by this run. A method with a grid chooses inside its "
    "few labels; the others run with the settings given, wherever those come from.",
    "Unless the settings name another model, the methods of this package ran on fewshot-mini, "
    "one small embedded English model. What wins on it need not win on a larger one, and these "
    "scores say little about what a method can reach there.",
    "Seconds and memory hold for the machines named below, with other cells perhaps running "
    "beside. Compare them within this report only, and small differences not at all. Peak memory "
    "is that of the process, with models that earlier cells have loaded.",
)
_DEFINITIONS = (
    "Accuracy: share of the test texts that are classified right.",
    "Macro-F1: the plain mean of F1 over the classes that are true or predicted somewhere; a "
    "class that is never predicted right counts as 0. Weighted F1: the mean by the number of test "
    "texts of each class.",
    "Log loss: mean negative natural logarithm of the probability of the true class, which counts "
    "as at least 2.2e-16.",
    "ECE, expected calibration error: how far the probability of the predicted class is from "
    "accuracy, over 15 bins of equal width (Guo et al., 2017, equation 3).",
    "95 % interval: of the mean over the seeds, by Student's t. Minus best: mean difference to "
    "the best method on common seeds, with p of the two-sided paired t-test; where all "
    "differences are the same, p is 1 if they are 0 and else 0.",
    "Mean rank: 1 for the best score on a data set, equal scores share a rank; over the methods "
    "with a score on every data set of the table, as the mean is.",
)


def compose(results: Results, summary: Summary) -> list[Block]:
    """Write the report as blocks.

    Parameters
    ----------
    results : Results
    summary : Summary
        Of the same results.

    Returns
    -------
    list of Block
    """
    return [
        Heading(1, summary.name),
        Paragraph(_opening(results, summary)),
        *_results(summary),
        *_gaps(results, summary),
        Heading(2, "What the numbers mean, and what they do not"),
        Bullets((*_LIMITS, *_special_limits(results, summary))),
        Heading(2, "Data sets"),
        *(
            block
            for groups in summary.data_sets().values()
            for block in _data_set(groups, results, summary)
        ),
        Heading(2, "Metrics"),
        Bullets(_DEFINITIONS),
        Heading(2, "How this was made"),
        method_grid(results),
        Facts(provenance(results)),
        Paragraph("To run it again, save this as spec.yaml:"),
        Code(spec_yaml(results.header.spec)),
        Code("python -m fewshot benchmark spec.yaml --report reports"),
    ]


def _opening(results: Results, summary: Summary) -> str:
    shots = joined([table.shots for table in summary.tables])
    seeds = {len(group.seeds) for table in summary.tables for group in table.groups}
    most = max(seeds, default=0)
    n_failed = len(results.cells) - summary.n_done
    n_missing = sum(len(gap.seeds) for gap in summary.gaps if gap.kind == "not run")
    counts = [_plural(summary.n_done, "cell"), f"{n_failed} failed"]
    if n_missing:
        counts.append(f"{n_missing} not run yet")
    return (
        f"{_plural(len(summary.methods), 'method')} for text classification from few labels, "
        f"compared on {_plural(len(summary.data_sets()), 'data set')} at {shots or 'no'} shots "
        f"(labelled texts of each class, or in total where the data set's protocol says so), "
        f"{'up to ' if len(seeds) > 1 else ''}{_plural(most, 'seed')} each. "
        f"{', '.join(counts)}."
    )


def _results(summary: Summary) -> Iterator[Block]:
    yield Heading(2, "Results")
    if not summary.tables:
        yield Paragraph("No cell is done yet.")
        return
    yield Bullets(_READING)
    for table in summary.tables:
        yield shots_grid(table, summary)


def _gaps(results: Results, summary: Summary) -> Iterator[Block]:
    warned = warnings_met(results.cells)
    if summary.gaps:
        titles = {data["name"]: data["name"] for data in results.header.spec["data_sets"]}
        titles |= {name: groups[0].title for name, groups in summary.data_sets().items()}
        yield Heading(2, "What is missing")
        yield gap_grid(summary.gaps, titles)
    if warned:
        yield Heading(2, "What methods warned of")
        yield Bullets(warned)


def _special_limits(results: Results, summary: Summary) -> Iterator[str]:
    """Yield the limits of these very results."""
    groups = [group for table in summary.tables for group in table.groups]
    if any(len({g.metric for g in t.groups}) > 1 and t.means for t in summary.tables):
        yield "The means over data sets mix metrics, each data set with that of its protocol."
    if any(len(e.by_seed) < len(g.seeds) for g in groups for e in g.entries.values()):
        yield (
            "Where seeds are missing, a mean is over other texts than its neighbours': the seeds "
            "that fail may be the hard ones. Means and ranks over data sets take such means in."
        )
    single = [group for group in groups if len(group.seeds) == 1]
    if single:
        yield (
            "With one seed there is neither a deviation nor an interval nor a test: nothing says "
            "how much is luck."
        )
    if len(hosts(results.cells)) > 1:
        yield "The cells ran on machines or with threads that differ: do not compare seconds."
    changed = sorted({group.title for group in groups if len(group.data_hashes) > 1})
    if changed:
        names = joined(changed, "; ")
        yield f"The texts changed between cells, so methods are not comparable: {names}."


def _data_set(groups: Sequence[Group], results: Results, summary: Summary) -> Iterator[Block]:
    first = groups[0]
    yield Heading(3, first.title)
    yield Facts(tuple(_facts(groups)))
    if any(group.score(method) for group in groups for method in group.entries):
        yield _pictures(groups, summary.methods)
    yield score_grid(groups)
    yield cost_grid(groups)
    chosen = chosen_settings(cell for cell in results.cells if cell.data_set == first.data_set)
    if chosen:
        yield Paragraph("Chosen by validation inside the labels:")
        yield Bullets(chosen)


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
    # The variance of a share is at most 1 / 4.
    margin = 100 * _NORMAL * sqrt(0.25 / n_test)
    yield (
        "Test texts",
        f"{n_test}. Others from the same source would move an accuracy by up to ± {margin:.1f} "
        "points (95 %); a difference between methods mostly moves less, as all are tested on the "
        "same texts",
    )
    drawn: dict[str, list[int]] = {}
    for group in groups:
        for split in group.splits:
            drawn.setdefault(split, []).append(group.shots)
    for split, shots in drawn.items():
        yield f"Texts at {joined(shots)} shots", split
    yield "SHA-256 of the data", ", ".join(dict.fromkeys(h for g in groups for h in g.data_hashes))


def _pictures(groups: Sequence[Group], methods: Sequence[str]) -> Pictures:
    shown = [method for method in methods if any(method in group.entries for group in groups)]
    keys = dict(zip(methods, legend(methods), strict=True))
    drawings = [score_by_seconds(groups, methods)]
    caption = (
        "Score against seconds: a marker for each number of shots, joined by a line, the largest "
        "for the most shots."
    )
    if len(groups) > 1:
        drawings.insert(0, learning_curves(groups, methods))
        caption = f"Score against shots: means, with their 95 % intervals as bands. {caption}"
    caption = f"{caption} The score axes need not start at 0; hollow markers are below them."
    return Pictures(tuple(drawings), tuple(keys[method] for method in shown), caption)


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
