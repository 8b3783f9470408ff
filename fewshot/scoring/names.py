"""The names of classes as a voice beside the words at the mask: how near a text is to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# docs/evidence/defaults.md
_WEIGHT, _WEIGHT_OF_TWO = 10.0, 2.5  # of the similarity to one of several classes, or of two


@dataclass(frozen=True)
class ClassNames:
    """Mean states of class names, to which those of texts are compared by their cosine."""

    names: tuple[str, ...]
    vectors: Array  # [n_classes, hidden], around their mean, of length 1
    center: Array  # [hidden], is subtracted from the states of texts
    prior: Array  # [n_classes], is subtracted from the similarities
    weight: float  # of the similarities
    word_weight: float  # of the log-probabilities of the label words beside them

    def similarities(self, states: Array) -> Array:
        """Return the cosines of mean states [n, hidden] and names, uncalibrated, [n, n_classes]."""
        return _unit(states - self.center) @ self.vectors.T

    def scores(self, states: Array) -> Array:
        """Return the calibrated similarities, [n, n_classes]."""
        return self.similarities(states) - self.prior

    def calibrated(self, states: Array, share: Array) -> ClassNames:
        """Return the names with the mean similarities of texts as prior; shares sum to 1."""
        return replace(self, prior=share @ self.similarities(states))

    def uncalibrated(self) -> ClassNames:
        """Return the names without a prior."""
        return replace(self, prior=np.zeros_like(self.prior))


def class_names(
    names: Sequence[str],
    states_of: Callable[[Sequence[str]], Array],
    texts: Sequence[str],  # of many kinds
    weight: float,
    word_weight: float,
) -> ClassNames:
    """Compare texts to names of a weight."""
    of_names, of_texts = states_of(names), states_of(texts)
    vectors, center = _unit(of_names - of_names.mean(0)), of_texts.mean(0)
    zeros = np.zeros(len(names))
    found = ClassNames(tuple(names), vectors, center, zeros, weight, word_weight)
    return found.calibrated(of_texts, np.full(len(texts), 1.0 / len(texts)))


def weight_of_names(n_classes: int, pieces_per_word: float) -> float:
    """Return the weight that measures best; none for two words of a piece each."""
    return _WEIGHT_OF_TWO * (pieces_per_word - 1.0) if n_classes == 2 else _WEIGHT


def _unit(vectors: Array) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Array = vectors / np.maximum(lengths, np.finfo(float).tiny)
    return units
