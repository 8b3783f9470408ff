"""Full tuning and BitFit: what is tuned, what stays, and what the settings allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.token_masking import TokenMasking
from fewshot.scoring.heads import fit_state_head
from fewshot.tuning import BitFit, Full, LoRA, Training
from fewshot.tuning.gradient import _default_share, held_out_rows
from tests.tuning.tasks import make_task


def weights_of(lm: MaskedLM) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in lm.model.named_parameters()}


def changed(before: dict[str, torch.Tensor], lm: MaskedLM) -> set[str]:
    after = weights_of(lm)
    assert after.keys() == before.keys()
    return {name for name in after if not torch.equal(after[name], before[name])}


def scores_after(strategy, task) -> np.ndarray:
    result = strategy.tune(task)
    return result.scorer.class_scores(result.scorer.encode(task.views))


# ---- What is tuned ----------------------------------------------------------------------------


def test_bitfit_changes_biases_only(tiny, family):
    if family == "modernbert":
        pytest.skip("has none: see the next test")
    task = make_task(tiny)
    before = weights_of(task.scorer.lm)

    result = BitFit(num_epochs=2, learning_rate=0.01).tune(task)

    assert changed(before, task.scorer.lm) == set()
    tuned = changed(before, result.scorer.lm)
    assert tuned
    assert all(name.endswith("bias") for name in tuned)


def test_full_tuning_changes_all_but_the_embeddings(tiny, family):
    task = make_task(tiny)
    before = weights_of(task.scorer.lm)

    result = Full(num_epochs=2, learning_rate=0.01).tune(task)

    assert changed(before, task.scorer.lm) == set()
    tuned = changed(before, result.scorer.lm)
    embeddings = result.scorer.lm.model.get_input_embeddings().weight
    for name, parameter in result.scorer.lm.model.named_parameters():
        is_embedding = parameter is embeddings or name.endswith("embeddings.weight")
        assert not (is_embedding and name in tuned)
        assert is_embedding or parameter.ndim == 1 or name in tuned
    assert embeddings.data_ptr() == (task.scorer.lm.model.get_input_embeddings().weight.data_ptr())


def test_the_embeddings_can_be_tuned_too(tiny_bert):
    task = make_task(tiny_bert)
    before = weights_of(task.scorer.lm)

    result = Full(num_epochs=2, learning_rate=0.01, embeddings="tuned").tune(task)

    assert "bert.embeddings.word_embeddings.weight" in changed(before, result.scorer.lm)
    assert changed(before, task.scorer.lm) == set()


def test_after_tuning_nothing_takes_gradients(tiny_bert):
    result = Full(num_epochs=1).tune(make_task(tiny_bert))

    assert result.scorer.lm.tuned_parameters() == {}
    assert not result.scorer.lm.model.training
    assert all(p.grad is None for p in result.scorer.lm.model.parameters())


# ---- Learning ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy",
    [
        Full(learning_rate=1e-3, num_epochs=15, interpolation=1.0),
        BitFit(learning_rate=0.05, num_epochs=40, interpolation=1.0),
    ],
)
def test_it_learns_the_examples(tiny_bert, strategy):
    task = make_task(tiny_bert)

    result = strategy.tune(task)

    scores = result.scorer.class_scores(result.scorer.encode(task.views))
    assert scores.argmax(1).tolist() == task.targets.argmax(1).tolist()
    assert result.history[-1]["loss"] < 0.5 * result.history[0]["loss"]


def test_the_final_weights_lie_between_those_before_and_after_training(tiny_bert):
    task = make_task(tiny_bert)
    before = weights_of(task.scorer.lm)
    settings = {"learning_rate": 0.01, "num_epochs": 2}

    trained, quarter = (
        weights_of(Full(**settings, interpolation=share).tune(make_task(tiny_bert)).scorer.lm)
        for share in (1.0, 0.25)
    )

    for name, old in before.items():
        torch.testing.assert_close(quarter[name], 0.75 * old + 0.25 * trained[name])


@pytest.mark.parametrize("kind", [Full, BitFit])
def test_a_regression_on_the_states_of_the_tuned_model_is_added(tiny_bert, kind):
    task = make_task(tiny_bert)

    result = kind(num_epochs=2, C=3.0).tune(task)

    encoded = result.scorer.encode(task.views)
    for head, states in (
        (result.head, result.scorer.mean_states(encoded)),
        (result.head.mask, result.scorer.mask_states(encoded)),
    ):
        expected = fit_state_head(states, task.targets, task.sample_weight, C=3.0)
        np.testing.assert_array_equal(head.coef, expected.coef)
    # Words count 1, the regressions 2 and 1, and the sum is divided by 3.
    assert result.head.temperature == 3 / 2
    assert (result.head.prompt_share, result.head.mask_share) == (0.5, 0.5)


def test_training_starts_from_the_calibrated_scores(tiny_bert):
    task = make_task(tiny_bert)
    scores = task.scorer.class_scores(task.scorer.encode(task.views))
    log_probs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    expected = -(task.targets * log_probs).sum(1).mean()

    result = Full(learning_rate=1e-12, num_epochs=1).tune(task)

    assert result.history[0]["loss"] == pytest.approx(expected, rel=1e-4)


def test_soft_targets_are_approached(tiny_bert):
    soft = np.where(make_task(tiny_bert).targets > 0.5, 0.7, 0.3)

    scores = scores_after(
        Full(learning_rate=2e-3, num_epochs=60, interpolation=1.0),
        make_task(tiny_bert, targets=soft),
    )

    proba = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(proba, soft, atol=0.1)


# ---- Held-out examples ------------------------------------------------------------------------


def test_each_class_gives_its_share_of_the_held_out_examples(tiny_bert):
    held_out = held_out_rows(make_task(tiny_bert), 0.4)

    assert len(held_out) == 4
    assert sorted(held_out // 5) == [0, 0, 1, 1]


def test_texts_without_a_label_are_notheld_out_rows(tiny_bert):
    # Rows without a label have weight 0 and the first class as a placeholder.
    targets = np.eye(2)[[1, 1, 1, 1, 0, 0, 0, 0, 0, 0]]
    weights = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0]

    for seed in range(5):
        task = make_task(tiny_bert, targets=targets, weights=weights, seed=seed)
        held_out = held_out_rows(task, 0.5)

        assert set(held_out) <= set(range(6))
        assert len(held_out) == 3


def test_a_class_never_loses_all_its_examples(tiny_bert):
    targets = np.eye(2)[[1] * 9 + [0]]

    held_out = held_out_rows(make_task(tiny_bert, targets=targets), 0.9)

    assert 9 not in held_out
    assert len(held_out) == 8


def test_the_held_out_loss_is_recorded_and_early_stopping_watches_it(tiny_bert):
    training = Training(validation_fraction=0.4, patience=2, schedule="constant")
    strategy = Full(learning_rate=5e-3, num_epochs=40, training=training)

    history = strategy.tune(make_task(tiny_bert)).history

    losses = [row["valid_loss"] for row in history]
    best = int(np.argmin(losses))
    assert len(history) < 40
    assert best >= len(history) - 3


def test_tokens_of_an_epoch_are_those_of_all_prompts(tiny_bert):
    task = make_task(tiny_bert)

    history = Full(num_epochs=1).tune(task).history

    assert history[0]["tokens"] == int(task.views[1].lengths.sum())


@pytest.mark.parametrize("kind", [Full, LoRA])
def test_a_last_step_that_diverges_is_an_error(tiny_bert, kind):
    strategy = kind(learning_rate=1e30, num_epochs=1, batch_size=10)

    with pytest.raises(
        TuningError, match=r"not finite numbers.*at the last step; lower learning_r"
    ):
        strategy.tune(make_task(tiny_bert))


def test_classes_without_a_label_do_not_count_in_the_default_share(tiny_bert):
    targets = np.eye(3)[[0] * 5 + [1] * 5]

    share = _default_share(make_task(tiny_bert, targets=targets))

    assert share == pytest.approx(0.7 * 5 / (5 + 4))  # five labels of each class that has some


def test_masked_language_modelling_reads_only_texts_without_a_label(tiny_bert, monkeypatch):
    task = replace(make_task(tiny_bert, weights=[1.0] * 4 + [0.0] * 6), mlm_weight=0.5)
    unlabeled = {tuple(ids) for ids in task.views[1].ids[4:]}
    read, plain = set(), TokenMasking.hide

    def noted(masking, lines, *rest):
        read.update(map(tuple, lines))
        return plain(masking, lines, *rest)

    monkeypatch.setattr(TokenMasking, "hide", noted)
    Full(1e-3, num_epochs=3).tune(task)

    assert read == unlabeled
