"""The loss of a training step with the terms that a strategy's training switches on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fewshot.errors import TuningError
from fewshot.training.loop import Batch, TrainStep
from fewshot.training.losses import symmetric_kl
from fewshot.tuning.regularization.adversarial import FGM, SMART, resolve_adversarial
from fewshot.tuning.regularization.consistency import TemplateConsistency
from fewshot.tuning.regularization.embedding_noise import EmbeddingNoise
from fewshot.tuning.task import TuningTask
from fewshot.tuning.training_settings import Training


@dataclass(frozen=True)
class Regularizer:
    """Cross-entropy, and terms that make the model robust to irrelevant changes."""

    # The cross-entropy is the mean over all passes that see the labels: of the texts as they are,
    # with moved embeddings, with other dropout, in another wording. The weighted terms are added.

    scores: Callable[[Batch], Tensor]  # class scores of examples, with gradients
    embeddings: nn.Module  # of the tokens
    rng: np.random.Generator
    training: Training
    # The same as `scores`, each with another wording of the template.
    other_scores: Sequence[Callable[[Batch], Tensor]] = ()
    unlabeled: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @classmethod
    def of(cls, task: TuningTask, training: Training) -> Regularizer:
        """Return the loss of a prepared task."""
        scorer = task.scorer
        return cls(
            partial(scorer.train_scores, task.views),
            scorer.lm.model.get_input_embeddings(),
            task.rng.spawn(1)[0],  # so that batches are drawn as without it
            training,
            [] if training.consistency is None else _other_scores(task, training),
            task.unlabeled,
        )

    def loss(self, step: TrainStep) -> Tensor:
        """Return the loss of a step."""
        losses: list[Tensor] = []
        terms: list[Tensor] = []
        scores = self._clean_and_moved(step, losses, terms)
        if self.training.r_drop > 0:
            again = self.scores(step.rows)
            _check_dropout(scores, again)
            losses.append(step.task_loss(again))
            # In the scale of Liang et al. (2021), equation 4, whose cross-entropy is a sum.
            terms.append(
                self.training.r_drop / 2 * step.mean(symmetric_kl(scores, again, step.kind))
            )
        if self.training.consistency is not None:
            self._other_wording(self.training.consistency, step, scores, losses, terms)
        return torch.stack(losses).mean() + sum(terms)

    def _clean_and_moved(
        self, step: TrainStep, losses: list[Tensor], terms: list[Tensor]
    ) -> Tensor:
        """Return scores of the texts as they are; append what adversarial training adds."""

        def run() -> Tensor:
            return self.scores(step.rows)

        adversarial = resolve_adversarial(self.training.adversarial)
        if isinstance(adversarial, FGM):
            with EmbeddingNoise(self.embeddings).watch() as noise:
                scores = run()
            losses.append(step.task_loss(scores))
            moved = adversarial.moved_scores(losses[0], noise, run, self.embeddings)
            losses.append(step.task_loss(moved))
            return scores
        scores = run()
        losses.append(step.task_loss(scores))
        if isinstance(adversarial, SMART):
            rough = adversarial.roughness(scores, run, self.embeddings, step.kind)
            terms.append(adversarial.weight * step.mean(rough))
        return scores

    def _other_wording(
        self,
        consistency: TemplateConsistency,
        step: TrainStep,
        scores: Tensor,
        losses: list[Tensor],
        terms: list[Tensor],
    ) -> None:
        """Append the loss in another wording, and the weighted disagreement."""
        other_scores = self.other_scores[int(self.rng.integers(len(self.other_scores)))]
        others = other_scores(step.rows)
        losses.append(step.task_loss(others))
        if consistency.weight == 0:
            return
        rows = consistency.disagreement(scores, others, step.kind) * step.weights
        if len(self.unlabeled):
            n = min(len(step.rows), len(self.unlabeled))
            drawn = self.rng.choice(self.unlabeled, n, replace=False)
            unlabeled = consistency.disagreement(self.scores(drawn), other_scores(drawn), step.kind)
            rows = torch.cat([rows, unlabeled])
        terms.append(consistency.weight_at(step.progress) * rows.mean())


def _other_scores(task: TuningTask, training: Training) -> list[Callable[[Batch], Tensor]]:
    """Return a function for each other wording that scores a batch with it."""
    scorer = task.scorer
    if not task.wordings:
        raise TuningError(
            f"{training.consistency} needs the texts in other wordings, which this estimator does "
            "not give to its strategy; use it in a PromptClassifier"
        )
    encoded = scorer.encode(task.views)
    others = [
        (scorer.reworded(wording, encoded, scorer.encode(views), task.sample_weight), views)
        for wording, views in task.wordings.items()
    ]
    return [partial(other.train_scores, views) for other, views in others]


def _check_dropout(scores: Tensor, again: Tensor) -> None:
    if torch.equal(scores, again):
        raise TuningError(
            "r_drop compares two passes with different dropout, but this model has no dropout: "
            "both are equal. Use adversarial='smart' instead, or load the model with a dropout "
            "in its configuration"
        )
