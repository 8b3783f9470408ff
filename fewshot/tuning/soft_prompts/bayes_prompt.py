"""BayesPrompt: initial prompts drawn from the domain's distribution, refined by SVGD."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.mixture import GaussianMixture

Array = npt.NDArray[np.float64]

_STEPS, _STEP = 500, 0.01  # of units of the features' standard deviation
_MEMORY, _FUDGE = 0.9, 1e-6  # of the running mean of squared directions
_MAX_DIMENSIONS = 32  # more than a few texts can determine
_REG_COVAR = 0.1  # as the official code


class Mixture(NamedTuple):
    """Gaussians with diagonal covariances."""

    weights: Array  # [n_components]
    means: Array  # [n_components, n_dimensions]
    variances: Array  # [n_components, n_dimensions]

    def responsibilities(self, points: Array) -> Array:
        """Return the components' shares of each point, [n, n_components]."""
        return np.asarray(softmax(self._log_densities(points), axis=1))

    def score(self, points: Array) -> Array:
        """Return the gradient of the log density at each point, [n, n_dimensions]."""
        pulls = (self.means - points[:, None]) / self.variances
        gradient: Array = (self.responsibilities(points)[..., None] * pulls).sum(1)
        return gradient

    def _log_densities(self, points: Array) -> Array:
        squares = (points[:, None] - self.means) ** 2 / self.variances
        normalisers = np.log(2 * np.pi * self.variances).sum(1)
        densities: Array = np.log(self.weights) - (squares.sum(-1) + normalisers) / 2
        return densities


def svgd_direction(particles: Array, scores: Array) -> Array:
    """Return the direction of Stein variational gradient descent for each particle."""
    # The scores are gradients of the target's log density at the particles. The bandwidth is `h^2 =
    # median / (2 log(n + 1))` of the squared distances between different particles: with those to
    # themselves, the median of two would be 0.
    # Liu and Wang (2016), Stein Variational Gradient Descent, algorithm 1.
    n = len(particles)
    squares = ((particles[:, None] - particles) ** 2).sum(-1)
    different = squares[np.triu_indices(n, 1)]
    median = float(np.median(different)) if len(different) else 0.0
    # Equal particles (or a single one) do not repel one another.
    squared_width = median / (2 * np.log(n + 1)) if median > 0 else 1.0
    kernel = np.exp(-squares / (2 * squared_width))
    repulsion = (particles * kernel.sum(1)[:, None] - kernel @ particles) / squared_width
    direction: Array = (kernel @ scores + repulsion) / n
    return direction


def svgd(particles: Array, target: Mixture, *, steps: int = _STEPS, step: float = _STEP) -> Array:
    """Move particles to a target distribution."""
    # A step moves each dimension by about `step`, whatever the size of the direction.
    moved = particles.copy()
    history = np.zeros_like(moved)
    for i in range(steps):
        direction = svgd_direction(moved, target.score(moved))
        squared = direction**2
        history = squared if i == 0 else _MEMORY * history + (1 - _MEMORY) * squared
        moved += step * direction / (_FUDGE + np.sqrt(history))
    return moved


def domain_particles(
    few: Array,  # [n_few, n_features]: mean word embeddings of the labelled texts
    domain: Array,  # [n_domain, n_features]: those of all texts
    n_components: int,
    rng: np.random.Generator,
) -> Array:
    """Move the features of a few texts to the distribution of many."""
    # Features are centred, reduced to their main directions and scaled to unit variance first: the
    # step has that scale, and a few texts cannot determine hundreds of dimensions.
    if len(domain) < 2 or np.allclose(domain, domain[0]):
        return np.broadcast_to(domain.mean(0), few.shape).copy()
    center = domain.mean(0)
    _, _, directions = np.linalg.svd(domain - center, full_matrices=False)
    directions = directions[: min(_MAX_DIMENSIONS, len(domain) - 1)]
    projected = (domain - center) @ directions.T
    scale = np.sqrt((projected**2).mean())
    model = GaussianMixture(
        min(n_components, len(domain)),
        covariance_type="diag",
        reg_covar=_REG_COVAR,
        random_state=int(rng.integers(2**31)),
    ).fit(projected / scale)
    target = Mixture(model.weights_, model.means_, model.covariances_)
    moved = svgd((few - center) @ directions.T / scale, target)
    particles: Array = center + scale * moved @ directions
    return particles


def prompt_from_particles(
    particles: Array, n_tokens: int, n_drawn: int, norm: float, rng: np.random.Generator
) -> Array:
    """Make prompt vectors of a norm, each the mean of `n_drawn` different particles."""
    # The official code draws as many as there are classes. Means are shorter than word embeddings,
    # so they are rescaled to a norm such as theirs.
    n_drawn = min(n_drawn, len(particles))
    draws = [rng.choice(len(particles), n_drawn, replace=False) for _ in range(n_tokens)]
    means = np.stack([particles[drawn].mean(0) for drawn in draws])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    vectors: Array = means * np.divide(norm, lengths, out=np.ones_like(lengths), where=lengths > 0)
    return vectors
