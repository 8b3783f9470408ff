"""Rows of a training history; without torch, since the baselines use them too."""

from __future__ import annotations

from typing import TypedDict


class Epoch(TypedDict, total=False):
    """One row of ``history_``; times are in seconds."""

    epoch: int
    loss: float
    valid_loss: float
    learning_rate: float
    steps: int
    tokens: int
    seconds: float
