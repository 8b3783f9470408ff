"""Comparisons: same splits for all, hand-checked numbers, and a failure that stays its own."""

from __future__ import annotations

import io
import logging

import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier

from fewshot.comparison import Method, Outcome, Spread, compare, format_table, summarise
from fewshot.sampling import KShotSplit
from fewshot.tfidf_classifier import TfidfClassifier

TEXTS = [f"{word} {i}" for word in ("ball", "vote") for i in range(6)]
LABELS = ["sport"] * 6 + ["politics"] * 6
SPLITTER = KShotSplit(k=2, n_splits=2)


class Failing(ClassifierMixin, BaseEstimator):
    def fit(self, X: list[str], y: list[str]) -> None:
        raise RuntimeError("out of <luck>")


class Spy(ClassifierMixin, BaseEstimator):
    seen: list = []  # noqa: RUF012

    def fit(self, X, y):
        Spy.seen.append(("fit", list(X), y))
        self.history_ = [{"tokens": 30}, {"tokens": 12}]
        return self

    def predict(self, X):
        import numpy as np

        Spy.seen.append(("predict", list(X), None))
        return np.array(["sport"] * len(X), dtype=object)


def run(*methods: Method, progress: io.StringIO | None = None) -> list[Outcome]:
    sink = io.StringIO() if progress is None else progress
    return list(compare(TEXTS, LABELS, SPLITTER, lambda seed: list(methods), sink))


def test_accuracy_and_macro_f1_are_those_computed_by_hand() -> None:
    outcome = Outcome("m", 0, ("a", "a", "a", "b"), ("a", "a", "b", "b"))

    assert outcome.accuracy == pytest.approx(0.75)
    assert outcome.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_class_that_is_never_predicted_counts_as_zero() -> None:
    assert Outcome("m", 0, ("a", "b"), ("a", "a")).macro_f1 == pytest.approx(1 / 3)


def test_a_spread_is_mean_and_sample_deviation() -> None:
    assert Spread.of([0.5, 0.7, 0.9]).mean == pytest.approx(0.7)
    assert Spread.of([0.5, 0.7, 0.9]).deviation == pytest.approx(0.2)
    assert str(Spread.of([0.5, 0.7, 0.9])) == "0.700 ± 0.200"
    assert str(Spread.of([0.5])) == "0.500"


def test_each_method_meets_the_same_split_and_train_and_test_are_disjoint() -> None:
    Spy.seen = []

    run(Method("one", Spy()), Method("two", Spy()))

    fit_one, test_one, fit_two, test_two = Spy.seen[:4]
    assert fit_one == fit_two
    assert test_one == test_two
    assert sorted(fit_one[1] + test_one[1]) == sorted(TEXTS)
    assert Spy.seen[4][1] != fit_one[1], "the second seed draws other texts"


def test_a_method_without_labels_gets_the_texts_alone() -> None:
    Spy.seen = []

    run(Method("zero-shot", Spy(), uses_labels=False))

    assert Spy.seen[0][2] is None


def test_outcomes_hold_seed_truth_predictions_and_tokens() -> None:
    outcomes = run(Method("spy", Spy()))

    assert [outcome.seed for outcome in outcomes] == [0, 1]
    assert sorted(outcomes[0].truth) == ["politics"] * 4 + ["sport"] * 4
    assert outcomes[0].predicted == ("sport",) * 8
    assert outcomes[0].accuracy == 0.5
    assert outcomes[0].tokens == 42


def test_tokens_of_a_prompt_are_those_the_encoder_read(tiny_roberta) -> None:
    from fewshot.classifier import PromptClassifier
    from fewshot.masked_lm import MaskedLM

    model, tokenizer = tiny_roberta
    words = {"politics": ["vote"], "sport": ["ball"]}
    prompt = PromptClassifier(
        "{mask} {text}",
        words,
        model=MaskedLM(model, tokenizer),
        tuning="head",
        calibration="domain",
        verbose=0,
    )

    (outcome,) = compare(
        TEXTS,
        LABELS,
        KShotSplit(k=2, n_splits=1),
        lambda seed: [Method("p", prompt)],
        io.StringIO(),
    )

    prompts = tokenizer([f"<mask> {text}" for text in TEXTS])["input_ids"]
    assert outcome.tokens == sum(len(ids) for ids in prompts)


