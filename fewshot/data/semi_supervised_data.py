"""Labeled and unlabeled texts for semi-supervised classifiers, checked and separated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from fewshot.data.examples import Examples, read_examples
from fewshot.data.training_data import TrainingData, concatenate, read_training_data
from fewshot.data.unlabeled import Unlabeled, draw_pool, text_keys
from fewshot.errors import InputError, UnlabeledWarning, warn_user


@dataclass(frozen=True)
class SemiSupervisedData:
    """Checked input of a semi-supervised ``fit``."""

    labeled: TrainingData | None  # the rows with a label and a weight, if there are any
    pool: Examples  # the texts without a label: rows of X, and those passed as unlabeled

    def joined(self) -> TrainingData:
        """Return the labeled texts, then those of the pool."""
        parts = [] if self.labeled is None else [self.labeled]
        return concatenate([*parts, *([read_training_data(self.pool, None)] if self.pool else [])])


def read_semi_supervised_data(
    rows: TrainingData | None,
    unlabeled: Any,  # Unlabeled, a sequence of texts, or Examples; optional
    *,
    fields: Sequence[str],
    max_unlabeled: int,
    rng: np.random.Generator,
) -> SemiSupervisedData:
    """Separate rows by whether they have a label, and add `unlabeled` to those that have none."""
    # Rows of weight 0 are ignored. Of more than `max_unlabeled` texts, a sample is drawn.
    labeled, rest = (None, None) if rows is None else _separate(rows)
    batches: Iterable[Examples] = [] if rest is None else [rest]
    if isinstance(unlabeled, Examples):
        batches = chain(batches, [read_examples(unlabeled, fields)])
    elif unlabeled is not None:
        batches = chain(batches, _container(unlabeled, rows).batches(fields))
    known = np.empty(0, dtype=np.uint64) if labeled is None else text_keys(labeled.examples)
    pool = draw_pool(batches, fields, largest=max_unlabeled, without=known, rng=rng)
    if unlabeled is not None and not len(pool):
        why = f"all {pool.n_read} are blank or labelled" if pool.n_read else "it is empty"
        raise InputError(
            f"unlabeled holds no text to learn from: {why}. Pass texts besides the labelled ones"
        )
    return SemiSupervisedData(labeled, pool.examples)


def check_several_classes(labeled: TrainingData) -> None:
    """Check that the labeled texts are of more than one class."""
    labels = labeled.labels.classes()
    if len(labels) == 1:
        raise InputError(
            f"all labelled texts are of one class, {labels[0]!r}: the classifier would predict it "
            "for every text; label some texts of the others"
        )


def _separate(rows: TrainingData) -> tuple[TrainingData | None, Examples | None]:
    is_labeled, is_used = rows.labels.is_labeled, rows.sample_weight > 0
    with_label = np.flatnonzero(is_labeled & is_used)
    without = np.flatnonzero(~is_labeled & is_used)
    if is_labeled.any() and not len(with_label):
        raise InputError(
            "no text has a label and a weight above 0; weigh at least one labelled text"
        )
    return (
        rows.take(with_label) if len(with_label) else None,
        rows.examples.take(without) if len(without) else None,
    )


def _container(unlabeled: Any, rows: TrainingData | None) -> Unlabeled:
    if isinstance(unlabeled, Unlabeled):
        return unlabeled
    container = Unlabeled(unlabeled)
    n_rows = 0 if rows is None else len(rows.examples)
    if isinstance(unlabeled, Sized) and n_rows and len(unlabeled) == n_rows:
        warn_user(
            f"unlabeled is a {type(unlabeled).__name__} as long as X, {n_rows} texts: "
            "cross-validation and grid searches slice such a list as if it belonged to the rows "
            "of X. Pass unlabeled=Unlabeled(texts), which always arrives whole",
            UnlabeledWarning,
        )
    return container
