"""From scores of label words to scores of classes."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.errors import LabelWordError

Aggregation: TypeAlias = Literal["mean", "max", "logsumexp", "weighted"]


def word_log_probs(
    scores: Tensor, prior: Tensor | None = None, kind: TaskKind = ONE_LABEL
) -> Tensor:
    """Return log-probabilities over all label words [n, n_words], divided by a prior if given."""
    # Of several labels, each word stands for itself: its score is only divided by its own prior.
    if kind.has_several:
        return scores if prior is None else scores - prior
    # Hu et al. (2022), Knowledgeable Prompt-tuning, section 3.3 (contextualized calibration).
    return (scores if prior is None else scores - prior).log_softmax(-1)


def aggregate(
    word_scores: Tensor,  # [n, n_words]
    class_index: Tensor,  # [n_words]: the class of each word; each class has one at least
    how: Aggregation = "mean",
    weights: Tensor | None = None,
) -> Tensor:
    """Return class scores [n, n_classes] from those of words."""
    # "mean" is PET's and, up to a constant, OpenPrompt's.
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
    """Sum the columns of each segment, [n, n_segments]; a row does not depend on the others."""
    zeros = values.new_zeros(len(values), n_segments)
    return zeros.scatter_add(1, index.expand_as(values), values)


def _segment_max(values: Tensor, index: Tensor, n_segments: int) -> Tensor:
    lowest = values.new_full((len(values), n_segments), -torch.inf)
    return lowest.scatter_reduce(1, index.expand_as(values), values, "amax")
