"""How strategies of gradient descent train: settings that are seldom changed, in one object."""

from __future__ import annotations

from numbers import Integral, Real
from typing import get_args

from sklearn.base import BaseEstimator

from fewshot.errors import TuningError
from fewshot.fine_tuning import Schedule
from fewshot.tuning.strategy import Checks, check_settings

__all__ = ["Training"]

_CHECKS: Checks = {
    "weight_decay": (Real, lambda value: value >= 0, "0 or more"),
    "warmup_ratio": (Real, lambda value: 0 <= value <= 1, "from 0 to 1"),
    "label_smoothing": (Real, lambda value: 0 <= value < 1, "from 0 to below 1"),
    "validation_fraction": (Real, lambda value: 0 <= value < 1, "from 0 to below 1"),
    "patience": (Integral, lambda value: value >= 1, "a whole number, at least 1, or None"),
}


class Training(BaseEstimator):
    """The finer settings of training, the same for all strategies of gradient descent.

    Parameters
    ----------
    weight_decay : float, default=0.01
        Of matrices; biases and norms are not decayed.
    warmup_ratio : float, default=0.1
        Share of the steps in which the learning rate rises.
    schedule : {"linear", "cosine", "constant"}, default="linear"
        How it falls afterwards.
    label_smoothing : float, default=0.0
    validation_fraction : float, default=0.0
        Share of the examples held out, of each class alike, for early stopping to watch.
    patience : int, optional
        Epochs without a better loss (on the held-out examples, else on the training examples)
        after which training stops; the best weights are kept. None trains to the end.

    Examples
    --------
    >>> from fewshot.tuning import Full, Training
    >>> Full(training=Training(schedule="cosine"))
    Full(training=Training(schedule='cosine'))
    """

    def __init__(
        self,
        *,
        weight_decay: float = 0.01,
        warmup_ratio: float = 0.1,
        schedule: Schedule = "linear",
        label_smoothing: float = 0.0,
        validation_fraction: float = 0.0,
        patience: int | None = None,
    ) -> None:
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.validation_fraction = validation_fraction
        self.patience = patience

    def check(self) -> None:
        """Check all settings.

        Raises
        ------
        TuningError
            If one is out of range.
        """
        check_settings(self, _CHECKS, may_be_none=("patience",))
        if self.schedule not in get_args(Schedule):
            raise TuningError(
                f"schedule of Training is one of {list(get_args(Schedule))}, got {self.schedule!r}"
            )
