"""Advice: what would help most, from what was wrong among held-out texts."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot import Classifier
from fewshot.classifiers.automatic.advice import advice_for
from fewshot.classifiers.automatic.pool import Verdict
from tests.tiny_estimators import tiny_lm

CLASSES = ["law", "music", "sports"]
TRUE = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]  # classes of ten held-out texts


def advice(found: list[int], **settings: object) -> tuple[str, ...]:
    texts = [f"text {i}" for i in range(len(TRUE))]
    labels = [CLASSES[i] for i in TRUE]
    clf = Classifier(model=tiny_lm(), random_state=0, verbose=0, **settings)
    task, _, _ = clf._plan(texts, labels, None, None)
    true, taken = (np.eye(3, dtype=bool)[rows] for rows in (TRUE, found))
    return advice_for(task, Verdict(taken, true, np.ones(len(TRUE))))


def test_the_class_that_is_found_least_often_wants_labels_and_a_description():
    found = advice([0, 0, 0, 0, 1, 1, 0, 2, 2, 0])

    assert found == (
        "label more texts of 'music': 1 of its 4 held-out texts are found, and most others are "
        "taken for 'sports'",
        "describe 'music' and 'sports' (descriptions=...)",
    )


def test_classes_that_are_described_want_labels_only():
    found = advice([1, 1, 1, 2, 2, 1, 1, 1, 1, 2], descriptions={name: name for name in CLASSES})

    assert found == (
        "label more texts of 'law': 0 of its 5 held-out texts are found, and most others are "
        "taken for 'music'",
    )


@pytest.mark.parametrize("last", [0, 2])
def test_where_all_but_one_text_of_a_class_is_right_nothing_is_advised(last):
    assert advice([*TRUE[:-1], last]) == ()  # one text says nothing about its class
