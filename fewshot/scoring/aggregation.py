"""From scores of label words to scores of classes."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from fewshot.errors import LabelWordError

Aggregation: TypeAlias = Literal["mean", "max", "logsumexp", "weighted"]


def word_log_probs(scores: Tensor, prior: Tensor | None = None) -> Tensor:
    """Normalise word scores over all label words, divided by a prior if there is one.

    Parameters
    ----------
    scores : Tensor of shape (n, n_words)
        Logits or log-probabilities; a constant for each text changes nothing.
    prior : Tensor of shape (n_words,), optional
        Log-probabilities of the words without regard to the text.

    Returns
    -------
    Tensor of shape (n, n_words)
        Log-probabilities.

    References
    ----------
    Hu et al. (2022), Knowledgeable Prompt-tuning, section 3.3 (contextualized calibration).
    """
    return (scores if prior is None else scores - prior).log_softmax(-1)


def aggregate(
    word_scores: Tensor,
    class_index: Tensor,
    how: Aggregation = "mean",
    weights: Tensor | None = None,
) -> Tensor:
    """Make class scores of word scores.

    Parameters
    ----------
    word_scores : Tensor of shape (n, n_words)
        Log-probabilities or logits of the label words.
    class_index : Tensor of shape (n_words,), int64
        The class of each word; each class has one at least.
    how : {"mean", "max", "logsumexp", "weighted"}, default="mean"
        ``"mean"``: the mean, as in PET (up to a constant also OpenPrompt's).
        ``"max"``: the best word. ``"logsumexp"``: log of the summed probability.
        ``"weighted"``: the mean with `weights`, made to sum to 1 for each class.
    weights : Tensor of shape (n_words,), optional
        Needed for ``"weighted"``.

    Returns
    -------
    Tensor of shape (n, n_classes)

    Raises
    ------
    LabelWordError
        If `how` is unknown, or weights are missing.

    Examples
    --------
    >>> import torch
    >>> scores = torch.tensor([[1.0, 2.0, 3.0]])
    >>> aggregate(scores, torch.tensor([0, 0, 1])).softmax(-1)
    tensor([[0.1824, 0.8176]])
    """
    n_classes = int(class_index.max()) + 1
    if how in ("max", "logsumexp"):
        best = _segment_max(word_scores, class_index, n_classes)
        if how == "max":
            return best
        shifted = (word_scores - best.detach()[:, class_index]).exp()
        return segment_sum(shifted, class_index, n_classes).log() + best.detach()
    if how == "mean":
        weights = torch.ones(len(class_index))
    elif how != "weighted":
        raise LabelWordError(f"aggregation is one of {list(get_args(Aggregation))}, got {how!r}")
    elif weights is None:
        raise LabelWordError("aggregation 'weighted' needs weights, got None")
    weights = weights.to(word_scores.dtype)
    share = weights / segment_sum(weights[None], class_index, n_classes)[0, class_index]
    return segment_sum(word_scores * share, class_index, n_classes)


def segment_sum(values: Tensor, index: Tensor, n_segments: int) -> Tensor:
    """Sum columns by segment; a row's sums do not depend on the other rows.

    Parameters
    ----------
    values : Tensor of shape (n, n_values)
    index : Tensor of shape (n_values,), int64
        The segment of each column.
    n_segments : int

    Returns
    -------
    Tensor of shape (n, n_segments)
    """
    zeros = values.new_zeros(len(values), n_segments)
    return zeros.scatter_add(1, index.expand_as(values), values)


def _segment_max(values: Tensor, index: Tensor, n_segments: int) -> Tensor:
    lowest = values.new_full((len(values), n_segments), -torch.inf)
    return lowest.scatter_reduce(1, index.expand_as(values), values, "amax")
