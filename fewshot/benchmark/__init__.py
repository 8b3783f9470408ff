"""Honest comparisons: methods x data sets x shots x seeds, measured, resumed and reported."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewshot.benchmark.data_sets.data_set import DataSet
    from fewshot.benchmark.data_sets.loading import list_data_sets, load_data_set
    from fewshot.benchmark.data_sets.packages import load_bbc_news
    from fewshot.benchmark.report import write_report
    from fewshot.benchmark.results import Cell, Results, read_results
    from fewshot.benchmark.runner import run
    from fewshot.benchmark.spec import Spec
    from fewshot.benchmark.spec_reader import load_spec
    from fewshot.benchmark.summary import summarize

__all__ = [
    "Cell",
    "DataSet",
    "Results",
    "Spec",
    "list_data_sets",
    "load_bbc_news",
    "load_data_set",
    "load_spec",
    "read_results",
    "run",
    "summarize",
    "write_report",
]

# Loaded when asked for: a report needs no torch.
_HOME = {
    "Cell": "results",
    "DataSet": "data_sets.data_set",
    "Results": "results",
    "Spec": "spec",
    "list_data_sets": "data_sets.loading",
    "load_bbc_news": "data_sets.packages",
    "load_data_set": "data_sets.loading",
    "load_spec": "spec_reader",
    "read_results": "results",
    "run": "runner",
    "summarize": "summary",
    "write_report": "report",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'fewshot.benchmark' has no attribute {name!r}")
    return getattr(import_module(f"fewshot.benchmark.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
