"""The spec of a benchmark: methods, data sets, shots and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from fewshot.benchmark.results import CellKey

VALIDATION_SPLITS = 4
UNLABELED_TEXTS = 1000  # as in PETClassifier and PCPClassifier


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method: an estimator with a name and settings."""

    name: str  # for tables
    estimator: str  # a short name such as "prompt", or a path such as "sklearn.svm:LinearSVC"
    settings: dict[str, Any] = field(default_factory=dict)  # those of nested ones: tuning__rank
    grid: dict[str, list[Any]] = field(default_factory=dict)  # to choose from by validation


@dataclass(frozen=True, slots=True)
class DataSetSpec:
    """A data set and its use."""

    name: str
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    test_size: int | None = None  # the most test texts
    metric: str | None = None  # these three are by default those of the data set
    template: str | None = None
    verbalizer: dict[str, Any] | None = None
    source: dict[str, Any] = field(default_factory=dict)  # of texts that the name does not identify
    unlabeled_texts: int | None = None  # at most; by default that of the spec


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A method that is not run, on some data sets or on all."""

    method: str
    reason: str  # for the report
    data_sets: tuple[str, ...] = ()  # all, if empty


@dataclass(frozen=True, slots=True)
class Spec:
    """The methods, data sets, shots and seeds of a benchmark, checked, with all defaults.

    Parameters
    ----------
    name : str
        For the report.
    methods : tuple of MethodSpec
        Each with ``name``, ``estimator``, ``settings`` and ``grid``.
    data_sets : tuple of DataSetSpec
        Each with ``name``, ``shots``, ``seeds`` and deviations from the data set's protocol.
    left_out : tuple of LeftOut, default=()
        Methods that are not run, with the reason.
    validation_splits : int, default=4
        Random splits of the labeled texts into halves, by which a method with a grid chooses.
    unlabeled_texts : int, default=1000
        The most unlabeled texts of a method that learns from them.

    See Also
    --------
    load_spec : Read a spec from a file or a mapping.
    run : Run it.

    Examples
    --------
    >>> from fewshot.benchmark import load_spec
    >>> prompt = {"name": "Prompt", "estimator": "prompt"}
    >>> load_spec({"methods": [prompt], "data_sets": ["bbc_news"], "shots": [8], "seeds": [1]}).name
    'Benchmark'
    """

    name: str
    methods: tuple[MethodSpec, ...]
    data_sets: tuple[DataSetSpec, ...]
    left_out: tuple[LeftOut, ...] = ()
    validation_splits: int = VALIDATION_SPLITS
    unlabeled_texts: int = UNLABELED_TEXTS

    def to_dict(self) -> dict[str, Any]:
        """Return the spec with JSON's types."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        # Keeps the hashes of specs that were made before these existed.
        if self.unlabeled_texts == UNLABELED_TEXTS:
            del content["unlabeled_texts"]
        for data in content["data_sets"]:
            if data["unlabeled_texts"] is None:
                del data["unlabeled_texts"]
        return content

    @property
    def hash(self) -> str:
        """SHA-256 of the spec: equal hashes mean equal cells."""
        text = json.dumps(self.to_dict(), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def method(self, name: str) -> MethodSpec:
        """Return the method with a name."""
        return next(method for method in self.methods if method.name == name)

    def cells(self, labeled_only: frozenset[str]) -> Iterator[CellKey]:
        """Yield the cells in the order in which they run.

        The first shots run first, then the first seeds, then the data sets, each with the cheap
        methods first: an interrupted run has compared all methods on all data sets, with fewer
        seeds. Methods in `labeled_only` have no cells at 0 shots.
        """
        for data, shots, seed in self._rounds():
            for method in self.methods:
                is_possible = shots > 0 or method.name not in labeled_only
                if is_possible and not self._is_left_out(method.name, data.name):
                    yield CellKey(method.name, data.name, shots, seed)

    def _rounds(self) -> Iterator[tuple[DataSetSpec, int, int]]:
        most_shots = max(len(data.shots) for data in self.data_sets)
        most_seeds = max(len(data.seeds) for data in self.data_sets)
        for shot, number in product(range(most_shots), range(most_seeds)):
            for data in self.data_sets:
                if shot < len(data.shots) and number < len(data.seeds):
                    yield data, data.shots[shot], data.seeds[number]

    def _is_left_out(self, method: str, data_set: str) -> bool:
        return any(
            entry.method == method and (not entry.data_sets or data_set in entry.data_sets)
            for entry in self.left_out
        )
