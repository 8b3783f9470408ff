"""Print the table of docs/reference/data_sets.md: ``python -m tools.data_set_table``."""

from __future__ import annotations

import sys
from collections.abc import Callable

from fewshot.benchmark.data_sets.entries import ENTRIES, Entry
from fewshot.benchmark.data_sets.packages import Package
from fewshot.benchmark.metrics import METRICS
from fewshot.prompting.library import load_task


def data_set_table() -> str:
    """Return the data sets in Markdown: a table, and a list of protocols."""
    ours = {metric.scoring: name for name, metric in METRICS.items()}
    rows = ["| names | what | labels | metric | terms |", "|---|---|---|---|---|"]
    for task_name, names in _alike(lambda entry: entry.task).items():
        task = load_task(task_name)
        n_labels, metric = str(len(task.labels)), ours[task.metric]
        rows.append(f"| {names} | {task.description} | {n_labels} | {metric} | {task.licence} |")
    origins = _alike(lambda entry: f"{entry.protocol}. Texts: {_origin(entry)}.")
    protocols = [f"- {names}: {protocol}" for protocol, names in origins.items()]
    return "\n".join([*rows, "", "How training and test texts are drawn:", "", *protocols]) + "\n"


def _alike(key: Callable[[Entry], str]) -> dict[str, str]:
    """Group the names of the data sets by a key."""
    alike: dict[str, list[str]] = {}
    for name, entry in ENTRIES.items():
        alike.setdefault(key(entry), []).append(f"`{name}`")
    return {shared: ", ".join(names) for shared, names in alike.items()}


def _origin(entry: Entry) -> str:
    if isinstance(entry.place, Package):
        return f"the package {entry.place.name} (`{entry.place.install}`), from {entry.url}"
    return entry.url


if __name__ == "__main__":
    sys.stdout.write(data_set_table())
