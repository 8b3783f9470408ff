"""What would help most, from what was wrong among held-out texts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fewshot.classifiers.automatic.pool import Verdict
from fewshot.classifiers.automatic.task import Task
from fewshot.models.embedded import EMBEDDED, local_encoder
from fewshot.models.hub import MINI_NAME

_LEAST_OF_CLASS = 2  # held-out texts that say something about a class
_ENOUGH = 0.95  # share of a class's texts that is right
_MOST = 3


def advice_for(task: Task, decided: Verdict | None) -> tuple[str, ...]:
    """Return at most three sentences, from the decisions on held-out texts if there are any."""
    return tuple(_all(task, decided))[:_MOST]


def _all(task: Task, decided: Verdict | None) -> Iterator[str]:
    has_labels = task.data.labeled is not None
    if not has_labels:
        yield "label a few texts of each class; eight per class make much of the difference"
    larger = EMBEDDED["fewshot-base"]
    if task.model == MINI_NAME and local_encoder(larger) is None:
        yield f"use the larger model, which knows more: {larger.remedy}"
    if not has_labels:
        yield from _undescribed(task)
        return
    counts = task.truth()[0].sum(0)
    missing = [task.classes[i] for i in np.flatnonzero(counts == 0)]
    if missing:
        yield f"label some texts of {_listed(missing)}, which have none"
    if decided is not None:
        yield from _confused(task, decided)
    if counts.max() < _LEAST_OF_CLASS:
        yield "label a second text of each class, so that cross-validation is possible"


def _confused(task: Task, decided: Verdict) -> Iterator[str]:
    """Name the class that is found least often, and what it is taken for."""
    total = decided.true.sum(0)
    hits = (decided.true & decided.found).sum(0)
    shares = np.where(total >= _LEAST_OF_CLASS, hits / np.maximum(total, 1), 1.0)
    worst = int(shares.argmin())
    if shares[worst] > _ENOUGH:
        return
    name = task.classes[worst]
    is_lost = decided.true[:, worst] & ~decided.found[:, worst]
    instead = (decided.found & ~decided.true)[is_lost].sum(0)
    other = task.classes[int(instead.argmax())] if instead.any() else None
    taken = "" if other is None else f", and most others are taken for {other!r}"
    yield (
        f"label more texts of {name!r}: {hits[worst]} of its {total[worst]} held-out texts are "
        f"found{taken}"
    )
    if task.verbalizer is None and isinstance(name, str):
        both = f"{name!r} in a sentence" if other is None else f"{name!r} and {other!r}"
        yield f"describe {both} (descriptions=...)"


def _undescribed(task: Task) -> Iterator[str]:
    if task.verbalizer is None:
        yield "describe the classes in a sentence each (descriptions=...)"
    if not len(task.data.pool):
        yield "pass some texts without labels as X: their mean calibrates the scores"


def _listed(labels: list[str | int]) -> str:
    shown = ", ".join(map(repr, labels[:3]))
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} others"
