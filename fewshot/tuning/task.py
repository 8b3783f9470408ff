"""What a tuning strategy is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from fewshot.history import Epoch
from fewshot.scoring import PromptScorer, Views

__all__ = ["StateHead", "TuningResult", "TuningTask"]


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
    distillation_temperature : float, optional
        Given if the targets are another model's probabilities for many texts: at this temperature
        tuning by gradients compares them. They hold what the prompt says, so that a regression
        on them stands alone.
    mlm_weight : float
        Share of masked language modelling, on the examples of weight 0, in its loss.
    """

    scorer: PromptScorer
    views: Views
    targets: npt.NDArray[np.float64]
    sample_weight: npt.NDArray[np.float64]
    rng: np.random.Generator
    show_progress: bool = False
    distillation_temperature: float | None = None
    mlm_weight: float = 0.0


@dataclass(frozen=True)
class StateHead:
    """Multinomial logistic regression on states.

    Parameters
    ----------
    center : ndarray of shape (hidden,)
        What is subtracted from states.
    scale : float
        What they are divided by.
    coef : ndarray of shape (hidden, n_classes)
    temperature : float
        What the sum with the prompt's log-probabilities is divided by.
    prompt_share : float
        What the prompt's log-probabilities are multiplied with: 0 leaves them out.
    """

    center: npt.NDArray[np.float64]
    scale: float
    coef: npt.NDArray[np.float64]
    temperature: float = 1.0
    prompt_share: float = 1.0

    def add(
        self, scores: npt.NDArray[np.float64], states: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return the log-probabilities of scores and of this model, summed, [n, n_classes]."""
        own = ((states - self.center) / self.scale) @ self.coef
        prompt = self.prompt_share * log_softmax(scores, axis=1)
        total: npt.NDArray[np.float64] = prompt + log_softmax(own, axis=1)
        # Sums differ in the last bits with the number of rows; float32 has fewer.
        return (total / self.temperature).astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class TuningResult:
    """What a strategy has learned.

    Parameters
    ----------
    scorer : PromptScorer
        The scorer after tuning; with a model of its own if weights were changed.
    head : StateHead, optional
    history : list of Epoch
        One entry an epoch.
    """

    scorer: PromptScorer
    head: StateHead | None = None
    history: list[Epoch] = field(default_factory=list)
