"""Data sets of the benchmark: those known by name, and the user's own."""

from __future__ import annotations

from fewshot.benchmark.data_sets.data_set import DataSet, Split
from fewshot.benchmark.data_sets.loading import load_data_set
from fewshot.benchmark.data_sets.registry import list_data_sets

__all__ = ["DataSet", "Split", "list_data_sets", "load_data_set"]
