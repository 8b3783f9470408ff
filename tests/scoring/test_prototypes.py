"""PERFECT's label embeddings: the worked numbers of the specification."""

from __future__ import annotations

import math

import pytest
import torch

from fewshot.scoring.prototypes import (
    LabelEmbeddings,
    _nearest,
    class_prototypes,
    matching_scores,
    multi_class_hinge,
    squared_distances,
)


def similarity(state, prototype):
    distance = squared_distances(torch.tensor([[state]]), torch.tensor([[prototype]]))
    return math.exp(-distance.item())


def test_each_mask_is_scored_against_its_own_embeddings():
    # All products of two masks with the rows (class 0, mask 0), (0, 1), (1, 0), (1, 1): 0 to 7.
    states = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    embeddings = torch.tensor([[[0.0, 4], [1.0, 5]], [[2.0, 6], [3.0, 7]]])

    scores = matching_scores(states, embeddings)

    assert scores.tolist() == [[[0, 2], [5, 7]]]


@pytest.mark.parametrize(
    ("scores", "loss"), [((2.0, 1.5, 0.2), 0.16667), ((1.0, 2.0), 1.0), ((3.0, 2.0, 1.0), 0.0)]
)
def test_the_hinge_loss_is_divided_by_the_number_of_classes(scores, loss):
    targets = torch.eye(len(scores))[:1]

    value = multi_class_hinge(torch.tensor([[scores]]), targets)

    assert value.item() == pytest.approx(loss, abs=1e-5)
    reference = torch.nn.MultiMarginLoss()(torch.tensor([scores]), torch.tensor([0]))
    assert value.item() == pytest.approx(reference.item())


def test_the_hinge_loss_of_multi_mask_pet_is_the_same_but_for_the_divisor():  # pet.md, E6
    losses = torch.tensor([2.0, 2.5, 3.5])  # minus the scores of the right and two wrong labels

    value = multi_class_hinge(-losses[None, None], torch.eye(3)[:1])

    assert 3 * value.item() == pytest.approx(0.5)


def test_the_hinge_loss_is_the_mean_over_masks_and_soft_targets():
    scores = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])  # losses 1 and 0 for class 0; 0 and 2 for 1

    assert multi_class_hinge(scores, torch.tensor([[1.0, 0.0]])).item() == pytest.approx(0.5)
    assert multi_class_hinge(scores, torch.tensor([[0.5, 0.5]])).item() == pytest.approx(0.75)


def test_embeddings_of_nothing_lose_the_margin_to_all_other_classes():
    loss = multi_class_hinge(torch.zeros(3, 2, 2), torch.eye(2)[[0, 1, 0]])

    assert loss.tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("prototype", "expected"),
    [((1.0, 1.0), 0.55667), ((0.0, 1.0), 0.13534), ((-1.0, 0.0), 0.01832), ((2.0, 0.0), 1.0)],
)
def test_similarities_are_those_of_normalised_vectors(prototype, expected):
    assert similarity((1.0, 0.0), prototype) == pytest.approx(expected, abs=1e-5)


def test_prototypes_are_weighted_means_of_the_classes_states():
    states = torch.arange(6.0).view(3, 1, 2)
    shares = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])

    prototypes = class_prototypes(states, shares)

    assert prototypes.tolist() == [[[1.5, 2.5]], [[4.0, 5.0]]]


def test_the_best_mask_decides_and_the_mean_breaks_ties():
    vectors = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 0.0]]])
    labels = LabelEmbeddings(("a", "b"), vectors, temperature=1.0)

    # Mask 0 matches class a, mask 1 class b; the other mask is 45 degrees off b, 90 off a.
    scores = labels.scores(torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]))

    assert labels.mask_counts == (2,)
    assert scores.argmax(1).tolist() == [1]
    assert scores.exp().sum().item() == pytest.approx(1)
    assert abs(float(scores[0, 0] - scores[0, 1])) < 1e-2


def test_states_are_compared_mask_by_mask():
    states = torch.tensor([[[3.0, 4.0], [0.0, 2.0]], [[2.0, 0.0], [-1.0, 0.0]]])
    prototypes = torch.tensor([[[1.0, 0.0], [5.0, 0.0]]])

    distances = squared_distances(states, prototypes)

    # The cosines are 0.6 and 0 in the first text, 1 and -1 in the second.
    assert distances.flatten().tolist() == pytest.approx([0.8, 2.0, 0.0, 4.0], abs=1e-6)


def test_of_equally_near_masks_the_mean_over_masks_breaks_the_tie():
    near = _nearest(torch.tensor([[[1.0, 2.0, 3.0], [1.0, 1.5, 1.6]]]))

    assert near.shape == (1, 2)
    assert near[0, 1] < near[0, 0]
