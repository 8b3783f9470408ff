"""Classes of a prompt classifier and the words that are scored for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fewshot.data.classes import class_labels
from fewshot.data.labels import Label
from fewshot.data.training_data import TrainingData
from fewshot.errors import LabelWordError, LabelWordWarning, VerbalizerError, warn_user
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.learned_verbalizer import LearnedVerbalizer, VerbalizerTask
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.tuning import Tuning


def read_verbalizer(
    verbalizer: Verbalizer | Mapping[Any, Any] | LearnedVerbalizer | None,
) -> Verbalizer | LearnedVerbalizer | None:
    """Return a mapping as a verbalizer."""
    if verbalizer is None or isinstance(verbalizer, (Verbalizer, LearnedVerbalizer)):
        return verbalizer
    return Verbalizer(verbalizer)


def resolve_classes(
    verbalizer: Verbalizer | LearnedVerbalizer | None,
    labels: Sequence[Label] | None,
    data: TrainingData | None,
) -> list[Label]:
    """Return the classes, sorted: those of the words, of `labels`, or those that occur."""
    if isinstance(verbalizer, Verbalizer):
        labels = verbalizer.labels if labels is None else verbalizer.subset(labels).labels
    elif data is None and labels is None:
        raise VerbalizerError(
            "without data there are no labels to take label words from; pass verbalizer= or labels="
        )
    return class_labels(None if data is None else data.labels, labels)


def resolve_words(
    verbalizer: Verbalizer | LearnedVerbalizer | None, tuning: Tuning, task: VerbalizerTask
) -> tuple[Verbalizer | None, LabelWords | LabelEmbeddings]:
    """Return the words (by default the labels) and what is scored at the mask."""
    if not tuning.uses_label_words:
        given = None if isinstance(verbalizer, LearnedVerbalizer) else verbalizer
        return given, tuning.label_embeddings(task.classes, task.lm)
    if isinstance(verbalizer, LearnedVerbalizer):
        found = verbalizer.resolve_words(task)
        return found.verbalizer, found.label_words(task)
    if verbalizer is None:
        verbalizer = Verbalizer.from_labels(task.classes)
    words = LabelWords.resolve(verbalizer, task.classes, task.lm.tokenizer, task.multi_token)
    return verbalizer, words


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
    """Check that the model has the MLM head that label words are scored by."""
    is_product = isinstance(words, LabelWords) and words.vectors is None
    if is_product and lm.added is not None and lm.added.skips_head:
        raise LabelWordError(
            "the model was tuned with tuning='perfect', which leaves out the MLM head that scores "
            "label words; use tuning='perfect', PrototypeVerbalizer(), or the model before tuning"
        )
