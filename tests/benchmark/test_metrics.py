"""Metrics: worked numbers of the MasakhaNEWS notes and numbers computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from fewshot.benchmark.metrics import METRICS, evaluate, expected_calibration_error
from fewshot.errors import InputError


def test_weighted_f1_is_that_of_the_masakhanews_notes() -> None:
    truth = ["0"] * 6 + ["1"] * 3 + ["2"]
    predicted = ["0"] * 5 + ["1"] + ["1", "1", "0"] + ["0"]

    scores = evaluate(truth, predicted, None, ["0", "1", "2"])

    assert scores["weighted_f1"] == pytest.approx(0.661538, abs=1e-6)
    assert scores["macro_f1"] == pytest.approx(0.478632, abs=1e-6)
    assert scores["accuracy"] == pytest.approx(0.7)


def test_f1_is_that_computed_by_hand() -> None:
    # a: 2 right of 3 true and 2 predicted: 2*2/(2*2+0+1) = 0.8; b: 2*1/(2*1+1+0) = 2/3
    scores = evaluate(["a", "a", "a", "b"], ["a", "a", "b", "b"], None, ["a", "b"])

    assert scores["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores["weighted_f1"] == pytest.approx(0.75 * 0.8 + 0.25 * 2 / 3)


def test_a_true_class_that_is_never_predicted_counts_as_zero() -> None:
    scores = evaluate(["a", "b"], ["a", "a"], None, ["a", "b"])

    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_a_class_that_is_neither_true_nor_predicted_does_not_count() -> None:
    with_c = evaluate(["a", "b"], ["a", "b"], None, ["a", "b", "c"])

    assert with_c["macro_f1"] == 1.0


def test_a_class_that_is_predicted_but_never_true_counts_as_zero() -> None:
    scores = evaluate(["a", "a"], ["a", "c"], None, ["a", "c"])

    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_log_loss_is_that_computed_by_hand() -> None:
    proba = np.array([[0.8, 0.2], [0.4, 0.6]])

    scores = evaluate(["a", "a"], ["a", "b"], proba, ["a", "b"])

    assert scores["log_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)


def test_columns_follow_the_classes_and_not_the_alphabet() -> None:
    proba = np.array([[0.7, 0.1, 0.2], [0.2, 0.3, 0.5]])  # of c, a, b

    scores = evaluate(["c", "a"], ["c", "b"], proba, ["c", "a", "b"])

    assert scores["log_loss"] == pytest.approx(-(math.log(0.7) + math.log(0.3)) / 2)
    assert scores["ece"] == pytest.approx((abs(1 - 0.7) + abs(0 - 0.5)) / 2)


def test_log_loss_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(4), size=50)
    classes = ["a", "b", "c", "d"]
    truth = rng.choice(classes, size=50).tolist()
    predicted = [classes[i] for i in proba.argmax(axis=1)]

    score = evaluate(truth, predicted, proba, classes)["log_loss"]

    assert score == pytest.approx(sklearn_metrics.log_loss(truth, proba, labels=classes))


def test_a_probability_of_zero_costs_as_much_as_the_machine_epsilon() -> None:
    scores = evaluate(["a", "b"], ["a", "a"], np.array([[1.0, 0.0], [1.0, 0.0]]), ["a", "b"])

    assert scores["log_loss"] == pytest.approx(-math.log(np.finfo(float).eps) / 2)  # 36.04 / 2


def test_a_true_class_that_the_method_does_not_know_costs_as_much_as_zero() -> None:
    proba = np.array([[0.9, 0.1], [0.6, 0.4]])

    scores = evaluate(["a", "z"], ["a", "a"], proba, ["a", "b"])

    expected = -(math.log(0.9) + math.log(np.finfo(float).eps)) / 2
    assert scores["log_loss"] == pytest.approx(expected)


def test_one_class_alone_has_no_loss() -> None:
    scores = evaluate(["a"], ["a"], np.ones((1, 1)), ["a"])

    assert scores["log_loss"] == 0.0
    assert scores["ece"] == 0.0


def test_calibration_error_is_that_computed_by_hand() -> None:
    # Bin 15 holds 0.95 and 0.97, one right: |1 - 1.92|. Bin 10 holds 0.65, right: |1 - 0.65|.
    error = expected_calibration_error([0.95, 0.97, 0.65], [True, False, True])

    assert error == pytest.approx((0.92 + 0.35) / 3)


def test_gaps_in_one_bin_cancel_and_in_two_bins_do_not() -> None:
    # 0.80 is the upper end of bin 12, and 0.81 is in bin 13.
    assert expected_calibration_error([0.75, 0.80], [True, False]) == pytest.approx(0.55 / 2)
    assert expected_calibration_error([0.80, 0.81], [True, False]) == pytest.approx(1.01 / 2)


def test_a_confidence_of_one_or_zero_has_a_bin() -> None:
    assert expected_calibration_error([1.0, 0.0], [True, False]) == 0.0


def test_half_precision_probabilities_are_taken() -> None:
    proba = np.array([[0.3, 0.7], [0.9, 0.1]], dtype=np.float16)

    assert evaluate(["b", "a"], ["b", "a"], proba, ["a", "b"])["log_loss"] == pytest.approx(
        -(math.log(0.7) + math.log(0.9)) / 2, abs=1e-3
    )


def test_without_probabilities_two_metrics_are_none() -> None:
    scores = evaluate(["a"], ["a"], None, ["a", "b"])

    assert scores["log_loss"] is None
    assert scores["ece"] is None
    assert list(scores) == [name for name, m in METRICS.items() if m.tasks != "several labels"]


def test_labels_may_come_as_an_array_of_objects() -> None:
    predicted = np.array(["a", "b"], dtype=object)

    scores = evaluate(["a", "b"], predicted, np.eye(2), np.array(["a", "b"], dtype=object))

    assert scores["accuracy"] == 1.0
    assert type(scores["accuracy"]) is float


@pytest.mark.parametrize(
    ("truth", "predicted", "proba", "message"),
    [
        (["a"], [], None, "0 predictions for 1 texts"),
        ([], [], None, "0 predictions for 0 texts"),
        (["a"], ["a"], [[0.5, 0.5, 0.0]], r"shape \(1, 2\).*got \(1, 3\)"),
        (["a"], ["a"], [[float("nan"), 0.5]], "rows sum to 1.*nan"),
        (["a"], ["a"], [[1.5, -0.5]], "between 0 and 1.*-0.5"),
        (["a"], ["a"], [[2.0, 3.0]], "sums from 5.0"),
        (["a"], ["z"], [[0.5, 0.5]], r"predicted \['z'\].*\['a', 'b'\]"),
    ],
    ids=["missing", "empty", "columns", "nan", "negative", "logits", "unknown"],
)
def test_what_is_no_prediction_is_an_error(truth, predicted, proba, message) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(truth, predicted, None if proba is None else np.array(proba), ["a", "b"])


# ---- Several labels for a text ------------------------------------------------------------------

_TRUTH = [("a",), ("a", "b"), (), ("b",)]
_PREDICTED = [("a",), ("a",), ("b",), ("b", "c")]


def test_scores_of_several_labels_are_those_computed_by_hand() -> None:
    # a: 2 of 2 found, none wrong: F1 1. b: 1 right, 1 missed, 1 wrong: 2*1/(2*1+1+1) = 0.5. c: 0.
    scores = evaluate(_TRUTH, _PREDICTED, None, ["a", "b", "c"])

    assert scores["macro_f1"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert scores["weighted_f1"] == pytest.approx((2 * 1 + 2 * 0.5) / 4)
    assert scores["micro_f1"] == pytest.approx(
        2 * 3 / (2 * 3 + 1 + 2)
    )  # 3 right, 1 missed, 2 wrong
    assert scores["subset_accuracy"] == pytest.approx(1 / 4)
    assert scores["average_precision"] is None


def test_average_precision_is_that_computed_by_hand() -> None:
    proba = np.array([[0.9, 0.1, 0.5], [0.6, 0.7, 0.5], [0.7, 0.8, 0.5], [0.1, 0.6, 0.5]])

    scores = evaluate(_TRUTH, _PREDICTED, proba, ["a", "b", "c"])

    # a is right at ranks 1 and 3: (1/1 + 2/3) / 2; b at 2 and 3: (1/2 + 2/3) / 2; no text has c.
    assert scores["average_precision"] == pytest.approx(((1 + 2 / 3) / 2 + (1 / 2 + 2 / 3) / 2) / 2)


def test_where_no_text_has_a_label_there_is_no_f1() -> None:
    scores = evaluate([(), ()], [(), ()], np.zeros((2, 2)), ["a", "b"])

    assert scores["subset_accuracy"] == 1.0
    assert scores["macro_f1"] is scores["micro_f1"] is scores["average_precision"] is None


def test_a_task_has_the_metrics_that_fit_it() -> None:
    several = evaluate(_TRUTH, _PREDICTED, None, ["a", "b", "c"])
    one = evaluate(["a"], ["a"], None, ["a"])

    assert list(several) == [
        *("macro_f1", "weighted_f1", "micro_f1", "average_precision", "subset_accuracy"),
    ]
    assert list(one) == ["accuracy", "macro_f1", "weighted_f1", "log_loss", "ece"]


@pytest.mark.parametrize("wrong", [1.2, -0.1, np.nan])
def test_probabilities_of_labels_are_between_0_and_1(wrong: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1, got values"):
        evaluate([("a",)], [("a",)], np.array([[0.5, wrong]]), ["a", "b"])


def test_a_predicted_label_that_is_unknown_is_refused() -> None:
    with pytest.raises(InputError, match=r"predicted \['c'\]"):
        evaluate([("a",)], [("a", "c")], None, ["a", "b"])
