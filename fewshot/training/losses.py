"""Losses of class scores, and divergences between class distributions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fewshot.data.task_kind import ONE_LABEL, TaskKind


def soft_cross_entropy(
    scores: Tensor, targets: Tensor, weights: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean of weighted cross-entropies with targets [n, n_classes]."""
    # The divisor is the number of examples, not the sum of their weights: weights also count in a
    # batch of one.
    losses = -(smoothed(targets, label_smoothing) * scores.log_softmax(-1)).sum(-1)
    return (losses * weights).mean()


def binary_cross_entropy(
    scores: Tensor, targets: Tensor, weights: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Return the mean of weighted sums over labels of cross-entropies with log-odds [n, labels]."""
    own = (1 - label_smoothing) * targets + label_smoothing / 2
    losses = nn.functional.binary_cross_entropy_with_logits(scores, own, reduction="none").sum(-1)
    return (losses * weights).mean()


def smoothed(targets: Tensor, label_smoothing: float) -> Tensor:
    """Return targets [n, n_classes] of which a share is spread evenly over the classes."""
    return (1 - label_smoothing) * targets + label_smoothing / targets.shape[1]


def distillation_loss(
    scores: Tensor, targets: Tensor, weights: Tensor, temperature: float
) -> Tensor:
    """Return ``T^2 KL(targets at temperature T || softmax(scores / T))``, weighted and averaged."""
    # Hinton, Vinyals and Dean (2015), Distilling the Knowledge in a Neural Network, section 2.
    softened = (targets.log() / temperature).softmax(-1)
    predicted = (scores / temperature).log_softmax(-1)
    losses = nn.functional.kl_div(predicted, softened, reduction="none").sum(-1)
    return temperature**2 * (losses * weights).mean()


def contrastive_losses(
    states: Tensor, names: Tensor, targets: Tensor, temperature: float
) -> Tensor:
    """Return the contrastive loss of each text [n] by its cosines with texts and class names."""
    # The mean of two losses. Multiple negatives ranking: the name of the text's class among all
    # names. SupCon (Khosla et al., 2020, equation 2): texts and name of its class among all others.
    # `states` [n, hidden] and `names` [n_classes, hidden]; of soft targets [n, n_classes] a pair is
    # positive by the share of classes that both have.
    one = nn.functional.normalize(states, dim=-1)
    members = torch.cat([one, nn.functional.normalize(names, dim=-1)])
    logits = one @ members.T / temperature  # [n, n + n_classes]
    ranking = -(targets * logits[:, len(one) :].log_softmax(-1)).sum(-1)
    classes = torch.cat([targets, torch.eye(len(names)).to(targets)])
    itself = torch.eye(len(one), len(members), dtype=torch.bool, device=logits.device)
    positive = (targets @ classes.T).masked_fill(itself, 0.0)
    log_shares = logits.masked_fill(itself, -torch.inf).log_softmax(-1).masked_fill(itself, 0.0)
    supervised = -(positive * log_shares).sum(-1) / positive.sum(-1)
    return (ranking + supervised) / 2


def kl_divergence(scores: Tensor, others: Tensor, kind: TaskKind = ONE_LABEL) -> Tensor:
    """Return KL(p || q) for each row, p from the first scores, q from the others."""
    return _kl(_log_probs(scores, kind), _log_probs(others, kind))


def symmetric_kl(scores: Tensor, others: Tensor, kind: TaskKind = ONE_LABEL) -> Tensor:
    """Return (KL(p || q) + KL(q || p)) / 2 for each row."""
    return 0.5 * (kl_divergence(scores, others, kind) + kl_divergence(others, scores, kind))


def jensen_shannon(scores: Tensor, kind: TaskKind = ONE_LABEL) -> Tensor:
    """Return the mean of KL(p_t || m) over the predictions [t, ..., n_classes], m their mean."""
    log_probs = _log_probs(scores, kind)
    mean = log_probs.logsumexp(0) - torch.tensor(float(len(scores))).log()
    return _kl(log_probs, mean.expand_as(log_probs)).mean(0)


def _log_probs(scores: Tensor, kind: TaskKind) -> Tensor:
    """Return log-probabilities of each choice: between classes, or to have a label, [..., c]."""
    if kind.has_several:
        return torch.stack([torch.zeros_like(scores), scores], -1).log_softmax(-1)
    return scores.log_softmax(-1)[..., None, :]


def _kl(log_probs: Tensor, others: Tensor) -> Tensor:
    # torch's first argument is the second distribution of the formula.
    return nn.functional.kl_div(others, log_probs, log_target=True, reduction="none").sum((-2, -1))
