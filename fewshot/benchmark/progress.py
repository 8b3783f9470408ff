"""The progress of a benchmark: a line per cell, with the estimated time left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TextIO

from fewshot.benchmark.results import Cell, CellKey

_ERROR_LENGTH = 120


class Progress:
    """A writer of progress."""

    def __init__(
        self,
        out: TextIO | None,  # None is silent
        pending: Sequence[CellKey],
        known: Iterable[Cell],  # cells of earlier runs, whose times are used for the estimate
        n_jobs: int,
    ) -> None:
        self._out = out
        self._waiting = Counter((key.method, key.data_set) for key in pending)
        self._n_cells, self._n_done = len(pending), 0
        self._n_jobs = n_jobs
        self._seconds: dict[tuple[str, str], list[float]] = {}
        for cell in known:
            self._learn(cell)

    def announce(self, text: str) -> None:
        """Write a line."""
        if self._out is not None:
            self._out.write(f"{text}\n")
            self._out.flush()

    def report(self, cell: Cell) -> None:
        """Write the line of a finished cell."""
        self._learn(cell)
        self._waiting[cell.method, cell.data_set] -= 1
        self._n_done += 1
        place = f"{self._n_done:{len(str(self._n_cells))}}/{self._n_cells}"
        what = f"{cell.data_set}, {cell.shots} shots, seed {cell.seed}: {cell.method}"
        self.announce(f"{place}  {what}: {_outcome(cell)}{self._end()}")

    def seconds_left(self) -> float:
        """Estimate the time from that of the same methods, on the same data where known."""
        total = 0.0
        for (method, data_set), count in self._waiting.items():
            known = self._seconds.get((method, data_set)) or self._of_method(method)
            total += count * fmean(known) if known else 0.0
        return total / self._n_jobs

    def _of_method(self, method: str) -> list[float]:
        return [s for (name, _), taken in self._seconds.items() if name == method for s in taken]

    def _end(self) -> str:
        left = self.seconds_left()
        waiting = {method for (method, _), count in (+self._waiting).items()}
        unknown = sorted(method for method in waiting if not self._of_method(method))
        known = f", about {duration(left)} left" if left else ""
        more = f" and {', '.join(unknown)}, not timed yet" if unknown else ""
        return known + (more if left else more.replace(" and", ", left:", 1))

    def _learn(self, cell: Cell) -> None:
        if cell.fit_seconds is not None and cell.predict_seconds is not None:
            taken = self._seconds.setdefault((cell.method, cell.data_set), [])
            taken.append(cell.fit_seconds + cell.predict_seconds)


def _outcome(cell: Cell) -> str:
    if not cell.is_done:
        return f"failed: {cell.error.splitlines()[0][:_ERROR_LENGTH]}"
    score = cell.scores.get(cell.metric)
    shown = "no score" if score is None else f"{cell.metric} {score:.3f}"
    seconds = (cell.fit_seconds or 0.0) + (cell.predict_seconds or 0.0)
    return f"{shown}, {seconds:.1f} s"


def duration(seconds: float) -> str:
    """Write a time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
