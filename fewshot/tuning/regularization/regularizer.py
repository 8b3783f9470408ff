"""The loss of a training step with the terms that a strategy's training switches on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fewshot.errors import TuningError
from fewshot.training.loop import Batch, TrainStep
from fewshot.training.losses import symmetric_kl
from fewshot.tuning.regularization.adversarial import FGM, SMART
from fewshot.tuning.regularization.consistency import TemplateConsistency
from fewshot.tuning.regularization.embedding_noise import EmbeddingNoise


@dataclass(frozen=True)
class Regularizer:
    """Cross-entropy and what keeps a model from hanging on what should not matter.

    The cross-entropy is the mean over all passes that see the labels: of the texts as they are,
    with moved embeddings, with other dropout, in another wording. The weighted terms are added.

    Parameters
    ----------
    scores : callable
        Class scores of a batch of example numbers, with gradients.
    embeddings : Module
        The token embeddings of the model that is trained.
    rng : numpy.random.Generator
    adversarial : FGM or SMART, optional
    r_drop : float, default=0.0
        Weight of the symmetric KL between two passes with different dropout, in the scale of
        Liang et al. (2021), equation 4, whose cross-entropy is a sum over both passes.
    consistency : TemplateConsistency, optional
    other_scores : list of callable
        As `scores`, each with another wording of the template.
    unlabelled : ndarray of int
        Examples without a label, for the consistency.
    """

    scores: Callable[[Batch], Tensor]
    embeddings: nn.Module
    rng: np.random.Generator
    adversarial: FGM | SMART | None = None
    r_drop: float = 0.0
    consistency: TemplateConsistency | None = None
    other_scores: list[Callable[[Batch], Tensor]] = field(default_factory=list)
    unlabelled: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def loss(self, step: TrainStep) -> Tensor:
        """Return the loss of a step."""
        losses: list[Tensor] = []
        terms: list[Tensor] = []
        scores = self._clean_and_moved(step, losses, terms)
        if self.r_drop > 0:
            again = self.scores(step.rows)
            _check_dropout(scores, again)
            losses.append(step.task_loss(again))
            terms.append(self.r_drop / 2 * step.mean(symmetric_kl(scores, again)))
        if self.consistency is not None:
            self._other_wording(self.consistency, step, scores, losses, terms)
        return torch.stack(losses).mean() + sum(terms)

    def _clean_and_moved(
        self, step: TrainStep, losses: list[Tensor], terms: list[Tensor]
    ) -> Tensor:
        """Return scores of the texts as they are; append what adversarial training asks for."""

        def run() -> Tensor:
            return self.scores(step.rows)

        if isinstance(self.adversarial, FGM):
            with EmbeddingNoise(self.embeddings).watch() as noise:
                scores = run()
            losses.append(step.task_loss(scores))
            moved = self.adversarial.moved_scores(losses[0], noise, run, self.embeddings)
            losses.append(step.task_loss(moved))
            return scores
        scores = run()
        losses.append(step.task_loss(scores))
        if isinstance(self.adversarial, SMART):
            rough = self.adversarial.roughness(scores, run, self.embeddings)
            terms.append(self.adversarial.weight * step.mean(rough))
        return scores

    def _other_wording(
        self,
        consistency: TemplateConsistency,
        step: TrainStep,
        scores: Tensor,
        losses: list[Tensor],
        terms: list[Tensor],
    ) -> None:
        other_scores = self.other_scores[self.rng.integers(len(self.other_scores))]
        others = other_scores(step.rows)
        losses.append(step.task_loss(others))
        if consistency.weight == 0:
            return
        rows = consistency.disagreement(scores, others) * step.weights
        if len(self.unlabelled):
            n = min(len(step.rows), len(self.unlabelled))
            drawn = self.rng.choice(self.unlabelled, n, replace=False)
            unlabelled = consistency.disagreement(self.scores(drawn), other_scores(drawn))
            rows = torch.cat([rows, unlabelled])
        terms.append(consistency.weight_at(step.progress) * rows.mean())


def _check_dropout(scores: Tensor, again: Tensor) -> None:
    if torch.equal(scores, again):
        raise TuningError(
            "r_drop compares two passes with different dropout, but this model has no dropout: "
            "both are equal. Use adversarial='smart' instead, or load the model with a dropout "
            "in its configuration"
        )
