"""Few-shot samples: k examples per class, seeded and nested over k."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.data.label_sets import LabelSets, holds_label_sets, read_label_sets
from fewshot.data.labels import Label, Labels, read_labels
from fewshot.data.settings import check_settings, is_share, or_none, whole
from fewshot.data.stratification import draw_in_proportion, draw_k_per_label
from fewshot.errors import InputError

Indices: TypeAlias = npt.NDArray[np.int64]
RandomState: TypeAlias = int | np.random.RandomState | None

_SEEDS = 2**31


class KShotSplit:
    """Split data into k training examples per class and the rest, several times.

    A scikit-learn cross-validation splitter for learning curves from few labels: pass it as
    ``cv=`` to ``cross_val_score`` or ``GridSearchCV``. Splits are nested: with the same seed the
    training part for k=8 contains the one for k=4, so curves over k differ by what was added
    only. Rows without a label (-1 among ints, or None) are in neither part.

    Where texts may have several labels, k texts have each label, and more only have those that
    occur together with others; tests have the proportions of the labels (iterative
    stratification). Texts that have no label at all are for tests only.

    Parameters
    ----------
    k : int, default=8
        Training examples of each class, or at least of each label.
    n_splits : int, default=5
    random_state : int, RandomState or None, default=0
        An int gives the same splits at every call.
    test_size : int, optional
        The most test examples, drawn in the proportions of the classes; all others are left out.
        The same ones for every k, as long as the classes have enough; not so with several labels.
        By default all the rest.

    Raises
    ------
    InputError
        From ``split``: if a class has fewer than k examples, if nothing is left for the test, or
        if a setting is out of range.

    See Also
    --------
    k_shot_sample : One training sample, without a test.

    References
    ----------
    Sechidis, Tsoumakas and Vlahavas (2011), On the Stratification of Multi-label Data, algorithm 1.

    Examples
    --------
    >>> from fewshot import KShotSplit
    >>> y = ["neg", "neg", "neg", "pos", "pos", "pos"]
    >>> for train, test in KShotSplit(k=1, n_splits=2).split(y, y):
    ...     print([y[i] for i in sorted(train)], len(test))
    ['neg', 'pos'] 4
    ['neg', 'pos'] 4
    """

    def __init__(
        self,
        k: int = 8,
        n_splits: int = 5,
        *,
        random_state: RandomState = 0,
        test_size: int | None = None,
    ) -> None:
        self.k = k
        self.n_splits = n_splits
        self.random_state = random_state
        self.test_size = test_size

    def split(
        self,
        X: Any,
        y: Any = None,
        groups: object = None,  # noqa: ARG002  # scikit-learn's interface
    ) -> Iterator[tuple[Indices, Indices]]:
        """Draw the splits.

        Parameters
        ----------
        X : sequence
            The texts, of which only the number matters.
        y : sequence of str or int; lists of labels; array of shape (n_texts, n_labels)
            Their labels: one each, or any number, as lists or as rows of 0 and 1.
        groups : ignored
            As scikit-learn's interface has it.

        Yields
        ------
        train : ndarray of int
            Positions of the training examples, in random order.
        test : ndarray of int
            Positions of the test examples, ascending.

        Raises
        ------
        InputError
            If a class has fewer than k examples, nothing is left for the test, or a setting is
            out of range.
        """
        labels = _read(y, None if X is None else _length(X))
        limits = {
            "k": whole(self.k),
            "n_splits": whole(self.n_splits),
            "test_size": or_none(self.test_size, whole),
        }
        check_settings(self, limits)
        seed = _seed(self.random_state)
        pool = _pool(labels, self.k)
        for number in range(self.n_splits):
            train, test = pool.split(self.k, self.test_size, (seed, number))
            if not len(test):
                raise InputError(
                    f"k={self.k} takes all labelled examples for training and leaves none for the "
                    "test; lower k"
                )
            yield train, test

    def get_n_splits(
        self,
        X: object = None,  # noqa: ARG002  # scikit-learn's interface
        y: object = None,  # noqa: ARG002
        groups: object = None,  # noqa: ARG002
    ) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : ignored
            As scikit-learn's interface has it.

        Returns
        -------
        int
        """
        return self.n_splits

    def __repr__(self) -> str:
        test_size = "" if self.test_size is None else f", test_size={self.test_size}"
        return (
            f"KShotSplit(k={self.k}, n_splits={self.n_splits}, "
            f"random_state={self.random_state}{test_size})"
        )


def k_shot_sample(y: Any, k: int, *, random_state: RandomState = None) -> Indices:
    """Draw k examples of each class, or at least k of each label if texts may have several.

    With the same seed the sample for k=8 contains the one for k=4. It is the training part of the
    first split of :class:`KShotSplit` with that seed.

    Parameters
    ----------
    y : sequence of str or int; lists of labels; array of shape (n_texts, n_labels)
        Labels; rows with -1 (among ints) or None are never drawn.
    k : int
        Examples of each class or label.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    ndarray of int
        Their positions, in random order.

    Raises
    ------
    InputError
        If k is below 1, or a class or label has fewer than k examples.

    See Also
    --------
    KShotSplit : Several samples, each with a test.

    Examples
    --------
    >>> from fewshot import k_shot_sample
    >>> y = ["neg", "neg", "pos", None, "pos"]
    >>> sorted(y[i] for i in k_shot_sample(y, 1, random_state=0))
    ['neg', 'pos']
    >>> y = [["delivery", "complaint"], ["price"], ["delivery"]]
    >>> sorted(k_shot_sample(y, 1, random_state=0).tolist())
    [0, 1]
    """
    labels = _read(y, None)
    _check_count("k", k)
    return _pool(labels, k).split(k, 0, (_seed(random_state), 0))[0]


