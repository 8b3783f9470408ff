"""Folds in which labelled texts are held out in turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.data.task_kind import ONE_LABEL, TaskKind

Array = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int64]

_MOST_FOLDS = 5


def held_out_folds(
    rows: npt.NDArray[Any],  # [n, n_features]; equal rows are the same text
    targets: Array,  # [n, n_classes]
    sample_weight: Array,
    kind: TaskKind = ONE_LABEL,
    most_folds: int = _MOST_FOLDS,
) -> Folds:
    """Return the fold in which each text is held out, or -1 for one that never is."""
    # Equal rows of a class go together, and the order of rows does not matter. A text without
    # weight is never held out, nor is the only text of a class.
    folds = np.full(len(rows), -1)
    used = np.flatnonzero(sample_weight > 0)
    distinct = np.unique(rows[used], axis=0, return_inverse=True)[1].reshape(-1)
    if kind.has_several:
        folds[used] = _balanced(distinct, targets[used] > 0, most_folds)
        return folds
    classes = targets[used].argmax(1)
    groups = [np.unique(distinct[classes == c]) for c in np.unique(classes)]
    n_folds = min(most_folds, max(len(group) for group in groups))
    for c, group in zip(np.unique(classes), groups, strict=True):
        if len(group) > 1:
            places = np.searchsorted(group, distinct[classes == c])
            folds[used[classes == c]] = places % n_folds
    return folds


def _balanced(
    distinct: npt.NDArray[np.int64], has_label: npt.NDArray[np.bool_], most_folds: int
) -> Folds:
    """Return folds over which the texts of each label are spread evenly."""
    # Iterative stratification (Sechidis, Tsoumakas and Vlahavas, 2011): rare labels first; each of
    # their texts goes where the label has the fewest. Equal rows take the labels of all of them.
    groups = np.zeros((distinct.max() + 1, has_label.shape[1]), dtype=bool)
    if len(groups) == 1:  # nothing would be left to learn from
        return np.full(len(distinct), -1)
    np.logical_or.at(groups, distinct, has_label)
    n_folds = min(most_folds, len(groups))
    of_group = np.full(len(groups), -1)
    counts = np.zeros((n_folds, groups.shape[1]), dtype=np.int64)
    for label in np.argsort(groups.sum(0), kind="stable"):
        for row in np.flatnonzero(groups[:, label] & (of_group < 0)):
            of_group[row] = np.lexsort((counts.sum(1), counts[:, label]))[0]
            counts[of_group[row]] += groups[row]
    rest = np.flatnonzero(of_group < 0)  # texts of no label
    sizes = np.bincount(of_group[of_group >= 0], minlength=n_folds)
    of_group[rest] = np.argsort(sizes, kind="stable")[np.arange(len(rest)) % n_folds]
    return of_group[distinct]
