"""The demo's report: a table and a picture as one HTML file, which needs nothing else."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean

from fewshot import __version__
from fewshot.benchmark.report.page import definitions, page, table
from fewshot.benchmark.report.svg import shape
from fewshot.benchmark.results import Cell, Results
from fewshot.benchmark.statistics import estimate

TABLE_HEADER = ("Method", "Accuracy", "Macro-F1", "Fit s", "Predict s", "Tokens")

_PACKAGES = ("torch", "transformers", "setfit", "scikit-learn", "numpy")
_ROW, _BAR, _DOT = 46, 14, 4  # pixels: a method of the picture, its bar, radius of a seed's dot
_TICKS = (0, 25, 50, 75, 100)  # percent

_STYLE = """
:root { color-scheme: light dark; --bar: #8fb3e8; --dot: #1d4f9c; --line: #d4d9e0; --soft: #5c6672;
  --mark: #ffe08a; --page: #fff; --text: #1b2129; --wrong: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --bar: #3d659f; --dot: #a9cbff; --line: #3a424d;
  --soft: #a3adb9; --mark: #6b5200; --page: #14181d; --text: #e6eaf0; --wrong: #ff9a91; } }
body { max-width: 52rem; } .wrong { color: var(--wrong); } svg { overflow: visible; }
svg .bar { fill: var(--bar); } svg .dot { fill: var(--dot); }
th { font-weight: normal; } thead th { font-weight: bold; } th, td { white-space: nowrap; }
article { border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; margin: 1rem 0;
  break-inside: avoid; }
article p { margin: 0 0 .6rem; } mark { background: var(--mark); color: inherit; padding: 0 .3em;
  border-radius: 4px; }
.words { display: grid; grid-template-columns: 7rem 1fr 3rem; gap: .15rem .6rem;
  align-items: center; margin-bottom: .6rem; }
.words i { height: .7rem; background: var(--bar); border-radius: 2px; min-width: 1px; }
.words b { font-weight: normal; text-align: right; font-variant-numeric: tabular-nums; }
@media print { :root { color-scheme: light; --bar: #8fb3e8; --dot: #1d4f9c; --mark: #ffe08a;
  --page: #fff; --text: #000; --soft: #444; --line: #ccc; --wrong: #b3261e; }
  .words i { break-inside: avoid; print-color-adjust: exact; } }
"""


@dataclass(frozen=True)
class MethodResults:
    """What one method did, over the seeds on which it did not fail.

    Parameters
    ----------
    method : str
    cells : tuple of Cell
    errors : tuple of str
        Why it failed, each cause once.
    """

    method: str
    cells: tuple[Cell, ...]
    errors: tuple[str, ...]

    def mean(self, score: str) -> float:
        """Return the mean of a score over the seeds."""
        return estimate(self._values(score)).mean

    def told(self, score: str) -> str:
        """Return mean and standard deviation of a score as text."""
        found = estimate(self._values(score))
        spread = "" if found.deviation is None else f" ± {found.deviation:.3f}"
        return f"{found.mean:.3f}{spread}"

    def row(self) -> tuple[str, ...]:
        """Return the row of the table as text."""
        if not self.cells:
            return (self.method, "failed", "", "", "", "")
        return (
            self.method,
            self.told("accuracy"),
            self.told("macro_f1"),
            _mean([cell.fit_seconds for cell in self.cells], ".2f"),
            _mean([cell.predict_seconds for cell in self.cells], ".2f"),
            _mean([cell.tokens for cell in self.cells], ",.0f"),
        )

    def _values(self, score: str) -> list[float]:
        values = (cell.scores[score] for cell in self.cells)
        return [value for value in values if value is not None]


def results_by_method(results: Results) -> list[MethodResults]:
    """Gather the cells of one data set and number of shots by method, as the spec orders them.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of MethodResults
    """
    found = []
    for name in [str(method["name"]) for method in results.header.spec["methods"]]:
        cells = [cell for cell in results.cells if cell.method == name]
        done = sorted((cell for cell in cells if cell.is_done), key=lambda cell: cell.seed)
        errors = dict.fromkeys(cell.error for cell in cells if not cell.is_done)
        if cells:
            found.append(MethodResults(name, tuple(done), tuple(errors)))
    return found


@dataclass(frozen=True)
class Example:
    """A text as the prompt sees it.

    Parameters
    ----------
    before, after : str
        The cloze sentence around the mask.
    label : str
        The true label.
    words : mapping of str to float
        Label words with their probabilities, the best first.
    predictions : mapping of str to str
        What methods predicted, by the name of the method.
    """

    before: str
    after: str
    label: str
    words: Mapping[str, float]
    predictions: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """What a report tells.

    Parameters
    ----------
    title, setting : str
    methods : sequence of MethodResults
    examples : sequence of Example
    command : str
        What makes the report again.
    seconds : float
        How long that took.
    """

    title: str
    setting: str
    methods: Sequence[MethodResults]
    examples: Sequence[Example]
    command: str
    seconds: float

    def to_html(self) -> str:
        """Return the page, without anything from outside."""
        content = [
            f"<h1>{escape(self.title)}</h1>\n<p>{escape(self.setting)}.</p>",
            _picture(self.methods),
            _table(self.methods),
            _examples(self.examples),
            _footer(self.command, self.seconds),
        ]
        return page(self.title, _STYLE, content)


def _mean(values: Sequence[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return format(fmean(known), form) if known else ""


def _picture(methods: Sequence[MethodResults]) -> str:
    """Draw bars of the mean accuracy, with a dot for each seed.

    Places are in percent and sizes in pixels, so the text stays legible on a phone.
    """
    height = _ROW * len(methods)
    label = "; ".join(f"{results.method} {_accuracy(results)}" for results in methods)
    shapes = [piece for percent in _TICKS for piece in _tick(percent, height)]
    shapes += [_bar(results, _ROW * row) for row, results in enumerate(methods)]
    attributes: dict[str, str | float] = {
        "role": "img",
        "aria-label": f"Accuracy: {label}",
        "width": "100%",
        "height": height + 22,
    }
    drawing = shape("svg", attributes, "\n".join(shapes))
    return (
        f"<figure>\n{drawing}\n<figcaption>Accuracy on the test texts: the bar is the mean, each "
        "dot a seed.</figcaption>\n</figure>"
    )


def _tick(percent: int, height: int) -> Iterator[str]:
    x = f"{percent}%"
    yield shape("line", {"class": "grid", "x1": x, "x2": x, "y1": 0, "y2": height})
    anchor = {0: "start", 100: "end"}.get(percent, "middle")
    yield shape("text", {"class": "tick", "x": x, "y": height + 16, "text-anchor": anchor}, x)


def _accuracy(results: MethodResults) -> str:
    return results.told("accuracy") if results.cells else "failed"


def _bar(results: MethodResults, top: int) -> str:
    told = escape(f"{results.method}: {_accuracy(results)}")
    name = shape("text", {"x": 0, "y": top + 16}, told)
    if not results.cells:
        return name
    width = f"{100 * results.mean('accuracy'):.2f}%"
    bar = shape("rect", {"class": "bar", "x": 0, "y": top + 22, "width": width, "height": _BAR})
    middle = top + 22 + _BAR // 2
    dots = [
        shape("circle", {"class": "dot", "cx": f"{100 * value:.2f}%", "cy": middle, "r": _DOT})
        for cell in results.cells
        if (value := cell.scores["accuracy"]) is not None
    ]
    return "".join([name, bar, *dots])


def _table(methods: Sequence[MethodResults]) -> str:
    rows = [[escape(cell) for cell in results.row()] for results in methods]
    failures = [
        f'<p class="wrong">{escape(results.method)} failed: {escape(error)}</p>'
        for results in methods
        for error in results.errors
    ]
    return "\n".join(
        [
            table([escape(cell) for cell in TABLE_HEADER], [rows]),
            '<p class="soft">Mean ± standard deviation over the seeds. Seconds and tokens are '
            "means of one seed; tokens are what the encoder read, in training and in prediction."
            "</p>",
            *failures,
        ]
    )


def _examples(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    return "\n".join(
        [
            "<h2>What the prompt does</h2>",
            "<p>A template turns each text into a sentence with a gap. A masked language model, "
            "which was never told about these labels, says how well each label word fits the gap. "
            "Below, test texts with the words that fit best: their share among all label words, "
            "after calibration.</p>",
            *map(_example, examples),
        ]
    )


def _example(example: Example) -> str:
    words = "".join(
        f'<span>{escape(word)}</span><i style="width:{100 * share:.1f}%"></i><b>{share:.0%}</b>'
        for word, share in example.words.items()
    )
    predictions = "".join(
        f'<div class="soft">{escape(method)}: {_verdict(predicted, example.label)}</div>\n'
        for method, predicted in example.predictions.items()
    )
    return (
        f"<article>\n<p>{escape(example.before)}<mark>____</mark>{escape(example.after)}</p>\n"
        f'<div class="words">{words}</div>\n'
        f"<div>True label: <strong>{escape(example.label)}</strong></div>\n"
        f"{predictions}</article>"
    )


def _verdict(predicted: str, label: str) -> str:
    if predicted == label:
        return f"{escape(predicted)} ✓"
    return f'<span class="wrong">{escape(predicted)} ✗</span>'


def _footer(command: str, seconds: float) -> str:
    facts = {
        "Command": command,
        "Date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "Time": f"{seconds / 60:.1f} minutes, {os.cpu_count()} CPU cores",
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "Versions": ", ".join([f"fewshot {__version__}", *map(_version, _PACKAGES)]),
    }
    return f"<h2>How this was made</h2>\n{definitions(facts.items())}"


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
