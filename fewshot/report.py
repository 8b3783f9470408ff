"""Reports: a comparison as one HTML file with a picture, which needs nothing else."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib.metadata import PackageNotFoundError, version

from fewshot import __version__
from fewshot.comparison import TABLE_HEADER, Summary
from fewshot.page import definitions, page, table
from fewshot.svg import shape

__all__ = ["Example", "Report"]

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
    summaries : sequence of Summary
    examples : sequence of Example
    command : str
        What makes the report again.
    seconds : float
        How long that took.
    """

    title: str
    setting: str
    summaries: Sequence[Summary]
    examples: Sequence[Example]
    command: str
    seconds: float

    def to_html(self) -> str:
        """Return the page, without anything from outside."""
        content = [
            f"<h1>{escape(self.title)}</h1>\n<p>{escape(self.setting)}.</p>",
            _picture(self.summaries),
            _table(self.summaries),
            _examples(self.examples),
            _footer(self.command, self.seconds),
        ]
        return page(self.title, _STYLE, content)


def _picture(summaries: Sequence[Summary]) -> str:
    """Draw bars of the mean accuracy, with a dot for each seed.

    Places are in percent and sizes in pixels, so the text stays legible on a phone.
    """
    height = _ROW * len(summaries)
    label = "; ".join(f"{s.method} {s.accuracy if s.outcomes else 'failed'}" for s in summaries)
    shapes = [piece for percent in _TICKS for piece in _tick(percent, height)]
    shapes += [_bar(summary, _ROW * row) for row, summary in enumerate(summaries)]
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


def _bar(summary: Summary, top: int) -> str:
    result = str(summary.accuracy) if summary.outcomes else "failed"
    name = shape("text", {"x": 0, "y": top + 16}, escape(f"{summary.method}: {result}"))
    if not summary.outcomes:
        return name
    width = f"{100 * summary.accuracy.mean:.2f}%"
    bar = shape("rect", {"class": "bar", "x": 0, "y": top + 22, "width": width, "height": _BAR})
    middle = top + 22 + _BAR // 2
    dots = [
        shape(
            "circle",
            {"class": "dot", "cx": f"{100 * outcome.accuracy:.2f}%", "cy": middle, "r": _DOT},
        )
        for outcome in summary.outcomes
    ]
    return "".join([name, bar, *dots])


def _table(summaries: Sequence[Summary]) -> str:
    rows = [[escape(cell) for cell in summary.cells()] for summary in summaries]
    failures = [
        f'<p class="wrong">{escape(summary.method)} failed: {escape(error)}</p>'
        for summary in summaries
        for error in summary.errors
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
