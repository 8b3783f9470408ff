"""The table and the chart of speeds: ``python -m benchmarks.speed_report`` makes them again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from fewshot.benchmark.report.svg import shape

_ROOT = Path(__file__).parents[1]
_PAGE = _ROOT / "docs" / "evidence" / "speed.md"
_CHART = _ROOT / "docs" / "assets" / "speed.svg"
_MARKS = "<!-- numbers -->\n", "<!-- end of numbers -->\n"  # what is between them is written anew
_WIDTH, _NAMES, _BAR, _ROW = 760, 300, 380, 26
_STYLE = "text { font: 14px system-ui, sans-serif; fill: #5c6873 } rect { fill: #00897b }"

Row = dict[str, Any]


def write_report(rows: list[Row]) -> Iterator[str]:
    """Write the page's numbers and the chart; yield the lines of the tables."""
    lines = ["![Speed of prediction](../assets/speed.svg)", "", *tables(rows)]
    before, _, rest = _PAGE.read_text("utf-8").partition(_MARKS[0])
    after = rest.partition(_MARKS[1])[2]
    body = "\n".join(lines)
    _PAGE.write_text(f"{before}{_MARKS[0]}{body}\n{_MARKS[1]}{after}", "utf-8")
    _CHART.write_text(chart(_of(rows, "prediction")) + "\n", "utf-8")
    yield from lines


def tables(rows: list[Row]) -> Iterator[str]:
    """Yield Markdown: the machine, then prediction, fits and starts."""
    [machine] = _of(rows, "machine")
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    yield f"Processor: {machine['processor']} with {', '.join(machine['features'])}."
    yield f"Python {machine['python']}, {libraries}."
    yield ""
    one = {row["name"]: row["seconds"] for row in _of(rows, "one text")}
    changed = {row["name"]: row for row in _of(rows, "decisions that differ")}
    predictions = _of(rows, "prediction")
    n_texts = predictions[0]["n_texts"]
    yield f"| prediction of {n_texts} texts | speed | seconds | one text, ms | decisions changed |"
    yield "|---|---|---|---|---|"
    for row in predictions:
        name = row["name"]
        differing = changed.get(name)
        shown = "" if differing is None else f"{differing['count']} of {n_texts}"
        cells = [name, f"{row['speed']:.2f}", f"{row['seconds']:.2f}", f"{1e3 * one[name]:.1f}"]
        yield f"| {' | '.join([*cells, shown])} |"
    yield ""
    yield "| work | seconds | memory, MB |"
    yield "|---|---|---|"
    for row in _of(rows, "fit"):
        yield f"| fit on {row['n_texts']} texts: {row['name']} | {row['seconds']:.1f} | |"
    for row in _of(rows, "search"):
        yield f"| search of {row['n_fits']} fits: {row['name']} | {row['seconds']:.1f} | |"
    for row in _of(rows, "start"):
        yield (
            f"| start to first prediction: {row['name']} | {row['seconds']:.1f} "
            f"| {row['megabytes']:.0f} |"
        )


def chart(predictions: list[Row]) -> str:
    """Draw a bar for the speed of each way to predict."""
    fastest = max(row["speed"] for row in predictions)
    shapes = [shape("style", {}, _STYLE)]
    for place, row in enumerate(predictions):
        y, width = 12 + _ROW * place, _BAR * row["speed"] / fastest
        name = {"x": _NAMES - 8, "y": y + 13, "text-anchor": "end"}
        shapes += [
            shape("text", name, escape(row["name"])),
            shape("rect", {"x": _NAMES, "y": y, "width": width, "height": _ROW - 8}),
            shape("text", {"x": _NAMES + width + 6, "y": y + 13}, f"{row['speed']:.2f}"),
        ]
    height = 20 + _ROW * len(predictions)
    box = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {_WIDTH} {height}"}
    described = "Speed of prediction, as a multiple of torch's bare encoder in float32"
    return shape("svg", {**box, "role": "img", "aria-label": described}, "".join(shapes))


def _of(rows: list[Row], measure: str) -> list[Row]:
    return [row for row in rows if row["measure"] == measure]


if __name__ == "__main__":
    file = Path(__file__).parent / "results" / "evidence" / "speed.jsonl"
    for line in write_report([json.loads(line) for line in file.open(encoding="utf-8")]):
        print(line)
