"""Pairs of labelled texts for SetFit: counted first, drawn without listing all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

PairSampling: TypeAlias = Literal["oversampling", "undersampling", "unique"]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairSource:
    """The pairs that some labelled texts can make."""

    # A pair is positive if both texts are of one class; a text paired with itself counts as one, as
    # it does in setfit. Pairs are numbered, and numbers are drawn: memory grows with the pairs that
    # are asked for, not with the square of the texts.

    classes: Ints  # of each text
    strategy: PairSampling
    num_iterations: int | None
    max_pairs: int

    @property
    def n_positive(self) -> int:
        """Different pairs of one class."""
        counts = np.bincount(self.classes)
        return int((counts * (counts + 1) // 2).sum())

    @property
    def n_negative(self) -> int:
        """Different pairs of two classes."""
        n = len(self.classes)
        return n * (n + 1) // 2 - self.n_positive

    @property
    def n_pairs(self) -> int:
        """Pairs that :meth:`draw` gives."""
        return sum(self._wanted())

    def draw(self, rng: np.random.Generator) -> Ints:
        """Draw pairs; none is repeated before all of its kind were drawn."""
        # Rows are the positions of two texts and 1 for one class, 0 for two, [n_pairs, 3],
        # shuffled.
        n_positive, n_negative = self._wanted()
        positive = self._positive(_numbers(self.n_positive, n_positive, rng))
        negative = self._negative(_numbers(self.n_negative, n_negative, rng))
        places = np.concatenate([positive, negative])
        is_positive = np.arange(len(places)) < n_positive
        return rng.permutation(np.column_stack([places, is_positive.astype(np.int64)]))

    def _positive(self, numbers: Ints) -> Ints:
        """Return the positive pairs of these numbers, as positions of texts, [n, 2]."""
        return self._order[_positive(np.bincount(self.classes), numbers)]

    def _negative(self, numbers: Ints) -> Ints:
        return self._order[_negative(np.bincount(self.classes), numbers)]

    @property
    def _order(self) -> Ints:
        """Positions of the texts, class by class."""
        return np.argsort(self.classes, kind="stable")

    def _wanted(self) -> tuple[int, int]:
        """Return how many positive and negative pairs to draw."""
        positive, negative = self.n_positive, self.n_negative
        if self.num_iterations is not None:
            positive = negative = self.num_iterations * len(self.classes)
        elif self.strategy == "oversampling":
            positive = negative = max(positive, negative)
        elif self.strategy == "undersampling":
            positive = negative = min(positive, negative)
        if not self.n_negative:  # a single class
            negative = 0
        if positive + negative > self.max_pairs:
            half = self.max_pairs // 2
            positive = min(positive, max(half, self.max_pairs - negative))
            negative = min(negative, self.max_pairs - positive)
        return positive, negative


@dataclass(frozen=True)
class LabelSetPairs(PairSource):
    """The pairs of texts that may have several labels: positive if they share one."""

    # As setfit's for its multi_target_strategy; all pairs are listed, by the square of the texts.
    # A text without labels makes negative pairs only, also with itself.

    targets: npt.NDArray[np.float64]  # [n, n_labels]

    @property
    def n_positive(self) -> int:
        """Different pairs that share a label."""
        return len(self._listed[0])

    @property
    def n_negative(self) -> int:
        """Different pairs that share none."""
        return len(self._listed[1])

    @cached_property
    def _listed(self) -> tuple[Ints, Ints]:
        has_label = (self.targets > 0).astype(np.float32)
        shares = has_label @ has_label.T > 0
        above = np.triu(np.ones_like(shares))
        return np.argwhere(shares & above), np.argwhere(~shares & above)

    def _positive(self, numbers: Ints) -> Ints:
        return self._listed[0][numbers]

    def _negative(self, numbers: Ints) -> Ints:
        return self._listed[1][numbers]


def _numbers(n_available: int, n_wanted: int, rng: np.random.Generator) -> Ints:
    """Draw numbers below `n_available`, all once before any twice."""
    if n_wanted < n_available:
        return rng.choice(n_available, n_wanted, replace=False)
    return np.resize(rng.permutation(n_available), n_wanted)


def _positive(counts: Ints, numbers: Ints) -> Ints:
    """Return pairs of one class by number, as places in the order of classes, [n, 2]."""
    ends = np.cumsum(counts * (counts + 1) // 2)
    label = np.searchsorted(ends, numbers, side="right")
    within = numbers - (ends - counts * (counts + 1) // 2)[label]
    # Number second * (second + 1) / 2 + first, where first <= second.
    second = ((np.sqrt(8 * within + 1) - 1) / 2).astype(np.int64)
    first = within - second * (second + 1) // 2
    start = (np.cumsum(counts) - counts)[label]
    return np.column_stack([start + first, start + second])


def _negative(counts: Ints, numbers: Ints) -> Ints:
    """Return pairs of two classes by number, as places in the order of classes, [n, 2]."""
    class_ends = np.repeat(np.cumsum(counts), counts)  # of each place, where its class ends
    ends = np.cumsum(len(class_ends) - class_ends)
    first = np.searchsorted(ends, numbers, side="right")
    before = np.concatenate([[0], ends])[first]
    return np.column_stack([first, class_ends[first] + numbers - before])
