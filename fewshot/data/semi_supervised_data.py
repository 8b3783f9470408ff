"""Labelled and unlabelled texts for semi-supervised classifiers, checked and separated."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewshot.data.examples import Examples, read_examples
from fewshot.data.labels import read_labels
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.data.unlabeled import Pool, Unlabeled, draw_pool, text_keys
from fewshot.errors import InputError, UnlabeledWarning, warn_user


@dataclass(frozen=True)
class LearningData:
    """Checked input of ``fit``.

    Parameters
    ----------
    labelled : TrainingData or None
        The rows with a label; None if there are none.
    pool : Pool
        The texts without: rows of ``X``, and those passed as ``unlabeled``.
    """

    labelled: TrainingData | None
    pool: Pool

    def fit_arguments(self) -> tuple[Any, Any, Any, Unlabeled | None]:
        """Return texts, labels, weights and unlabelled texts, as a ``fit`` takes them."""
        rest = Unlabeled(self.pool.examples.rows()) if len(self.pool) else None
        if self.labelled is None:
            return None, None, None, rest
        texts, labels = self.labelled.examples.rows(), self.labelled.labels.values.tolist()
        return texts, labels, self.labelled.sample_weight, rest


def read_learning_data(
    X: Any,
    y: Any,
    sample_weight: Any,
    unlabeled: Any,
    *,
    fields: Sequence[str],
    largest: int,
    rng: np.random.Generator,
) -> LearningData:
    """Check what was passed to ``fit``, and part it into labelled and unlabelled texts.

    Rows of weight 0 are as if they were not there.

    Parameters
    ----------
    X : sequence of texts, optional
    y : sequence of str or int, optional
        Rows with -1 (among ints) or None are unlabelled; without `y` all are.
    sample_weight : sequence of float, optional
        Of the rows of `X`.
    unlabeled : Unlabeled, sequence of texts or None
        More unlabelled texts. A bare sequence as long as `X` is warned of.
    fields : sequence of str
    largest : int
        The most unlabelled texts that are used; of more, a sample is drawn.
    rng : numpy.random.Generator

    Returns
    -------
    LearningData

    Raises
    ------
    InputError
        If a text, label or weight cannot be used, all labelled rows weigh 0, or `unlabeled` holds
        no text that is not labelled.
    """
    if X is None and y is not None:
        raise InputError("y was passed without X; pass the texts too, or neither")
    labelled, rest = (None, None) if X is None else _part(X, y, sample_weight, fields)
    sources = [] if rest is None else [Unlabeled(rest.rows())]
    if unlabeled is not None:
        sources.append(_container(unlabeled, X))
    known = np.empty(0, dtype=np.uint64) if labelled is None else text_keys(labelled.examples)
    pool = draw_pool(sources, fields, largest=largest, without=known, rng=rng)
    if unlabeled is not None and not len(pool):
        why = f"all {pool.n_read} are blank or labelled" if pool.n_read else "it is empty"
        raise InputError(
            f"unlabeled holds no text to learn from: {why}. Pass texts besides the labelled ones"
        )
    return LearningData(labelled, pool)


def check_several_classes(labelled: TrainingData) -> None:
    """Check that the labelled texts are of more than one class.

    Raises
    ------
    InputError
        If they are of one.
    """
    labels = labelled.labels.classes()
    if len(labels) == 1:
        raise InputError(
            f"all labelled texts are of one class, {labels[0]!r}: every text would be called so; "
            "label some texts of the others"
        )


def _part(
    X: Any, y: Any, sample_weight: Any, fields: Sequence[str]
) -> tuple[TrainingData | None, Examples | None]:
    if y is None:
        y = [None] * len(read_examples(X, fields))
    data = read_training_data(X, y, sample_weight, fields)
    is_labelled, is_used = data.labels.is_labelled, data.sample_weight > 0
    with_label = np.flatnonzero(is_labelled & is_used)
    without = np.flatnonzero(~is_labelled & is_used)
    if is_labelled.any() and not len(with_label):
        raise InputError(
            "no text has a label and a weight above 0; weigh at least one labelled text"
        )
    labelled = None
    if len(with_label):
        labels = read_labels(data.labels.values[with_label].tolist(), len(with_label))
        labelled = TrainingData(
            data.examples.take(with_label), labels, data.sample_weight[with_label]
        )
    return labelled, data.examples.take(without) if len(without) else None


def _container(unlabeled: Any, X: Any) -> Unlabeled:
    if isinstance(unlabeled, Unlabeled):
        return unlabeled
    container = Unlabeled(unlabeled)
    if isinstance(unlabeled, Sized) and isinstance(X, Sized) and len(unlabeled) == len(X):
        warn_user(
            f"unlabeled is a {type(unlabeled).__name__} as long as X, {len(X)} texts: "
            "cross-validation and grid searches slice such a list as if it belonged to the rows "
            "of X. Pass unlabeled=Unlabeled(texts), which always arrives whole",
            UnlabeledWarning,
        )
    return container
