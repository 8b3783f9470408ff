"""Tuning by gradient descent: full tuning and BitFit, over one training loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fewshot.errors import TuningError
from fewshot.fine_tuning import Learner, Objective, Schedule, TrainSettings, train
from fewshot.masked_lm import MaskedLM
from fewshot.sampling import hold_out
from fewshot.scoring import PromptScorer, Views
from fewshot.token_masking import TokenMasking, masked_loss
from fewshot.tuning.head import fit_head
from fewshot.tuning.strategy import Tuning, check_setting
from fewshot.tuning.task import TuningResult, TuningTask

__all__ = ["BitFit", "Full", "GradientTuning"]

# Tuned prompt scores and the regression are both sure of themselves, so their geometric mean is
# taken: log loss 0.55 on average, against 0.70 for the sum (docs/defaults.md).
_TEMPERATURE = 2.0
_PASSES_OF_A_STEP = 3.0  # forward once, backward twice as much
_LARGEST_SHARE, _HALF_WAY = 0.7, 4.0  # docs/defaults.md
_MAY_BE_NONE = ("patience", "interpolation", "C")
_SETTINGS: dict[str, tuple[type, Callable[[float], bool], str]] = {
    "learning_rate": (Real, lambda value: value > 0, "positive"),
    "num_epochs": (Integral, lambda value: value >= 1, "a whole number, at least 1"),
    "batch_size": (Integral, lambda value: value >= 1, "a whole number, at least 1"),
    "weight_decay": (Real, lambda value: value >= 0, "0 or more"),
    "warmup_ratio": (Real, lambda value: 0 <= value <= 1, "from 0 to 1"),
    "label_smoothing": (Real, lambda value: 0 <= value < 1, "from 0 to below 1"),
    "validation_fraction": (Real, lambda value: 0 <= value < 1, "from 0 to below 1"),
    "patience": (Integral, lambda value: value >= 1, "a whole number, at least 1, or None"),
    "interpolation": (Real, lambda value: 0 < value <= 1, "above 0 and up to 1, or None"),
    "C": (Real, lambda value: value > 0, "positive, or None"),
}


class GradientTuning(Tuning):
    """Settings and procedure that strategies of gradient descent share.

    Parameters
    ----------
    learning_rate : float
    num_epochs : int
    batch_size : int
    weight_decay, warmup_ratio : float
    schedule : {"linear", "cosine", "constant"}
    label_smoothing : float
    validation_fraction : float
        Share of the examples held out, of each class alike, for early stopping to watch.
    patience : int, optional
        Epochs without a better loss (on the held-out examples, else on the training examples)
        after which training stops; the best weights are kept. None trains to the end.
    interpolation : float, optional
        Share of the trained weights in the final ones, above 0 and up to 1; the rest is the
        weights before tuning, so that what the model knew is kept (Wortsman et al., 2022, Robust
        fine-tuning of zero-shot models). By default ``0.7 * k / (k + 4)`` for k labels a class:
        0.23 for 2, 0.47 for 8, 0.56 for 16.
    C : float, optional
        Inverse penalty of the logistic regression on the mean states of the tuned model, which
        is added to the prompt's scores as in :class:`~fewshot.tuning.Head`.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        num_epochs: int,
        batch_size: int,
        weight_decay: float,
        warmup_ratio: float,
        schedule: Schedule,
        label_smoothing: float,
        validation_fraction: float,
        patience: int | None,
        interpolation: float | None,
        C: float | None,
    ) -> None:
        self.learning_rate = learning_rate
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.interpolation = interpolation
        self.C = C

    @abstractmethod
    def is_tuned(self, name: str) -> bool:
        """Tell by its name whether a parameter of the model is tuned."""

    def tune(self, task: TuningTask) -> TuningResult:
        """Train a copy of the model; see :meth:`Tuning.tune`."""
        settings = self._settings()
        lm = task.scorer.lm.copy(self.is_tuned)
        if not lm.tuned_parameters():
            raise TuningError(f"{type(self).__name__} finds no parameters to tune in {lm}")
        scorer = replace(task.scorer, lm=lm)
        history = train(
            _learner(scorer, task.views),
            task.targets,
            task.sample_weight,
            settings,
            task.rng,
            valid=_held_out(task, self.validation_fraction),
            objective=_objective(task, lm, settings.batch_size),
            show_progress=task.show_progress,
        )
        share = _default_share(task) if self.interpolation is None else self.interpolation
        _interpolate(lm, task.scorer.lm, share)
        lm.freeze()
        head = fit_head(replace(task, scorer=scorer), self.C)
        return TuningResult(scorer, replace(head, temperature=_TEMPERATURE), history)

    def passes(self) -> float:
        """Return the cost in forward passes over the examples."""
        return _PASSES_OF_A_STEP * self.num_epochs + 1.0  # once more for the head

    def steps(self, classes: npt.NDArray[np.int64]) -> int:
        """Return the number of optimiser steps."""
        held_out = hold_out(classes, self.validation_fraction, np.random.default_rng(0))
        return self._settings().steps(len(classes) - len(held_out))

    def _settings(self) -> TrainSettings:
        _check_settings(self)
        return TrainSettings(
            self.learning_rate,
            self.num_epochs,
            self.batch_size,
            self.weight_decay,
            self.warmup_ratio,
            self.schedule,
            label_smoothing=self.label_smoothing,
            patience=self.patience,
        )


