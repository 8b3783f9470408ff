"""Classes of a prompt classifier and the words that are scored for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from fewshot.data.classes import class_labels
from fewshot.data.label_sets import LabelSets
from fewshot.data.labels import Label, read_label_set
from fewshot.data.training_data import TrainingData
from fewshot.errors import LabelWordError, LabelWordWarning, VerbalizerError, warn_user
from fewshot.knowledge.soft import SoftVerbalizer
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import Aggregation
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.learned_verbalizer import LearnedVerbalizer, VerbalizerTask
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.tuning import NoTuning, Tuning

_C_WITHOUT_WORDS = 1.0  # docs/evidence/automatic_label_words.md


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
) -> tuple[list[Label], list[Label]]:
    """Return the classes (of words, of `labels`, or those that occur), and their names."""
    # Names differ from the classes where numbers in y stand for them.
    names = None if labels is None else read_label_set(labels)
    sets = data.labels if data is not None and isinstance(data.labels, LabelSets) else None
    if isinstance(verbalizer, Verbalizer):
        ordered = verbalizer.labels if names is None else verbalizer.subset(names).labels
        if names is None and sets is not None:
            sets.check_order(ordered)
        names = ordered if names is None or sets is None else names
    elif data is None and names is None:
        raise VerbalizerError(
            "without labelled texts there are no labels to take label words from; pass "
            "verbalizer= or labels= to PromptClassifier"
        )
    classes = class_labels(None if data is None else data.labels, names)
    return classes, classes if names is None or sets is not None else sorted(names)


def resolve_words(
    verbalizer: Verbalizer | LearnedVerbalizer | None,
    tuning: Tuning,
    task: VerbalizerTask,
    names: Sequence[Label],
) -> tuple[Verbalizer | None, LabelWords | LabelEmbeddings]:
    """Return the words (by default the labels) and what is scored at the mask."""
    if isinstance(verbalizer, Verbalizer):
        verbalizer = _numbered(verbalizer, names, task.classes)
    if not tuning.uses_label_words:
        given = None if isinstance(verbalizer, LearnedVerbalizer) else verbalizer
        return given, tuning.label_embeddings(task.classes, task.lm, given, names)
    if isinstance(verbalizer, LearnedVerbalizer):
        named = replace(task, classes=tuple(names))
        found = verbalizer.resolve_words(named)
        plain, words = found.verbalizer, replace(found.label_words(named), classes=task.classes)
        return None if plain is None else _numbered(plain, names, task.classes), words
    if verbalizer is None:
        return _named_words(tuning, task, names)
    return verbalizer, task.label_words(verbalizer)


def _numbered(
    verbalizer: Verbalizer, names: Sequence[Label], classes: Sequence[Label]
) -> Verbalizer:
    """Return the words of names under the classes that stand for them."""
    if list(names) == list(classes):
        return verbalizer
    numbers = dict(zip(map(str, names), classes, strict=True))
    return verbalizer.subset(names).rename(numbers)


def _named_words(
    tuning: Tuning, task: VerbalizerTask, names: Sequence[Label]
) -> tuple[Verbalizer | None, LabelWords | LabelEmbeddings]:
    """Return the names of the classes as words, or where they are none, vectors to be learned."""
    try:
        verbalizer = _numbered(Verbalizer.from_labels(names), names, task.classes)
        return verbalizer, task.label_words(verbalizer)
    except (VerbalizerError, LabelWordError) as error:
        if isinstance(tuning, NoTuning):
            raise
        warn_user(
            f"{error}. Without words, {tuning} learns the classes from the labelled texts alone, "
            "by a regression on states of the model",
            LabelWordWarning,
        )
    found = SoftVerbalizer(C=_C_WITHOUT_WORDS).resolve_words(task)
    return found.verbalizer, found.label_words(task)


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
