"""Tuning by gradient descent: what all its strategies share, over one training loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from fewshot.data.sampling import hold_out
from fewshot.data.settings import check_settings, is_positive, or_none, positive, whole
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.token_masking import TokenMasking, masked_loss
from fewshot.prompting.template import Template
from fewshot.scoring.pool_calibration import calibrate_by_pool
from fewshot.training.history import Epoch
from fewshot.training.loop import (
    Learner,
    TrainSettings,
    TrainStep,
    check_trained,
    train,
)
from fewshot.tuning.class_vectors import (
    tuned_parameters,
    vector_rate,
    with_class_vectors,
    with_trained_classes,
)
from fewshot.tuning.head import fit_head
from fewshot.tuning.regularization.regularizer import Regularizer
from fewshot.tuning.soft_templates import check_wording_tokens, with_template_tokens
from fewshot.tuning.strategy import Tuning
from fewshot.tuning.task import TuningResult, TuningTask
from fewshot.tuning.training_settings import Training

# Trains what a prepared task and its learner hold, in place.
Procedure: TypeAlias = "Callable[[TuningTask, Learner, TrainSettings], list[Epoch]]"

_LARGEST_SHARE, _HALF_WAY = 0.7, 4.0  # docs/evidence/defaults.md


@dataclass(eq=False, repr=False)
class GradientTuning(Tuning):
    """Settings and procedure that strategies of gradient descent share.

    A strategy chooses what is trained by :meth:`prepare`, and may have its own rates and loss.

    Parameters
    ----------
    learning_rate : float
        At its highest point; the schedule is a setting of `training`.
    num_epochs : int
    batch_size : int, default=8
    interpolation : float, optional
        Share of the trained weights in the final ones, above 0 and up to 1; the rest is the
        weights before tuning, so that what the model knew is kept (Wortsman et al., 2022, Robust
        fine-tuning of zero-shot models). By default ``0.7 * k / (k + 4)`` for k labels per class:
        0.23 for 2, 0.47 for 8, 0.56 for 16.
    C : float, optional
        Inverse penalty of the logistic regression on the mean states of the tuned model. As in
        :class:`~fewshot.tuning.Head`, with the same default, it is added to the prompt's scores,
        with a factor of its own where it learned a teacher's predictions for 100 texts or more.
    training : Training, optional
        Weight decay, schedule, early stopping and other finer settings.

    See Also
    --------
    Full : Tunes all weights but the embeddings.
    LoRA : Tunes low-rank updates beside a frozen model.
    Training : The finer settings.

    Examples
    --------
    >>> from fewshot.tuning import BitFit, GradientTuning, Head
    >>> isinstance(BitFit(), GradientTuning), isinstance(Head(), GradientTuning)
    (True, False)
    """

    tunes_virtual_tokens: ClassVar[bool] = True

    learning_rate: float
    _: KW_ONLY
    num_epochs: int = 12
    batch_size: int = 8
    interpolation: float | None = None
    C: float | None = None
    training: Training | None = None

    @abstractmethod
    def prepare(self, task: TuningTask) -> TuningTask:
        """Return the task with a model to train in place of its own.

        Parameters
        ----------
        task : TuningTask

        Returns
        -------
        TuningTask
            Its scorer's model is a copy with parameters that are tuned; the prompts may be others.

        Raises
        ------
        TuningError
            If a setting is out of range, or the model lacks what the strategy tunes.
        """

    def rate_factors(self, lm: MaskedLM) -> dict[str, float]:
        """Return factors of the learning rate for some of the tuned parameters, by name.

        Parameters
        ----------
        lm : MaskedLM
            Prepared.

        Returns
        -------
        dict of str to float
        """
        return {}

    def loss(self, task: TuningTask) -> Callable[[TrainStep], Tensor] | None:
        """Return the loss of a step, or None for the cross-entropy of the scores.

        Parameters
        ----------
        task : TuningTask
            Prepared.

        Returns
        -------
        callable or None
        """
        return None

    def tune(self, task: TuningTask) -> TuningResult:
        """Train a copy of the model; see :meth:`Tuning.tune`."""
        return self.tune_by(task, self._train)

    def tune_by(self, task: TuningTask, procedure: Procedure) -> TuningResult:
        """Train a copy of the model by a procedure of the caller's; see :meth:`Tuning.tune`."""
        self.check(task.scorer.lm, task.scorer.template)
        warmth = task.distillation_temperature
        settings = replace(
            self._settings(),
            temperature=1.0 if warmth is None else warmth,
            kind=task.scorer.kind,
        )
        own = with_class_vectors(with_template_tokens(self.prepare(task)))
        lm = own.scorer.lm
        if not lm.tuned_parameters():
            raise TuningError(f"{type(self).__name__} finds no parameters to tune in {lm}")
        tuned = tuned_parameters(own.scorer)
        start = _tuned_weights(tuned, task.scorer.lm)
        history = procedure(own, self._learner(own), settings)
        share = _default_share(own) if self.interpolation is None else self.interpolation
        _interpolate(tuned, start, share)
        lm.freeze()
        own = with_trained_classes(own)
        own = replace(own, scorer=own.scorer.renamed())
        encoded = own.scorer.encode(own.views)
        check_trained(own.scorer.word_class_scores(encoded), self.learning_rate)
        if task.calibration_weight is not None:
            scorer, _ = calibrate_by_pool(
                own.scorer, encoded, task.calibration_weight, task.class_shares
            )
            own = replace(own, scorer=scorer)
        return TuningResult(own.scorer, fit_head(own, self.C, tuned=True).head, history)

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        limits = {
            "learning_rate": positive(self.learning_rate),
            "num_epochs": whole(self.num_epochs),
            "batch_size": whole(self.batch_size),
            "interpolation": or_none(
                self.interpolation,
                lambda share: (is_positive(share) and share <= 1, "above 0 and up to 1"),
            ),
            "C": or_none(self.C, positive),
            "training": (isinstance(self._training, Training), "a Training or None"),
        }
        check_settings(self, limits, TuningError, is_part=True)
        self._training.check()
        for wording in self.wordings(template):
            check_wording_tokens(lm, wording, template)

    def wordings(self, template: Template) -> tuple[Template, ...]:
        """Return the other wordings that training asks for; see :meth:`Tuning.wordings`."""
        consistency = self._training.consistency
        return () if consistency is None else consistency.wordings(template)

    def passes(self) -> float:
        """Return the cost in forward passes; see :meth:`Tuning.passes`."""
        # Once more for the head.
        return self._training.passes_of_a_step() * self.num_epochs + 1.0

    def steps(self, classes: npt.NDArray[np.int64]) -> int:
        """Return the number of optimizer steps; see :meth:`Tuning.steps`."""
        fraction = self._training.validation_fraction
        held_out = hold_out(classes, fraction, np.random.default_rng(0))
        return self._settings().steps(len(classes) - len(held_out))

    def set_params(self, **params: Any) -> GradientTuning:  # scikit-learn's signature
        """Set parameters by name; finer settings of training as ``training__<setting>``.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        GradientTuning
            The strategy itself.
        """
        is_nested = any(name.startswith("training__") for name in params)
        if is_nested and params.get("training", self.training) is None:
            params = params | {"training": Training()}
        super().set_params(**params)
        return self

    def _check_own_loss(self) -> None:
        """Refuse training that adds to a cross-entropy, for a strategy with another loss."""
        if self._training.regularizes():
            raise TuningError(
                f"{type(self).__name__} has a loss of its own, which takes no adversarial, "
                "r_drop or consistency of Training; leave these out"
            )

    @property
    def _training(self) -> Training:
        return Training() if self.training is None else self.training

    def _train(self, task: TuningTask, learner: Learner, settings: TrainSettings) -> list[Epoch]:
        return train(
            learner,
            task.targets,
            task.sample_weight,
            settings,
            task.rng,
            valid=held_out_rows(task, self._training.validation_fraction),
            show_progress=task.show_progress,
        )

    def _learner(self, task: TuningTask) -> Learner:
        scorer, views, training = task.scorer, task.views, self._training
        n_tokens = np.zeros(next(iter(views.values())).n_examples, dtype=np.int64)
        for prompts in views.values():
            np.add.at(n_tokens, prompts.examples, prompts.lengths)
        learner = Learner(
            partial(scorer.train_scores, views),
            tuned_parameters(scorer),
            scorer.lm.train,
            n_tokens,
            Regularizer.of(task, training).loss if training.regularizes() else self.loss(task),
            self.rate_factors(scorer.lm) | vector_rate(scorer),
        )
        if task.mlm_weight:
            loss = _with_masked_words(learner.step_loss, task, self.batch_size)
            learner = replace(learner, loss=loss)
        return learner

    def _settings(self) -> TrainSettings:
        training = self._training
        return TrainSettings(
            self.learning_rate,
            self.num_epochs,
            self.batch_size,
            training.weight_decay,
            training.warmup_ratio,
            training.schedule,
            label_smoothing=training.label_smoothing,
            patience=training.patience,
        )


