"""The training loop: schedules, early stopping and random states, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fewshot.errors import ModelError, TuningError
from fewshot.training.loop import Learner, TrainSettings, TrainStep, train
from fewshot.training.losses import soft_cross_entropy


class Linear:
    """Scores two classes of numbers: x * w + b; every batch it is asked for is remembered."""

    def __init__(self, x: list[float], w: float = 0.0, b: float = 0.0) -> None:
        self.x = torch.tensor(x)
        self.weight = nn.Parameter(torch.tensor([[0.0, w]]))
        self.bias = nn.Parameter(torch.tensor([0.0, b]))
        self.batches: list[list[int]] = []
        self.modes: list[bool] = []

    @property
    def learner(self) -> Learner:
        return Learner(
            scores=self.scores,
            parameters={"weight": self.weight, "bias": self.bias},
            set_training=self.modes.append,
            n_tokens=np.full(len(self.x), 3),
        )

    def scores(self, batch: np.ndarray) -> torch.Tensor:
        self.batches.append(batch.tolist())
        return self.x[batch][:, None] @ self.weight + self.bias


def settings_of(**changes) -> TrainSettings:
    defaults = {"learning_rate": 0.1, "num_epochs": 3, "batch_size": 2, "weight_decay": 0.0}
    return TrainSettings(**(defaults | changes))


X = [-2.0, -1.0, 1.0, 2.0, 0.5]
Y = np.eye(2)[[0, 0, 1, 1, 0]]


def run(model: Linear, targets=Y, weights=None, seed=0, valid=None, **changes):
    weights = np.ones(len(model.x)) if weights is None else np.array(weights, dtype=float)
    rng = np.random.default_rng(seed)
    return train(model.learner, targets, weights, settings_of(**changes), rng, valid=valid)


# ---- The loss ---------------------------------------------------------------------------------


def test_training_lowers_the_loss_of_the_learner():
    model = Linear(X)
    learner = replace(model.learner, loss=lambda step: (model.bias[1] - 3) ** 2)

    train(learner, Y, np.ones(5), settings_of(num_epochs=40), np.random.default_rng(0))

    assert float(model.bias[1].detach()) == pytest.approx(3.0, abs=0.5)


def test_training_that_diverges_is_an_error():
    with pytest.raises(TuningError, match=r"the loss is (nan|inf) .*lower learning_rate"):
        run(Linear(X), learning_rate=1e38, num_epochs=20, max_grad_norm=1e38)


def test_a_loss_that_is_nan_before_the_first_step_is_the_models():
    with pytest.raises(ModelError, match="loss is nan before the first step: the weights or"):
        run(Linear([np.nan] * len(X)))


# ---- Steps and schedules ----------------------------------------------------------------------


@pytest.mark.parametrize(("n_examples", "expected"), [(1, 3), (2, 3), (3, 6), (4, 6), (5, 9)])
def test_steps_are_batches_times_epochs(n_examples, expected):
    assert settings_of(batch_size=2, num_epochs=3).steps(n_examples) == expected


@pytest.mark.parametrize(
    ("schedule", "warmup_ratio", "expected"),
    [
        ("linear", 0.2, [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("linear", 0.0, [1.0, 0.75, 0.5, 0.25]),
        ("linear", 1.0, [0.25, 0.5, 0.75, 1.0]),
        ("constant", 0.2, [0.5] + [1.0] * 9),
        ("cosine", 0.2, [0.5, 1.0] + [0.5 * (1 + math.cos(math.pi * i / 8)) for i in range(8)]),
    ],
)
def test_schedules_by_hand(schedule, warmup_ratio, expected):
    settings, n_steps = settings_of(schedule=schedule, warmup_ratio=warmup_ratio), len(expected)

    assert [settings.rate(step, n_steps) for step in range(n_steps)] == pytest.approx(expected)


def test_each_epoch_visits_each_example_once():
    model = Linear(X)

    run(model, num_epochs=2, batch_size=2)

    assert [len(batch) for batch in model.batches] == [2, 2, 1] * 2
    for epoch in (model.batches[:3], model.batches[3:]):
        assert sorted(row for batch in epoch for row in batch) == [0, 1, 2, 3, 4]


def test_the_first_step_is_adams():
    model = Linear([1.0], w=0.0, b=0.0)

    run(model, np.array([[0.0, 1.0]]), num_epochs=1, warmup_ratio=0.0, learning_rate=0.1)

    # Adam's first step is the learning rate against the gradient's sign.
    assert model.weight.tolist() == [pytest.approx([-0.1, 0.1], abs=1e-4)]
    assert model.bias.tolist() == pytest.approx([-0.1, 0.1], abs=1e-4)
    assert model.weight.grad is None  # the next step would add to it


def test_matrices_are_decayed_and_biases_are_not():
    model = Linear([0.0], w=10.0, b=10.0)

    # The target equals the prediction, so only the decay moves anything.
    proba = 1 / (1 + math.exp(-10))
    run(
        model,
        np.array([[1 - proba, proba]]),
        num_epochs=1,
        warmup_ratio=0.0,
        learning_rate=0.1,
        weight_decay=0.5,
    )

    assert float(model.weight[0, 1].detach()) == pytest.approx(10 * (1 - 0.1 * 0.5), abs=1e-3)
    assert float(model.bias[1].detach()) == pytest.approx(10, abs=1e-3)


def test_large_gradients_are_clipped():
    steps = []
    for scale in (1.0, 1000.0):
        model = Linear([scale], w=0.0)
        optimizer_free = TrainSettings(0.1, 1, 1, max_grad_norm=1e-12, warmup_ratio=0.0)
        train(
            model.learner,
            np.array([[0.0, 1.0]]),
            np.ones(1),
            optimizer_free,
            np.random.default_rng(0),
        )
        steps.append(abs(float(model.weight[0, 1].detach())))

    # Adam divides by the gradient's size plus 1e-8: what is clipped far below that hardly moves.
    assert max(steps) < 1e-4


# ---- Learning ---------------------------------------------------------------------------------


def test_it_learns():
    model = Linear([-2.0, -1.0, 1.0, 2.0])

    history = run(model, np.eye(2)[[0, 0, 1, 1]], num_epochs=60)

    assert history[-1]["loss"] < 0.1 < history[0]["loss"]
    assert model.scores(np.arange(4)).argmax(1).tolist() == [0, 0, 1, 1]


def test_the_history_tells_each_epoch():
    history = run(Linear(X), num_epochs=2, warmup_ratio=0.0, schedule="linear")

    assert [row["epoch"] for row in history] == [0, 1]
    assert [row["tokens"] for row in history] == [15, 15]
    # Six steps; the last of each epoch are the third and the sixth.
    assert [row["learning_rate"] for row in history] == pytest.approx([0.1 * 4 / 6, 0.1 * 1 / 6])
    assert all(row["seconds"] >= 0 for row in history)
    assert "valid_loss" not in history[0]


def test_the_loss_of_an_epoch_is_the_weighted_mean_over_its_examples():
    model = Linear(X, w=1.0)
    expected = float(
        soft_cross_entropy(
            torch.stack([torch.zeros(5), torch.tensor(X)], 1),
            torch.tensor(Y),
            torch.tensor([1.0, 1, 1, 1, 4]) / 1.6,
        )
    )

    history = run(model, weights=[1, 1, 1, 1, 4], num_epochs=1, learning_rate=1e-9)

    assert history[0]["loss"] == pytest.approx(expected, rel=1e-4)


def test_an_example_of_weight_zero_is_as_if_it_were_not_there():
    with_it, without = Linear([*X, 100.0]), Linear(X)

    run(with_it, np.vstack([Y, [1.0, 0.0]]), weights=[1, 1, 1, 1, 1, 0])
    run(without)

    assert torch.equal(with_it.weight, without.weight)
    assert torch.equal(with_it.bias, without.bias)


def test_equal_weights_of_any_size_are_no_weights():
    light, heavy = Linear(X), Linear(X)

    run(light, weights=[0.25] * 5)
    run(heavy, weights=[4.0] * 5)

    torch.testing.assert_close(light.weight, heavy.weight)


def test_dropout_is_on_in_training_and_off_in_between():
    model = Linear(X)

    run(model, num_epochs=2)

    assert model.modes == [True, False, True, False]


# ---- Early stopping ---------------------------------------------------------------------------


class Scripted:
    """Gives a held-out loss for each epoch, whatever is learned."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses
        self.weight = nn.Parameter(torch.zeros(1))
        self.after_epoch: list[float] = []

    def scores(self, batch: np.ndarray) -> torch.Tensor:
        if batch.tolist() != [1]:  # training
            return torch.stack([torch.zeros(1), self.weight], 1)
        loss = self.losses[len(self.after_epoch)]
        self.after_epoch.append(float(self.weight.detach()))
        # -log p of the first class is the loss wanted.
        p = math.exp(-loss)
        return torch.log(torch.tensor([[p, 1 - p]]))

    def train(self, patience: int | None, num_epochs: int = 6):
        learner = Learner(self.scores, {"w": self.weight}, lambda mode: None, np.ones(2, dtype=int))
        return train(
            learner,
            np.eye(2)[[1, 0]],
            np.ones(2),
            TrainSettings(0.1, num_epochs, 1, patience=patience),
            np.random.default_rng(0),
            valid=np.array([1]),
        )


