"""What a tuning strategy is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from fewshot.history import Epoch
from fewshot.prompting.template import Template
from fewshot.scoring import Encoded, PromptScorer, Views


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
    wordings : dict of Template to dict of int to Prompts
        The same examples in the other wordings that the strategy asks for.
    unlabelled : ndarray of int
        Numbers of the examples without a label; their targets mean nothing, or are a teacher's.
    distillation_temperature : float, optional
        Given if the targets are another model's probabilities for many texts: at this temperature
        tuning by gradients compares them. They hold what the prompt says, so that a regression
        on them stands alone.
    mlm_weight : float
        Share of masked language modelling in its loss: on the examples of weight 0, and on all
        if there are none.
    calibration_weight : ndarray of shape (n_examples,), optional
        Weights of the examples by which a model with other weights is calibrated again.
    """

    scorer: PromptScorer
    views: Views
    targets: npt.NDArray[np.float64]
    sample_weight: npt.NDArray[np.float64]
    rng: np.random.Generator
    show_progress: bool = False
    wordings: dict[Template, Views] = field(default_factory=dict)
    unlabelled: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    distillation_temperature: float | None = None
    mlm_weight: float = 0.0
    calibration_weight: npt.NDArray[np.float64] | None = None


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
        What the sum is divided by.
    prompt_share : float
        What the prompt's log-probabilities are multiplied with: 0 leaves them out.
    """

    center: npt.NDArray[np.float64]
    scale: float
    coef: npt.NDArray[np.float64]
    temperature: float = 1.0
    prompt_share: float = 1.0

    def logits(self, states: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return what the regression alone says of states, [n, n_classes]."""
        logits: npt.NDArray[np.float64] = ((states - self.center) / self.scale) @ self.coef
        return logits

    def add(
        self, scores: npt.NDArray[np.float64], states: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return the log-probabilities of scores and of this model, summed, [n, n_classes]."""
        prompt = self.prompt_share * log_softmax(scores, axis=1)
        total: npt.NDArray[np.float64] = prompt + log_softmax(self.logits(states), axis=1)
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


def scores_with_head(
    scorer: PromptScorer, head: StateHead | None, encoded: Encoded
) -> npt.NDArray[np.float64]:
    """Score classes by the prompt, and by a regression on mean states if there is one.

    Parameters
    ----------
    scorer : PromptScorer
    head : StateHead or None
    encoded : dict
        From the scorer's ``encode``.

    Returns
    -------
    ndarray of shape (n_examples, n_classes)
    """
    scores = scorer.class_scores(encoded)
    return scores if head is None else head.add(scores, scorer.mean_states(encoded))