class Full(GradientTuning):
    """Tune all weights of the model, or all but its embeddings.

    Parameters
    ----------
    learning_rate : float, default=1e-4
    num_epochs : int, default=8
    batch_size : int, default=8
    embeddings : {"frozen", "tuned"}, default="frozen"
        The embeddings (of tokens, positions and types) hold half of a small model's weights, of
        which a few texts touch hardly any: frozen they save time and memory.
    weight_decay : float, default=0.01
    warmup_ratio : float, default=0.1
    schedule : {"linear", "cosine", "constant"}, default="linear"
    label_smoothing : float, default=0.0
    validation_fraction : float, default=0.0
    patience : int, optional
    interpolation : float, optional
    C : float, optional
        See :class:`GradientTuning`.

    Examples
    --------
    >>> from fewshot.tuning import Full
    >>> Full(learning_rate=1e-5)
    Full(learning_rate=1e-05)
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        *,
        num_epochs: int = 8,
        batch_size: int = 8,
        embeddings: Literal["frozen", "tuned"] = "frozen",
        weight_decay: float = 0.01,
        warmup_ratio: float = 0.1,
        schedule: Schedule = "linear",
        label_smoothing: float = 0.0,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        interpolation: float | None = None,
        C: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            num_epochs=num_epochs,
            batch_size=batch_size,
            weight_decay=weight_decay,
            warmup_ratio=warmup_ratio,
            schedule=schedule,
            label_smoothing=label_smoothing,
            validation_fraction=validation_fraction,
            patience=patience,
            interpolation=interpolation,
            C=C,
        )
        self.embeddings = embeddings

    def is_tuned(self, name: str) -> bool:
        """Tell whether a parameter is tuned: all but, by default, the embeddings."""
        if self.embeddings not in ("frozen", "tuned"):
            raise TuningError(f"embeddings is 'frozen' or 'tuned', got {self.embeddings!r}")
        return self.embeddings == "tuned" or not _is_embedding(name)


class BitFit(GradientTuning):
    """Tune the biases only (Ben Zaken et al., 2022): some 0.1 % of the weights.

    Parameters
    ----------
    learning_rate : float, default=1e-3
    num_epochs : int, default=20
    batch_size : int, default=8
    weight_decay : float, default=0.0
    warmup_ratio : float, default=0.1
    schedule : {"linear", "cosine", "constant"}, default="linear"
    label_smoothing : float, default=0.0
    validation_fraction : float, default=0.0
    patience : int, optional
    interpolation : float, optional
    C : float, optional
        See :class:`GradientTuning`.

    Examples
    --------
    >>> from fewshot.tuning import BitFit
    >>> BitFit(num_epochs=5)
    BitFit(num_epochs=5)
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        num_epochs: int = 20,
        batch_size: int = 8,
        weight_decay: float = 0.0,
        warmup_ratio: float = 0.1,
        schedule: Schedule = "linear",
        label_smoothing: float = 0.0,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        interpolation: float | None = None,
        C: float | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            num_epochs=num_epochs,
            batch_size=batch_size,
            weight_decay=weight_decay,
            warmup_ratio=warmup_ratio,
            schedule=schedule,
            label_smoothing=label_smoothing,
            validation_fraction=validation_fraction,
            patience=patience,
            interpolation=interpolation,
            C=C,
        )

    def is_tuned(self, name: str) -> bool:
        """Tell whether a parameter is tuned: those called bias."""
        return name.rsplit(".", 1)[-1] == "bias"


