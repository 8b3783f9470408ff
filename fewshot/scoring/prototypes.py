"""Classes without label words: PERFECT's label embeddings, and prototypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from fewshot.data.labels import Label

States: TypeAlias = Literal["mask", "mean"]  # at the masks, or the mean over the prompt

_MARGIN = 1.0
_LOG_TEMPERATURES = (-7.0, 1.0)
_TIE = 1e-3  # weight of the mean over the masks: it decides only where the best masks tie


@dataclass(frozen=True)
class LabelEmbeddings:
    """A vector for each class and mask in place of label words."""

    # Prototypes are the mean states of each class's examples at each mask, or the states of the
    # classes' names.

    classes: tuple[Label, ...]
    vectors: Tensor  # [n_classes, n_masks, hidden]
    temperature: float  # divides squared distances
    states: States = "mask"  # what the vectors are compared with
    names: tuple[str, ...] = ()  # of the classes, if the vectors are their states

    @property
    def mask_counts(self) -> tuple[int, ...]:
        """The number of masks of a prompt, as in :class:`.LabelWords`."""
        return (self.n_masks,)

    @property
    def n_masks(self) -> int:
        """The number of masks."""
        return int(self.vectors.shape[1])

    def scores(self, states: Tensor) -> Tensor:
        """Return log-probabilities [n, n_classes] by the nearest prototype at any mask."""
        # The similarity `exp(-distance)` is largest there; the mean over the masks breaks ties.
        distances = squared_distances(states, self.vectors.to(states))
        return (-_nearest(distances) / self.temperature).log_softmax(-1)

    def train_scores(self, states: Tensor) -> Tensor:
        """Score classes with gradients: as :meth:`scores`, unless the vectors are being trained."""
        # Those are multiplied with the states and become prototypes after training.
        if self.vectors.requires_grad:
            return matching_scores(states, self.vectors).mean(1)
        return self.scores(states)


def prototypes_of(
    classes: tuple[Label, ...],
    states: Tensor,  # [n, n_masks, hidden]
    shares: Tensor,  # [n, n_classes]: how much of each example belongs to each class
) -> LabelEmbeddings:
    """Return the prototypes of some examples, at the temperature that fits them."""
    # Examples of which no class has a share are left out.
    is_used = shares.sum(1) > 0
    states, shares = states[is_used], shares[is_used]
    vectors = class_prototypes(states, shares).float()
    return LabelEmbeddings(classes, vectors, fit_temperature(states, shares))


def fit_temperature(states: Tensor, shares: Tensor) -> float:
    """Return the temperature at which prototypes predict each example best from the others."""
    # There the log loss of the examples is least, each scored by prototypes without it.
    total = torch.einsum("nc,nmh->cmh", shares, states)
    left = total[None] - shares[:, :, None, None] * states[:, None]  # [n, classes, masks, hidden]
    distances = 2 - 2 * nn.functional.cosine_similarity(states[:, None], left, dim=-1)
    nearest = _nearest(distances)

    def log_loss(log_temperature: float) -> float:
        log_probs = (-nearest / np.exp(log_temperature)).log_softmax(-1)
        return -float((shares * log_probs).sum())

    found = minimize_scalar(log_loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(found.x))


def matching_scores(states: Tensor, embeddings: Tensor) -> Tensor:
    """Score states at each mask against the label embeddings of that mask, [n, masks, classes]."""
    return torch.einsum("nmh,cmh->nmc", states, embeddings.to(states))


def multi_class_hinge(scores: Tensor, targets: Tensor) -> Tensor:
    """Return the hinge loss of each example, averaged over its masks, [n]."""
    # `1/C sum_{c != y} max(0, 1 - s_y + s_c)`: divided by the number of classes C, not by C - 1.
    # With soft targets it is the mean over the classes in the role of y. Karimi Mahabadi et al.
    # (2022), PERFECT: Prompt-free and Efficient Few-shot Learning with Language Models, equation 3.
    gaps = _MARGIN - scores[..., :, None] + scores[..., None, :]  # [n, masks, y, c]
    n_classes = scores.shape[-1]
    is_other = ~torch.eye(n_classes, dtype=torch.bool, device=scores.device)
    losses = (gaps.clamp(min=0) * is_other).sum(-1) / n_classes  # [n, masks, y]
    return (losses.mean(1) * targets).sum(-1)


def class_prototypes(states: Tensor, shares: Tensor) -> Tensor:
    """Return the mean states of the classes, [n_classes, n_masks, hidden]."""
    # Zeros for a class without examples: as far from every state as an orthogonal vector.
    total = torch.einsum("nc,nmh->cmh", shares, states)
    weight = shares.sum(0)[:, None, None]
    return torch.where(weight > 0, total / weight, torch.zeros_like(total))


def squared_distances(states: Tensor, prototypes: Tensor) -> Tensor:
    """Return ``2 - 2 cos`` of states and prototypes, [n, n_classes, n_masks]."""
    one = nn.functional.normalize(states, dim=-1)
    other = nn.functional.normalize(prototypes, dim=-1)
    return 2 - 2 * torch.einsum("nmh,cmh->ncm", one, other)


def _nearest(distances: Tensor) -> Tensor:
    """Return the least distance over the masks, the last axis."""
    return distances.amin(-1) + _TIE * distances.mean(-1)
