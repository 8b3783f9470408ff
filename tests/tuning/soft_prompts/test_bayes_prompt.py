"""BayesPrompt's particles: the worked numbers of the specification."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from fewshot.tuning.soft_prompts.bayes_prompt import (
    Mixture,
    domain_particles,
    prompt_from_particles,
    svgd,
    svgd_direction,
)


def normal(mean):
    means = np.array([mean], dtype=float)
    return Mixture(np.ones(1), means, np.ones_like(means))


# ---- The score --------------------------------------------------------------------------------


def test_the_score_of_a_normal_distribution_points_to_its_mean():
    points = np.array([[0.0, 0.0], [5.0, 1.0]])

    assert normal([3, -1]).score(points).tolist() == [[3, -1], [-2, -2]]


def test_between_far_components_only_the_near_one_pulls():
    mixture = Mixture(np.full(2, 0.5), np.array([[-50.0], [50.0]]), np.ones((2, 1)))

    assert mixture.responsibilities(np.array([[48.0]])).tolist() == [[0, 1]]
    assert mixture.score(np.array([[48.0]])).tolist() == [[2.0]]


def test_the_score_is_the_gradient_of_the_log_density():
    rng = np.random.default_rng(0)
    weights, means = np.array([0.3, 0.7]), rng.normal(size=(2, 3))
    variances = rng.uniform(0.5, 2, size=(2, 3))
    mixture = Mixture(weights, means, variances)
    point, step = rng.normal(size=3), 1e-6

    def log_density(x):
        return np.log(weights @ norm.pdf(x, means, variances**0.5).prod(1))

    slopes = [
        (log_density(point + d) - log_density(point - d)) / (2 * step) for d in step * np.eye(3)
    ]

    assert mixture.score(point[None])[0] == pytest.approx(slopes, abs=1e-6)


def test_many_dimensions_do_not_underflow():
    mixture = Mixture(np.full(2, 0.5), np.zeros((2, 1024)), np.ones((2, 1024)))

    assert np.isfinite(mixture.score(np.full((1, 1024), 9.0))).all()


# ---- Stein variational gradient descent -------------------------------------------------------


def test_the_worked_direction():
    particles = np.array([[-1.0], [0.0], [1.0]])

    direction = svgd_direction(particles, normal([2]).score(particles))

    assert direction.ravel() == pytest.approx([0.92970, 1.0, 0.74218], abs=1e-5)


def test_particles_reach_the_target_and_do_not_collapse():
    start = np.random.default_rng(0).normal(size=(50, 2))

    moved = svgd(start, normal([3, -1]), steps=1000)

    assert moved.mean(0) == pytest.approx([3, -1], abs=0.02)
    assert moved.std(0) == pytest.approx([0.935, 0.935], abs=0.02)
    distances = np.linalg.norm(moved[:, None] - moved, axis=-1)
    assert distances[np.triu_indices(50, 1)].min() > 0.01


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_particles_give_numbers(n):
    moved = svgd(np.arange(2.0 * n).reshape(n, 2), normal([1, 1]), steps=50)

    assert np.isfinite(moved).all()


# ---- Prompts ----------------------------------------------------------------------------------


def domain(seed=0, n=60, width=40, shift=0.0):
    return np.random.default_rng(seed).normal(size=(n, width)) + shift


def test_the_domain_moves_the_particles():
    few = domain()[:8]

    here = domain_particles(few, domain(), 2, np.random.default_rng(0))
    there = domain_particles(few + 5, domain(shift=5.0), 2, np.random.default_rng(0))

    assert here.shape == (8, 40)
    assert (there - here).mean() == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_hardly_any_texts_give_numbers(n):
    texts = domain(n=n)

    particles = domain_particles(texts, texts, 4, np.random.default_rng(0))

    assert np.isfinite(particles).all()


def test_all_equal_texts_give_themselves():
    texts = np.ones((5, 3))

    assert domain_particles(texts[:2], texts, 2, np.random.default_rng(0)).tolist() == [
        [1, 1, 1],
        [1, 1, 1],
    ]


def test_prompt_vectors_are_means_of_particles_with_the_norm_asked_for():
    particles = domain(n=3, width=2)

    whole = prompt_from_particles(particles, 2, 3, 1.5, np.random.default_rng(0))
    one = prompt_from_particles(particles, 4, 1, 1.5, np.random.default_rng(0))

    mean = particles.mean(0)
    assert whole == pytest.approx(np.tile(1.5 * mean / np.linalg.norm(mean), (2, 1)))
    unit = particles / np.linalg.norm(particles, axis=1, keepdims=True)
    for vector in one:
        assert (np.abs(1.5 * unit - vector).sum(1) < 1e-12).any()


def test_the_seed_decides_which_particles_are_drawn():
    particles = domain(n=20)

    first, same, other = (
        prompt_from_particles(particles, 3, 4, 1.0, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )

    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
