"""Labels, words and weights of a verbalizer as plain checked values."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import TypeAlias

from fewshot.data.examples import can_be_encoded
from fewshot.data.labels import Label
from fewshot.errors import VerbalizerError

Entries: TypeAlias = tuple[tuple[str, float], ...]  # words and weights of one class
_SHOWN_LABELS = 10

_PARENTHESES = re.compile(r"\([^()]*\)")
_ALTERNATIVES = re.compile(r"[/&|,;]+")
_NOT_A_WORD = re.compile(r"[\W_]+")
# "WrittenWork" and "BERTModel" are two words, "RNNs" and "iPhone" are one.
_CAMEL_CASE = re.compile(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")


def read_entries(label: Label, words: object) -> Entries:
    """Return the words of a label, stripped, with their weights."""
    entries = tuple(
        (_read_word(label, word), _read_weight(label, word, weight))
        for word, weight in _pair_words(label, words)
    )
    if not entries:
        raise VerbalizerError(
            f"label {label!r} has no words; give at least one, such as {{{label!r}: ['good']}}"
        )
    if not any(weight > 0 for _, weight in entries):
        raise VerbalizerError(
            f"all weights of label {label!r} are zero; at least one word needs a weight above 0"
        )
    return entries


def check_distinct(entries: Mapping[Label, Entries]) -> None:
    """Refuse a word that is duplicated in a class, or shared by two classes."""
    labels: dict[str, Label] = {}
    for label, row in entries.items():
        for word, _ in row:
            if word not in labels:
                labels[word] = label
            elif labels[word] == label:
                raise VerbalizerError(
                    f"the word {word!r} is duplicated in label {label!r}; remove one "
                    "(from_file does so with on_shared='drop')"
                )
            else:
                raise VerbalizerError(
                    f"the word {word!r} stands for both {labels[word]!r} and {label!r}; keep it "
                    "for one of them (from_file drops it with on_shared='drop', unless it is "
                    "the first word of both)"
                )


def drop_shared(label_words: Mapping[Label, object]) -> dict[Label, dict[str, float]]:
    """Drop shared words where they are not a class's first, and repetitions within a class."""
    rows: dict[Label, dict[str, float]] = {}
    for label, words in label_words.items():
        rows[label] = {}
        for word, weight in read_entries(label, words):
            rows[label].setdefault(word, weight)
    n_classes = Counter(word for row in rows.values() for word in row)
    return {
        label: {
            word: weight
            for place, (word, weight) in enumerate(row.items())
            if place == 0 or n_classes[word] == 1
        }
        for label, row in rows.items()
    }


def pair_weights(label: Label, words: object, weights: object) -> dict[str, float]:
    """Return a mapping of words to weights from two lists of the same length."""
    if not (isinstance(words, (list, tuple)) and isinstance(weights, (list, tuple))):
        raise VerbalizerError(
            f"expected lists of words and weights for label {label!r}, "
            f"got {words!r} and {weights!r}"
        )
    if len(words) != len(weights):
        raise VerbalizerError(
            f"label {label!r} has {len(words)} words but {len(weights)} weights; give one each"
        )
    check_distinct({label: tuple((word, 1.0) for word in words)})
    return dict(zip(words, weights, strict=True))


def is_word(label: Label) -> bool:
    """Return whether a label says what it means: a text with a letter."""
    return isinstance(label, str) and any(map(str.isalpha, label))


def name_words(labels: Sequence[Label]) -> dict[Label, list[str]]:
    """Make words out of label names; see :meth:`fewshot.Verbalizer.from_labels`."""
    if not all(map(is_word, labels)):
        raise VerbalizerError(
            f"the labels {list(labels[:_SHOWN_LABELS])} are not words that a language model could "
            f"put at the mask; {_say_what_they_mean(labels)}, or, if scikit-learn numbered your "
            "labels (in voting, stacking, cross_val_predict), name them with labels="
        )
    parts: dict[Label, list[str]] = {
        label: [word for word in map(_clean, _ALTERNATIVES.split(_shorten(str(label)))) if word]
        for label in labels
    }
    counts = Counter(word for words in parts.values() for word in words)
    if all(count == 1 for count in counts.values()):
        return parts
    names: dict[str, Label] = {}
    for label in labels:
        other = names.setdefault(_clean(_shorten(str(label))), label)
        if other != label:
            raise VerbalizerError(
                f"the labels {other!r} and {label!r} are the same words; if they are one class, "
                f"write them alike, else {_say_what_they_mean([other, label])}"
            )
    return {label: [name] for name, label in names.items()}


def _say_what_they_mean(labels: Sequence[Label]) -> str:
    example = ", ".join(f'{name!r}: "..."' for name in labels[:_SHOWN_LABELS])
    return f"say what they mean: verbalizer={{{example}}} (Classifier takes descriptions= instead)"


def _pair_words(label: Label, words: object) -> list[tuple[object, object]]:
    if isinstance(words, str):
        return [(words, 1.0)]
    if isinstance(words, Mapping):
        return list(words.items())
    if isinstance(words, (set, frozenset, Iterator)) or not isinstance(words, Iterable):
        raise VerbalizerError(
            f"the words of label {label!r} are a str, a list, or a mapping of words to weights, "
            f"got {type(words).__name__}: {words!r}"
        )
    return [(word, 1.0) for word in words]


def _read_word(label: Label, word: object) -> str:
    if not isinstance(word, str):
        raise VerbalizerError(
            f"a label word is a str, got {type(word).__name__}: {word!r} in label {label!r}"
        )
    if not word.strip():
        raise VerbalizerError(f"label {label!r} has a blank word {word!r}; remove it")
    if not can_be_encoded(word):
        raise VerbalizerError(f"the word {word!r} of label {label!r} holds a lone surrogate")
    return str(word.strip())


def _read_weight(label: Label, word: object, weight: object) -> float:
    try:
        number = float(weight) if isinstance(weight, Real) else math.nan
    except OverflowError:  # an int that no float is as large as
        number = math.inf
    if isinstance(weight, bool) or not 0.0 <= number < math.inf:
        raise VerbalizerError(
            f"the weight of {word!r} in label {label!r} is a finite number from 0, got {weight!r}"
        )
    return number


def _shorten(name: str) -> str:
    """Leave out text in parentheses, such as an acronym, if anything else is left."""
    shorter = _PARENTHESES.sub(" ", name)
    return shorter if _clean(shorter) else name


def _clean(name: str) -> str:
    return _NOT_A_WORD.sub(" ", _CAMEL_CASE.sub(" ", name)).strip().lower()
