"""Training and test texts: a pool to draw from, or published files; never one text in both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from fewshot.benchmark.metrics import TextLabels, label_names
from fewshot.data.sampling import hold_out, k_shot_sample
from fewshot.errors import InputError

Text: TypeAlias = str | Mapping[str, str]  # a mapping holds the fields of a pair

_HELD_OUT = 0.5
_SEED = 0  # the test part of a data set never changes


@dataclass(frozen=True)
class LabeledTexts:
    """Texts and their labels; each has one, or each has any number of them."""

    texts: tuple[Text, ...]
    labels: tuple[TextLabels, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def has_several(self) -> bool:
        """Whether a text may have several labels."""
        return any(not isinstance(label, str) for label in self.labels)

    def one_label_each(self, source: object) -> tuple[str, ...]:
        """Return the labels where each text has one, and refuse lists of them."""
        labels = tuple(label for label in self.labels if isinstance(label, str))
        if len(labels) < len(self.labels):
            raise InputError(
                f"{source}: texts have lists of labels, and one label for each is expected here; "
                "name one for each, or fit a classifier to several"
            )
        return labels

    def take(self, indices: Iterable[int]) -> LabeledTexts:
        """Return the texts at these positions."""
        chosen = list(indices)
        return LabeledTexts(
            tuple(self.texts[i] for i in chosen), tuple(self.labels[i] for i in chosen)
        )


@dataclass(frozen=True)
class Pool:
    """Labeled texts, of which a seed draws k per class; the others serve as unlabeled texts."""

    # With the same seed, the texts drawn for k=8 include those drawn for k=4.

    pool: LabeledTexts

    shots_kind: ClassVar[Literal["per class"]] = "per class"
    shots: ClassVar[None] = None
    seeds: ClassVar[None] = None

    def check(self, shots: Sequence[int], seeds: Sequence[int]) -> None:
        """Raise InputError if a class has too few examples."""
        del seeds  # any will do
        counts = Counter(name for labels in self.pool.labels for name in label_names([labels]))
        few, count = min(counts.items(), key=lambda item: item[1])
        too_many = [k for k in shots if k > count]
        if too_many:
            raise InputError(
                f"the {self._class} {few!r} has {count} training texts, fewer than "
                f"{min(too_many)} shots; lower the shots to {count} or less"
            )

    def draw(self, shots: int, seed: int) -> LabeledTexts:
        """Return the training texts."""
        if not shots:
            return LabeledTexts((), ())
        return self.pool.take(k_shot_sample(self.pool.labels, shots, random_state=seed).tolist())

    def unlabeled(self, train: LabeledTexts) -> list[Text]:
        """Return the texts that were not drawn."""
        return _others(self.pool.texts, train)

    def describe(self, shots: int) -> str:
        """Describe how the training texts are drawn."""
        return f"{shots} of each {self._class} drawn by seed from {len(self.pool)} texts"

    @property
    def _class(self) -> str:
        return "label" if self.pool.has_several else "class"

    def parts(self) -> Iterator[tuple[str, LabeledTexts]]:
        """Yield the texts under the names that the hash of the data covers."""
        yield "pool", self.pool


@dataclass(frozen=True)
class ShotFiles:
    """Training texts as published: a file per number of shots, and perhaps per draw."""

    # By (shots, draw). The draw is a seed, or None for a single draw: seeds vary the training only.
    files: Mapping[tuple[int, int | None], LabeledTexts] = field(hash=False)
    pool: tuple[Text, ...]  # unlabeled
    shots_kind: Literal["per class", "in total"]

    @property
    def shots(self) -> tuple[int, ...]:
        """The published numbers of shots."""
        return tuple(sorted({shots for shots, _ in self.files}))

    @property
    def seeds(self) -> tuple[int, ...] | None:
        """The published seeds; None if any seed will do."""
        draws = {draw for _, draw in self.files}
        return None if None in draws else tuple(sorted(draw for draw in draws if draw is not None))

    def check(self, shots: Sequence[int], seeds: Sequence[int]) -> None:
        """Raise InputError if there is no such file."""
        unknown = [k for k in shots if k not in self.shots]
        if unknown:
            raise InputError(
                f"the protocol has files for {list(self.shots)} shots ({self.shots_kind}), "
                f"got {unknown[0]}; choose from these, or 0 for none"
            )
        for k in shots:
            drawn = sorted(draw for n, draw in self.files if n == k and draw is not None)
            missing = [seed for seed in seeds if drawn and seed not in drawn]
            if missing:
                raise InputError(
                    f"the protocol has files of {k} shots for the seeds {drawn}, "
                    f"got {missing[0]}; choose from these"
                )

    def draw(self, shots: int, seed: int) -> LabeledTexts:
        """Return the training texts."""
        if not shots:
            return LabeledTexts((), ())
        return self.files[shots, None if self.seeds is None else seed]

    def unlabeled(self, train: LabeledTexts) -> list[Text]:
        """Return the texts of the pool that are not training texts."""
        return _others(self.pool, train)

    def describe(self, shots: int) -> str:
        """Describe how the training texts were drawn."""
        kind = f"published file with {shots} {self.shots_kind}"
        if self.seeds is None:
            return f"{kind}, one draw: seeds vary the training only"
        return f"{kind}, one for each seed"

    def parts(self) -> Iterator[tuple[str, LabeledTexts]]:
        """Yield the texts under the names that the hash of the data covers."""
        for shots, draw in sorted(self.files, key=repr):
            name = f"train {shots}" if draw is None else f"train {shots}-{draw}"
            yield name, self.files[shots, draw]
        yield "unlabeled", LabeledTexts(self.pool, ("",) * len(self.pool))


@dataclass(frozen=True)
class Content:
    """All texts of a data set."""

    training: Pool | ShotFiles
    test: LabeledTexts
    labels: tuple[str, ...]  # in the order of the data set
    notes: tuple[str, ...] = ()  # what was left out


def clean_pool(
    pool: LabeledTexts, test: Collection[Text] = ()
) -> tuple[LabeledTexts, tuple[str, ...]]:
    """Leave out test texts, repeated texts but for the first, and texts with two labels."""
    # Texts that differ only in case and white space count as the same.
    tested = {text_key(text) for text in test}
    labels = defaultdict[str, set[TextLabels]](set)
    for text, label in zip(pool.texts, pool.labels, strict=True):
        labels[text_key(text)].add(label)
    kept, left_out, seen = [], Counter[str](), set()
    for place, text in enumerate(pool.texts):
        key = text_key(text)
        if key in tested:
            left_out["they are test texts"] += 1
        elif len(labels[key]) > 1:
            left_out["they have two labels"] += 1
        elif key in seen:
            left_out["they repeat another text"] += 1
        else:
            kept.append(place)
        seen.add(key)
    notes = (f"left out of the pool since {why}: {count}" for why, count in left_out.items())
    return pool.take(kept), tuple(notes)


def without(part: LabeledTexts, test: Collection[Text]) -> LabeledTexts:
    """Leave test texts out of published training texts."""
    tested = {text_key(text) for text in test}
    return part.take(i for i, text in enumerate(part.texts) if text_key(text) not in tested)


def clean_unlabeled(
    texts: Sequence[Text], test: Collection[Text]
) -> tuple[tuple[Text, ...], tuple[str, ...]]:
    """Leave test texts and repeated texts out of an unlabeled pool."""
    kept, notes = clean_pool(LabeledTexts(tuple(texts), ("",) * len(texts)), test)
    return kept.texts, tuple(note.replace("the pool", "the unlabeled pool") for note in notes)


def halved(texts: LabeledTexts, labels: tuple[str, ...]) -> Content:
    """Hold out half of each class for testing, always the same half, and draw from the other."""
    distinct, notes = clean_pool(texts)
    if distinct.has_several:
        raise InputError(
            "texts with several labels need a test part of their own; name its file as 'test'"
        )
    counts = Counter(distinct.labels)
    rare = [label for label in labels if counts[label] < 2]
    if rare:
        n_texts = f"{counts[rare[0]]} text{'s' * (counts[rare[0]] != 1)}"
        raise InputError(
            f"the class {rare[0]!r} has {n_texts}, and half of each class is held out for testing, "
            "as there is no test part; add texts, or a test part"
        )
    classes = np.unique(np.array(distinct.labels), return_inverse=True)[1]
    held_out = set(hold_out(classes, _HELD_OUT, np.random.default_rng(_SEED)).tolist())
    pool = distinct.take(i for i in range(len(distinct)) if i not in held_out)
    return Content(Pool(pool), distinct.take(sorted(held_out)), labels, notes)


def text_key(text: Text) -> str:
    """Return a key shared by texts that differ only in case and white space."""
    parts = [text] if isinstance(text, str) else [text[name] for name in sorted(text)]
    return "\n".join(" ".join(part.split()).casefold() for part in parts)


def _others(texts: Sequence[Text], train: LabeledTexts) -> list[Text]:
    known = {text_key(text) for text in train.texts}
    return [text for text in texts if text_key(text) not in known]
