"""The check that new modules act: never a strategy that silently does nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fewshot.errors import TuningError
from fewshot.models.added_modules import after
from fewshot.tuning import LoRA
from fewshot.tuning.module_tuning import ModuleTuning, check_acting
from tests.models.test_added_modules import Push
from tests.tuning.tasks import make_task


class Pushing(ModuleTuning):
    """Tunes what `Push` or a variant of it adds."""

    kind = Push

    def __init__(self, learning_rate=0.01):
        super().__init__(
            learning_rate, num_epochs=1, batch_size=8, interpolation=None, C=None, training=None
        )

    def new_modules(self, task):
        return self.kind(task.scorer.lm.model)


class Idle(Push):
    """Forgets to put its hook on."""

    def attach(self, model) -> None:
        pass


class HalfIdle(Push):
    """Has a second vector that nothing reads."""

    def __init__(self, model) -> None:
        super().__init__(model)
        self.unused = nn.Parameter(torch.zeros(3))


class Silent(Push):
    """Multiplies what it adds by zero."""

    def attach(self, model) -> None:
        after(model.get_input_embeddings(), lambda _inputs, output: output + 0 * self.vector)


@pytest.mark.parametrize(
    ("module", "named"), [(Idle, "added.vector"), (HalfIdle, "added.unused"), (Silent, "vector")]
)
def test_a_strategy_without_effect_is_refused_before_training(tiny_bert, module, named):
    class Without(Pushing):
        kind = module

    with pytest.raises(TuningError, match=rf"Without has no effect on BertForMaskedLM.*{named}"):
        Without().tune(make_task(tiny_bert))


def test_one_with_an_effect_is_not(tiny):
    assert Pushing().tune(make_task(tiny)).scorer.lm.added.vector.any()


def test_the_check_leaves_no_trace(tiny_bert):
    prepared = LoRA().prepare(make_task(tiny_bert))  # which checks once
    parameters = prepared.scorer.lm.tuned_parameters()
    before = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    state = torch.get_rng_state()

    check_acting(prepared, "LoRA")

    assert all(not up.any() for up in prepared.scorer.lm.added.up)
    for name, parameter in parameters.items():
        assert torch.equal(parameter, before[name])
        assert parameter.grad is None
    assert torch.equal(torch.get_rng_state(), state)


def test_the_seed_decides_about_initial_values(tiny_bert):
    first, same, other = (
        LoRA().prepare(make_task(tiny_bert, seed=seed)).scorer.lm.added.down[0]
        for seed in (0, 0, 1)
    )

    assert torch.equal(first, same)
    assert not torch.equal(first, other)
