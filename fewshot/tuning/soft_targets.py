"""Tuning on probabilities in place of labels, and with a second loss: how PET teaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fewshot.tuning.delegated import DelegatedTuning
from fewshot.tuning.strategy import Tuning
from fewshot.tuning.task import TuningResult, TuningTask


class SoftTargets(DelegatedTuning):
    """Tune by another strategy, on probabilities of the classes.

    Parameters
    ----------
    tuning : Tuning
        What does the work.
    targets : ndarray of shape (n_examples, n_classes), optional
        Another model's probabilities for all examples of ``fit``, in place of their labels.
    temperature : float, default=1.0
        At which they are learned by gradients.
    mlm_weight : float, default=0.0
        See :class:`~fewshot.tuning.task.TuningTask`.
    """

    def __init__(
        self,
        tuning: Tuning,
        *,
        targets: npt.NDArray[np.float64] | None = None,
        temperature: float = 1.0,
        mlm_weight: float = 0.0,
    ) -> None:
        self.tuning = tuning
        self.targets = targets
        self.temperature = temperature
        self.mlm_weight = mlm_weight

    @property
    def delegate(self) -> Tuning:
        """The strategy that tunes."""
        return self.tuning

    def tune(self, task: TuningTask) -> TuningResult:
        """Hand the changed task on; see :meth:`Tuning.tune`."""
        own = replace(task, mlm_weight=self.mlm_weight)
        if self.targets is not None:
            own = replace(
                own, targets=self.targets, distillation_temperature=float(self.temperature)
            )
        return self.tuning.tune(own)
