"""The training loop: soft or hard targets, early stopping, the best weights kept in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.errors import ModelError, TuningError
from fewshot.models.reproducible import limited_threads, torch_seed
from fewshot.training.history import Epoch
from fewshot.training.losses import binary_cross_entropy, distillation_loss, soft_cross_entropy

Batch: TypeAlias = npt.NDArray[np.int64]
Schedule: TypeAlias = Literal["linear", "cosine", "constant"]

_BAR_DELAY = 2.0  # seconds; a short run shows no bar
_SMALLEST_GAIN = 1e-4  # of the loss, for an epoch to count as better


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run."""

    learning_rate: float
    num_epochs: int
    batch_size: int
    weight_decay: float = 0.01  # of matrices; biases and norms are not decayed
    warmup_ratio: float = 0.1  # share of the steps in which the learning rate rises
    schedule: Schedule = "linear"  # of its fall afterwards
    max_grad_norm: float = 1.0
    label_smoothing: float = 0.0
    temperature: float = 1.0  # divides scores and log-targets; other than 1 for distillation
    patience: int | None = None  # epochs without a better loss before training stops
    kind: TaskKind = ONE_LABEL

    def steps(self, n_examples: int) -> int:
        """Return the number of optimizer steps for so many examples."""
        return self.num_epochs * -(-n_examples // self.batch_size)

    def rate(self, step: int, n_steps: int) -> float:
        """Return the factor of the learning rate at a step, counted from 0."""
        n_warm = round(self.warmup_ratio * n_steps)
        if step < n_warm:
            return (step + 1) / n_warm
        done = (step - n_warm) / max(1, n_steps - n_warm)
        if self.schedule == "cosine":
            return 0.5 * (1 + float(np.cos(np.pi * done)))
        return 1.0 if self.schedule == "constant" else 1.0 - done


class Optimizer:
    """AdamW over the steps of a schedule; matrices decay, biases and norms do not."""

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        settings: TrainSettings,
        n_steps: int,
        rate_factors: Mapping[str, float] | None = None,
        *,
        rate_name: str = "learning_rate",  # for the message when training diverges
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.settings, self.n_steps, self.n_done = settings, n_steps, 0
        self._parameters, self._rate_name = list(parameters.values()), rate_name
        groups = _groups(parameters, settings, {} if rate_factors is None else rate_factors)
        # One pass over the weights instead of eight: a tenth of the time of a fit on few texts.
        self.adam = torch.optim.AdamW(groups, betas=betas, eps=eps, fused=True)

    @property
    def learning_rate(self) -> float:
        """That of the last step, of parameters without a factor."""
        group = self.adam.param_groups[0]
        return float(group["lr"] / group["factor"])

    def step(self, loss: Tensor, *, is_idle: bool = False) -> float:
        """Take a step down the gradient of a loss, and return the loss."""
        # An idle step is only counted: Adam has momentum, and would move without a gradient, too.
        rate = self.settings.learning_rate * self.settings.rate(self.n_done, self.n_steps)
        for group in self.adam.param_groups:
            group["lr"] = rate * group["factor"]
        self.n_done += 1
        if not bool(loss.isfinite()):
            if self.n_done == 1:
                raise ModelError(
                    f"the loss is {loss.item()} before the first step: the weights or states of "
                    "the model hold NaN or infinity for these texts, or the targets do; load the "
                    "model again, and check it with tuning='none'"
                )
            raise TuningError(
                f"the loss is {loss.item()} at step {self.n_done} of {self.n_steps}: it has "
                f"diverged; lower {self._rate_name}, which is {self.settings.learning_rate}"
            )
        if not is_idle:
            loss.backward()
            nn.utils.clip_grad_norm_(self._parameters, self.settings.max_grad_norm)
            self.adam.step()
            self.adam.zero_grad()
        return float(loss.detach())


def _groups(
    parameters: Mapping[str, nn.Parameter],
    settings: TrainSettings,
    rate_factors: Mapping[str, float],
) -> list[dict[str, object]]:
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        key = parameter.ndim > 1, rate_factors.get(name, 1.0)
        groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": groups[decays, factor],
            "weight_decay": settings.weight_decay if decays else 0.0,
            "lr": settings.learning_rate * factor,
            "factor": factor,
        }
        for decays, factor in sorted(groups, reverse=True)
    ]


@dataclass(frozen=True)
class TrainStep:
    """The examples of one optimizer step."""

    rows: Batch  # numbers of the examples
    targets: Tensor  # [n, n_classes]
    weights: Tensor  # [n]
    label_smoothing: float = 0.0
    temperature: float = 1.0
    progress: float = 0.0  # share of the steps that are done
    kind: TaskKind = ONE_LABEL

    def task_loss(self, scores: Tensor) -> Tensor:
        """Return the cross-entropy of class scores [n, n_classes]."""
        if self.kind.has_several:
            return binary_cross_entropy(scores, self.targets, self.weights, self.label_smoothing)
        if self.temperature != 1.0:
            return distillation_loss(scores, self.targets, self.weights, self.temperature)
        return soft_cross_entropy(scores, self.targets, self.weights, self.label_smoothing)

    def mean(self, values: Tensor) -> Tensor:
        """Return the weighted mean of one value per example, as the loss takes it."""
        return (values * self.weights).mean()


