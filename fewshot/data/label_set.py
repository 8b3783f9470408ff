"""The labels that a caller names, as plain distinct values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from numbers import Integral

from fewshot.data.examples import Label
from fewshot.errors import VerbalizerError

_UNLABELLED = -1  # in y, as in sklearn.semi_supervised


def read_labels(labels: object) -> tuple[Label, ...]:
    """Return the labels as plain str or int.

    Raises
    ------
    VerbalizerError
        If they are no list, there are fewer than two, one stands twice, one is neither str nor
        int or is -1, or the two types are mixed.
    """
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise VerbalizerError(
            f"labels is a list of all labels, such as ['no', 'yes'], got {labels!r}"
        )
    read = tuple(_read_label(label) for label in labels)
    if len(read) < 2:
        raise VerbalizerError(f"expected at least two labels, got {list(read)}")
    if len({type(label) for label in read}) > 1:
        raise VerbalizerError(f"expected labels all of str or all of int, got {list(read)}")
    twice = [label for label, count in Counter(read).items() if count > 1]
    if twice:
        raise VerbalizerError(f"the label {twice[0]!r} stands twice in {list(read)}")
    return read


def _read_label(label: object) -> Label:
    if isinstance(label, str):
        return str(label)
    if isinstance(label, bool) or not isinstance(label, Integral):
        raise VerbalizerError(f"a label is a str or an int, got {type(label).__name__}: {label!r}")
    if label == _UNLABELLED:
        raise VerbalizerError("the label -1 marks unlabelled rows; use another number, such as 0")
    return int(label)
