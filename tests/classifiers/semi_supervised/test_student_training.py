"""A student on a task small enough to know what should happen: wrong labels are found out."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.student_training import StudentTraining
from fewshot.training.loop import Learner, TrainSettings

N_LABELLED, N_POOL, N_TEST, WIDTH = 20, 150, 500, 10


def planted(weights, seed):
    """Learn two clouds of points from labels of which 30 % are flipped.

    Returns the mean weight of all, of right and of flipped labels, and the accuracy on
    other points.
    """
    rng = np.random.default_rng(seed)
    n = N_LABELLED + N_POOL
    truth = np.arange(n + N_TEST) % 2
    points = rng.normal(size=(n + N_TEST, WIDTH))
    points[:, 0] += 4.0 * truth - 2.0
    pool = np.arange(N_LABELLED, n)
    is_flipped = rng.random(N_POOL) < 0.3
    targets = np.eye(2)[truth]
    targets[pool] = 0.05 + 0.9 * np.eye(2)[np.where(is_flipped, 1 - truth[pool], truth[pool])]
    x, layer = torch.from_numpy(points).float(), nn.Linear(WIDTH, 2)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    learner = Learner(
        lambda rows: layer(x[rows]),
        dict(layer.named_parameters()),
        layer.train,
        np.full(n + N_TEST, 10),
    )
    sample_weight = (np.arange(n + N_TEST) < n).astype(float)
    task = SimpleNamespace(unlabeled=pool, sample_weight=sample_weight, targets=targets, rng=rng)
    settings = TrainSettings(3e-2, num_epochs=1, batch_size=4, weight_decay=0.0, warmup_ratio=0.0)

    training = StudentTraining(task, learner, settings, n_steps=150, batch_size=16, weights=weights)
    training.learn()

    found = training.mean_weights(pool)
    right = layer(x[n:]).argmax(1).numpy() == truth[n:]
    mean = training.sums.sum() / training.n_drawn.sum()
    return mean, np.nanmean(found[~is_flipped]), np.nanmean(found[is_flipped]), right.mean()


def test_the_texts_compared_with_are_of_all_classes_alike():
    asked, layer = [], nn.Linear(1, 2)
    classes = np.array([0] * 6 + [1] * 3 + [2] * 3 + [0] * 20)  # and a pool

    def scores(rows):
        asked.append(np.asarray(rows))
        return torch.cat([layer(torch.ones(len(rows), 1)), torch.zeros(len(rows), 1)], 1)

    parameters = dict(layer.named_parameters())
    learner = Learner(scores, parameters, layer.train, np.ones(32, dtype=int))
    task = SimpleNamespace(
        unlabeled=np.arange(12, 32),
        sample_weight=np.ones(32),
        targets=np.eye(3)[classes],
        rng=np.random.default_rng(0),
    )
    settings = TrainSettings(1e-3, num_epochs=1, batch_size=5)
    weights = MetaWeights(batch_size=6, warmup_fraction=0.0)

    StudentTraining(task, learner, settings, n_steps=8, batch_size=10, weights=weights).learn()

    compared = [rows for rows in asked if len(rows) == 6]
    assert len(compared) == 8
    for first, second in zip(compared[::2], compared[1::2], strict=True):
        assert np.bincount(classes[first]).tolist() == [2, 2, 2]
        assert sorted([*first, *second]) == list(range(12))


def test_texts_are_weighed_without_dropout_and_learned_with_it():
    trains, layer = [], nn.Linear(1, 2)

    def scores(rows):
        trains.append(layer.training)
        return layer(torch.ones(len(rows), 1))

    learner = Learner(scores, dict(layer.named_parameters()), layer.train, np.ones(8, dtype=int))
    task = SimpleNamespace(
        unlabeled=np.arange(4, 8),
        sample_weight=np.ones(8),
        targets=np.eye(2)[[0, 1] * 4],
        rng=np.random.default_rng(0),
    )
    settings = TrainSettings(1e-3, num_epochs=1, batch_size=4)
    weights = MetaWeights(batch_size=4, warmup_fraction=0.0)

    StudentTraining(task, learner, settings, n_steps=2, batch_size=4, weights=weights).learn()

    # Two steps: texts that are compared with, those that are weighed, twice, and the step itself.
    assert trains == [False, False, False, True] * 2 + [True]  # then the labels


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_flipped_labels_weigh_less_and_do_less_harm_than_with_uniform_weights(seed):
    mean, right, flipped, accuracy = planted(MetaWeights(warmup_fraction=0.3), seed)
    *_, uniform = planted(None, seed)

    assert mean == pytest.approx(1, abs=0.02), "the weights of a step sum to 1"
    assert right > 2 * flipped
    assert accuracy > uniform + 0.02
