"""Adversarial training: against the worst small change of a text's embeddings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from fewshot.data.settings import check_settings, positive
from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.errors import TuningError, did_you_mean
from fewshot.training.losses import symmetric_kl
from fewshot.tuning.regularization.embedding_noise import (
    EmbeddingNoise,
    embedding_scale,
    norm_ball_step,
    sign_ball_step,
)

Adversarial: TypeAlias = Literal["fgm", "smart"]

_FIRST_NOISE = 0.01  # of the radius: 1e-5 to 1e-3 in Jiang et al. (2020), appendix


@dataclass(eq=False, repr=False)
class FGM(BaseEstimator):
    """Train also on embeddings moved a little where the loss rises most (fast gradient method).

    The loss is the mean of that of the text and that of the moved text. A step costs a little more
    than two.

    Parameters
    ----------
    epsilon : float, default=1.0
        Euclidean norm of the perturbation of a whole text, in root mean squares of the model's
        embedding matrix. The paper normalises the embeddings to unit variance and takes 5 for
        reviews; for sentences and a handful of labels that is too much
        (``docs/evidence/tuning_robustness.md``).

    See Also
    --------
    SMART : Needs no labels.
    Training : Takes either as ``adversarial``.

    References
    ----------
    Miyato, Dai and Goodfellow (2017), Adversarial Training Methods for Semi-Supervised Text
    Classification, equations 2 and 3.

    Examples
    --------
    >>> from fewshot.tuning import FGM, Full, Training
    >>> Full(training=Training(adversarial=FGM(epsilon=5.0)))
    Full(training=Training(adversarial=FGM(epsilon=5.0)))
    """

    epsilon: float = 1.0

    def check(self) -> None:
        """Raise a TuningError at a setting that is out of range."""
        check_settings(self, {"epsilon": positive(self.epsilon)}, TuningError, is_part=True)

    def passes(self) -> float:
        """Return the additional cost of a step in forward passes."""
        return 4.0  # forward, backward, and the gradient of the embeddings

    def moved_scores(
        self, loss: Tensor, noise: list[Tensor], scores: Callable[[], Tensor], embeddings: nn.Module
    ) -> Tensor:
        """Score a batch again, [n, n_classes], with embeddings moved along the loss's gradient."""
        # The noise is the zeros that were added to the embeddings when the loss was computed.
        radius = self.epsilon * embedding_scale(embeddings)
        gradients = torch.autograd.grad(loss, noise, retain_graph=True)
        moved = [norm_ball_step(gradient, radius) for gradient in gradients]
        with EmbeddingNoise(embeddings).apply(moved):
            return scores()


@dataclass(eq=False, repr=False)
class SMART(BaseEstimator):
    """Ask for the same prediction under the small change of the embeddings that moves it most.

    The smoothness-inducing term of SMART: the symmetric KL, summed over both directions, to the
    scores after one step of projected gradient ascent. It needs no labels. The paper's second
    part, the proximal point updates, is left out: interpolating the weights serves its purpose.
    A step costs two and a half.

    Parameters
    ----------
    epsilon : float, default=0.02
        The largest change of a number, in root mean squares of the model's embedding matrix. The
        authors' code takes 1e-3 where BERT's embeddings have the size 0.05.
    weight : float, default=1.0
        Of the term in the loss; 1 to 5 in the paper.

    See Also
    --------
    FGM : Trains on moved embeddings with the label.
    Training : Takes either as ``adversarial``.

    References
    ----------
    Jiang et al. (2020), SMART: Robust and Efficient Fine-Tuning for Pre-trained Natural Language
    Models through Principled Regularized Optimization, section 3.1.

    Examples
    --------
    >>> from fewshot.tuning import SMART
    >>> SMART(weight=3.0)
    SMART(weight=3.0)
    """

    epsilon: float = 0.02
    _: KW_ONLY
    weight: float = 1.0

    def check(self) -> None:
        """Raise a TuningError at a setting that is out of range."""
        limits = {"epsilon": positive(self.epsilon), "weight": positive(self.weight)}
        check_settings(self, limits, TuningError, is_part=True)

    def passes(self) -> float:
        """Return the additional cost of a step in forward passes."""
        return 5.0  # forward twice, backward, and the gradient of the embeddings

    def roughness(
        self,
        clean: Tensor,
        scores: Callable[[], Tensor],
        embeddings: nn.Module,
        kind: TaskKind = ONE_LABEL,
    ) -> Tensor:
        """Return how far the worst small change moves predictions from the clean scores, [n]."""
        radius, noise = self.epsilon * embedding_scale(embeddings), EmbeddingNoise(embeddings)
        with noise.watch(_FIRST_NOISE * radius) as watched:
            distance = symmetric_kl(scores(), clean.detach(), kind).sum()
        gradients = torch.autograd.grad(distance, watched)
        pairs = zip(watched, gradients, strict=True)
        with noise.apply([sign_ball_step(w.detach(), g, radius) for w, g in pairs]):
            return 2 * symmetric_kl(clean, scores(), kind)


_BY_NAME: dict[str, type[FGM | SMART]] = {"fgm": FGM, "smart": SMART}


def resolve_adversarial(adversarial: Any) -> FGM | SMART | None:  # users are not held to types
    """Return adversarial training by its name, with the default settings, or as it is."""
    if adversarial is None:
        return None
    if isinstance(adversarial, str) and adversarial in _BY_NAME:
        return _BY_NAME[adversarial]()
    if isinstance(adversarial, (FGM, SMART)):
        adversarial.check()
        return adversarial
    raise TuningError(
        f"adversarial is None, one of {list(_BY_NAME)}, or FGM or SMART with settings of its own, "
        f"got {adversarial!r}{did_you_mean(adversarial, _BY_NAME)}"
    )
