"""IAPT: each text gets soft tokens of its own, in every layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot.tuning import IAPT, SoftPrompt
from tests.tuning.tasks import make_task


def scores_of(task):
    return task.scorer.class_scores(task.scorer.encode(task.views))


def noisy(task):
    """The task with generators that do something."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in task.scorer.lm.tuned_parameters().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return task


def test_at_first_it_scores_as_a_prompt_of_its_words(tiny):
    ours = IAPT(length=3).prepare(make_task(tiny))
    theirs = SoftPrompt(length=3).prepare(make_task(tiny))

    np.testing.assert_allclose(scores_of(ours), scores_of(theirs), atol=1e-5)


def test_padding_and_other_texts_change_nothing(tiny):
    task = noisy(IAPT(length=3).prepare(make_task(tiny)))
    lm, prompts = task.scorer.lm, task.views[1]

    with torch.inference_mode():
        together = lm.forward(prompts)[0]
        alone = torch.cat([lm.forward(prompts.take([row]))[0] for row in range(len(prompts))])

    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)


def test_each_text_gets_tokens_of_its_own_in_each_layer(tiny_bert):
    task = noisy(IAPT(length=3).prepare(make_task(tiny_bert)))
    lm, added = task.scorer.lm, task.scorer.lm.added
    made = []
    for generator in added.generators:
        generator.register_forward_hook(lambda _module, _inputs, tokens: made.append(tokens))

    lm.forward(task.views[1].take([0, 1]))

    assert [tuple(tokens.shape) for tokens in made] == [(2, 3, 32)] * 2
    assert not torch.allclose(made[0][0], made[0][1])
    assert not torch.allclose(made[0], made[1])


@pytest.mark.parametrize(("share_every", "n_generators"), [(1, 2), (2, 1), (5, 1)])
def test_layers_share_generators_but_not_activations(tiny, share_every, n_generators):
    own = IAPT(length=3, bottleneck=4, share_every=share_every).prepare(make_task(tiny))

    added, width = own.scorer.lm.added, 32
    one = width * 4 + 4 + 4 * 3 + 4 * width + width
    n_values = sum(p.numel() for p in own.scorer.lm.tuned_parameters().values())
    assert (len(added.generators), len(added.activations)) == (n_generators, 2)
    assert n_values == n_generators * one + 2 * 10


def test_it_learns_and_all_parts_move(tiny_bert):
    strategy = IAPT(0.02, num_epochs=20, interpolation=1.0)
    start = strategy.prepare(make_task(tiny_bert)).scorer.lm.added
    before = {name: p.detach().clone() for name, p in start.named_parameters()}

    result = strategy.tune(make_task(tiny_bert))

    tuned = dict(result.scorer.lm.added.named_parameters())
    assert {name for name in tuned if not torch.equal(tuned[name], before[name])} == set(before)
    assert torch.equal(result.scorer.lm.added.start, start.start)
    assert result.history[-1]["loss"] < 0.6 * result.history[0]["loss"]


def test_batches_side_by_side_do_not_disturb_one_another(tiny_bert):
    task = noisy(IAPT(length=3).prepare(make_task(tiny_bert)))
    lm, prompts = task.scorer.lm, task.views[1]
    alone = [lm.states(prompts.take([row])).mask[0] for row in range(len(prompts))]
    lm.freeze()  # forgets the states
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    lm.batch_tokens = 8

    try:
        together = lm.states(prompts).mask
    finally:
        torch.set_num_threads(threads)

    assert np.array_equal(together, np.stack(alone))


def test_a_second_prompt_in_front_leaves_the_tokens_in_their_places(tiny_bert):
    task = noisy(IAPT(length=3).prepare(make_task(tiny_bert)))
    seen = []
    again = SoftPrompt(length=2).prepare(task)
    again.scorer.lm.added.lower.generators[0].register_forward_hook(
        lambda _module, inputs, _tokens: seen.append(inputs[1])
    )
    again.scorer.lm.forward(task.views[1].take([0]))

    # [CLS], the two new ones, which are attended to; the generated ones, which are not; the text.
    assert seen[0][0, :6].tolist() == [1, 1, 1, 0, 0, 0]
    assert seen[0][0, 6:].all()


def test_a_tuned_model_can_be_tuned_once_more_on_top(tiny):
    task = noisy(IAPT(length=3).prepare(make_task(tiny)))
    task.scorer.lm.freeze()
    lower = task.scorer.lm.added
    made = {"lower": [], "upper": []}

    own = IAPT(length=2).prepare(task)

    added = own.scorer.lm.added
    for name, part in (("lower", added.lower), ("upper", added.upper)):
        for generator in part.generators:
            generator.register_forward_hook(
                lambda _module, _inputs, tokens, to=made[name]: to.append(tuple(tokens.shape))
            )
    own.scorer.lm.forward(task.views[1].take([0]))
    n_layers = len(lower.activations)
    assert made == {"lower": [(1, 3, 32)] * n_layers, "upper": [(1, 2, 32)] * n_layers}
