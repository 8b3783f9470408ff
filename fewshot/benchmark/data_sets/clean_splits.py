"""Clean splits: no text is both trained on and tested on, and none stands there twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from fewshot.benchmark.data_sets.protocols import (
    Content,
    LabelledTexts,
    Pool,
    Text,
    text_key,
)
from fewshot.data.sampling import hold_out
from fewshot.errors import InputError

_HELD_OUT = 0.5
_SEED = 0  # the test part of a data set is the same at every call


def clean_pool(
    pool: LabelledTexts, test: Collection[Text] = ()
) -> tuple[LabelledTexts, tuple[str, ...]]:
    """Leave out of a pool what stands in the test, stands twice, or has two labels.

    Texts count as the same if they differ in case and spaces only.

    Parameters
    ----------
    pool : LabelledTexts
    test : collection of texts, default=()

    Returns
    -------
    pool : LabelledTexts
        Of texts that stand there twice the first.
    notes : tuple of str
        How many were left out, and why.
    """
    tested = {text_key(text) for text in test}
    labels = defaultdict(set)
    for text, label in zip(pool.texts, pool.labels, strict=True):
        labels[text_key(text)].add(label)
    kept, left_out, seen = [], Counter[str](), set()
    for place, text in enumerate(pool.texts):
        key = text_key(text)
        if key in tested:
            left_out["they stand in the test part"] += 1
        elif len(labels[key]) > 1:
            left_out["they have two labels"] += 1
        elif key in seen:
            left_out["they repeat another text"] += 1
        else:
            kept.append(place)
        seen.add(key)
    return pool.take(kept), _notes(left_out, "the pool")


def without(part: LabelledTexts, test: Collection[Text]) -> LabelledTexts:
    """Leave out of published training texts what stands in the test part.

    Parameters
    ----------
    part : LabelledTexts
    test : collection of texts

    Returns
    -------
    LabelledTexts
    """
    tested = {text_key(text) for text in test}
    return part.take(i for i, text in enumerate(part.texts) if text_key(text) not in tested)


def without_labels(
    texts: Sequence[Text], test: Collection[Text]
) -> tuple[tuple[Text, ...], tuple[str, ...]]:
    """Leave out of a pool without labels what stands in the test part or stands twice.

    Parameters
    ----------
    texts : sequence of texts
    test : collection of texts

    Returns
    -------
    texts : tuple of texts
    notes : tuple of str
    """
    unknown = LabelledTexts(tuple(texts), ("",) * len(texts))
    kept, notes = clean_pool(unknown, test)
    return kept.texts, tuple(note.replace("the pool", "the unlabelled pool") for note in notes)


def halved(texts: LabelledTexts, labels: tuple[str, ...]) -> Content:
    """Return a data set without a test part of its own: half of each class is for testing.

    Parameters
    ----------
    texts : LabelledTexts
        Of texts that stand there twice the first counts; those that have two labels are left out.
    labels : tuple of str

    Returns
    -------
    Content
        Always the same halves of the same texts.

    Raises
    ------
    InputError
        If a class has a single text.
    """
    distinct, notes = clean_pool(texts)
    counts = Counter(distinct.labels)
    rare = [label for label in labels if counts[label] < 2]
    if rare:
        n_texts = f"{counts[rare[0]]} text{'s' * (counts[rare[0]] != 1)}"
        raise InputError(
            f"the class {rare[0]!r} has {n_texts}, and without a test part of its "
            "own half of each class is held out for testing; add texts, or test texts"
        )
    classes = np.unique(np.array(distinct.labels), return_inverse=True)[1]
    held_out = set(hold_out(classes, _HELD_OUT, np.random.default_rng(_SEED)).tolist())
    places = range(len(distinct))
    pool = distinct.take(i for i in places if i not in held_out)
    return Content(Pool(pool), distinct.take(sorted(held_out)), labels, notes)


def _notes(left_out: Counter[str], where: str) -> tuple[str, ...]:
    return tuple(
        f"left out of {where} since {reason}: {count}" for reason, count in left_out.items()
    )
