"""The baseline of a fine-tuned encoder."""

from __future__ import annotations

import pytest

from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from tests.tiny_models import save_tiny, tiny_bert

TEXTS = ["a great film", "an awful film", "great fun", "awful", "great", "bad awful film"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]


def make(lm=None, **settings):
    defaults = {"learning_rate": 1e-2, "num_epochs": 8, "random_state": 0, "verbose": 0}
    return FineTuneClassifier(lm, **(defaults | settings))


@pytest.fixture(scope="module")
def lm():
    return MaskedLM(*tiny_bert())


@pytest.fixture(scope="module")
def fitted(lm):
    return make(lm).fit(TEXTS, LABELS)


def test_it_learns(fitted):
    assert fitted.predict(TEXTS).tolist() == LABELS
    assert fitted.history_[-1]["loss"] < 0.2 < fitted.history_[0]["loss"]


def test_fitted_attributes(fitted):
    assert fitted.coef_.shape == (32, 2)
    assert len(fitted.history_) == 8
    assert fitted.max_length_ == 96


def test_pooling_is_that_of_fit(lm):
    assert make(lm, num_epochs=1, pooling="first").fit(TEXTS, LABELS).pooling_ == "first"


def test_pairs_are_read_in_order(lm):
    pairs = [("great", "bad"), ("bad", "great")] * 4

    clf = make(lm, num_epochs=15).fit(pairs, [0, 1] * 4)

    assert clf.predict(pairs[:2]).tolist() == [0, 1]
    assert clf.fields_ == ["text_0", "text_1"]


def test_labels_fix_the_classes(lm):
    clf = make(lm, labels=["pos", "neutral", "neg"]).fit(TEXTS, LABELS)

    assert clf.classes_.tolist() == ["neg", "neutral", "pos"]
    assert clf.predict_proba(TEXTS)[:, 1].max() < 1 / 3


def test_early_stopping_watches_held_out_texts(lm):
    clf = make(lm, num_epochs=40, patience=2, validation_fraction=0.34).fit(TEXTS, LABELS)

    losses = [row["valid_loss"] for row in clf.history_]
    assert len(losses) < 40
    assert min(losses[-2:]) > min(losses[:-2]) - 1e-4  # two epochs without a gain


def test_model_from_a_folder(tmp_path):
    clf = make(str(save_tiny(tmp_path / "model", "roberta")), pooling="first", learning_rate=3e-3)

    assert clf.fit(TEXTS, LABELS).predict(TEXTS).tolist() == LABELS


def test_a_last_step_that_diverges_is_an_error(lm):
    with pytest.raises(
        TuningError, match=r"not finite numbers.*at the last step; lower learning_r"
    ):
        make(lm, learning_rate=1e30, num_epochs=1, batch_size=6).fit(TEXTS, LABELS)


def test_dry_run_tells_the_steps(lm):
    cost = make(lm, num_epochs=3, batch_size=4).dry_run(TEXTS, LABELS)

    assert (cost.n_texts, cost.n_steps, cost.n_truncated) == (6, 6, 0)
    assert cost.n_tokens == 5 + 5 + 6 + 3 + 3 + 5  # "fun" has three pieces
    assert cost.seconds > 0