def stratified_sample(y: Any, size: int, *, random_state: RandomState = None) -> Indices:
    """Draw examples in the proportions of the classes; return their positions, ascending."""
    labels = _read(y, None)
    _check_count("size", size)
    return _pool(labels, 0).split(0, size, (_seed(random_state), 0))[1]


def hold_out(classes: Indices, fraction: float, rng: np.random.Generator) -> Indices:
    """Draw a share of each class, to watch while training on the rest; one of each is kept."""
    if not is_share(fraction):
        raise InputError(f"validation_fraction is from 0 to below 1, got {fraction!r}")
    if fraction == 0:
        return np.empty(0, dtype=np.int64)
    held_out = []
    for label in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == label))
        held_out.append(members[: min(len(members) - 1, round(fraction * len(members)))])
    chosen: Indices = np.concatenate(held_out)
    if not len(chosen):
        raise InputError(
            f"validation_fraction={fraction} of {len(classes)} examples leaves none to hold out; "
            "raise it, or use 0"
        )
    return chosen


def _read(y: Any, n_examples: int | None) -> Labels | LabelSets:
    if n_examples is None:
        n_examples = -1 if y is None else _length(y)
    return read_label_sets(y, n_examples) if holds_label_sets(y) else read_labels(y, n_examples)


def _length(values: Any) -> int:
    shape = getattr(values, "shape", None)  # sparse matrices have no len()
    return int(shape[0]) if shape else len(values)


def _check_count(name: str, value: object) -> None:
    is_good, expected = whole(value)
    if not is_good:
        raise InputError(f"{name} is {expected}, got {value!r}")


def _seed(random_state: RandomState) -> int:
    if random_state is None:
        return int(np.random.default_rng().integers(_SEEDS))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(_SEEDS))
    is_int = isinstance(random_state, (int, np.integer))
    if not is_int or random_state < 0:
        raise InputError(
            f"random_state is an int, 0 or more, a RandomState or None; got {random_state!r}"
        )
    return int(random_state)


class _Classes:
    """Texts of one class each, by class."""

    def __init__(self, labels: Labels, k: int) -> None:
        positions = np.flatnonzero(labels.is_labeled)
        values = labels.values[positions]
        self._members = {label: positions[values == label] for label in labels.classes()}
        _check_counts({label: len(rows) for label, rows in self._members.items()}, k, "class")

    def split(
        self, k: int, test_size: int | None, seed: tuple[int, int]
    ) -> tuple[Indices, Indices]:
        """Draw k of each class, and a test from the rest."""
        # Each class is shuffled by the seed alone, so samples are nested over k.
        rng = np.random.default_rng(seed)
        shuffled = [rng.permutation(rows) for rows in self._members.values()]
        drawn = np.concatenate([rows[:k] for rows in shuffled])
        train = np.random.default_rng([*seed, k]).permutation(drawn)
        return train, _test(shuffled, k, test_size)


class _LabelSets:
    """Texts that may have several labels."""

    def __init__(self, labels: LabelSets, k: int) -> None:
        self._positions = np.flatnonzero(labels.is_labeled)
        self._indicators = labels.indicators[self._positions]  # [n, n_labels]
        counts = self._indicators.sum(0).tolist()
        _check_counts(dict(zip(labels.names, counts, strict=True)), k, "label")

    def split(
        self, k: int, test_size: int | None, seed: tuple[int, int]
    ) -> tuple[Indices, Indices]:
        """Draw texts until k have each label, and a test from the rest."""
        rng = np.random.default_rng(seed)
        drawn = draw_k_per_label(self._indicators, k, rng)
        rest = np.setdiff1d(np.arange(len(self._indicators)), drawn)
        size = len(rest) if test_size is None else min(test_size, len(rest))
        tested = draw_in_proportion(self._indicators[rest], size, rng)
        train = np.random.default_rng([*seed, k]).permutation(self._positions[drawn])
        return train, self._positions[rest[tested]]


def _pool(labels: Labels | LabelSets, k: int) -> _Classes | _LabelSets:
    return _LabelSets(labels, k) if isinstance(labels, LabelSets) else _Classes(labels, k)


def _check_counts(counts: Mapping[Label, int], k: int, kind: str) -> None:
    """Raise if a class or label has fewer than k examples, or there is none."""
    if not any(counts.values()):
        raise InputError("y holds no label: all rows are None or -1")
    few = {label: count for label, count in counts.items() if count < k}
    if few:
        label, count = next(iter(few.items()))
        plural = f"{kind}es" if kind == "class" else f"{kind}s"
        more = f" (and {len(few) - 1} more {plural})" if len(few) > 1 else ""
        raise InputError(
            f"the {kind} {label!r} has {count} example{'s' * (count != 1)}, fewer than "
            f"k={k}{more}; lower k, or leave such {plural} out"
        )


def _test(shuffled: list[Indices], k: int, test_size: int | None) -> Indices:
    """Take test examples from the far end, away from what a larger k would train on."""
    counts = np.array([len(rows) for rows in shuffled])
    shares = counts if test_size is None else _shares(counts, test_size)
    parts = [
        rows[k:][-share:] if share else rows[:0]
        for rows, share in zip(shuffled, shares, strict=True)
    ]
    test: Indices = np.sort(np.concatenate(parts))
    return test


def _shares(counts: Indices, total: int) -> Indices:
    """Divide a total in the proportions of the counts, by largest remainders."""
    exact = counts / counts.sum() * min(total, int(counts.sum()))
    shares: Indices = np.floor(exact).astype(np.int64)
    n_left = round(float(exact.sum())) - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:n_left]] += 1
    return shares
