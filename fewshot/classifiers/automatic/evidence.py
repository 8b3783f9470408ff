"""What measurements on other data sets say of a voice, for a task like this one."""

# `evidence.json` is made by `python -m benchmarks.classifier`; each cell is a data set, a number
# of labels and a model.

from __future__ import annotations

import json
from dataclasses import astuple, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from fewshot.classifiers.automatic.task import Task

_FILE = "evidence.json"
_WIDTH = 1.0  # of the kernel, in natural logarithms
_PRIOR = 0.2  # of the mean over all cells, beside the kernel's weights
_LEAST_NEAR = 0.1  # of the nearest cell; farther ones say nothing


@dataclass(frozen=True)
class Situation:
    """What is known of a task before anything is fitted."""

    n_classes: float
    n_labels: float  # per class
    n_words: float  # of a text
    n_name_words: float  # of a class name; 0 if the labels are no words

    def distances(self, others: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
        """Return squared distances to others, [n]."""
        change = np.log1p(others) - np.log1p(np.array(astuple(self)))
        return (change**2).sum(1)


def situation_of(task: Task) -> Situation:
    """Describe a task."""
    labeled = task.labeled
    names = [name for name in task.classes if isinstance(name, str)]
    texts = labeled.examples.joined()
    return Situation(
        len(task.classes),
        len(texts) / len({*labeled.labels.classes()}),
        float(np.mean([len(text.split()) for text in texts])),
        float(np.mean([len(name.split()) for name in names])) if names else 0.0,
    )


def expected_gain(voice: str, situation: Situation, model: str, cells: Any = None) -> float | None:
    """Return the accuracy that a voice added to the cheap ones in tasks like this, or None."""
    rows = [
        (cell["situation"], cell["gains"][voice])
        for cell in (evidence() if cells is None else cells)
        if voice in cell["gains"] and cell["model"] == model
    ]
    if not rows:
        return None
    gains = np.array([gain for _, gain in rows])
    near = np.exp(-situation.distances(np.array([place for place, _ in rows])) / _WIDTH)
    if near.max() < _LEAST_NEAR:
        return None
    return float((near @ gains + _PRIOR * gains.mean()) / (near.sum() + _PRIOR))


@cache
def evidence() -> list[dict[str, Any]]:
    """Return the cells."""
    text = (files("fewshot.classifiers.automatic") / _FILE).read_text(encoding="utf-8")
    cells: list[dict[str, Any]] = json.loads(text)["cells"]
    return cells
