"""What measurements on other data sets let expect of a voice, and what follows for the search."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.classifiers.automatic.evidence import Situation, evidence, expected_gain, situation_of
from fewshot.classifiers.automatic.offers import offered, shortage
from fewshot.classifiers.automatic.task import Task
from fewshot.classifiers.automatic.voices import COSTLY, Pace
from fewshot.data.semi_supervised_data import SemiSupervisedData
from fewshot.data.task_kind import ONE_LABEL
from fewshot.data.training_data import read_training_data
from fewshot.models.loading import load_masked_lm


def cell(gain: float, *situation: float, model: str = "m") -> dict:
    return {"situation": list(situation), "gains": {"full": gain}, "model": model}


NEAR = Situation(4, 8, 20, 1)


def test_near_cells_count_most_and_the_mean_of_all_a_little():
    far = cell(-0.10, 4, 8 + 9 * (np.e - 1), 20, 1)  # e times as many labels and one more
    cells = [cell(0.02, 4, 8, 20, 1), far]

    # Weights of the kernel are 1 and exp(-1); the mean, -0.04, counts 0.2.
    near = np.exp(-1)
    expected = (0.02 - 0.10 * near - 0.04 * 0.2) / (1 + near + 0.2)
    assert expected_gain("full", NEAR, "m", cells) == pytest.approx(expected)


def test_nothing_is_known_of_other_voices_other_models_and_far_tasks():
    cells = [cell(0.02, 4, 8, 20, 1)]

    assert expected_gain("pet", NEAR, "m", cells) is None
    assert expected_gain("full", NEAR, "other", cells) is None
    assert expected_gain("full", Situation(4, 100, 20, 1), "m", cells) is None


def test_the_packaged_cells_name_known_voices_and_describe_situations():
    assert evidence()
    for row in evidence():
        assert set(row["gains"]) <= {voice.name for voice in COSTLY}
        assert all(abs(gain) < 1 for gain in row["gains"].values())
        Situation(*row["situation"])


def task(classes: list[str], text: str, n_labels: int) -> Task:
    rows = read_training_data([text] * n_labels * len(classes), classes * n_labels)
    data = SemiSupervisedData(rows, rows.examples.take([]))
    return Task(data, classes, None, None, "fewshot-mini", 0)


def test_a_situation_is_described_by_labels_texts_and_names():
    found = situation_of(task(["refund request", "bug"], "It does not work", 3))

    assert found == Situation(2, 3, 4, 1.5)


def test_voices_are_offered_by_gain_and_those_without_any_are_declined():
    load_masked_lm("fewshot-mini")
    offers = offered(task(["pos", "neg"], "word " * 20, 8), Pace(1.0, 0.0, 0.0), 60.0)

    names = [offer.voice.name for offer in offers]
    assert names == ["head", "embedding", "names", "tfidf", "contrastive", "full"]
    assert shortage(offers[2], 1.0, ONE_LABEL, ["head", "embedding"]) is None
    assert shortage(offers[2], 1.0, ONE_LABEL, ["head"]) == "not tried, as embedding was not"
    assert offers[4].objection is None
    assert offers[5].objection is not None
    assert offers[5].objection.startswith("not tried: gained nothing in similar tasks (-")
