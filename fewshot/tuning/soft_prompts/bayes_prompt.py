"""BayesPrompt: prompt values drawn from the domain's distribution, refined by SVGD."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, softmax
from sklearn.mixture import GaussianMixture

Array = npt.NDArray[np.float64]

_STEPS, _STEP = 500, 0.01  # of units of the features' standard deviation
_MEMORY, _FUDGE = 0.9, 1e-6  # of the running mean of squared directions
_MAX_DIMENSIONS = 32  # more than a few texts can tell anything about
_REG_COVAR = 0.1  # as the official code


class Mixture(NamedTuple):
    """Gaussians with diagonal covariances.

    Parameters
    ----------
    weights : ndarray of shape (n_components,)
    means : ndarray of shape (n_components, n_dimensions)
    variances : ndarray of shape (n_components, n_dimensions)
    """

    weights: Array
    means: Array
    variances: Array

    def responsibilities(self, points: Array) -> Array:
        """Return the components' shares of each point, [n, n_components]."""
        return np.asarray(softmax(self._log_densities(points), axis=1))

    def log_density(self, points: Array) -> Array:
        """Return the log density at each point, [n]."""
        return np.asarray(logsumexp(self._log_densities(points), axis=1))

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
    """Return the direction of Stein variational gradient descent for each particle.

    The bandwidth is ``h^2 = median / (2 log(n + 1))`` of the squared distances between different
    particles: with those to themselves, the median of two would be 0.

    Parameters
    ----------
    particles : ndarray of shape (n, n_dimensions)
    scores : ndarray of shape (n, n_dimensions)
        Gradients of the target's log density at the particles.

    Returns
    -------
    ndarray of shape (n, n_dimensions)

    References
    ----------
    Liu and Wang (2016), Stein Variational Gradient Descent, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.array([[-1.0], [0.0], [1.0]])
    >>> svgd_direction(points, 2 - points).round(4).ravel().tolist()
    [0.9297, 1.0, 0.7422]
    """
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
    """Move particles to a target distribution.

    Parameters
    ----------
    particles : ndarray of shape (n, n_dimensions)
    target : Mixture
    steps : int, default=500
    step : float, default=0.01
        About the way of one step along each dimension, whatever the size of the direction.

    Returns
    -------
    ndarray of shape (n, n_dimensions)
    """
    moved = particles.copy()
    history = np.zeros_like(moved)
    for i in range(steps):
        direction = svgd_direction(moved, target.score(moved))
        squared = direction**2
        history = squared if i == 0 else _MEMORY * history + (1 - _MEMORY) * squared
        moved += step * direction / (_FUDGE + np.sqrt(history))
    return moved


def domain_particles(
    few: Array, domain: Array, n_components: int, rng: np.random.Generator
) -> Array:
    """Move the features of a few texts to the distribution of many.

    Features are centred, reduced to their main directions and scaled to unit variance first: the
    step is of that scale, and a few texts say nothing of hundreds of dimensions.

    Parameters
    ----------
    few : ndarray of shape (n_few, n_features)
        Mean word embeddings of the labelled texts.
    domain : ndarray of shape (n_domain, n_features)
        Those of all texts of the domain.
    n_components : int
        Gaussians of the mixture; no more than there are texts.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_few, n_features)
    """
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
    """Make prompt vectors: each is the mean of some particles, drawn without replacement.

    Parameters
    ----------
    particles : ndarray of shape (n, width)
    n_tokens : int
    n_drawn : int
        Particles of a mean; the official code takes as many as there are classes.
    norm : float
        Length that the vectors get, such as that of word embeddings. (Means are shorter.)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_tokens, width)
    """
    n_drawn = min(n_drawn, len(particles))
    draws = [rng.choice(len(particles), n_drawn, replace=False) for _ in range(n_tokens)]
    means = np.stack([particles[drawn].mean(0) for drawn in draws])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    vectors: Array = means * np.divide(norm, lengths, out=np.ones_like(lengths), where=lengths > 0)
    return vectors
