"""EPT: it starts as DePT, and all its parts learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.tuning import EPT, DePT
from tests.tuning.tasks import make_task


def scores_of(task):
    return task.scorer.class_scores(task.scorer.encode(task.views))


def test_at_first_it_scores_as_dept(tiny):
    ours = EPT(length=3).prepare(make_task(tiny))
    theirs = DePT(length=3).prepare(make_task(tiny))

    np.testing.assert_allclose(scores_of(ours), scores_of(theirs), atol=1e-5)


def test_the_number_of_tuned_values_is_that_of_the_specification(tiny_bert):
    task = make_task(tiny_bert)
    longest, width = int(task.views[1].lengths.max()), 32

    own = EPT(length=3, rank=2, n_spaces=3).prepare(task)

    fusion, spaces = 4 * width * 16, 2 * 2 * width * 4 + 3 * width + 3
    expected = 3 * width + 2 * (longest + width) + fusion + spaces
    assert sum(p.numel() for p in own.scorer.lm.tuned_parameters().values()) == expected


def test_all_parts_move_once_the_zeros_have(tiny_bert):
    strategy = EPT(0.01, length=3, num_epochs=3, interpolation=1.0)
    task = make_task(tiny_bert)
    start = {k: p.clone() for k, p in strategy.prepare(task).scorer.lm.added.named_parameters()}

    tuned = strategy.tune(make_task(tiny_bert)).scorer.lm.added

    moved = {name for name, p in tuned.named_parameters() if not torch.equal(p, start[name])}
    assert moved == set(start)


def test_the_gate_can_be_looked_at(tiny_bert):
    strategy = EPT(0.05, length=3, num_epochs=3, interpolation=1.0)

    before = strategy.prepare(make_task(tiny_bert)).scorer.lm.added.gate_weights
    after = strategy.tune(make_task(tiny_bert)).scorer.lm.added.gate_weights

    assert before == [0.25] * 4
    assert sum(after) == pytest.approx(1)
    assert after != before


def test_one_space_leaves_the_spaces_out(tiny_bert):
    added = EPT(length=2, n_spaces=1).prepare(make_task(tiny_bert)).scorer.lm.added

    assert added.spaces is None
    assert added.gate_weights == [1.0]
