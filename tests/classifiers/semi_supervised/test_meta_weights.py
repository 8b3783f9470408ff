"""Weights of pseudo-labelled examples: the numbers of the specification, and the identity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.classifiers.semi_supervised.meta_weights import (
    alignments,
    kl_losses,
    normalized_weights,
)
from fewshot.tuning import Adapter
from tests.tiny_models import tiny_bert
from tests.tuning.tasks import make_task

# ---- Numbers of ../shared/methods/list.md -----------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "guard", "expected"),
    [
        (5e-6, 1e-6, [0.540541, 0, 0.405405]),
        (1e-4, 1e-6, [0.569801, 0, 0.427350]),
        (1.0, 0.0, [4 / 7, 0, 3 / 7]),
    ],
)
def test_weights_are_what_is_above_zero_normalised(rate, guard, expected):  # list.md, E1
    weights = normalized_weights(rate * torch.tensor([2.0, -0.5, 1.5]), guard)

    assert weights.tolist() == pytest.approx(expected, abs=1e-6)


def logistic_losses(theta, x, y):
    return nn.functional.binary_cross_entropy_with_logits(x @ theta, y, reduction="none")


def test_alignments_are_the_derivatives_by_the_weights_of_a_virtual_step():  # list.md, E2
    theta = nn.Parameter(torch.tensor([0.1, -0.2], dtype=torch.float64))
    x = torch.tensor([[1.0, 2.0], [0.0, 1.0], [2.0, -1.0]], dtype=torch.float64)
    y = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    one = torch.ones(1, 2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(logistic_losses(theta, one, one[:, 0]).mean(), theta)

    found = alignments(lambda: logistic_losses(theta, x, y), [theta], [gradient])

    derivatives = -0.1 * gradient.norm() * found  # eta = 0.1
    assert derivatives.tolist() == pytest.approx([-0.090471, 0.023633, -0.021068], abs=1e-6)
    weights = normalized_weights(-derivatives)
    assert weights.tolist() == pytest.approx([0.811108, 0, 0.188883], abs=1e-6)


def test_kl_differs_from_cross_entropy_by_the_entropy_of_the_targets():  # list.md, E3
    targets, scores = torch.tensor([[0.7, 0.2, 0.1]]), torch.tensor([[1.0, 0.0, -1.0]])

    divergence = float(kl_losses(scores, targets))

    assert divergence == pytest.approx(0.00578741, abs=1e-7)
    assert divergence + 0.801819 == pytest.approx(0.807606, abs=1e-6)


def test_the_gradient_of_kl_is_the_difference_of_probabilities():  # list.md, E3
    scores = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)

    kl_losses(scores, torch.tensor([[0.7, 0.2, 0.1]])).sum().backward()

    expected = [0.665241 - 0.7, 0.244728 - 0.2, 0.090031 - 0.1]
    assert scores.grad[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_equal_examples_weigh_alike():  # list.md, E4
    assert normalized_weights(torch.ones(16), 1e-5).tolist() == pytest.approx([0.06249996] * 16)


def test_where_no_example_helps_all_weigh_nothing():
    assert normalized_weights(torch.tensor([-1.0, 0.0])).tolist() == [0.0, 0.0]


# ---- The identity on a masked language model --------------------------------------------------


class Bound(nn.Module):
    """Scores as a function of parameters that can be replaced."""

    def __init__(self, scorer, views):
        super().__init__()
        self.model, self.added = scorer.lm.model, scorer.lm.added
        self.head = scorer.lm.mask_head._module  # shares the model's parameters
        self.scores = lambda rows: scorer.train_scores(views, rows)

    def forward(self, rows):
        return self.scores(rows)


@pytest.fixture(scope="module")
def tuned():
    """A task whose model has LiST's adapters, moved away from where they start."""
    model, tokenizer = tiny_bert()
    model.set_attn_implementation("eager")  # the usual attention has no second derivative
    adapter = Adapter(reduction=4, placement="houlsby", activation="linear", also_tuned="head")
    task = adapter.prepare(make_task((model, tokenizer)))
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in task.scorer.lm.tuned_parameters().items():
            if name.startswith("added."):
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=noise))
    return task


LABELLED, POOL = np.array([0, 5]), np.array([1, 2, 3, 6, 7, 8])
SOFT = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])


def labelled_loss(scores, task):
    targets = torch.from_numpy(task.targets[LABELLED]).to(scores)
    return -(targets * scores.log_softmax(-1)).sum(-1).mean()


def test_the_difference_equals_the_literal_double_backward(tuned):
    scorer, names = tuned.scorer, list(tuned.scorer.lm.tuned_parameters())
    parameters = list(scorer.lm.tuned_parameters().values())
    bound = Bound(scorer, tuned.views)
    own = {name if name.startswith("added.") else f"model.{name}": name for name in names}

    # The paper's code: a virtual step with a weight of 0 for each example, differentiated by them.
    epsilon = torch.zeros(len(POOL), requires_grad=True)
    losses = kl_losses(bound(POOL), SOFT)
    grads = torch.autograd.grad((epsilon * losses).sum(), parameters, create_graph=True)
    stepped = {name: p - 0.1 * g for name, p, g in zip(own, parameters, grads, strict=True)}
    ahead = torch.func.functional_call(bound, stepped, (LABELLED,))
    (derivatives,) = torch.autograd.grad(labelled_loss(ahead, tuned), epsilon)

    gradient = torch.autograd.grad(labelled_loss(bound(LABELLED), tuned), parameters)
    length = torch.stack([part.square().sum() for part in gradient]).sum().sqrt()
    ours = alignments(lambda: kl_losses(bound(POOL).double(), SOFT.double()), parameters, gradient)

    expected = -derivatives / (0.1 * length)
    assert float(expected.abs().max()) > 0.01
    np.testing.assert_allclose(ours.numpy(), expected.numpy(), rtol=2e-3, atol=1e-4)


def test_parameters_are_put_back_to_the_last_bit(tuned):
    parameters = list(tuned.scorer.lm.tuned_parameters().values())
    before = [parameter.detach().clone() for parameter in parameters]
    scores = tuned.scorer.train_scores(tuned.views, LABELLED)
    gradient = torch.autograd.grad(labelled_loss(scores, tuned), parameters)

    alignments(
        lambda: kl_losses(tuned.scorer.train_scores(tuned.views, POOL), SOFT), parameters, gradient
    )

    assert all(torch.equal(a, b) for a, b in zip(before, parameters, strict=True))


def test_a_gradient_of_zero_aligns_with_nothing():
    theta = nn.Parameter(torch.ones(2))

    found = alignments(lambda: theta * 1.0, [theta], [torch.zeros(2)])

    assert found.tolist() == [0.0, 0.0]
