"""The input and the result of a tuning strategy."""

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
    """Labelled examples as a strategy sees them."""

    scorer: PromptScorer  # before tuning, calibrated
    views: Views
    targets: npt.NDArray[np.float64]  # [n_examples, n_classes]; of 0 and 1 for hard labels
    sample_weight: npt.NDArray[np.float64]
    rng: np.random.Generator
    show_progress: bool = False
    # The same examples in the other wordings that the strategy asks for.
    wordings: dict[Template, Views] = field(default_factory=dict)
    # Numbers of the examples without a label; their targets mean nothing, or are a teacher's.
    unlabeled: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    # Given if the targets are another model's probabilities for many texts: tuning by gradients
    # compares them at this temperature.
    distillation_temperature: float | None = None
    # Share of masked language modelling in the loss: on the examples of weight 0, or on all.
    mlm_weight: float = 0.0
    # Weights of the examples by which a model with other weights is calibrated again.
    calibration_weight: npt.NDArray[np.float64] | None = None
    # The shares of the classes in these, if they are known, [n_classes].
    class_shares: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class TuningResult:
    """What a strategy has learned."""

    scorer: PromptScorer  # with a model of its own if weights were changed
    head: StateHead | None = None
    history: list[Epoch] = field(default_factory=list)
    # Scores of examples that were held out in turn, [n_examples, n_classes]; NaN where there is
    # none. For thresholds of several labels.
    held_out: npt.NDArray[np.float64] | None = None
