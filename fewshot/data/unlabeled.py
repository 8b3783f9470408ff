"""Texts without labels: a container that cross-validation keeps whole, and a bounded sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.data.examples import Examples, read_examples
from fewshot.errors import InputError, LeakageWarning, warn_user

Keys = npt.NDArray[np.uint64]

_BATCH = 1024  # rows that are read together
_KEY_BYTES = 8
_FIELD_END = "\x1f"


class Unlabeled:
    """Texts without labels, for the ``unlabeled`` argument of ``fit``.

    Cross-validation slices every fit parameter that is as long as ``X``. This container has no
    length, no items and no order that scikit-learn could see, so it always arrives whole:
    ``cross_validate(clf, X, y, params={"unlabeled": Unlabeled(texts)})``.

    Parameters
    ----------
    texts : sequence, DataFrame, datasets.Dataset or iterator
        As the ``X`` of ``fit``. A data set on disk or a stream is read in parts and never loaded
        whole; an iterator can be read once, so in cross-validation pass something that can be
        read again.

    Raises
    ------
    InputError
        If `texts` is a bare string, a mapping or a set, or cannot be iterated.

    See Also
    --------
    PETClassifier, LiSTClassifier, PCPClassifier : Learn from unlabelled texts.

    Examples
    --------
    >>> from fewshot import Unlabeled
    >>> Unlabeled(["Shares fell.", "The match ended in a draw."])
    Unlabeled(list)
    """

    __slots__ = ("_is_read", "_texts")

    def __init__(self, texts: Any) -> None:  # of the many kinds above
        is_one = isinstance(texts, (str, bytes, Mapping, Set)) or hasattr(texts, "collect")
        is_many = isinstance(texts, Iterable) or hasattr(texts, "column_names")
        if is_one or isinstance(texts, Unlabeled) or not is_many:
            raise InputError(
                "Unlabeled takes a sequence or stream of texts, such as Unlabeled([text, ...]), "
                f"got {type(texts).__name__}"
            )
        self._texts = texts
        self._is_read = False

    def batches(self, fields: Sequence[str]) -> Iterator[Examples]:
        """Read the texts in parts.

        Parameters
        ----------
        fields : sequence of str
            The fields that are needed.

        Yields
        ------
        examples : Examples
            The next part.

        Raises
        ------
        InputError
            If a text is missing or no string, or an iterator was read before.
        """
        if isinstance(self._texts, Iterator):
            if self._is_read:
                raise InputError(
                    "the iterator in Unlabeled was read before and is empty now; for several fits "
                    "(cross-validation, a grid) pass a list or a datasets.Dataset"
                )
            self._is_read = True
        start = 0
        for rows in _parts(self._texts):
            try:
                examples = read_examples(rows, fields)
            except InputError as error:
                where = f"from row {start} on, counted from there" if start else "counted from 0"
                raise InputError(f"in the unlabelled texts ({where}): {error}") from error
            start += len(examples)
            yield examples

    def __repr__(self) -> str:
        return f"Unlabeled({type(self._texts).__name__})"


@dataclass(frozen=True)
class Pool:
    """The unlabelled texts that a fit uses: a sample of those that were read."""

    examples: Examples
    n_read: int

    def __len__(self) -> int:
        return len(self.examples)


def draw_pool(
    batches: Iterable[Examples],
    fields: Sequence[str],
    *,
    largest: int,
    without: Keys,
    rng: np.random.Generator,
) -> Pool:
    """Keep a uniform sample of bounded size, in the order in which the texts come."""
    # Blank texts, repeated ones and those whose keys are in `without` are left out. No more than
    # `largest` are ever in memory, but for one batch and the keys of all (Vitter (1985), Random
    # Sampling with a Reservoir, algorithm R).
    seen = set(without.tolist())
    kept: list[tuple[int, tuple[str, ...]]] = []
    n_read = n_candidates = 0
    for batch in batches:
        n_read += len(batch)
        rows = zip(*(batch.columns[name] for name in fields), strict=True)
        new: list[tuple[str, ...]] = []
        for row, key in zip(rows, text_keys(batch).tolist(), strict=True):
            if key not in seen and any(text.strip() for text in row):
                seen.add(key)
                new.append(row)
        counts = np.arange(n_candidates + 1, n_candidates + len(new) + 1)
        places = rng.integers(0, counts) if len(new) else counts
        for row, count, place in zip(new, counts.tolist(), places.tolist(), strict=True):
            if len(kept) < largest:
                kept.append((count, row))
            elif place < largest:
                kept[place] = (count, row)
        n_candidates += len(new)
    columns = zip(*(row for _, row in sorted(kept)), strict=True) if kept else [()] * len(fields)
    texts = {name: list(column) for name, column in zip(fields, columns, strict=True)}
    return Pool(Examples(texts), n_read)


def text_keys(examples: Examples) -> Keys:
    """Return a hash for each example, [n], equal for texts that differ in outer space only."""
    rows = zip(*examples.columns.values(), strict=True)
    digests = [
        hashlib.blake2b(
            _FIELD_END.join(text.strip() for text in row).encode(), digest_size=_KEY_BYTES
        ).digest()
        for row in rows
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def warn_seen(examples: Examples, keys: Keys) -> None:
    """Warn of texts to predict that were learned from without a label."""
    n_seen = int(np.isin(text_keys(examples), keys).sum())
    if n_seen:
        warn_user(
            f"{n_seen} of {len(examples)} texts were among the unlabelled texts of fit. That "
            "is fine if you want their labels; a score on them says too much: take test texts "
            "out of what is passed as unlabelled",
            LeakageWarning,
        )


def _parts(texts: Any) -> Iterator[Any]:
    """Cut what holds texts into parts that `read_examples` can read."""
    if hasattr(texts, "iter") and hasattr(texts, "column_names"):  # of the library datasets
        for columns in texts.iter(batch_size=_BATCH):
            yield _rows_of_columns(columns)
    elif hasattr(texts, "iloc"):  # of pandas
        for start in range(0, len(texts), _BATCH):
            yield texts.iloc[start : start + _BATCH]
    elif hasattr(texts, "slice"):  # of polars or pyarrow
        for start in range(0, len(texts), _BATCH):
            yield texts.slice(start, _BATCH)
    elif isinstance(texts, np.ndarray):  # its rows may hold a text for each field
        for start in range(0, len(texts), _BATCH):
            yield texts[start : start + _BATCH]
    else:
        rows = iter(texts)
        while part := list(islice(rows, _BATCH)):
            yield part


def _rows_of_columns(columns: Mapping[str, list[Any]]) -> list[Any]:
    if len(columns) == 1:
        return list(next(iter(columns.values())))
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
