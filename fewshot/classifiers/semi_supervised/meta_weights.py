"""Weights of pseudo-labeled examples, by the agreement of their gradients with labeled ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass

import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from fewshot.data.settings import check_settings, share, whole

_STEP = 1e-3  # of the finite difference, in the space of the parameters
_GUARD = 1e-6  # that LiST adds to the sum of the weights, which may be 0


@dataclass(eq=False, repr=False)
class MetaWeights(BaseEstimator):
    """How LiST weighs pseudo-labelled texts by the labelled ones.

    A text whose gradient points where that of the labelled texts points is worth learning from;
    one whose gradient points against it is not.

    Parameters
    ----------
    warmup_fraction : float, default=0.6
        Share of a session's steps that come first and weigh all texts alike: the gradients of a
        student that knows nothing yet say little.
    batch_size : int, default=4
        Labelled texts, of all classes alike, with whose gradient the texts of a step are
        compared. More tell right from wrong labels better, and a step costs more.
    validation_fraction : float, default=0.0
        Share of the labelled texts of each class that is kept for this comparison and not
        trained on in the sessions. With 0, as in the paper, all of them serve both.

    See Also
    --------
    LiSTClassifier : Takes these settings as ``weights``.

    References
    ----------
    Ren et al. (2018), Learning to Reweight Examples for Robust Deep Learning, equations 8 and 9.
    Wang et al. (2022), LiST: Lite Prompted Self-training, section 3.

    Examples
    --------
    >>> from fewshot import LiSTClassifier, MetaWeights
    >>> LiSTClassifier(weights=MetaWeights(warmup_fraction=0.3))
    LiSTClassifier(weights=MetaWeights(warmup_fraction=0.3))
    """

    _: KW_ONLY
    warmup_fraction: float = 0.6
    batch_size: int = 4
    validation_fraction: float = 0.0

    def check(self) -> None:
        """Raise an InputError at a setting that is out of range."""
        limits = {
            "warmup_fraction": share(self.warmup_fraction),
            "batch_size": whole(self.batch_size),
            "validation_fraction": share(self.validation_fraction),
        }
        check_settings(self, limits, is_part=True)


def kl_losses(scores: Tensor, targets: Tensor) -> Tensor:
    """Return ``KL(targets || softmax(scores))`` of each example, [n]."""
    # Its gradient is that of the cross-entropy with soft labels; it is 0 where the student agrees
    # with its teacher.
    return nn.functional.kl_div(scores.log_softmax(-1), targets, reduction="none").sum(-1)


def alignments(
    losses: Callable[[], Tensor],  # of each example, [n], without dropout
    parameters: Sequence[nn.Parameter],
    gradient: Sequence[Tensor],  # of the mean loss of the labeled examples
) -> Tensor:
    """Return ``<gradient, gradient of each loss>``, [n], with the gradient scaled to length 1."""
    # That is how fast each loss falls along the gradient of the labeled examples; differentiating
    # through a virtual step, as the paper's code does, gives the same numbers. Each loss is
    # computed on both sides of the parameters, at a distance of 0.001 (a central finite
    # difference): two forward passes, and no graph of second order. The parameters are restored to
    # the last bit.
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
    """Return weights, [n], in proportion to the alignments above 0; others weigh 0."""
    useful = alignments.clamp(min=0)
    return useful / (useful.sum() + guard)
