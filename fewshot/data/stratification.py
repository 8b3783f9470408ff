"""Samples of texts that may have several labels, in the proportions of the labels."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Indices: TypeAlias = npt.NDArray[np.int64]
Indicators: TypeAlias = npt.NDArray[np.bool_]


# Both functions follow Sechidis, Tsoumakas and Vlahavas (2011), On the Stratification of
# Multi-label Data, algorithm 1: each part desires a number of texts of each label, the label with
# the fewest texts left comes first, and its texts lower the desires of all labels that they have.
def draw_k_per_label(indicators: Indicators, k: int, rng: np.random.Generator) -> Indices:
    """Draw texts until k of them have each label, and more only where labels occur together."""
    # One that desires k of each label grows from one that desires k - 1, so samples are nested.
    order = rng.permutation(len(indicators))
    shuffled = indicators[order]
    is_left = np.ones(len(shuffled), dtype=bool)
    counts = np.zeros(shuffled.shape[1], dtype=np.int64)
    drawn = []
    for desired in range(1, k + 1):
        while (counts < desired).any():
            n_left = shuffled[is_left].sum(0)
            label = np.flatnonzero(counts < desired)[np.argmin(n_left[counts < desired])]
            row = np.flatnonzero(is_left & shuffled[:, label])[0]
            is_left[row] = False
            counts += shuffled[row]
            drawn.append(order[row])
    return np.array(drawn, dtype=np.int64)


def draw_in_proportion(indicators: Indicators, size: int, rng: np.random.Generator) -> Indices:
    """Draw texts so that each label has its share of them; return their positions, ascending."""
    n_texts = len(indicators)
    order = rng.permutation(n_texts)
    shuffled = indicators[order]
    parts = np.array([size, n_texts - size])
    desired = parts[:, None] / n_texts * shuffled.sum(0)  # [2, n_labels]
    is_left, is_drawn = np.ones(n_texts, dtype=bool), np.zeros(n_texts, dtype=bool)
    while parts.all() and (n_left := shuffled[is_left].sum(0)).any():
        label = np.argmin(np.where(n_left > 0, n_left, n_texts + 1))
        for row in np.flatnonzero(is_left & shuffled[:, label]):
            if not parts.all():  # one is full: the other takes the rest
                break
            part = max((0, 1), key=lambda i: (desired[i, label], parts[i]))
            is_drawn[row], is_left[row] = part == 0, False
            desired[part] -= shuffled[row]
            parts[part] -= 1
    is_drawn[np.flatnonzero(is_left)[: parts[0]]] = True  # also those without any label
    return np.sort(order[is_drawn])
