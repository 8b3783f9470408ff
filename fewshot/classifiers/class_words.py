"""What stands for the classes of a classifier: label words that are given, found, or the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from fewshot.data.classes import class_labels
from fewshot.data.labels import Label, Labels
from fewshot.data.training_data import TrainingData
from fewshot.errors import LabelWordError, LabelWordWarning, VerbalizerError, warn_user
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.learned_verbalizer import LearnedVerbalizer
from fewshot.scoring.prototypes import LabelEmbeddings


def resolve_verbalizer(
    verbalizer: Verbalizer | Mapping[Any, Any] | LearnedVerbalizer | None,
    labels: Sequence[Label] | None,
    data: TrainingData | None,
) -> Verbalizer | LearnedVerbalizer:
    """Return the verbalizer that was given, as one, or the names of the labels.

    Raises
    ------
    VerbalizerError
        If nothing tells the labels.
    """
    if isinstance(verbalizer, Verbalizer):
        return verbalizer
    if verbalizer is not None and not isinstance(verbalizer, LearnedVerbalizer):
        return Verbalizer(verbalizer)
    if data is None and labels is None:
        raise VerbalizerError(
            "without data there are no labels to take label words from; pass verbalizer= or labels="
        )
    if isinstance(verbalizer, LearnedVerbalizer):
        return verbalizer
    return Verbalizer.from_labels(class_labels(_labels(data), labels))


def verbalizer_classes(
    verbalizer: Verbalizer | LearnedVerbalizer,
    labels: Sequence[Label] | None,
    data: TrainingData | None,
) -> list[Label]:
    """Return the classes, sorted: those of the words, of `labels`, or those that occur.

    Raises
    ------
    InputError, VerbalizerError
        If a label occurs that is unknown, or `labels` cannot be used.
    """
    if isinstance(verbalizer, LearnedVerbalizer):
        return class_labels(_labels(data), labels)
    given = list(verbalizer.labels) if labels is None else list(verbalizer.subset(labels).labels)
    return sorted(given) if data is None else class_labels(data.labels, given)


def resolve_aggregation(
    aggregation: Aggregation | Literal["auto"], verbalizer: Verbalizer | None
) -> Aggregation:
    """Return how words make the score of a class; warn of weights that are not used."""
    by_label = {} if verbalizer is None else verbalizer.weights
    has_weights = any(len(set(weights)) > 1 for weights in by_label.values())
    if aggregation == "auto":
        return "weighted" if has_weights else "mean"
    if has_weights and aggregation != "weighted":
        warn_user(
            f"the verbalizer weighs its words, but aggregation={aggregation!r} does not use the "
            "weights; use aggregation='weighted'",
            LabelWordWarning,
        )
    return aggregation


def check_head(words: LabelWords | LabelEmbeddings, lm: MaskedLM) -> None:
    """Check that label words can be scored.

    Raises
    ------
    LabelWordError
        If the model was tuned without its MLM head.
    """
    is_product = isinstance(words, LabelWords) and words.vectors is None
    if is_product and lm.added is not None and lm.added.skips_head:
        raise LabelWordError(
            "the model was tuned with tuning='perfect', which leaves out the MLM head that scores "
            "label words; use tuning='perfect', PrototypeVerbalizer(), or the model before tuning"
        )


def _labels(data: TrainingData | None) -> Labels:
    if data is None:
        return Labels(np.array([], dtype=object), np.array([], dtype=bool))
    return data.labels
