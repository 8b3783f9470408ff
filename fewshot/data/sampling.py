"""Few-shot samples: k examples per class, seeded and nested over k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.data.labels import Label, Labels, read_labels
from fewshot.data.settings import check_settings, is_share, or_none, whole
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

    Parameters
    ----------
    k : int, default=8
        Training examples of each class.
    n_splits : int, default=5
    random_state : int, RandomState or None, default=0
        An int gives the same splits at every call.
    test_size : int, optional
        The most test examples, drawn in the proportions of the classes; all others are left out.
        The same ones for every k, as long as the classes have enough. By default all the rest.

    Raises
    ------
    InputError
        From ``split``: if a class has fewer than k examples, if nothing is left for the test, or
        if a setting is out of range.

    See Also
    --------
    k_shot_sample : One training sample, without a test.

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
        y : sequence of str or int
            Their labels.
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
        members = _members(labels, self.k)
        for number in range(self.n_splits):
            shuffled = _shuffled(members, seed, number)
            train = _train(shuffled, self.k, seed, number)
            test = _test(shuffled, self.k, self.test_size)
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
    """Draw k examples of each class.

    With the same seed the sample for k=8 contains the one for k=4. It is the training part of the
    first split of :class:`KShotSplit` with that seed.

    Parameters
    ----------
    y : sequence of str or int
        Labels; rows with -1 (among ints) or None are never drawn.
    k : int
        Examples of each class.
    random_state : int, RandomState or None, default=None

    Returns
    -------
    ndarray of int
        Their positions, in random order.

    Raises
    ------
    InputError
        If k is below 1, or a class has fewer than k examples.

    See Also
    --------
    KShotSplit : Several samples, each with a test.

    Examples
    --------
    >>> from fewshot import k_shot_sample
    >>> y = ["neg", "neg", "pos", None, "pos"]
    >>> sorted(y[i] for i in k_shot_sample(y, 1, random_state=0))
    ['neg', 'pos']
    """
    labels = _read(y, None)
    _check_count("k", k)
    seed = _seed(random_state)
    return _train(_shuffled(_members(labels, k), seed, 0), k, seed, 0)


def stratified_sample(y: Any, size: int, *, random_state: RandomState = None) -> Indices:
    """Draw examples in the proportions of the classes; return their positions, ascending."""
    labels = _read(y, None)
    _check_count("size", size)
    return _test(_shuffled(_members(labels, 0), _seed(random_state), 0), 0, size)


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


def _read(y: Any, n_examples: int | None) -> Labels:
    if n_examples is None:
        n_examples = -1 if y is None else _length(y)
    return read_labels(y, n_examples)


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


def _members(labels: Labels, k: int) -> dict[Label, Indices]:
    """Return the positions of each class."""
    positions = np.flatnonzero(labels.is_labeled)
    values = labels.values[positions]
    members = {label: positions[values == label] for label in labels.classes()}
    if not members:
        raise InputError("y holds no label: all rows are None or -1")
    few = {label: len(rows) for label, rows in members.items() if len(rows) < k}
    if few:
        label, count = next(iter(few.items()))
        more = f" (and {len(few) - 1} more classes)" if len(few) > 1 else ""
        raise InputError(
            f"the class {label!r} has {count} example{'s' * (count != 1)}, fewer than "
            f"k={k}{more}; lower k, or leave such classes out"
        )
    return members


def _shuffled(members: dict[Label, Indices], seed: int, number: int) -> list[Indices]:
    """Shuffle each class by seed and split alone, so that samples are nested over k."""
    rng = np.random.default_rng([seed, number])
    return [rng.permutation(rows) for rows in members.values()]


def _train(shuffled: list[Indices], k: int, seed: int, number: int) -> Indices:
    rng = np.random.default_rng([seed, number, k])
    return rng.permutation(np.concatenate([rows[:k] for rows in shuffled]))


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
