"""Losses of class scores: cross-entropy with soft or hard targets, distillation."""

from __future__ import annotations

from torch import Tensor, nn


def soft_cross_entropy(
    scores: Tensor, targets: Tensor, weights: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean of weighted cross-entropies with soft or hard targets.

    The divisor is the number of examples, not the sum of their weights: weights are to count in
    a batch of one, too.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
    targets : Tensor of shape (n, n_classes)
        Probabilities.
    weights : Tensor of shape (n,)
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over the classes.

    Returns
    -------
    Tensor of shape ()

    Examples
    --------
    >>> import torch
    >>> soft_cross_entropy(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), torch.ones(1))
    tensor(0.6931)
    """
    losses = -(smoothed(targets, label_smoothing) * scores.log_softmax(-1)).sum(-1)
    return (losses * weights).mean()


def smoothed(targets: Tensor, label_smoothing: float) -> Tensor:
    """Return targets [n, n_classes] of which a share is spread evenly over the classes."""
    return (1 - label_smoothing) * targets + label_smoothing / targets.shape[1]


def distillation_loss(
    scores: Tensor, targets: Tensor, weights: Tensor, temperature: float
) -> Tensor:
    """Return ``T^2 KL(targets at temperature T || softmax(scores / T))``, weighted and averaged.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
    targets : Tensor of shape (n, n_classes)
        Probabilities at temperature 1.
    weights : Tensor of shape (n,)
    temperature : float

    Returns
    -------
    Tensor of shape ()

    References
    ----------
    Hinton, Vinyals and Dean (2015), Distilling the Knowledge in a Neural Network, section 2.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([[2.0, 0.0]]).softmax(-1)
    >>> distillation_loss(torch.zeros(1, 2), target, torch.ones(1), 2.0)
    tensor(0.4438)
    """
    softened = (targets.log() / temperature).softmax(-1)
    predicted = (scores / temperature).log_softmax(-1)
    losses = nn.functional.kl_div(predicted, softened, reduction="none").sum(-1)
    return temperature**2 * (losses * weights).mean()
