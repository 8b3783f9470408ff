"""The kind of a task, which follows from ``y``: one class of n for a text, or any of n labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.data.label_forms import LabelForm, restored

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TaskKind:
    """How many labels a text has, and the form that they were given in."""

    # Scores of classes are log-probabilities up to a constant for each text if a text is of one
    # class, and log-odds of each label if it may have several.

    form: LabelForm = "label"

    @property
    def has_several(self) -> bool:
        """Whether a text may have any number of labels."""
        return self.form != "label"

    def normalized(self, scores: Array) -> Array:
        """Return scores [n, n_classes] without the constant that means nothing."""
        found: Array = scores if self.has_several else _special().log_softmax(scores, axis=1)
        return found

    def probabilities(self, scores: Array) -> Array:
        """Return the probabilities of scores, [n, n_classes]."""
        found: Array = (
            _special().expit(scores) if self.has_several else _special().softmax(scores, axis=1)
        )
        return found

    def log_probabilities(self, scores: Array) -> Array:
        """Return the logarithms of the probabilities of scores, [n, n_classes]."""
        found: Array = (
            _special().log_expit(scores)
            if self.has_several
            else _special().log_softmax(scores, axis=1)
        )
        return found

    def cross_entropies(self, scores: Array, targets: Array) -> Array:
        """Return the cross-entropy of each text, [n]; of several labels it is their sum."""
        losses = targets * self.log_probabilities(scores)
        if self.has_several:
            losses = losses + (1.0 - targets) * _special().log_expit(-scores)
        found: Array = -losses.sum(1)
        return found

    def strata(self, targets: Array) -> npt.NDArray[np.int64]:
        """Return a class for each text, to draw texts by: its own, or the rarest of its labels."""
        if not self.has_several:
            return np.asarray(targets.argmax(1))
        order = np.argsort((targets > 0).sum(0), kind="stable")
        has_label = np.column_stack([targets[:, order] > 0, np.ones(len(targets), dtype=bool)])
        return np.asarray(has_label.argmax(1))

    def restored(self, indicators: npt.NDArray[np.bool_], classes: Sequence[Any]) -> Any:
        """Return several labels [n, n_classes] in the form that they were given in."""
        return restored(self.form, indicators, classes)


def decide(probabilities: Array, thresholds: Array | None) -> npt.NDArray[np.bool_]:
    """Return which classes texts have, [n, n_classes]: the likeliest, or all from thresholds on."""
    if thresholds is None:
        likeliest = probabilities.argmax(1)
        return np.asarray(np.eye(probabilities.shape[1], dtype=np.bool_)[likeliest])
    return np.asarray(probabilities >= thresholds)


def _special() -> Any:
    """Return SciPy's functions, without which exported classifiers run."""
    from scipy import special

    return special


ONE_LABEL = TaskKind()
