"""The table and the chart of speeds say what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from benchmarks.speed_report import chart, tables

PREDICTIONS = [
    {"measure": "prediction", "name": "bare", "seconds": 2.0, "n_texts": 50, "speed": 1.0},
    {"measure": "prediction", "name": "a < b", "seconds": 0.5, "n_texts": 50, "speed": 4.0},
]
ROWS = [
    {
        "measure": "machine",
        "processor": "X",
        "features": ["avx2"],
        "python": "3.12",
        "libraries": {"torch": "2.13"},
    },
    *PREDICTIONS,
    {"measure": "one text", "name": "bare", "seconds": 0.004},
    {"measure": "one text", "name": "a < b", "seconds": 0.0012},
    {"measure": "decisions that differ", "name": "a < b", "count": 3, "n_texts": 50},
    {"measure": "fit", "name": "full", "seconds": 10.0, "n_texts": 40},
    {"measure": "start", "name": "fewshot", "seconds": 5.04, "megabytes": 700.4},
]


def test_the_tables_hold_every_number():
    lines = list(tables(ROWS))

    assert "Processor: X with avx2." in lines
    assert "| bare | 1.00 | 2.00 | 4.0 |  |" in lines
    assert "| a < b | 4.00 | 0.50 | 1.2 | 3 of 50 |" in lines
    assert "| fit on 40 texts: full | 10.0 | |" in lines
    assert "| start to first prediction: fewshot | 5.0 | 700 |" in lines


def test_bars_are_as_long_as_speeds():
    drawn = ET.fromstring(chart(PREDICTIONS))

    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.get("width")) for bar in drawn.iter(f"{space}rect")]
    assert widths == [95.0, 380.0]
    assert "a < b" in [text.text for text in drawn.iter(f"{space}text")]