def test_training_stops_when_the_held_out_loss_stops_falling():
    model = Scripted([0.9, 0.5, 0.6, 0.7, 0.1, 0.1])

    history = model.train(patience=2)

    assert [row["valid_loss"] for row in history] == pytest.approx([0.9, 0.5, 0.6, 0.7], abs=1e-5)


@pytest.mark.parametrize(("patience", "num_epochs"), [(2, 6), (5, 3)])
def test_the_best_weights_are_kept(patience, num_epochs):
    model = Scripted([0.9, 0.5, 0.6, 0.7, 0.1, 0.1])

    model.train(patience, num_epochs)

    assert float(model.weight.detach()) == model.after_epoch[1]


def test_without_patience_the_last_weights_are_kept():
    model = Scripted([0.1, 0.9, 0.9, 0.9])

    history = model.train(patience=None, num_epochs=4)

    assert len(history) == 4
    assert float(model.weight.detach()) == model.after_epoch[-1]


def test_the_held_out_examples_are_not_trained_on():
    model = Linear(X)

    history = run(model, valid=np.array([1, 3]), num_epochs=1)

    assert sorted(row for batch in model.batches[:-1] for row in batch) == [0, 2, 4]
    assert model.batches[-1] == [1, 3]
    assert history[0]["tokens"] == 9


