"""What the classifiers share: predictions from scores, saving, warnings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from fewshot.classifiers.base import TextClassifier
from fewshot.data.class_scores import warn_truncated
from fewshot.errors import CollapseWarning, TruncationWarning


class Scripted(TextClassifier):
    """Scores texts by a table."""

    def __init__(self, table=None) -> None:
        self.table = table

    def fit(self, X=None, y=None) -> Scripted:
        self.classes_ = np.array(sorted(set(y)), dtype=object)
        return self

    def _class_scores(self, X):
        return np.array([self.table[text] for text in X], dtype=np.float64)


TABLE = {"x": [1.0, 2.0, 3.0], "y": [5.0, 0.0, -1000.0]}


@pytest.fixture
def three() -> Scripted:
    return Scripted(TABLE).fit(y=["a", "b", "c"])


# ---- Predictions ------------------------------------------------------------------------------


def test_predictions_are_the_labels_of_the_best_scores(three):
    assert three.predict(["x", "y", "x"]).tolist() == ["c", "a", "c"]


def test_probabilities_are_a_softmax_in_float64(three):
    proba = three.predict_proba(["x", "y"])

    assert proba.dtype == np.float64
    assert proba[0] == pytest.approx([0.090031, 0.244728, 0.665241], abs=1e-6)
    assert proba.sum(1) == pytest.approx([1.0, 1.0])


def test_log_probabilities_are_finite_where_probabilities_vanish(three):
    log_proba = three.predict_log_proba(["y"])

    assert three.predict_proba(["y"])[0, 2] == 0.0
    assert log_proba[0].tolist() == pytest.approx([-0.006715, -5.006715, -1005.006715], abs=1e-5)


def test_three_classes_have_a_decision_column_each(three):
    assert three.decision_function(["x"]).tolist() == [[1.0, 2.0, 3.0]]


def test_two_classes_have_the_log_odds_of_the_second():
    two = Scripted({"x": [1.0, 2.5], "y": [3.0, 0.0]}).fit(y=["a", "b"])

    decision = two.decision_function(["x", "y"])

    assert decision.tolist() == [1.5, -3.0]
    proba = softmax([[1.0, 2.5], [3.0, 0.0]], axis=1)[:, 1]
    assert 1 / (1 + np.exp(-decision)) == pytest.approx(proba)


# ---- Warnings ---------------------------------------------------------------------------------


def test_a_class_that_takes_nearly_everything_is_warned_of(three):
    with pytest.warns(CollapseWarning, match="'c' takes 19 of 20 .* which calibrate") as found:
        three.predict(["x"] * 19 + ["y"])

    assert len(found) == 1
    assert found[0].filename == __file__


@pytest.mark.parametrize("texts", [["x"] * 19, ["x"] * 17 + ["y"] * 3], ids=["few", "mixed"])
@pytest.mark.filterwarnings("error")
def test_few_or_mixed_predictions_are_not_warned_of(three, texts):
    three.predict(texts)


def test_shortened_texts_are_counted_in_the_warning():
    with pytest.warns(TruncationWarning, match="3 of 8 texts were shortened to fit 96 tokens"):
        warn_truncated(3, 8, 96)


@pytest.mark.filterwarnings("error")
def test_without_shortened_texts_there_is_no_warning():
    warn_truncated(0, 8, 96)
