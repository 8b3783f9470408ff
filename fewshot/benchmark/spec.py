"""What a benchmark is to do: methods, data sets, shots and seeds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from fewshot.benchmark.results import CellKey

VALIDATION_SPLITS = 4
UNLABELED_TEXTS = 1000  # what PETClassifier and PCPClassifier use at most by default


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method: an estimator with a name and settings.

    Parameters
    ----------
    name : str
        For tables.
    estimator : str
        A short name such as ``"prompt"``, or an import path such as ``"sklearn.svm:LinearSVC"``.
    settings : dict
        Parameters of the estimator; those of nested estimators as ``tuning__rank``.
    grid : dict of str to list
        Settings to choose from by validation inside the labels; none by default.
    """

    name: str
    estimator: str
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataSetSpec:
    """A data set and how it is used.

    Parameters
    ----------
    name : str
    shots, seeds : tuple of int
    test_size : int, optional
        The most test texts.
    metric : str, optional
        By default what the data set's protocol reports.
    template : str, optional
    verbalizer : dict, optional
        By default those of the data set.
    source : dict
        Where the texts come from, if the name does not tell: see
        :func:`fewshot.benchmark.load_data_set`.
    unlabeled_texts : int, optional
        The most texts without labels; by default as many as the spec says.
    """

    name: str
    shots: tuple[int, ...]
    seeds: tuple[int, ...]
    test_size: int | None = None
    metric: str | None = None
    template: str | None = None
    verbalizer: dict[str, Any] | None = None
    source: dict[str, Any] = field(default_factory=dict)
    unlabeled_texts: int | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A method that is not run, on some data sets or on all, and why.

    Parameters
    ----------
    method : str
    reason : str
        The report tells it.
    data_sets : tuple of str
        All, if empty.
    """

    method: str
    reason: str
    data_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spec:
    """What a benchmark is to do, checked, with all defaults filled in.

    Parameters
    ----------
    name : str
        Title of the report.
    methods : tuple of MethodSpec
        Cheap ones first; majority, TF-IDF and SetFit are always among them.
    data_sets : tuple of DataSetSpec
    left_out : tuple of LeftOut
    validation_splits : int
        Random splits of the labelled texts in halves, by which a method with a grid chooses.
    unlabeled_texts : int
        The most texts without labels that a method gets which learns from them.
    """

    name: str
    methods: tuple[MethodSpec, ...]
    data_sets: tuple[DataSetSpec, ...]
    left_out: tuple[LeftOut, ...] = ()
    validation_splits: int = VALIDATION_SPLITS
    unlabeled_texts: int = UNLABELED_TEXTS

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as JSON has it."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        # So that the hash of specs without them stays the same.
        if self.unlabeled_texts == UNLABELED_TEXTS:
            del content["unlabeled_texts"]
        for data in content["data_sets"]:
            if data["unlabeled_texts"] is None:
                del data["unlabeled_texts"]
        return content

    @property
    def hash(self) -> str:
        """SHA-256 of the spec: two benchmarks with the same one have the same cells."""
        text = json.dumps(self.to_dict(), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def method(self, name: str) -> MethodSpec:
        """Return the method of a name."""
        return next(method for method in self.methods if method.name == name)

    def cells(self, labelled_only: frozenset[str]) -> Iterator[CellKey]:
        """Yield the cells in the order in which they run.

        The shots that are listed first come first, of these the first seeds, of these one data
        set after the other, each with the cheap methods first: a run that is stopped half-way has
        compared all methods on all data sets, with fewer seeds.

        Parameters
        ----------
        labelled_only : frozenset of str
            Methods that have no cells at 0 shots, since they cannot learn without labels.

        Yields
        ------
        CellKey
        """
        for data, shots, seed in self._rounds():
            for method in self.methods:
                is_possible = shots > 0 or method.name not in labelled_only
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
