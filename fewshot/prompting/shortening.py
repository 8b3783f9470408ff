"""Shortening of slots so that a prompt fits the model; the template itself always stays whole."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.errors import InputError
from fewshot.prompting.template import Template

Ids: TypeAlias = npt.NDArray[np.int32]


def fit_slots(
    pieces: tuple[Ids, ...], template: Template, room: int, row: int
) -> list[tuple[Ids, ...]]:
    """Shorten the slots of one example to `room` tokens, or spread the longest over windows."""
    if sum(map(len, pieces)) <= room:
        return [pieces]
    is_whole = [slot.whole for slot in template.slots]
    n_whole = sum(len(ids) for ids, whole in zip(pieces, is_whole, strict=True) if whole)
    room -= n_whole
    if room < is_whole.count(False):
        raise InputError(
            f"row {row}: the slots of {template.text!r} that stay whole take {n_whole} tokens "
            "and leave no room; shorten these texts, raise max_length or drop the option 'whole'"
        )
    lengths = np.array(
        [0 if whole else len(ids) for ids, whole in zip(pieces, is_whole, strict=True)]
    )
    if template.shorten == "chunk":
        return _windows(pieces, lengths, room)
    kept = _kept(lengths, room, template.shorten)
    from_end = template.shorten == "head"
    return [
        tuple(
            ids if whole else (ids[len(ids) - n :] if from_end else ids[:n])
            for ids, whole, n in zip(pieces, is_whole, kept, strict=True)
        )
    ]


def is_cut(pieces: tuple[Ids, ...], windows: list[tuple[Ids, ...]]) -> bool:
    """Return whether a token of a slot is in no window."""
    for full, *parts in zip(pieces, *windows, strict=True):
        # A slot that is not spread is the same object in all windows.
        distinct = {id(part): len(part) for part in parts}
        if sum(distinct.values()) < len(full):
            return True
    return False


def _kept(lengths: npt.NDArray[np.int64], room: int, shorten: str) -> npt.NDArray[np.int64]:
    """Return how many tokens of each slot stay."""
    excess = int(lengths.sum()) - room
    if shorten == "longest":
        return _level(lengths, room)
    kept = lengths.copy()
    for i in range(len(kept))[:: {"head": 1, "tail": -1}[shorten]]:
        cut = min(int(kept[i]), excess)
        kept[i] -= cut
        excess -= cut
    return kept


def _level(lengths: npt.NDArray[np.int64], room: int) -> npt.NDArray[np.int64]:
    """Cut the longest slots down to a common level, so that the sum is `room`."""
    order = np.argsort(lengths, kind="stable")
    kept = lengths.copy()
    left, n_left = room, len(lengths)
    for i in order:
        kept[i] = min(int(lengths[i]), left // n_left)
        left -= int(kept[i])
        n_left -= 1
    return kept


def _windows(
    pieces: tuple[Ids, ...], lengths: npt.NDArray[np.int64], room: int
) -> list[tuple[Ids, ...]]:
    """Spread the longest slot over windows of equal size; the others get half the room at most."""
    longest = int(np.argmax(lengths))
    others = np.delete(lengths, longest)
    kept = np.insert(_level(others, min(int(others.sum()), room // 2)), longest, 0)
    size = room - int(kept.sum())
    n_windows = -(-int(lengths[longest]) // size)
    short = [
        ids[:n] if length else ids for ids, n, length in zip(pieces, kept, lengths, strict=True)
    ]
    return [
        tuple(window if i == longest else ids for i, ids in enumerate(short))
        for window in np.array_split(pieces[longest], n_windows)
    ]
