"""The weights of the voices."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.data.task_kind import TaskKind
from fewshot.scoring.heads import base_log_odds
from fewshot.scoring.mixture import Voices, fit_mixture

RNG = np.random.default_rng(0)
CLASSES = np.arange(40) % 2
TARGETS = np.eye(2)[CLASSES]
NOISE = RNG.normal(size=(40, 6))
TRUE = NOISE + 6.0 * np.where(CLASSES[:, None] == 1, 1.0, -1.0)
RIGHT, WRONG = 2.0 * TARGETS, 2.0 * (1 - TARGETS)  # scores of the classes


def fit(words, names, states, mask_states, learns=True, weight=None):
    voices = Voices(words, names, states, mask_states, word_weight=0.5, name_weight=2.0)
    weight = np.ones(len(states)) if weight is None else weight
    targets = TARGETS[: len(states)]
    found = fit_mixture(voices, targets, weight, C=1.0, learns_weights=learns, temperature=3.0)
    return found.head


def shares(head):
    of_mean = 1.0 / head.temperature
    return np.array([head.prompt_share, head.name_share, 1.0, head.mask_share]) * of_mean


def test_without_evidence_the_voices_keep_their_weights():
    head = fit(RIGHT, WRONG, TRUE, NOISE, learns=False)

    assert shares(head) == pytest.approx(np.array([0.5, 2.0, 2.0, 1.0]) / 3.0)


def test_one_text_per_class_is_no_evidence():
    head = fit(RIGHT[:2], WRONG[:2], TRUE[:2], NOISE[:2])

    assert shares(head) == pytest.approx(np.array([0.5, 2.0, 2.0, 1.0]) / 3.0)


@pytest.mark.parametrize("right", [0, 1, 2, 3], ids=["words", "names", "mean", "mask"])
def test_voices_that_are_right_about_texts_held_out_gain(right):
    parts = [WRONG, WRONG, NOISE, NOISE]
    parts[right] = RIGHT if right < 2 else TRUE
    start = np.array([0.5, 2.0, 2.0, 1.0]) / 3.0

    change = shares(fit(*parts)) / start

    assert change[right] > 1.0
    assert change[right] == max(change)
    assert all(change[i] < 0.9 for i in (0, 1) if i != right), change  # these are wrong


def test_repeated_rows_count_as_weights():
    doubled = [np.concatenate([part, part[:5]]) for part in (RIGHT, WRONG, TRUE, NOISE)]
    weight = np.ones(40)
    weight[:5] = 2.0
    voices = Voices(*doubled)
    targets = np.concatenate([TARGETS, TARGETS[:5]])

    by_rows = fit_mixture(voices, targets, np.ones(45), C=1.0, learns_weights=True)
    by_weight = fit_mixture(
        Voices(RIGHT, WRONG, TRUE, NOISE), TARGETS, weight, C=1.0, learns_weights=True
    )

    assert shares(by_rows.head) == pytest.approx(shares(by_weight.head), abs=1e-3)


# ---- Several labels -----------------------------------------------------------------------------


def test_voices_of_several_labels_start_from_the_shares_which_count_once():
    kind = TaskKind("lists")
    targets = (np.arange(40)[:, None] % [2, 4] == 0).astype(float)
    voices = Voices(np.zeros((40, 2)), None, NOISE, NOISE, word_weight=1.0)

    # Regressions that learn nothing say the share: its log-odds, whatever the weights.
    for temperature in (1.0, 3.0):
        found = fit_mixture(
            voices,
            targets,
            np.ones(40),
            C=1e-9,
            learns_weights=False,
            temperature=temperature,
            kind=kind,
        )
        total = found.head.add(voices.words, NOISE, None, NOISE)
        assert total[0] == pytest.approx(base_log_odds(targets, np.ones(40)), abs=0.1)
        assert found.held_out is None


def test_scores_of_held_out_texts_are_those_of_the_learned_weights():
    kind = TaskKind("lists")
    targets = (np.arange(40)[:, None] % [2, 4] == 0).astype(float)
    right = 4.0 * (targets - 0.5)
    voices = Voices(right, None, NOISE, NOISE, word_weight=1.0)

    found = fit_mixture(voices, targets, np.ones(40), C=1.0, learns_weights=True, kind=kind)

    assert found.held_out is not None
    assert np.isfinite(found.held_out).all()
    assert ((found.held_out > 0) == (targets == 1)).mean() > 0.95
    before = fit_mixture(voices, targets, np.ones(40), C=1.0, learns_weights=False, kind=kind)
    assert shares(found.head)[0] > shares(before.head)[0]