def _with_masked_words(
    loss: Callable[[TrainStep], Tensor], task: TuningTask, batch_size: int
) -> Callable[[TrainStep], Tensor]:
    """Return a loss of which masked language modelling on texts without a label is a part."""
    lm, prompts, share = task.scorer.lm, task.views[min(task.views)], task.mlm_weight
    unlabeled = np.flatnonzero(task.sample_weight[prompts.examples] == 0)
    if not len(unlabeled):  # iPET has labelled the whole pool
        unlabeled = np.arange(len(prompts.examples))
    masking = TokenMasking.of(lm.tokenizer)

    def joined(step: TrainStep) -> Tensor:
        own = loss(step)
        rows = task.rng.choice(unlabeled, min(batch_size, len(unlabeled)), replace=False)
        soft = None if prompts.soft_positions is None else prompts.soft_positions[rows]
        hidden = masking.hide([prompts.ids[row] for row in rows], task.rng, soft)
        return (1 - share) * own + share * masked_loss(lm, hidden).to(own.device)

    return joined


def _default_share(task: TuningTask) -> float:
    """Return the share of trained weights for so many labels per class."""
    labelled = task.targets[task.sample_weight > 0]
    if task.scorer.kind.has_several:
        labels_per_class: float = float(labelled.sum()) / np.count_nonzero(labelled.any(0))
    else:
        labels_per_class = len(labelled) / len(np.unique(labelled.argmax(1)))
    return _LARGEST_SHARE * labels_per_class / (labels_per_class + _HALF_WAY)


def _tuned_weights(tuned: Mapping[str, nn.Parameter], before: MaskedLM) -> dict[str, Tensor]:
    """Return the values of tuned parameters; those that the model before has are not copied."""
    old = dict(before.model.named_parameters())
    return {
        name: old[name].data if name in old else parameter.detach().clone()
        for name, parameter in tuned.items()
    }


def _interpolate(
    tuned: Mapping[str, nn.Parameter], start: Mapping[str, Tensor], share: float
) -> None:
    """Move the tuned weights back towards those before tuning."""
    for name, parameter in tuned.items():
        parameter.data.lerp_(start[name], 1 - share)


def held_out_rows(task: TuningTask, fraction: float) -> npt.NDArray[np.int64]:
    """Draw from the labelled examples, by the likeliest class where targets are soft."""
    labelled = np.flatnonzero(task.sample_weight > 0)
    drawn = hold_out(task.scorer.kind.strata(task.targets[labelled]), fraction, task.rng)
    return labelled[drawn]
