"""What a tuning strategy is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fewshot.prompting.template import Template
from fewshot.scoring.heads import StateHead
from fewshot.scoring.scorer import PromptScorer, Views
from fewshot.training.history import Epoch


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