@dataclass(frozen=True)
class Learner:
    """What is trained, as the loop sees it."""

    scores: Callable[[Batch], Tensor]  # class scores of examples, with gradients
    parameters: dict[str, nn.Parameter]
    set_training: Callable[[bool], object]  # switches dropout
    n_tokens: npt.NDArray[np.int64]  # of each example
    loss: Callable[[TrainStep], Tensor] | None = None  # default: cross-entropy of the scores
    rate_factors: Mapping[str, float] = field(default_factory=dict)  # of the learning rate

    def step_loss(self, step: TrainStep) -> Tensor:
        """Return the loss to go down."""
        return self.task_loss(step) if self.loss is None else self.loss(step)

    def task_loss(self, step: TrainStep) -> Tensor:
        """Return the cross-entropy of the scores."""
        return step.task_loss(self.scores(step.rows))


def train(
    learner: Learner,
    targets: npt.NDArray[np.float64],
    sample_weight: npt.NDArray[np.float64],
    settings: TrainSettings,
    rng: np.random.Generator,
    *,
    valid: Batch | None = None,
    show_progress: bool = False,
) -> list[Epoch]:
    """Train in place on the examples with a weight; return the history."""
    # Early stopping watches the loss of the held-out examples `valid`, else the training loss.
    held_out = np.array([], dtype=np.int64) if valid is None else valid
    chosen = np.setdiff1d(np.flatnonzero(sample_weight > 0), held_out)
    weights = sample_weight / sample_weight[chosen].mean()
    run = _Run(learner, _tensor(targets), _tensor(weights), settings, len(chosen))
    best = _Best(learner.parameters)
    history: list[Epoch] = []
    bar = tqdm(
        total=run.optimizer.n_steps, disable=not show_progress, desc="tuning", delay=_BAR_DELAY
    )
    batch_tokens = settings.batch_size * int(learner.n_tokens[chosen].mean())
    with torch_seed(rng), limited_threads(batch_tokens), bar:
        for epoch in range(settings.num_epochs):
            started = time.perf_counter()
            loss = run.epoch(in_batches(rng.permutation(chosen), settings.batch_size), bar)
            row = Epoch(
                epoch=epoch,
                loss=loss,
                learning_rate=run.optimizer.learning_rate,
                steps=-(-len(chosen) // settings.batch_size),
                tokens=int(learner.n_tokens[chosen].sum()),
                seconds=time.perf_counter() - started,
            )
            if len(held_out):
                row["valid_loss"] = run.evaluate(held_out)
            history.append(row)
            if settings.patience is not None:
                best.update(row.get("valid_loss", loss), epoch)
                if epoch - best.epoch >= settings.patience:
                    break
    if settings.patience is not None:
        best.restore()
    return history


def check_trained(scores: npt.NDArray[np.float64], learning_rate: float) -> None:
    """Raise an error at scores that are not finite: the loss of the last step is unknown."""
    if not np.isfinite(scores).all():
        raise TuningError(
            "the trained model gives scores that are not finite numbers: it has diverged at the "
            f"last step; lower learning_rate={learning_rate}"
        )


class _Run:
    """Passes of one training run over its examples."""

    def __init__(
        self,
        learner: Learner,
        targets: Tensor,
        weights: Tensor,
        settings: TrainSettings,
        n_examples: int,
    ) -> None:
        self.learner, self.targets, self.weights = learner, targets, weights
        self.settings = settings
        self.optimizer = Optimizer(
            learner.parameters, settings, settings.steps(n_examples), learner.rate_factors
        )

    def epoch(self, batches: Iterator[Batch], bar: tqdm) -> float:  # type: ignore[type-arg]
        """Take one pass over the examples and return the mean loss."""
        self.learner.set_training(True)
        total = n_examples = 0.0
        for batch in batches:
            total += len(batch) * self.optimizer.step(
                self.learner.step_loss(self._train_step(batch))
            )
            n_examples += len(batch)
            bar.update()
        self.learner.set_training(False)
        return total / n_examples

    def evaluate(self, held_out: Batch) -> float:
        """Return the weighted mean loss of held-out examples."""
        batches = list(in_batches(held_out, self.settings.batch_size))
        with torch.no_grad():
            losses = [float(self.learner.task_loss(self._train_step(batch))) for batch in batches]
        total = sum(len(batch) * loss for batch, loss in zip(batches, losses, strict=True))
        return total / float(self.weights[held_out].sum())

    def _train_step(self, batch: Batch) -> TrainStep:
        return TrainStep(
            batch,
            self.targets[batch],
            self.weights[batch],
            self.settings.label_smoothing,
            self.settings.temperature,
            self.optimizer.n_done / self.optimizer.n_steps,
            self.settings.kind,
        )


class _Best:
    """The best weights so far, in memory."""

    def __init__(self, parameters: dict[str, nn.Parameter]) -> None:
        self._parameters = parameters
        self._loss = np.inf
        self._weights: dict[str, Tensor] = {}
        self.epoch = 0

    def update(self, loss: float, epoch: int) -> None:
        if loss < self._loss - _SMALLEST_GAIN:
            self._loss, self.epoch = loss, epoch
            self._weights = {name: p.detach().clone() for name, p in self._parameters.items()}

    def restore(self) -> None:
        for name, weight in self._weights.items():
            self._parameters[name].data.copy_(weight)


def _tensor(values: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values).float()


def in_batches(rows: Batch, batch_size: int) -> Iterator[Batch]:
    """Cut rows into batches; the last may be smaller."""
    for start in range(0, len(rows), batch_size):
        yield rows[start : start + batch_size]
