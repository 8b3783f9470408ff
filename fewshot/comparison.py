"""Comparing methods: fit and test each on the same splits, and lay the outcomes out as a table."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, TextIO

from sklearn.metrics import accuracy_score, f1_score

from fewshot.masked_lm import MaskedLM
from fewshot.sampling import KShotSplit

__all__ = [
    "TABLE_HEADER",
    "Method",
    "Outcome",
    "Spread",
    "Summary",
    "compare",
    "format_table",
    "summarise",
]

_logger = logging.getLogger(__name__)
TABLE_HEADER = ("Method", "Accuracy", "Macro-F1", "Fit s", "Predict s", "Tokens")


@dataclass(frozen=True)
class Method:
    """An estimator with a name for the table.

    Parameters
    ----------
    name : str
    estimator : estimator
        With ``fit`` and ``predict``, as in scikit-learn.
    uses_labels : bool, default=True
        Whether it is given the labels of the training texts, or the texts alone.
    """

    name: str
    estimator: Any  # scikit-learn has no type for estimators
    uses_labels: bool = True


@dataclass(frozen=True)
class Outcome:
    """What one method did on one split.

    Parameters
    ----------
    method : str
    seed : int
    truth, predicted : tuple of str
        Labels of the test texts; nothing was predicted if the method failed.
    fit_seconds, predict_seconds : float
    tokens : int
        Tokens that the encoder has read, in training and in prediction.
    error : str
        Why the method failed; empty if it did not.
    """

    method: str
    seed: int
    truth: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()
    fit_seconds: float = 0.0
    predict_seconds: float = 0.0
    tokens: int = 0
    error: str = ""

    @property
    def accuracy(self) -> float:
        """Share of the test texts that were classified right."""
        return float(accuracy_score(self.truth, self.predicted))

    @property
    def macro_f1(self) -> float:
        """Mean over the classes of F1; a class that is never predicted counts as 0."""
        return float(f1_score(self.truth, self.predicted, average="macro", zero_division=0))


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation of some values; None for a single value."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Compute both.

        Examples
        --------
        >>> Spread.of([1.0, 2.0, 3.0])
        Spread(mean=2.0, deviation=1.0)
        """
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)

    def __str__(self) -> str:
        deviation = "" if self.deviation is None else f" ± {self.deviation:.3f}"
        return f"{self.mean:.3f}{deviation}"


@dataclass(frozen=True)
class Summary:
    """The outcomes of one method, over the seeds on which it did not fail.

    Parameters
    ----------
    method : str
    outcomes : tuple of Outcome
    errors : tuple of str
        Why it failed, each cause once.
    """

    method: str
    outcomes: tuple[Outcome, ...]
    errors: tuple[str, ...]

    @property
    def accuracy(self) -> Spread:
        """Accuracy over the seeds."""
        return Spread.of([outcome.accuracy for outcome in self.outcomes])

    @property
    def macro_f1(self) -> Spread:
        """Macro-F1 over the seeds."""
        return Spread.of([outcome.macro_f1 for outcome in self.outcomes])

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table as text."""
        if not self.outcomes:
            return (self.method, "failed", "", "", "", "")
        fit = fmean(outcome.fit_seconds for outcome in self.outcomes)
        predict = fmean(outcome.predict_seconds for outcome in self.outcomes)
        tokens = fmean(outcome.tokens for outcome in self.outcomes)
        return (
            self.method,
            str(self.accuracy),
            str(self.macro_f1),
            f"{fit:.2f}",
            f"{predict:.2f}",
            f"{tokens:,.0f}",
        )


def compare(
    texts: Sequence[str],
    labels: Sequence[str],
    splitter: KShotSplit,
    methods: Callable[[int], Sequence[Method]],
    progress: TextIO,
) -> Iterator[Outcome]:
    """Fit and test each method on each split; one that fails does not stop the others.

    Parameters
    ----------
    texts, labels : sequence of str
    splitter : KShotSplit
    methods : callable
        Returns the methods for a seed, not fitted.
    progress : TextIO
        Gets a line for each method and seed, at once.

    Yields
    ------
    Outcome
    """
    for seed, (train, test) in enumerate(splitter.split(texts, labels)):
        known = [texts[i] for i in train], [labels[i] for i in train]
        unseen = [texts[i] for i in test], [labels[i] for i in test]
        for method in methods(seed):
            progress.write(f"seed {seed + 1} of {splitter.n_splits}  {method.name:<20}")
            progress.flush()
            try:
                outcome = _measure(method, seed, known, unseen)
            except Exception as error:
                outcome = Outcome(method.name, seed, error=f"{type(error).__name__}: {error}")
                progress.write("failed\n")
                _logger.exception("%s failed", method.name)
            else:
                progress.write(f"{_short(outcome)}\n")
                progress.flush()
            yield outcome


def summarise(outcomes: Sequence[Outcome]) -> list[Summary]:
    """Gather outcomes by method, in the order in which the methods first came.

    Parameters
    ----------
    outcomes : sequence of Outcome

    Returns
    -------
    list of Summary
    """
    summaries = []
    for method in dict.fromkeys(outcome.method for outcome in outcomes):
        of_method = [outcome for outcome in outcomes if outcome.method == method]
        summaries.append(
            Summary(
                method,
                tuple(outcome for outcome in of_method if not outcome.error),
                tuple(dict.fromkeys(outcome.error for outcome in of_method if outcome.error)),
            )
        )
    return summaries


def format_table(summaries: Sequence[Summary]) -> str:
    """Lay summaries out as plain text; what failed is told below.

    Parameters
    ----------
    summaries : sequence of Summary

    Returns
    -------
    str
    """
    rows = [TABLE_HEADER, *(summary.cells() for summary in summaries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE_HEADER))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    failures = [
        f"{summary.method} failed: {error}" for summary in summaries for error in summary.errors
    ]
    return "\n".join([*lines, *failures])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = row
    return [first.ljust(widths[0])] + [
        cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
    ]


def _measure(
    method: Method,
    seed: int,
    known: tuple[list[str], list[str]],
    unseen: tuple[list[str], list[str]],
) -> Outcome:
    (train_texts, train_labels), (test_texts, truth) = known, unseen
    started = time.perf_counter()
    fitted = method.estimator.fit(train_texts, train_labels if method.uses_labels else None)
    learned = time.perf_counter()
    predicted = fitted.predict(test_texts)
    done = time.perf_counter()
    return Outcome(
        method.name,
        seed,
        tuple(truth),
        tuple(predicted.tolist()),
        learned - started,
        done - learned,
        _tokens(fitted, train_texts + test_texts),
    )


def _tokens(estimator: Any, texts: list[str]) -> int:
    """Count the tokens that an estimator's encoder has read, in training and in prediction."""
    n_tokens = sum(int(epoch.get("tokens", 0)) for epoch in getattr(estimator, "history_", []))
    if hasattr(estimator, "encoder_"):  # SetFit embeds each text once, besides training
        return n_tokens + sum(len(ids) for ids in estimator.encoder_.tokenizer(texts)["input_ids"])
    # Tuning leaves the model that was passed as it is, and counts on a copy.
    models = {id(lm): lm for lm in (getattr(estimator, name, None) for name in ("model", "model_"))}
    return n_tokens + sum(lm.counts.tokens for lm in models.values() if isinstance(lm, MaskedLM))


def _short(outcome: Outcome) -> str:
    seconds = outcome.fit_seconds + outcome.predict_seconds
    return f"accuracy {outcome.accuracy:.3f}  {seconds:6.1f} s"
