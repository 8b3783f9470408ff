"""The baseline of a fine-tuned encoder."""

from __future__ import annotations

import copy
import pickle
import random
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.errors import HubError, InputError, ModelError, TruncationWarning, TuningError
from fewshot.models.masked_lm import MaskedLM
from tests.numeric import LABEL_WORDS, NumericAdapter
from tests.tiny_models import save_tiny, tiny_bert, tiny_numeric_model

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


# A high rate on the head's scale: few steps must learn what the checks want to see learned.
_CHECKED = make(MaskedLM(*tiny_numeric_model(32)), learning_rate=2e-2, num_epochs=12, batch_size=16)


@parametrize_with_checks([NumericAdapter(_CHECKED, label_words=LABEL_WORDS)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_it_learns(fitted):
    assert fitted.predict(TEXTS).tolist() == LABELS
    assert fitted.history_[-1]["loss"] < 0.2 < fitted.history_[0]["loss"]


def test_fitted_attributes(fitted):
    assert fitted.classes_.tolist() == ["neg", "pos"]
    assert fitted.coef_.shape == (32, 2)
    assert len(fitted.history_) == 8
    assert fitted.n_truncated_ == 0
    assert fitted.max_length_ == 96
    probabilities = fitted.predict_proba(TEXTS)
    assert probabilities.dtype == np.float64
    assert probabilities.sum(1) == pytest.approx(1.0)


def test_pooling_is_that_of_fit(lm):
    assert make(lm, num_epochs=1, pooling="first").fit(TEXTS, LABELS).pooling_ == "first"


def test_shared_model_is_never_changed(lm):
    before = {name: p.clone() for name, p in lm.model.named_parameters()}

    clf = make(lm, num_epochs=2).fit(TEXTS, LABELS)

    assert clf.model_ is not lm
    assert all(torch.equal(before[name], p) for name, p in lm.model.named_parameters())
    assert clone(clf).model is lm


def test_seed_decides_and_global_states_stay(lm):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()

    fits = [make(lm, num_epochs=2, random_state=seed).fit(TEXTS, LABELS) for seed in (0, 0, 1)]

    scores = [clf.predict_proba(TEXTS) for clf in fits]
    assert (scores[0] == scores[1]).all()
    assert not (scores[0] == scores[2]).all()
    assert states[0] == random.getstate()
    assert (states[1] == np.random.get_state()[1]).all()
    assert torch.equal(states[2], torch.get_rng_state())


def test_predictions_do_not_depend_on_the_batch(fitted):
    texts = ["great " * n for n in range(20)]

    together = fitted.predict_proba(texts)

    alone = np.concatenate([fitted.predict_proba([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-7)
    assert fitted.predict_proba(texts[::-1])[::-1] == pytest.approx(together, abs=1e-7)


def test_int_labels_stay_ints(lm):
    clf = make(lm).fit(TEXTS, [7, 2] * 3)

    assert clf.predict(["great"]).tolist() == [7]


def test_pairs_are_read_in_order(lm):
    pairs = [("great", "bad"), ("bad", "great")] * 4

    clf = make(lm, num_epochs=15).fit(pairs, [0, 1] * 4)

    assert clf.predict(pairs[:2]).tolist() == [0, 1]
    assert clf.fields_ == ["text_0", "text_1"]


def test_fields_are_found_by_name(lm):
    frame = pd.DataFrame({"title": TEXTS, "body": TEXTS})
    clf = make(lm, num_epochs=1).fit(frame, LABELS)

    swapped = clf.predict_proba(frame[["body", "title"]])

    assert (swapped == clf.predict_proba(frame)).all()


def test_unlabelled_and_weightless_rows_are_left_out(lm):
    clf = make(lm, num_epochs=2).fit(TEXTS, LABELS)

    with_more = make(lm, num_epochs=2).fit(
        [*TEXTS, "movie", "great"], [*LABELS, None, "neg"], sample_weight=[1.0] * 7 + [0.0]
    )

    assert (with_more.predict_proba(TEXTS) == clf.predict_proba(TEXTS)).all()


def test_weights_count(lm):
    texts, labels = ["great", "great"] * 4, [0, 1] * 4

    for settings, weights, expected in (
        ({}, [5, 1] * 4, 0),
        ({}, [1, 5] * 4, 1),
        ({"class_weight": {1: 5.0}}, None, 1),
    ):
        clf = make(lm, num_epochs=10, **settings).fit(texts, labels, sample_weight=weights)
        assert clf.predict(["great"]) == [expected]


def test_labels_fix_the_classes(lm):
    clf = make(lm, labels=["pos", "neutral", "neg"]).fit(TEXTS, LABELS)

    assert clf.classes_.tolist() == ["neg", "neutral", "pos"]
    assert clf.predict_proba(TEXTS)[:, 1].max() < 1 / 3


def test_early_stopping_watches_held_out_texts(lm):
    clf = make(lm, num_epochs=40, patience=2, validation_fraction=0.34).fit(TEXTS, LABELS)

    losses = [row["valid_loss"] for row in clf.history_]
    assert len(losses) < 40
    assert min(losses[-2:]) > min(losses[:-2]) - 1e-4  # two epochs without a gain


def test_cut_texts_are_counted_and_warned_of(lm):
    texts = ["one two three four five six", "bad"]

    with pytest.warns(TruncationWarning, match="1 of 2 texts were shortened to fit 6 tokens"):
        clf = make(lm, max_length=6, num_epochs=1).fit(texts, [0, 1])

    assert clf.n_truncated_ == 1
    with pytest.warns(TruncationWarning, match="1 of 3 texts"):
        clf.predict([*texts, ""])


def test_dry_run_tells_the_steps_and_learns_nothing(lm):
    clf = make(lm, num_epochs=3, batch_size=4)

    cost = clf.dry_run(TEXTS, LABELS)

    assert (cost.n_texts, cost.n_steps, cost.n_truncated) == (6, 6, 0)
    assert cost.n_tokens == 5 + 5 + 6 + 3 + 3 + 5  # "fun" has three pieces
    assert cost.seconds > 0
    assert not hasattr(clf, "classes_")


def test_pickle_and_deepcopy(fitted):
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert (twin.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()


def test_cross_validation_on_a_list_of_texts(lm):
    scores = cross_val_score(make(lm), TEXTS * 2, LABELS * 2, cv=2)

    assert scores.mean() > 0.8


def test_model_from_a_folder(tmp_path):
    clf = make(str(save_tiny(tmp_path / "model", "roberta")), pooling="first", learning_rate=3e-3)

    assert clf.fit(TEXTS, LABELS).predict(TEXTS).tolist() == LABELS


def test_nothing_is_printed_or_warned(lm, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(lm).fit(TEXTS, LABELS).predict(TEXTS)

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"learning_rate": 0}, InputError, "learning_rate is positive, got 0"),
        ({"learning_rate": "x"}, InputError, "learning_rate is positive, got 'x'"),
        ({"num_epochs": 0}, InputError, "num_epochs is a whole number, at least 1, got 0"),
        ({"num_epochs": "x"}, InputError, "num_epochs is a whole number, at least 1, got 'x'"),
        ({"batch_size": 0}, InputError, "batch_size is a whole number, at least 1, got 0"),
        ({"batch_size": 2.5}, InputError, "batch_size is a whole number, at least 1, got 2.5"),
        ({"patience": 0}, InputError, "patience is a whole number, at least 1, or None, got 0"),
        ({"patience": "x"}, InputError, "patience is a whole number, .* got 'x'"),
        ({"random_state": "x"}, InputError, "random_state is an int, .* got 'x'"),
        ({"verbose": "x"}, InputError, "verbose is one of"),
        ({"validation_fraction": "x"}, InputError, "validation_fraction is from 0 .* got 'x'"),
        ({"pooling": "max"}, InputError, r"pooling is one of \['mean', 'first'\], got 'max'"),
        ({"validation_fraction": 1.0}, InputError, "validation_fraction is from 0"),
        ({"labels": ["pos", "x"]}, InputError, r"labels \['neg'\].*unknown"),
        ({"max_length": 1000}, ModelError, "max_length is from 1 to"),
        ({"model": "/no/such/folder"}, ModelError, "there is no folder '/no/such/folder'"),
        ({"model": None}, ModelError, "got NoneType"),
    ],
)
def test_bad_settings_are_refused_and_the_estimator_stays_as_it_was(
    fitted, settings, error, message
):
    clf = copy.copy(fitted).set_params(**settings)
    before = {name: value for name, value in vars(clf).items() if name.endswith("_")}

    with pytest.raises(error, match=message):
        clf.fit(TEXTS, LABELS)

    assert all(getattr(clf, name) is value for name, value in before.items())


def test_hub_id_offline_fails_at_once(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(HubError, match="'some-lab/no-such-model' is not in the local cache"):
        make("some-lab/no-such-model").fit(TEXTS, LABELS)


def test_bad_input_is_refused(lm):
    with pytest.raises(InputError, match="X is a sequence of texts"):
        make(lm).fit("great", ["pos"])
    with pytest.raises(InputError, match="None or NaN in row 1"):
        make(lm).fit(["great", None], LABELS[:2])
    with pytest.raises(InputError, match="2 classes at least"):
        make(lm).fit(TEXTS, ["pos"] * 6)
    with pytest.raises(InputError, match="no text has a label"):
        make(lm, labels=["pos", "neg"]).fit(TEXTS, [None] * 6)


def test_learns_nothing_from_empty_texts_but_takes_them(lm):
    clf = make(lm, num_epochs=1).fit(["", "great"], [0, 1])

    assert np.isfinite(clf.predict_proba(["", "🎉", "\n"])).all()


def test_a_last_step_that_diverges_is_an_error(lm):
    with pytest.raises(
        TuningError, match=r"not finite numbers.*at the last step; lower learning_r"
    ):
        make(lm, learning_rate=1e30, num_epochs=1, batch_size=6).fit(TEXTS, LABELS)
