"""Training of a student: weighted soft labels first, then the labeled texts (LiST, section 3)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.classifiers.semi_supervised.meta_weights import (
    MetaWeights,
    alignments,
    kl_losses,
    normalized_weights,
)
from fewshot.data.sampling import hold_out
from fewshot.models.reproducible import limited_threads, torch_seed
from fewshot.training.history import Epoch
from fewshot.training.loop import Batch, Learner, Optimizer, TrainSettings, TrainStep, in_batches
from fewshot.tuning.task import TuningTask


class StudentTraining:
    """Training of one student; texts of weight 0 are left out."""

    def __init__(
        self,
        task: TuningTask,  # prepared; its targets of unlabeled texts are the teacher's
        learner: Learner,
        settings: TrainSettings,  # of the epochs on labeled texts
        *,
        n_steps: int,  # on unlabeled texts
        batch_size: int,  # of these steps
        weights: MetaWeights | None,  # None weighs all alike
    ) -> None:
        self.task, self.learner, self.settings = task, learner, settings
        self.n_pool_steps, self.batch_size, self.meta = n_steps, batch_size, weights
        is_used = task.sample_weight > 0
        self.pool = task.unlabeled[is_used[task.unlabeled]]
        labeled = np.setdiff1d(np.flatnonzero(is_used), self.pool)
        self.labeled, self.compared = self._split(labeled)
        mean = task.sample_weight[self.labeled].mean()
        self.targets = torch.from_numpy(task.targets).float()
        self.sample_weight = torch.from_numpy(task.sample_weight / mean).float()
        self.sums, self.n_drawn = np.zeros(len(is_used)), np.zeros(len(is_used))
        self.n_tokens = 0
        self.loss = np.nan  # mean of the last quarter of the steps on unlabeled texts
        self.labeled_loss = np.nan  # mean of the last epoch on labeled texts
        n_all = n_steps + settings.steps(len(self.labeled))
        self.optimizer = Optimizer(learner.parameters, settings, n_all, learner.rate_factors)

    def learn(self) -> list[Epoch]:
        """Train in place."""
        started, rng = time.perf_counter(), self.task.rng
        batch_tokens = self.batch_size * int(self.learner.n_tokens[self.pool].mean())
        with torch_seed(rng), limited_threads(batch_tokens):
            self.learner.set_training(True)
            self.loss = self._learn_soft_labels(rng)
            self.labeled_loss = self._learn_labels(rng)
            self.learner.set_training(False)
        seconds = time.perf_counter() - started
        return [
            Epoch(
                epoch=0,
                loss=self.loss,
                steps=self.optimizer.n_done,
                tokens=self.n_tokens,
                seconds=seconds,
            )
        ]

    def mean_weights(self, pool: Batch) -> npt.NDArray[np.float64]:
        """Return the mean weight of texts in the steps after the warm-up, NaN if never drawn."""
        is_used = np.isin(pool, self.pool)
        mean = self.sums[pool] / np.maximum(self.n_drawn[pool], 1)
        return np.where(is_used & (self.n_drawn[pool] == 0), np.nan, mean)

    def _split(self, labeled: Batch) -> tuple[Batch, Batch]:
        """Return the labeled texts to train on, and those that gradients are compared with."""
        if self.meta is None or not self.meta.validation_fraction:
            return labeled, labeled
        classes = self.task.targets[labeled].argmax(1)
        held_out = labeled[hold_out(classes, self.meta.validation_fraction, self.task.rng)]
        return np.setdiff1d(labeled, held_out), held_out

    def _learn_soft_labels(self, rng: np.random.Generator) -> float:
        """Take the steps on unlabeled texts; return the mean loss of the last quarter."""
        meta, losses = self.meta, []
        n_warm = 0 if meta is None else round(meta.warmup_fraction * self.n_pool_steps)
        batches = endless_batches(self.pool, self.batch_size, rng)
        classes = self.task.targets[self.compared].argmax(1)
        n_compared = 1 if meta is None else meta.batch_size
        compared = endless_batches(self.compared, n_compared, rng, classes)
        for step in range(self.n_pool_steps):
            batch = next(batches)
            weights = torch.full((len(batch),), 1.0 / len(batch), dtype=torch.float32)
            is_warm = step >= n_warm
            if meta is not None and is_warm:
                weights = self._meta_weights(batch, next(compared))
            if is_warm:
                self.sums[batch] += len(batch) * weights.double().numpy()
                self.n_drawn[batch] += 1
            targets = self.targets[batch]
            rows = kl_losses(self.learner.scores(batch), targets)
            losses.append(float(rows.detach().mean()))
            self._step((weights * rows).sum(), batch, is_idle=not bool(weights.any()))
        return float(np.mean(losses[-max(1, len(losses) // 4) :]))

    def _learn_labels(self, rng: np.random.Generator) -> float:
        """Take the epochs on labeled texts; return the mean loss of the last one."""
        mean = np.nan
        for _ in range(self.settings.num_epochs):
            total = 0.0
            for batch in in_batches(rng.permutation(self.labeled), self.settings.batch_size):
                loss = self._train_step(batch).task_loss(self.learner.scores(batch))
                total += len(batch) * self._step(loss, batch)
            mean = total / len(self.labeled)
        return mean

    def _meta_weights(self, batch: Batch, compared: Batch) -> Tensor:
        """Weigh pseudo-labeled texts by the agreement of their gradients with labeled ones."""
        # Without dropout, so that both are of the same function.
        self.learner.set_training(False)
        parameters = list(self.learner.parameters.values())
        loss = self._train_step(compared).task_loss(self.learner.scores(compared))
        gradient = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        targets = self.targets[batch].double()
        agreement = alignments(
            lambda: kl_losses(self.learner.scores(batch).double(), targets), parameters, gradient
        )
        self.learner.set_training(True)
        self.n_tokens += int(self.learner.n_tokens[compared].sum())
        return normalized_weights(agreement).float()

    def _step(self, loss: Tensor, batch: Batch, *, is_idle: bool = False) -> float:
        self.n_tokens += int(self.learner.n_tokens[batch].sum())
        return self.optimizer.step(loss, is_idle=is_idle)

    def _train_step(self, batch: Batch) -> TrainStep:
        return TrainStep(
            batch, self.targets[batch], self.sample_weight[batch], self.settings.label_smoothing
        )


def endless_batches(
    rows: Batch,
    batch_size: int,
    rng: np.random.Generator,
    classes: npt.NDArray[np.int64] | None = None,
) -> Iterator[Batch]:
    """Yield batches of pass after pass, each in a new order; with classes, of all alike."""
    # The gradient of a batch with more of one class than of others mostly says that this class is
    # the more frequent one, whatever the texts.
    while True:
        places = rng.permutation(len(rows))
        if classes is not None:
            of_class = [places[classes[places] == label] for label in np.unique(classes)]
            turns = np.concatenate([np.arange(len(part)) for part in of_class])
            places = np.concatenate(of_class)[np.lexsort((rng.random(len(rows)), turns))]
        yield from in_batches(rows[places], batch_size)
