"""How far apart predictions are: divergences between class distributions, row by row."""

from __future__ import annotations

import torch
from torch import Tensor, nn


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