def test_without_held_out_examples_the_training_loss_is_watched():
    model = Linear([1.0, 1.0])  # the same text with both labels: nothing to learn

    history = run(
        model, np.eye(2), num_epochs=50, patience=3, learning_rate=1e-12, schedule="constant"
    )

    assert len(history) == 4


# ---- Randomness -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    weights = []
    for seed in (0, 0, 1):
        model = Linear(X)
        run(model, seed=seed)
        weights.append(model.weight.tolist())

    assert weights[0] == weights[1] != weights[2]


def test_dropout_draws_from_the_seed_too():
    def noisy(seed: int) -> list:
        model = Linear(X)
        learner = model.learner
        scores = learner.scores
        noisy_learner = Learner(
            lambda batch: scores(batch) + torch.randn(len(batch), 2),
            learner.parameters,
            learner.set_training,
            learner.n_tokens,
        )
        train(noisy_learner, Y, np.ones(5), settings_of(), np.random.default_rng(seed))
        return model.weight.tolist()

    assert noisy(0) == noisy(0) != noisy(1)


def test_global_random_states_and_threads_are_as_before():
    torch.manual_seed(5)
    np.random.seed(5)
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    n_threads = torch.get_num_threads()

    run(Linear(X))

    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)
    assert torch.get_num_threads() == n_threads


def test_a_silent_run_prints_nothing(capfd):
    run(Linear(X))

    assert capfd.readouterr() == ("", "")


def test_the_held_out_loss_is_a_weighted_mean():
    model = Linear([0.0, 2.0, 0.0], w=1.0)

    rows = run(
        model, np.eye(2)[[0, 1, 0]], [1.0, 1.0, 3.0], valid=np.array([1, 2]),
        num_epochs=1, learning_rate=1e-12,
    )  # fmt: skip

    # -log p: of example 1 log(1 + e^-2) at weight 1, of example 2 log 2 at weight 3.
    expected = (math.log1p(math.exp(-2)) + 3 * math.log(2)) / 4
    assert rows[0]["valid_loss"] == pytest.approx(expected, abs=1e-6)


def test_losses_of_a_step_are_averaged_by_weight():
    step = TrainStep(np.arange(2), torch.eye(2), torch.tensor([2.0, 1.0]))

    assert float(step.mean(torch.tensor([1.0, 2.0]))) == 2.0