def test_tokens_of_training_are_added(tiny_roberta) -> None:
    from fewshot.classifier import PromptClassifier
    from fewshot.masked_lm import MaskedLM
    from fewshot.tuning import Full

    model, tokenizer = tiny_roberta
    words = {"politics": ["vote"], "sport": ["ball"]}
    prompt = PromptClassifier(
        "{mask} {text}",
        words,
        model=MaskedLM(model, tokenizer),
        tuning=Full(num_epochs=3),
        calibration="none",
        random_state=0,
        verbose=0,
    )

    (outcome,) = compare(
        TEXTS,
        LABELS,
        KShotSplit(k=2, n_splits=1),
        lambda seed: [Method("p", prompt)],
        io.StringIO(),
    )

    lengths = [len(tokenizer(f"<mask> {text}")["input_ids"]) for text in TEXTS]
    assert len(set(lengths[:6])) == len(set(lengths[6:])) == 1
    train, test = 2 * (lengths[0] + lengths[6]), 4 * (lengths[0] + lengths[6])
    before_training = outcome.tokens - 3 * train - test
    assert before_training in (0, train)  # a strategy may first score the training texts


def test_a_failing_method_is_reported_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    progress = io.StringIO()

    with caplog.at_level(logging.ERROR):
        outcomes = run(
            Method("broken", Failing()), Method("tfidf", TfidfClassifier()), progress=progress
        )

    assert [outcome.error for outcome in outcomes] == ["RuntimeError: out of <luck>", ""] * 2
    assert "Traceback" in caplog.text
    assert progress.getvalue().count("failed\n") == 2
    table = format_table(summarise(outcomes))
    assert table.count("broken failed: RuntimeError: out of <luck>") == 1
    assert "tfidf" in table


def test_interrupting_is_not_a_failure_of_the_method() -> None:
    class Interrupted(Failing):
        def fit(self, X: list[str], y: list[str]) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Method("slow", Interrupted()))


def test_a_summary_leaves_out_the_seeds_that_failed() -> None:
    good = Outcome("m", 0, ("a", "b"), ("a", "b"), 1.0, 0.5, 10)
    bad = Outcome("m", 1, error="ValueError: no")

    (summary,) = summarise([good, bad])

    assert summary.accuracy == Spread(1.0, None)
    assert summary.errors == ("ValueError: no",)


def test_the_table_is_aligned_plain_text() -> None:
    outcomes = [
        Outcome("A", 0, ("a", "b"), ("a", "b"), 1.0, 0.5, 1000),
        Outcome("A", 1, ("a", "b"), ("a", "a"), 2.0, 1.5, 3000),
        Outcome("Longer name", 0, ("a", "b"), ("a", "b")),
        Outcome("Broken", 0, error="ValueError: no"),
    ]

    assert format_table(summarise(outcomes)) == (
        "Method            Accuracy       Macro-F1  Fit s  Predict s  Tokens\n"
        "-----------  -------------  -------------  -----  ---------  ------\n"
        "A            0.750 ± 0.354  0.667 ± 0.471   1.50       1.00   2,000\n"
        "Longer name          1.000          1.000   0.00       0.00       0\n"
        "Broken              failed\n"
        "Broken failed: ValueError: no"
    )


def test_progress_names_seed_method_and_result() -> None:
    progress = io.StringIO()

    run(
        Method("majority", DummyClassifier(strategy="constant", constant="sport")),
        progress=progress,
    )

    assert progress.getvalue().splitlines()[1].split() == (
        ["seed", "2", "of", "2", "majority", "accuracy", "0.500", "0.0", "s"]
    )
