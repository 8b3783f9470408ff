"""The report of a Classifier: what was tried, what was chosen and why, what to expect of it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fewshot.classifiers.base import DryRun


@dataclass(frozen=True)
class Trial:
    """A voice that was tried, or why it was not."""

    name: str
    accuracy: float | None  # cross-validated
    deviation: float | None  # standard error of it
    seconds: float
    weight: float  # in the pool of log-probabilities
    note: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """What the report shows of it."""
        accuracy = "" if self.accuracy is None else f"{self.accuracy:.2f} ± {self.deviation:.2f}"
        weight = f"{self.weight:.2f}" if self.weight else ""
        return self.name, accuracy, f"{self.seconds:.1f}", weight, self.note


_HEADINGS = ("voice", "accuracy", "seconds", "weight", "")


@dataclass(frozen=True)
class FitReport:
    """What a Classifier did in ``fit``; printed in a terminal or a notebook."""

    trials: tuple[Trial, ...]
    model: str  # the language model
    reason: str  # what was chosen, and why
    # On new texts in which classes are as frequent as among the labels, with its 90 % interval.
    expected_accuracy: float | None
    interval: tuple[float, float] | None
    advice: tuple[str, ...]  # what would help most, the most promising first
    seconds: float

    def __str__(self) -> str:
        rows = [_HEADINGS, *(trial.cells for trial in self.trials)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([*lines, "", *self._sentences()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _HEADINGS)
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in trial.cells)}</tr>"
            for trial in self.trials
        )
        text = "".join(f"<p>{html.escape(line)}</p>" for line in self._sentences())
        return f"<table><tr>{head}</tr>{rows}</table>{text}"

    def _sentences(self) -> Iterator[str]:
        yield f"{self.reason} ({self.model}, {self.seconds:.0f} s)"
        if self.expected_accuracy is not None and self.interval is not None:
            low, high = self.interval
            yield (
                f"Expected accuracy on new texts: {self.expected_accuracy:.2f} "
                f"(90 % interval {low:.2f} to {high:.2f})."
            )
        yield from (f"To improve: {line}" for line in self.advice)


@dataclass(frozen=True)
class FitPlan(DryRun):
    """The plan of a :class:`~fewshot.Classifier`, and its cost."""

    voices: tuple[str, ...] = ()
    model: str = ""
    time_budget: float = 0.0  # seconds
    n_distilled: int = 0  # texts without labels that one classifier may learn from in the end

    def __str__(self) -> str:
        more = f", distilled with up to {self.n_distilled} texts" if self.n_distilled else ""
        return (
            f"{', '.join(self.voices)} on {self.model}{more}: about {self.seconds:.0f} of "
            f"{self.time_budget:.0f} s"
        )


def in_seconds(seconds: float) -> str:
    """Write seconds with two digits, or whole ones from a hundred on."""
    return f"{seconds:.2g} s" if seconds < 99.5 else f"{seconds:.0f} s"


def reason_for(kept: Sequence[Trial], held_out: float | None) -> str:
    """Say what is pooled, and the share of held-out texts that is right if that is known."""
    names = ", ".join(trial.name for trial in sorted(kept, key=lambda trial: -trial.weight))
    what = f"{'Pools' if len(kept) > 1 else 'Uses'} {names}"
    if any(trial.name == "zero-shot" for trial in kept):
        what += ", since the budget allows no regression on states of the language model"
    known = [trial for trial in kept if trial.accuracy is not None]
    rest = ", ".join(trial.name for trial in kept if trial.accuracy is None)
    if not known:
        return f"{what}: nothing could be cross-validated."
    if held_out is None:
        return (
            f"{what}: the accuracy to expect is unknown, since most of the weight is that of "
            f"{rest}, which could not be cross-validated."
        )
    best = max(known, key=lambda trial: trial.accuracy or 0.0)
    alone = f", where {best.name} alone has {best.accuracy:.2f}" if len(known) > 1 else ""
    without = f" (without {rest}, not cross-validated)" if rest else ""
    return f"{what}: {held_out:.2f} of held-out texts are right{without}{alone}."
