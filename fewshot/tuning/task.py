"""What a tuning strategy is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fewshot.history import Epoch
from fewshot.scoring import PromptScorer, Views

__all__ = ["Residual", "TuningResult", "TuningTask"]


@dataclass(frozen=True)
class TuningTask:
    """Labelled examples as a strategy sees them.

    Parameters
    ----------
    scorer : PromptScorer
        The scorer before tuning, calibrated.
    views : dict of int to Prompts
        The examples' prompts.
    targets : ndarray of shape (n_examples, n_classes)
        Probabilities of the classes: one-hot for hard labels.
    sample_weight : ndarray of shape (n_examples,)
    rng : numpy.random.Generator
    show_progress : bool
    """

    scorer: PromptScorer
    views: Views
    targets: npt.NDArray[np.float64]
    sample_weight: npt.NDArray[np.float64]
    rng: np.random.Generator
    show_progress: bool = False


@dataclass(frozen=True)
class Residual:
    """A linear model of the states that is added to the class scores.

    Parameters
    ----------
    scale : float
        Factor of the prompt's class scores.
    center, spread : ndarray of shape (n_features,)
        What features are standardised by.
    coef : ndarray of shape (n_features, n_classes)
    intercept : ndarray of shape (n_classes,)
    """

    scale: float
    center: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    coef: npt.NDArray[np.float64]
    intercept: npt.NDArray[np.float64]

    def add(
        self, scores: npt.NDArray[np.float64], features: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return ``scale * scores + features @ coef + intercept``, [n, n_classes]."""
        standard = (features - self.center) / self.spread
        total = self.scale * scores + standard @ self.coef + self.intercept
        # Sums differ in the last bits with the number of rows; float32 has fewer.
        return total.astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class TuningResult:
    """What a strategy has learned.

    Parameters
    ----------
    scorer : PromptScorer
        The scorer after tuning; with a model of its own if weights were changed.
    residual : Residual, optional
    history : list of Epoch
        One entry an epoch.
    """

    scorer: PromptScorer
    residual: Residual | None = None
    history: list[Epoch] = field(default_factory=list)
