"""Generations of ensembles; one ensemble alone is tested with PETClassifier."""

from __future__ import annotations

import numpy as np
import pytest

import fewshot.classifiers.semi_supervised.ensembles as module
import fewshot.classifiers.semi_supervised.pet
from fewshot import PETClassifier, Unlabeled
from fewshot.tuning import Full, Head
from tests.classifiers.semi_supervised.test_pet import (
    POOL,
    TEMPLATES,
    Watched,
    X,
    Y,
    fit,
    pet,
    prompt,
)


def test_each_generation_trains_from_the_first_model_on_more_texts():
    clf = fit(pet(Full(num_epochs=4), n_repetitions=2, generations=1))

    rows = [row for row in clf.history_ if "generation" in row]
    assert [row["n_pseudo"] for row in rows[:4]] == [0, 0, 0, 0]
    assert all(0 < row["n_pseudo"] <= 36 for row in rows[4:])


def test_a_text_that_others_labelled_is_read_once(monkeypatch):
    watched = Watched(monkeypatch)

    fit(pet(n_repetitions=2, generations=1))

    learning = [row for row in watched.tuned() if row[0].tuning != "none"]
    assert len(learning) == 4 + 4 + 1
    for _, texts, labels in learning[4:8]:  # the second ensemble
        assert sorted(texts) == sorted([*X, *POOL])
        assert sum(label is not None for label in labels) > len(X)


@pytest.mark.parametrize("given", [{"X": X, "y": Y}, {}], ids=["labels", "no labels"])
def test_members_of_later_generations_take_fewer_epochs(monkeypatch, given):
    watched = Watched(monkeypatch)
    pool = [f"{text} {i}" for text in POOL for i in range(8)]

    pet(Full(num_epochs=8), generations=2).fit(**given, unlabeled=Unlabeled(pool))

    members = [row for row in watched.tuned()[:-1] if row[0].tuning != "none"]
    taken = {
        (sum(label is not None for label in labels), clf.tuning.num_epochs)
        for clf, _, labels in members
    }
    assert (10, 8) in taken
    assert (50, 2) in taken


def test_quotas_keep_the_ratio_of_the_labels(monkeypatch):
    watched = Watched(monkeypatch)
    pool = POOL * 1

    clf = pet(generations=1)
    clf.fit(X[2:], Y[2:], unlabeled=Unlabeled(pool))  # 3 sports, 5 politics; 32 new ones

    second = [row for row in watched.tuned()[:-1] if len([v for v in row[2] if v]) > 8]
    assert len(second) == 2
    for _, _, labels in second:
        new = [label for label in labels if label is not None][8:]
        assert new.count("sports") <= 12
        assert new.count("politics") <= 20


def test_members_are_labelled_by_others_only(monkeypatch):
    seen = []
    plain = module.merge_scores

    def noted(scores, weights):
        seen.append(scores)
        return plain(scores, weights)

    for place in (module, fewshot.classifiers.semi_supervised.pet):
        monkeypatch.setattr(place, "merge_scores", noted)
    clf = pet(templates=TEMPLATES, n_repetitions=1, generations=1)
    fit(clf)

    # One other labels each of the two members, and both are merged in the end.
    assert [len(scores) for scores in seen] == [1, 1, 2]
    first, second = fit(clf.set_params(generations=0)) and seen[-1]
    np.testing.assert_array_equal(seen[0][0], second)
    np.testing.assert_array_equal(seen[1][0], first)


def test_ipet_ends_when_a_class_is_never_predicted():
    words = {"politics": "politics", "sports": "sports", "animal": "animal"}
    texts, labels = [*X, "an animal", "a plant"], [*Y, "animal", "animal"]
    far = ["football match"] * 1 + [f"football goal {t}" for t in POOL]
    clf = PETClassifier(
        prompt(Head(C=1e-6), verbalizer=words, calibration="none"),
        templates=TEMPLATES,
        generations=3,
        random_state=0,
        verbose=0,
    )

    clf.fit(texts, labels, unlabeled=Unlabeled(far))

    assert len([row for row in clf.history_ if "generation" in row]) == 8


def test_a_pattern_weighs_its_accuracy_on_weighted_texts():
    def weight(of_sports):
        clf = pet(generations=0)
        weights = [of_sports if label == "sports" else 1.0 for label in Y]
        clf.fit(X, Y, unlabeled=Unlabeled(POOL), sample_weight=weights)
        return np.array([row["weight"] for row in clf.history_ if "weight" in row])

    plain, sports, politics = weight(1.0), weight(1e9), weight(1e-9)

    # The accuracy on all texts is the mean of those on either class, five texts each.
    np.testing.assert_allclose(plain, (sports + politics) / 2, atol=1e-6)
    assert (sports != politics).any()
