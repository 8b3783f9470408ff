"""Where the training texts of a data set come from: a pool to draw from, or files as published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from fewshot.data.sampling import k_shot_sample
from fewshot.errors import InputError

Text: TypeAlias = str | Mapping[str, str]  # a mapping holds the fields of a pair


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their labels.

    Parameters
    ----------
    texts : tuple of str or of dict
    labels : tuple of str
    """

    texts: tuple[Text, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Iterable[int]) -> LabelledTexts:
        """Return the texts at these positions."""
        chosen = list(indices)
        return LabelledTexts(
            tuple(self.texts[i] for i in chosen), tuple(self.labels[i] for i in chosen)
        )


@dataclass(frozen=True)
class Pool:
    """Labelled texts of which k of each class are drawn by seed; the others go without labels.

    With the same seed the texts drawn for k=8 contain those for k=4.

    Parameters
    ----------
    pool : LabelledTexts
    """

    pool: LabelledTexts

    shots_kind: ClassVar[Literal["per class"]] = "per class"
    shots: ClassVar[None] = None
    seeds: ClassVar[None] = None

    def check(self, shots: Sequence[int], seeds: Sequence[int]) -> None:
        """Raise InputError if a class has too few examples."""
        del seeds  # any will do
        counts = Counter(self.pool.labels)
        few, count = min(counts.items(), key=lambda item: item[1])
        too_many = [k for k in shots if k > count]
        if too_many:
            raise InputError(
                f"the class {few!r} has {count} texts to train on, fewer than "
                f"{min(too_many)} shots; lower the shots to {count} or below"
            )

    def draw(self, shots: int, seed: int) -> LabelledTexts:
        """Return the training texts."""
        if not shots:
            return LabelledTexts((), ())
        return self.pool.take(k_shot_sample(self.pool.labels, shots, random_state=seed).tolist())

    def unlabeled(self, train: LabelledTexts) -> list[Text]:
        """Return the texts that were not drawn."""
        return _others(self.pool.texts, train)

    def describe(self, shots: int) -> str:
        """Tell how training texts are drawn."""
        return f"{shots} of each class drawn by seed from {len(self.pool)} texts"

    def parts(self) -> Iterator[tuple[str, LabelledTexts]]:
        """Yield the texts under the names that the hash of the data covers."""
        yield "pool", self.pool


@dataclass(frozen=True)
class ShotFiles:
    """Training texts as published, a file for each number of shots and perhaps each draw.

    Parameters
    ----------
    files : mapping of (shots, draw) to LabelledTexts
        The draw is a seed, or None where there is one draw only and seeds vary the training.
    pool : tuple of str or of dict
        Texts without labels.
    shots_kind : {"per class", "in total"}
    """

    files: Mapping[tuple[int, int | None], LabelledTexts] = field(hash=False)
    pool: tuple[Text, ...]
    shots_kind: Literal["per class", "in total"]

    @property
    def shots(self) -> tuple[int, ...]:
        """The shots that there are files for."""
        return tuple(sorted({shots for shots, _ in self.files}))

    @property
    def seeds(self) -> tuple[int, ...] | None:
        """The seeds that there are files for; None if any will do."""
        draws = {draw for _, draw in self.files}
        return None if None in draws else tuple(sorted(draw for draw in draws if draw is not None))

    def check(self, shots: Sequence[int], seeds: Sequence[int]) -> None:
        """Raise InputError if there is no file."""
        unknown = [k for k in shots if k not in self.shots]
        if unknown:
            raise InputError(
                f"the protocol has files for the shots {list(self.shots)} ({self.shots_kind}), "
                f"got {unknown[0]}; choose of them, or 0 for none"
            )
        for k in shots:
            drawn = sorted(draw for n, draw in self.files if n == k and draw is not None)
            lacking = [seed for seed in seeds if drawn and seed not in drawn]
            if lacking:
                raise InputError(
                    f"the protocol has files of {k} shots for the seeds {drawn}, "
                    f"got {lacking[0]}; choose of them"
                )

    def draw(self, shots: int, seed: int) -> LabelledTexts:
        """Return the training texts."""
        if not shots:
            return LabelledTexts((), ())
        return self.files[shots, None if self.seeds is None else seed]

    def unlabeled(self, train: LabelledTexts) -> list[Text]:
        """Return the texts of the pool but for the training texts."""
        return _others(self.pool, train)

    def describe(self, shots: int) -> str:
        """Tell how training texts were drawn."""
        kind = f"published file with {shots} {self.shots_kind}"
        if self.seeds is None:
            return f"{kind}, one draw: seeds vary the training only"
        return f"{kind}, one for each seed"

    def parts(self) -> Iterator[tuple[str, LabelledTexts]]:
        """Yield the texts under the names that the hash of the data covers."""
        for shots, draw in sorted(self.files, key=repr):
            yield (
                f"train {shots}" if draw is None else f"train {shots}-{draw}",
                self.files[shots, draw],
            )
        yield "unlabeled", LabelledTexts(self.pool, ("",) * len(self.pool))


@dataclass(frozen=True)
class Content:
    """All texts of a data set.

    Parameters
    ----------
    training : Pool or ShotFiles
    test : LabelledTexts
    labels : tuple of str
        In the order of the data set.
    notes : tuple of str, default=()
        What was left out.
    """

    training: Pool | ShotFiles
    test: LabelledTexts
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()


def text_key(text: Text) -> str:
    """Return what two texts share that differ in case and spaces only."""
    parts = [text] if isinstance(text, str) else [text[name] for name in sorted(text)]
    return "\n".join(" ".join(part.split()).casefold() for part in parts)


def _others(texts: Sequence[Text], train: LabelledTexts) -> list[Text]:
    known = {text_key(text) for text in train.texts}
    return [text for text in texts if text_key(text) not in known]
