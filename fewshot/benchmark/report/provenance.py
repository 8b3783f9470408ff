"""The origin of results: methods, spec, versions, machines, dates and warnings."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from fewshot.benchmark.report.tables import Grid, Value, plural
from fewshot.benchmark.results import Cell, Results

_LISTS = ("methods", "data_sets", "left_out")
_YAML_WIDTH = 100


def provenance(results: Results) -> tuple[tuple[str, str], ...]:
    """Return the facts needed to reproduce the results, as terms and texts."""
    header, cells = results.header, results.cells
    versions: dict[str, list[str]] = {}
    for cell in cells:
        for package, number in cell.versions.items():
            versions.setdefault(package, []).append(number)
    dates = sorted(cell.finished for cell in cells if cell.finished)
    finished = f"{dates[0]} to {dates[-1]}" if dates else "no cell yet"
    return (
        ("Started", header.created),
        ("Cells finished", finished),
        ("Machines", "; ".join(hosts(cells)) or "unknown"),
        (
            "Versions",
            ", ".join(f"{name} {' and '.join(_once(v))}" for name, v in versions.items()),
        ),
        ("SHA-256 of the spec", header.spec_hash),
    )


def hosts(cells: Sequence[Cell]) -> list[str]:
    """Describe the machines that cells ran on, each once."""
    found = (", ".join(f"{key}: {value}" for key, value in cell.host.items()) for cell in cells)
    return _once(text for text in found if text)


def method_grid(results: Results) -> Grid:
    """Tabulate the methods with their settings."""
    rows = []
    for method in results.header.spec["methods"]:
        grid = method["grid"]
        chosen = "; ".join(f"{key}: {_json(values)}" for key, values in grid.items())
        rows.append(
            (
                Value(method["name"]),
                Value(method["estimator"]),
                Value(_settings(method["settings"])),
                Value(chosen if grid else "nothing"),
            )
        )
    header = tuple(map(Value, ("Method", "Estimator", "Settings", "Chosen by validation")))
    caption = "Methods: settings that are not listed have their defaults"
    return Grid(caption, header, (tuple(rows),), "words")


def chosen_settings(cells: Iterable[Cell]) -> tuple[str, ...]:
    """List the settings chosen by validation, with their counts."""
    counts = Counter(
        (cell.method, cell.shots, _settings(cell.chosen)) for cell in cells if cell.chosen
    )
    return tuple(
        f"{method}, {shots} shots: {chosen} ({plural(count, 'seed')})"
        for (method, shots, chosen), count in sorted(counts.items())
    )


def list_warnings(cells: Iterable[Cell]) -> tuple[str, ...]:
    """List the warnings of methods; those that differ only in numbers are listed once."""
    texts: dict[tuple[str, str], str] = {}
    counts = Counter[tuple[str, str]]()
    for cell in cells:
        for text in cell.warnings:
            kind = (cell.method, re.sub(r"\d+", "0", text))
            texts.setdefault(kind, text)
            counts[kind] += 1
    return tuple(
        f"{method}, in {plural(count, 'cell')}: {texts[method, kind]}"
        for (method, kind), count in sorted(counts.items())
    )


def spec_yaml(spec: dict[str, Any]) -> str:
    """Write the spec of a results file as YAML that gives the same cells."""
    content = {key: value for key, value in spec.items() if key not in _LISTS}
    for key in _LISTS:
        entries = [_without_defaults(entry) for entry in spec[key]]
        if entries:
            content[key] = entries
    text: str = yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=_YAML_WIDTH
    )
    return text.rstrip()


def _without_defaults(entry: dict[str, Any]) -> dict[str, Any]:
    """Leave out empty values, and put the source of a data set beside its name."""
    flat = {**entry, **entry["source"]} if "source" in entry else entry
    return {
        key: value for key, value in flat.items() if key != "source" and value not in (None, {}, [])
    }


def _settings(settings: dict[str, object]) -> str:
    return "; ".join(f"{key}: {_json(value)}" for key, value in settings.items())


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
