"""What would help most, from what was wrong among held-out texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.automatic.task import Task
from fewshot.models.embedded import EMBEDDED, local_encoder

_LEAST_OF_CLASS = 2  # held-out texts that say something about a class
_ENOUGH = 0.95  # share of a class's texts that is right
_MOST = 3


def advice_for(task: Task, scores: npt.NDArray[np.float64] | None) -> tuple[str, ...]:
    """Return at most three sentences; the scores are those of held-out texts, [n, n_classes]."""
    return tuple(_all(task, scores))[:_MOST]


def _all(task: Task, scores: npt.NDArray[np.float64] | None) -> Iterator[str]:
    if task.data.labeled is None:
        yield "label a few texts of each class; eight per class make much of the difference"
    larger = EMBEDDED["fewshot-base"]
    if task.model == "fewshot-mini" and local_encoder(larger) is None:
        yield f"use the larger model, which knows more: {larger.remedy}"
    if task.data.labeled is None:
        yield from _undescribed(task)
        return
    classes = task.targets().argmax(1)
    counts = np.bincount(classes, minlength=len(task.classes))
    missing = [task.classes[i] for i in np.flatnonzero(counts == 0)]
    if missing:
        yield f"label some texts of {_listed(missing)}, which have none"
    if scores is not None:
        yield from _confused(task, scores, classes)
    if counts.max() < _LEAST_OF_CLASS:
        yield "label a second text of each class, so that cross-validation is possible"


def _confused(
    task: Task, scores: npt.NDArray[np.float64], classes: npt.NDArray[np.int64]
) -> Iterator[str]:
    """Name the class that is found least often, and what it is taken for."""
    is_known = np.isfinite(scores).all(1)
    n_classes = len(task.classes)
    table = np.zeros((n_classes, n_classes))
    np.add.at(table, (classes[is_known], scores[is_known].argmax(1)), 1.0)
    total, right = table.sum(1), table.diagonal()
    shares = np.where(total >= _LEAST_OF_CLASS, right / np.maximum(total, 1.0), 1.0)
    worst = int(shares.argmin())
    if shares[worst] > _ENOUGH:
        return
    name = task.classes[worst]
    wrong = table[worst] - np.where(np.arange(n_classes) == worst, right[worst], 0.0)
    other = task.classes[int(wrong.argmax())]
    yield (
        f"label more texts of {name!r}: {right[worst]:.0f} of its {total[worst]:.0f} held-out "
        f"texts are found, and most others are taken for {other!r}"
    )
    if task.verbalizer is None and isinstance(name, str):
        yield f"describe {name!r} and {other!r} in a sentence each with descriptions="


def _undescribed(task: Task) -> Iterator[str]:
    if task.verbalizer is None:
        yield "describe the classes in a sentence each with descriptions="
    if not len(task.data.pool):
        yield "pass some texts without labels as X: their mean calibrates the scores"


def _listed(labels: list[str | int]) -> str:
    shown = ", ".join(map(repr, labels[:3]))
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} others"
