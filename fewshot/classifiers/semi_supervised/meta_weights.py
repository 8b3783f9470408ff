"""Weights of pseudo-labelled examples: how much each would help on the labelled ones.

An example whose gradient points where that of the labelled examples points is worth learning from;
one whose gradient points against it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from fewshot.data.settings import check_settings, is_share, is_whole

_STEP = 1e-3  # of the finite difference, in the space of the parameters
_GUARD = 1e-6  # what LiST adds to the sum of the weights


class MetaWeights(BaseEstimator):
    """How LiST weighs pseudo-labelled examples by the labelled ones.

    Parameters
    ----------
    warmup_fraction : float, default=0.6
        Share of a session's steps that come first and weigh all examples alike: the gradients of
        a student that knows nothing yet say little.
    batch_size : int, default=4
        Labelled texts, of all classes alike, whose gradient the examples of a step are compared
        with. More tell right from wrong labels better, and a step costs more.
    validation_fraction : float, default=0.0
        Share of the labelled texts, of each class alike, that are kept for this comparison and
        not trained on in the sessions. With 0, as in the paper, all of them serve both.

    References
    ----------
    Ren et al. (2018), Learning to Reweight Examples for Robust Deep Learning, equations 8 and 9.
    Wang et al. (2022), LiST: Lite Prompted Self-training, section 3.

    Examples
    --------
    >>> MetaWeights(warmup_fraction=0.3)
    MetaWeights(warmup_fraction=0.3)
    """

    def __init__(
        self,
        *,
        warmup_fraction: float = 0.6,
        batch_size: int = 4,
        validation_fraction: float = 0.0,
    ) -> None:
        self.warmup_fraction = warmup_fraction
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction

    def check(self) -> None:
        """Check all settings.

        Raises
        ------
        InputError
            If one is out of range.
        """
        held_out, warmup = self.validation_fraction, self.warmup_fraction
        check_settings(
            self,
            {
                "warmup_fraction": (is_share(warmup), "from 0 to below 1"),
                "batch_size": (is_whole(self.batch_size, 1), "a whole number, at least 1"),
                "validation_fraction": (is_share(held_out), "from 0 to below 1"),
            },
        )


def kl_losses(scores: Tensor, targets: Tensor) -> Tensor:
    """Return ``KL(targets || softmax(scores))`` of each example.

    Its gradient is that of the cross-entropy with soft labels; it is 0 where a student says what
    its teacher says.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes)
    targets : Tensor of shape (n, n_classes)
        Probabilities.

    Returns
    -------
    Tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> kl_losses(torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[0.7, 0.2, 0.1]]))
    tensor([0.0058])
    """
    return nn.functional.kl_div(scores.log_softmax(-1), targets, reduction="none").sum(-1)


def alignments(
    losses: Callable[[], Tensor], parameters: Sequence[nn.Parameter], gradient: Sequence[Tensor]
) -> Tensor:
    """Return ``<gradient, gradient of each loss>``, with the gradient scaled to length 1.

    That is how fast each loss falls when a step along the gradient of the labelled examples is
    taken; differentiating through a virtual step, as the paper's code does, gives the same
    numbers. Here each loss is computed at both sides of the parameters, at a distance of 0.001
    (a central finite difference): two forward passes, and no graph of second order.

    Parameters
    ----------
    losses : callable
        Computes one loss for each example with the parameters as they are, without dropout.
    parameters : sequence of Parameter
        Moved and put back, to the last bit.
    gradient : sequence of Tensor
        Of the mean loss of the labelled examples; one tensor a parameter.

    Returns
    -------
    Tensor of shape (n,)
        0 for all if the gradient is 0.
    """
    length = torch.stack([part.double().square().sum() for part in gradient]).sum().sqrt()
    with torch.no_grad():
        if not float(length):
            return torch.zeros_like(losses())
        before = [parameter.detach().clone() for parameter in parameters]
        sides = []
        for distance in (_STEP, -_STEP):
            scale = distance / float(length)
            for parameter, middle, part in zip(parameters, before, gradient, strict=True):
                parameter.copy_(middle + scale * part)
            sides.append(losses())
        for parameter, middle in zip(parameters, before, strict=True):
            parameter.copy_(middle)
    return (sides[0] - sides[1]) / (2 * _STEP)


def normalized_weights(alignments: Tensor, guard: float = _GUARD) -> Tensor:
    """Return weights in proportion to what is above 0.

    Parameters
    ----------
    alignments : Tensor of shape (n,)
    guard : float
        Added to the sum that is divided by: the weights sum to a little less than 1, and to 0
        where no example helps.

    Returns
    -------
    Tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> normalized_weights(torch.tensor([2.0, -0.5, 1.5]))
    tensor([0.5714, 0.0000, 0.4286])
    """
    useful = alignments.clamp(min=0)
    return useful / (useful.sum() + guard)
