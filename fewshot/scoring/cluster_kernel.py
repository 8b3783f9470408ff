"""A cluster kernel: directions in which texts without labels vary count more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from fewshot.scoring.heads import LinearHead
from fewshot.scoring.shares import SHARPNESS, estimate_shares, evenness

Array: TypeAlias = npt.NDArray[np.float64]

LEAST_TEXTS, MOST_TEXTS = 50, 300  # that it is made of; docs/evidence/defaults.md, as the next
_POWER = 0.5  # of the variances
_ALIKE = 10.0  # texts for each class that directions of equal variance are worth
_ROUNDS = 2
_LEAST_SQUARE = 1e-12  # of the largest; smaller ones are of rounding


@dataclass(frozen=True)
class ClusterSpace:
    """A linear map of features, and what undoes it in the coefficients of a head."""

    center: Array  # [n_features], is subtracted from features
    basis: Array  # [rank, n_features], orthonormal
    gains: Array  # [rank], of the directions of the basis, beside `rest`
    rest: float  # the gain of all directions

    def directions(self, features: Array) -> Array:
        """Return features in this space, each a vector of length 1, [n, n_features]."""
        centred = features - self.center
        found = self.rest * centred + (centred @ self.basis.T * self.gains) @ self.basis
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        units: Array = found / np.maximum(lengths, np.finfo(float).tiny)
        return units

    def outside(self, head: LinearHead) -> LinearHead:
        """Return the head that scores features as they are, for one of features in this space."""
        # Of features in this space, not of their directions: lengths are 1 on average, and the
        # order of classes does not depend on them but for the intercepts.
        of_basis = self.basis @ head.coef
        coef = self.rest * head.coef + self.basis.T @ (self.gains[:, None] * of_basis)
        return replace(head, coef=coef, intercept=head.intercept - self.center @ coef)


def cluster_space(texts: Array, weights: Array, alike: float) -> ClusterSpace | None:
    """Return the space of the features of texts [n, n_features]; None if all are the same."""
    # Chapelle et al. (2003), Cluster Kernels for Semi-Supervised Learning: eigenvalues of the
    # kernel matrix are replaced by a function of them, here their power of 1.5. The features that
    # do so are `S^(1/4) (x - center)`, and hold for texts that were not seen; `S` is the
    # covariance, shrunk towards equal variances, which are worth `alike` texts.
    share = weights / weights.sum()
    center = share @ texts
    rows = np.sqrt(share)[:, None] * (texts - center)
    squares, left = eigh(rows @ rows.T)
    kept = squares > _LEAST_SQUARE * max(squares.max(), _LEAST_SQUARE)
    if not kept.any():
        return None
    squares = squares[kept]
    basis = left[:, kept].T @ rows / np.sqrt(squares)[:, None]
    n_texts = 1.0 / float((share**2).sum())
    trust = n_texts / (n_texts + alike)
    variances = trust * squares * (texts.shape[1] / squares.sum()) + (1.0 - trust)
    gains, rest = variances ** (_POWER / 2), (1.0 - trust) ** (_POWER / 2)
    scale = float(np.sqrt(squares @ gains**2))
    return ClusterSpace(center, basis, (gains - rest) / scale, rest / scale)


def fit_in_cluster_space(
    fit: Callable[[Callable[[Array], Array]], LinearHead],  # of features as this maps them
    texts: Array,  # [n, n_features], without labels
) -> LinearHead:
    """Fit a head in the space of texts in which all classes are equally frequent."""
    # A class that is frequent would hold the centre, and its own directions would count. So texts
    # are weighed by what the head of the round before says of their classes; where these look
    # uneven, the space is nearer to that of features as they are.
    head = fit(np.asarray)
    for _ in range(_ROUNDS):
        equal = np.full(len(texts), 1.0 / len(texts))
        shares, posterior = estimate_shares(SHARPNESS * head.scores(texts), equal)
        even = evenness(shares)
        space = cluster_space(texts, (posterior / shares).sum(1), _ALIKE * len(shares) / even**4)
        if space is None:
            return head
        space = replace(space, center=even**2 * space.center)
        head = space.outside(fit(space.directions))
    return head