def _is_embedding(name: str) -> bool:
    return name.endswith("embeddings.weight")


def _check_settings(tuning: GradientTuning) -> None:
    for name, (kind, is_good, expected) in _SETTINGS.items():
        if name not in _MAY_BE_NONE or getattr(tuning, name) is not None:
            check_setting(tuning, name, kind, is_good, expected)
    if tuning.schedule not in get_args(Schedule):
        raise TuningError(
            f"schedule of {type(tuning).__name__} is one of {list(get_args(Schedule))}, "
            f"got {tuning.schedule!r}"
        )


def _learner(scorer: PromptScorer, views: Views) -> Learner:
    n_examples = next(iter(views.values())).n_examples
    n_tokens = np.zeros(n_examples, dtype=np.int64)
    for prompts in views.values():
        np.add.at(n_tokens, prompts.owners, prompts.lengths)
    return Learner(
        scores=lambda batch: scorer.train_scores(views, batch),
        parameters=scorer.lm.tuned_parameters(),
        set_training=scorer.lm.train,
        n_tokens=n_tokens,
    )


def _objective(task: TuningTask, lm: MaskedLM, batch_size: int) -> Objective:
    warmth = task.distillation_temperature
    temperature = 1.0 if warmth is None else warmth
    if task.mlm_weight == 0.0:
        return Objective(temperature)
    prompts = task.views[min(task.views)]
    unlabelled = np.flatnonzero(task.sample_weight[prompts.owners] == 0)
    masking = TokenMasking.of(lm.tokenizer)

    def auxiliary() -> Tensor:
        rows = task.rng.choice(unlabelled, min(batch_size, len(unlabelled)), replace=False)
        return masked_loss(lm, masking.hide([prompts.ids[row] for row in rows], task.rng))

    return Objective(temperature, auxiliary, task.mlm_weight)


def _default_share(task: TuningTask) -> float:
    """Return the share of trained weights for so many labels a class."""
    labelled = task.targets[task.sample_weight > 0]
    labels_a_class = len(labelled) / len(np.unique(labelled.argmax(1)))
    return _LARGEST_SHARE * labels_a_class / (labels_a_class + _HALF_WAY)


def _interpolate(lm: MaskedLM, before: MaskedLM, share: float) -> None:
    """Move the tuned weights back towards those before tuning."""
    old = dict(before.model.named_parameters())
    for name, parameter in lm.tuned_parameters().items():
        parameter.data.lerp_(old[name].data, 1 - share)


def _held_out(task: TuningTask, fraction: float) -> npt.NDArray[np.int64]:
    """Draw from the labelled examples, by the likeliest class where targets are soft."""
    labelled = np.flatnonzero(task.sample_weight > 0)
    drawn = hold_out(task.targets[labelled].argmax(1), fraction, task.rng)
    return labelled[drawn]
