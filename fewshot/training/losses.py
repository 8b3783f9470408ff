"""Losses of class scores: cross-entropy with soft or hard targets, distillation."""

from __future__ import annotations

import torch
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


def kl_divergence(scores: Tensor, others: Tensor) -> Tensor:
    """Return KL(p || q) for each row, p from the first scores, q from the others.

    Parameters
    ----------
    scores, others : Tensor of shape (..., n_classes)
        Unnormalised log-probabilities.

    Returns
    -------
    Tensor of shape (...)

    Examples
    --------
    >>> import torch
    >>> kl_divergence(torch.tensor([[0.7, 0.3]]).log(), torch.tensor([[0.5, 0.5]]).log())
    tensor([0.0823])
    """
    # torch's first argument is the second distribution of the formula.
    return nn.functional.kl_div(
        others.log_softmax(-1), scores.log_softmax(-1), log_target=True, reduction="none"
    ).sum(-1)


def symmetric_kl(scores: Tensor, others: Tensor) -> Tensor:
    """Return (KL(p || q) + KL(q || p)) / 2 for each row.

    Parameters
    ----------
    scores, others : Tensor of shape (..., n_classes)
        Unnormalised log-probabilities.

    Returns
    -------
    Tensor of shape (...)
    """
    return 0.5 * (kl_divergence(scores, others) + kl_divergence(others, scores))


def jensen_shannon(scores: Tensor) -> Tensor:
    """Return the mean of KL(p_t || m) over several predictions, m their mean, for each row.

    From 0 up to the smaller of the logarithms of the number of predictions and of classes.

    Parameters
    ----------
    scores : Tensor of shape (n_predictions, ..., n_classes)
        Unnormalised log-probabilities.

    Returns
    -------
    Tensor of shape (...)

    Examples
    --------
    >>> import torch
    >>> jensen_shannon(torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.7, 0.3]]).log())
    tensor(0.0161)
    """
    log_probs = scores.log_softmax(-1)
    mean = log_probs.logsumexp(0) - torch.tensor(float(len(scores))).log()
    return kl_divergence(log_probs, mean.expand_as(log_probs)).mean(0)
