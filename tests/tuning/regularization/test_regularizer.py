"""The terms that training switches add to the loss, on a linear model worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.errors import TuningError
from fewshot.training.loop import TrainStep
from fewshot.tuning import FGM, SMART, TemplateConsistency, Training
from fewshot.tuning.regularization.regularizer import Regularizer


class Linear:
    """Scores (0, w * x) of one-token texts whose embedding is x; dropout draws from a list."""

    def __init__(self, values, w=1.0, dropped=()) -> None:
        self.embeddings = nn.Embedding.from_pretrained(torch.tensor(values)[:, None])
        self.w = nn.Parameter(torch.tensor(float(w)))
        self.kept = list(dropped)
        self.passes: list[list[int]] = []

    def scores(self, rows) -> torch.Tensor:
        self.passes.append(list(rows))
        x = self.embeddings(torch.as_tensor(rows)[:, None])[:, 0, 0]
        kept = self.kept.pop(0) if self.kept else 1.0
        score = kept * self.w * x
        return torch.stack([torch.zeros_like(score), score], 1)

    def regularizer(self, other_scores=(), unlabeled=(), **switches) -> Regularizer:
        return Regularizer(
            self.scores,
            self.embeddings,
            np.random.default_rng(0),
            Training(**switches),
            other_scores,
            np.asarray(unlabeled),
        )


def step_of(labels, weights=None, progress=1.0) -> TrainStep:
    n = len(labels)
    return TrainStep(
        np.arange(n),
        torch.eye(2)[labels],
        torch.ones(n) if weights is None else torch.tensor(weights),
        progress=progress,
    )


def other(score: float):
    """Score every text alike, in another wording."""
    return lambda rows: torch.tensor([[0.0, score]]).expand(len(rows), 2)


WORDINGS = ["{text} {mask}"]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


# ---- FGM --------------------------------------------------------------------------------------


def test_fgm_adds_the_loss_on_embeddings_moved_against_the_label():
    model = Linear([2.0])

    loss = model.regularizer(adversarial=FGM(epsilon=0.25)).loss(step_of([1]))

    # The scale of the one embedding is 2, so it moves by 0.5, down: to 1.5.
    assert loss.item() == pytest.approx((softplus(-2.0) + softplus(-1.5)) / 2)


def test_the_move_is_no_part_of_the_gradient():
    model = Linear([2.0])

    model.regularizer(adversarial=FGM(epsilon=0.25)).loss(step_of([1])).backward()

    # d softplus(-w x) / dw = -x sigmoid(-w x), at x = 2 and at x = 1.5.
    expected = sum(-x / (1 + math.exp(x)) for x in (2.0, 1.5)) / 2
    assert float(model.w.grad) == pytest.approx(expected)


# ---- SMART ------------------------------------------------------------------------------------


def test_smart_adds_the_symmetric_kl_at_the_edge_of_the_box():
    model = Linear([2.0])

    with torch.random.fork_rng():
        torch.manual_seed(0)
        loss = model.regularizer(adversarial=SMART(0.25, weight=3.0)).loss(step_of([1]))

    # From 2 to 1.5 or 2.5, whichever side the first noise is on.
    p = 1 / (1 + math.exp(-2.0))
    penalties = []
    for moved in (1.5, 2.5):
        q = 1 / (1 + math.exp(-moved))
        # (p - q) (logit p - logit q) is the sum of both divergences.
        penalties.append(3.0 * (p - q) * (2.0 - moved))
    assert any(
        loss.item() == pytest.approx(softplus(-2.0) + penalty, rel=1e-3) for penalty in penalties
    )


def test_smart_needs_no_label():
    losses = []
    for label in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            plain = Linear([2.0]).regularizer().loss(step_of([label]))
            smooth = Linear([2.0]).regularizer(adversarial=SMART(0.25)).loss(step_of([label]))
        losses.append((smooth - plain).item())

    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] > 0


def test_smart_weighs_examples():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        rough = Linear([2.0, 2.0]).regularizer(adversarial=SMART(0.25))
        loss = rough.loss(step_of([1, 1], [0.0, 0.0]))

    assert loss.item() == 0.0


# ---- R-drop -----------------------------------------------------------------------------------


def test_r_drop_by_hand():
    # Probabilities of class 1: .7 in the first pass, .5 in the second.
    model = Linear([math.log(7 / 3)], dropped=[1.0, 0.0])

    loss = model.regularizer(r_drop=4.0).loss(step_of([1]))

    # Half of the paper's sum: cross-entropies -ln .7 - ln .5, and 4 (0.082283 + 0.087177) / 2.
    assert loss.item() == pytest.approx(
        (-math.log(0.7) - math.log(0.5) + 4 * 0.084730) / 2, abs=1e-5
    )


def test_r_drop_on_a_model_without_dropout_is_an_error():
    with pytest.raises(TuningError, match=r"no dropout: both are equal.*adversarial='smart'"):
        Linear([1.0]).regularizer(r_drop=1.0).loss(step_of([1]))


# ---- Wordings ---------------------------------------------------------------------------------


def test_jensen_shannon_of_two_wordings_by_hand():
    model = Linear([math.log(7 / 3)])
    consistency = TemplateConsistency(WORDINGS, weight=2.0)

    loss = model.regularizer(consistency=consistency, other_scores=[other(0.0)]).loss(step_of([1]))

    # Probabilities (.3, .7) and (.5, .5); their mean is (.4, .6).
    divergence = 0.5 * sum(
        p * math.log(p / m) + q * math.log(q / m) for p, q, m in [(0.3, 0.5, 0.4), (0.7, 0.5, 0.6)]
    )
    assert divergence == pytest.approx(0.0210, abs=1e-4)
    expected = (-math.log(0.7) - math.log(0.5)) / 2 + 2.0 * divergence
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_the_reference_is_not_moved_by_the_other_wording():
    consistency = TemplateConsistency(WORDINGS, weight=1.0, divergence="reference")
    gradients = []
    for others in (other(0.0), other(5.0)):
        model = Linear([1.0])
        model.regularizer(consistency=consistency, other_scores=[others]).loss(
            step_of([1])
        ).backward()
        gradients.append(float(model.w.grad))

    assert gradients[0] == gradients[1]


def test_the_reference_is_kl_of_the_own_wording_to_the_other():
    model = Linear([math.log(7 / 3)])
    consistency = TemplateConsistency(WORDINGS, weight=1.0, divergence="reference")

    loss = model.regularizer(consistency=consistency, other_scores=[other(0.0)]).loss(step_of([1]))

    assert loss.item() == pytest.approx((-math.log(0.7) - math.log(0.5)) / 2 + 0.082283, abs=1e-5)


def test_equal_wordings_add_nothing():
    for divergence in ("jensen-shannon", "reference"):
        model = Linear([1.5])
        consistency = TemplateConsistency(WORDINGS, divergence=divergence)

        loss = model.regularizer(consistency=consistency, other_scores=[model.scores]).loss(
            step_of([1])
        )

        assert loss.item() == pytest.approx(softplus(-1.5), abs=1e-6)


def test_the_weight_rises_over_the_first_fifth_of_the_steps():
    consistency = TemplateConsistency(WORDINGS, weight=3.0)

    assert [consistency.weight_at(p) for p in (0.0, 0.1, 0.2, 0.9)] == [0.0, 1.5, 3.0, 3.0]


def test_unlabelled_texts_are_asked_for_agreement_only():
    model = Linear([math.log(7 / 3), 1.0])
    consistency = TemplateConsistency(WORDINGS, weight=1.0, divergence="reference")
    regularizer = model.regularizer(
        consistency=consistency, other_scores=[other(1.0)], unlabeled=np.array([0])
    )
    step = TrainStep(np.array([1]), torch.eye(2)[[0]], torch.ones(1), progress=1.0)

    loss = regularizer.loss(step)

    # The labelled text agrees with the other wording; the unlabelled one has .7 against .731.
    p, q = 0.7, 1 / (1 + math.exp(-1.0))
    divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert loss.item() == pytest.approx(softplus(1.0) + divergence / 2, abs=1e-6)


def test_without_a_weight_unlabelled_texts_are_not_read():
    model = Linear([1.0, 2.0])
    consistency = TemplateConsistency(WORDINGS, weight=0.0)

    loss = model.regularizer(
        consistency=consistency, other_scores=[other(0.0)], unlabeled=np.array([1])
    ).loss(TrainStep(np.array([0]), torch.eye(2)[[1]], torch.ones(1)))

    assert model.passes == [[0]]
    assert loss.item() == pytest.approx((softplus(-1.0) + math.log(2)) / 2)


def test_wordings_are_drawn_at_random():
    seen = []
    regularizer = Linear([1.0]).regularizer(
        consistency=TemplateConsistency(WORDINGS),
        other_scores=[
            lambda rows, i=i: seen.append(i) or torch.zeros(len(rows), 2) for i in range(3)
        ],
    )

    for _ in range(40):
        regularizer.loss(step_of([1]))

    assert set(seen) == {0, 1, 2}


# ---- All at once ------------------------------------------------------------------------------


def test_all_cross_entropies_are_averaged():
    model = Linear([2.0], dropped=[1.0, 1.0, 0.5])
    regularizer = model.regularizer(
        adversarial=FGM(epsilon=0.25),
        r_drop=1e-9,
        consistency=TemplateConsistency(WORDINGS, weight=0.0),
        other_scores=[other(0.0)],
    )

    loss = regularizer.loss(step_of([1]))

    # As it is, moved to 1.5, half dropped, in the other wording.
    expected = (softplus(-2.0) + softplus(-1.5) + softplus(-1.0) + math.log(2)) / 4
    assert loss.item() == pytest.approx(expected, abs=1e-6)
