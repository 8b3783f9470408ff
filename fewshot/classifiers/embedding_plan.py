"""The plan of an embedding classifier's fit: checked before any text is encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.class_words import read_verbalizer, resolve_classes
from fewshot.classifiers.sentence_classifier import EncodedTexts
from fewshot.data.classes import (
    LabeledTexts,
    class_offset,
    class_targets,
    given_thresholds,
    read_labeled_texts,
    task_kind,
)
from fewshot.data.examples import Examples, concatenated
from fewshot.data.labels import Label
from fewshot.data.semi_supervised_data import read_semi_supervised_data
from fewshot.data.settings import check_settings, one_of, positive
from fewshot.data.task_kind import TaskKind
from fewshot.data.training_data import TrainingData, read_training_data
from fewshot.errors import InputError, UnlabeledWarning, VerbalizerError, warn_user
from fewshot.prompting.label_entries import is_word
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.cluster_kernel import LEAST_TEXTS, MOST_TEXTS

if TYPE_CHECKING:
    from fewshot.classifiers.embedding import EmbeddingClassifier

EmbeddingHead: TypeAlias = Literal["auto", "regression", "names"]

_NO_TEXTS = Examples({"text": []})


class Taught(NamedTuple):
    """What another classifier says of the texts."""

    soft_labels: npt.NDArray[np.float64]  # [n, n_classes]
    C: float
    n_labeled: int | None  # the first ones; None: what is said is learned as it is


class EmbeddingPlan(NamedTuple):
    """A fit whose settings, texts and labels are checked, and whose texts are tokenized."""

    head: Literal["regression", "names"]
    encoded: EncodedTexts
    classes: Sequence[Label]
    kind: TaskKind
    labeled: LabeledTexts | None = None  # for names: those that choose thresholds
    names: Sequence[Sequence[str]] = ()  # of the classes, if they score or are learned from
    thresholds: npt.NDArray[np.float64] | None = None  # those that the user sets, for names
    n_unlabeled: int = 0  # texts without labels, which are the last ones
    taught: Taught | None = None  # by another one


def plan_fit(
    settings: EmbeddingClassifier, X: Any, y: Any, sample_weight: Any, unlabeled: Any = None
) -> EmbeddingPlan:
    """Check settings, texts and labels, and tokenize the texts."""
    from fewshot.models.sentence_encoder import SentenceEncoder  # loads sentence-transformers

    limits = {"head": one_of(settings.head, get_args(EmbeddingHead)), "C": positive(settings.C)}
    check_settings(settings, limits)
    if X is None and y is not None:
        raise InputError("y was passed without X; pass the texts too, or neither")
    given = _given_names(settings.verbalizer)
    data = None if X is None else read_training_data(X, y, sample_weight)
    is_named = given is not None or settings.labels is not None
    if data is None and not is_named:
        raise InputError(
            "there are neither labelled texts nor names of classes; pass X and y, or name the "
            "classes with labels= or verbalizer="
        )
    has_labels = data is not None and bool(data.labels.is_labeled.any())
    if settings.head == "regression" or (settings.head == "auto" and (has_labels or not is_named)):
        return _regression_plan(settings, data, y, given, unlabeled)
    kind = task_kind(None if data is None else data.labels, settings.threshold)
    classes, names = resolve_classes(given, settings.labels, data)
    thresholds = given_thresholds(settings.threshold, classes)
    class_offset(classes, settings.class_weight)  # checks it
    by_label = Verbalizer.from_labels(names) if given is None else given
    encoder = SentenceEncoder.frozen(settings.model, settings.max_length)
    some = None
    if data is not None and has_labels and kind.has_several:
        some = _labeled_texts(data, classes, settings.class_weight, kind)
    pool = _texts_of_space(data, unlabeled, kind)
    words = [by_label[name] for name in names]
    encoded = EncodedTexts.of(encoder, pool)
    return EmbeddingPlan("names", encoded, classes, kind, some, words, thresholds, len(pool))


def _regression_plan(
    settings: EmbeddingClassifier,
    data: TrainingData | None,
    y: Any,
    given: Verbalizer | None,
    unlabeled: Any,
) -> EmbeddingPlan:
    from fewshot.models.sentence_encoder import SentenceEncoder

    is_named = given is not None or settings.labels is not None
    labels, names = resolve_classes(given, settings.labels, data) if is_named else (None, None)
    labeled = read_labeled_texts(
        data,
        y,
        None,
        labels=labels,
        class_weight=settings.class_weight,
        threshold=settings.threshold,
    )
    encoder = SentenceEncoder.frozen(settings.model, settings.max_length)
    pool = _texts_of_space(data, unlabeled, labeled.kind)
    is_plain = settings.head == "regression" or not len(pool)
    texts = labeled.examples if is_plain else concatenated([labeled.examples, pool])
    encoded = EncodedTexts.of(encoder, texts)
    words = _words_of(given, names or labeled.classes) if settings.head == "auto" else ()
    n_unlabeled = len(texts) - len(labeled.examples)
    kind, classes = labeled.kind, labeled.classes
    return EmbeddingPlan("regression", encoded, classes, kind, labeled, words, None, n_unlabeled)


def _texts_of_space(data: TrainingData | None, unlabeled: Any, kind: TaskKind) -> Examples:
    """Return a sample of the texts without a label; none if they are too few."""
    fields = _NO_TEXTS.fields if data is None else data.examples.fields
    rng = np.random.default_rng(0)
    pool = read_semi_supervised_data(
        data, unlabeled, fields=fields, max_unlabeled=MOST_TEXTS, rng=rng
    ).pool
    if len(pool) >= LEAST_TEXTS and not kind.has_several:
        return pool
    if len(pool):
        why = (
            "texts that may have several labels learn nothing from others"
            if kind.has_several
            else f"{len(pool)} different ones are too few, {LEAST_TEXTS} are needed"
        )
        warn_user(f"the texts without labels are left out: {why}", UnlabeledWarning)
    return pool.take([])


def _labeled_texts(
    data: TrainingData, classes: list[Label], class_weight: Any, kind: TaskKind
) -> LabeledTexts | None:
    """Return the texts that have labels and a weight, or None if no label occurs in them."""
    targets, weights = class_targets(data, classes, class_weight)
    used = np.flatnonzero(weights > 0)
    if not targets[used].any():
        return None
    return LabeledTexts(classes, data.examples.take(used), targets[used], weights[used], kind)


def _given_names(verbalizer: Verbalizer | Mapping[Any, Any] | None) -> Verbalizer | None:
    given = read_verbalizer(verbalizer)
    if given is None or isinstance(given, Verbalizer):
        return given
    raise VerbalizerError(
        "verbalizer is a Verbalizer or a mapping of labels to names or descriptions, got "
        f"{type(given).__name__}, which finds words for a masked language model"
    )


def _words_of(given: Verbalizer | None, names: Sequence[Label]) -> Sequence[Sequence[str]]:
    """Return the names of classes to learn from, or nothing if some are no words."""
    if given is not None:
        return [given[name] for name in names]
    return [[str(name)] for name in names] if all(map(is_word, names)) else ()
