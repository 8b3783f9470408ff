"""The SetFit baseline."""

from __future__ import annotations

import copy
import os
import pickle
import random
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.errors import HubError, InputError, ModelError, TruncationWarning
from tests.numeric import LABEL_WORDS, NumericAdapter
from tests.tiny_models import tiny_bert, tiny_numeric_model
from tests.tiny_sentences import tiny_sentence_transformer

TEXTS = ["a great film", "an awful film", "great fun", "awful", "great", "bad awful film"]
LABELS = ["pos", "neg", "pos", "neg", "pos", "neg"]


def make(transformer=None, **settings):
    defaults = {"learning_rate": 1e-3, "max_pairs": 32, "random_state": 0, "verbose": 0}
    return SetFitClassifier(transformer, **(defaults | settings))


@pytest.fixture(scope="module")
def transformer():
    return tiny_sentence_transformer(tiny_bert())


@pytest.fixture(scope="module")
def fitted(transformer):
    return make(transformer).fit(TEXTS, LABELS)


_CHECKED = make(tiny_sentence_transformer(tiny_numeric_model(64)), learning_rate=1e-5, max_pairs=16)


_EXPECTED_FAILURES = {
    "check_estimators_overwrite_params": "joblib hashes a SentenceTransformer and its copy "
    "differently; test_given_encoder_is_never_changed compares the weights instead"
}


@parametrize_with_checks(
    [NumericAdapter(_CHECKED, label_words=LABEL_WORDS)],
    expected_failed_checks=lambda estimator: _EXPECTED_FAILURES,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_it_learns(fitted):
    assert fitted.predict(TEXTS).tolist() == LABELS


def test_fitted_attributes(fitted):
    assert fitted.classes_.tolist() == ["neg", "pos"]
    assert fitted.coef_.shape == (32, 2)
    assert fitted.n_pairs_ == 2 * 12  # 12 of one class, 9 of two, oversampled
    assert fitted.n_truncated_ == 0
    [epoch] = fitted.history_
    assert epoch["loss"] > 0
    assert epoch["tokens"] > 24 * 2 * 3
    probabilities = fitted.predict_proba(TEXTS)
    assert probabilities.dtype == np.float64
    assert probabilities.sum(1) == pytest.approx(1.0)


def test_given_encoder_is_never_changed(transformer):
    before = [p.clone() for p in transformer.parameters()]

    clf = make(transformer).fit(TEXTS, LABELS)

    after = list(transformer.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    tuned = list(clf.encoder_.parameters())
    assert not all(torch.equal(a, b) for a, b in zip(before, tuned, strict=True))


def test_seed_decides_and_global_states_stay(transformer):
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()

    fits = [make(transformer, random_state=seed).fit(TEXTS, LABELS) for seed in (0, 0, 1)]

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
    assert together == pytest.approx(alone, abs=1e-9)
    assert fitted.predict_proba(texts[::-1])[::-1] == pytest.approx(together, abs=1e-9)


def test_importing_it_loads_no_model_library():
    code = (
        "import sys, fewshot.classifiers.setfit, fewshot.classifiers.tfidf; "
        "print([m for m in ('torch', 'transformers', 'setfit', 'datasets') if m in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_no_epoch_leaves_the_encoder_as_it_is(transformer):
    clf = make(transformer, num_epochs=0).fit(TEXTS, LABELS)

    pairs = zip(transformer.parameters(), clf.encoder_.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert clf.history_ == []


def test_dry_run_tells_the_steps_and_learns_nothing(transformer):
    texts, labels = ["great film"] * 32, [0, 1, 2, 3] * 8
    clf = make(transformer, max_pairs=2000)

    cost = clf.dry_run(texts, labels)

    assert (cost.n_texts, cost.n_tokens, cost.n_steps) == (32, 128, 48)  # 768 pairs by 16
    assert cost.seconds > 0
    assert not hasattr(clf, "classes_")
    assert make(transformer, num_epochs=2).dry_run(texts, labels).n_steps == 4  # capped to 32 pairs
    assert (
        make(transformer, num_iterations=20, max_pairs=2000)
        .dry_run(["great"] * 16, [0, 1] * 8)
        .n_steps
        == 40
    )


def test_twenty_classes_of_fifty_texts_do_not_explode(transformer):
    cost = SetFitClassifier(transformer, verbose=0).dry_run(["great"] * 1000, list(range(20)) * 50)

    assert cost.n_steps == 125


def test_int_labels_stay_ints(transformer):
    assert make(transformer).fit(TEXTS, [7, 2] * 3).predict(["great"]).tolist() == [7]


def test_fields_are_joined_and_found_by_name(transformer):
    frame = pd.DataFrame({"title": ["great", "awful"] * 3, "body": ["film", "film"] * 3})

    clf = make(transformer).fit(frame, LABELS)

    assert clf.predict(frame).tolist() == LABELS
    assert (clf.predict_proba(frame[["body", "title"]]) == clf.predict_proba(frame)).all()


def test_unlabelled_and_weightless_rows_are_left_out(transformer):
    clf = make(transformer).fit(TEXTS, LABELS)

    with_more = make(transformer).fit(
        [*TEXTS, "movie", "great"], [*LABELS, None, "neg"], sample_weight=[1.0] * 7 + [0.0]
    )

    assert (with_more.predict_proba(TEXTS) == clf.predict_proba(TEXTS)).all()


def test_weights_count(transformer):
    texts, labels = ["great", "great"] * 4, [0, 1] * 4

    for settings, weights, expected in (
        ({}, [5, 1] * 4, 0),
        ({}, [1, 5] * 4, 1),
        ({"class_weight": {1: 5.0}}, None, 1),
    ):
        clf = make(transformer, **settings).fit(texts, labels, sample_weight=weights)
        assert clf.predict(["great"]) == [expected]


def test_labels_fix_the_classes(transformer):
    clf = make(transformer, labels=["pos", "neutral", "neg"]).fit(TEXTS, LABELS)

    assert clf.classes_.tolist() == ["neg", "neutral", "pos"]
    assert clf.predict_proba(TEXTS)[:, 1] == pytest.approx(1e-6, rel=0.01)


def test_one_text_a_class_is_enough(transformer):
    clf = make(transformer).fit(["great", "bad"], [0, 1])

    assert clf.n_pairs_ == 4  # each text with itself, and the pair of both, twice
    assert clf.predict(["great", "bad"]).tolist() == [0, 1]


def test_cut_texts_are_counted_and_warned_of(transformer):
    texts = ["one two three four five six", "bad"]

    with pytest.warns(TruncationWarning, match="1 of 2 texts were shortened to fit 6 tokens"):
        clf = make(transformer, max_length=6).fit(texts, [0, 1])

    assert clf.n_truncated_ == 1
    with pytest.warns(TruncationWarning, match="1 of 3 texts"):
        clf.predict([*texts, ""])


def test_clone_pickle_and_deepcopy(fitted):
    assert not hasattr(clone(fitted), "classes_")
    for twin in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        assert (twin.predict_proba(TEXTS) == fitted.predict_proba(TEXTS)).all()


def test_cross_validation_on_a_list_of_texts(transformer):
    scores = cross_val_score(make(transformer), TEXTS * 2, LABELS * 2, cv=2)

    assert scores.mean() > 0.8


def test_nothing_is_printed_warned_or_written(transformer, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        make(transformer).fit(TEXTS, LABELS).predict(TEXTS)

    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_no_folder_appears_and_the_environment_is_as_before(transformer, tmp_path, monkeypatch):
    folders = tmp_path / "work", tmp_path / "home", tmp_path / "temporary"
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(folders[0])
    monkeypatch.setenv("HOME", str(folders[1]))
    monkeypatch.setattr("tempfile.tempdir", str(folders[2]))
    for name in ("WANDB_PROJECT", "TRACKIO_PROJECT", "TORCHINDUCTOR_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)

    make(transformer).fit(TEXTS, LABELS).predict(TEXTS)

    assert dict(os.environ) == before
    assert [list(folder.rglob("*")) for folder in folders] == [[], [], []]


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"learning_rate": 0}, InputError, "learning_rate is positive, got 0"),
        ({"learning_rate": "x"}, InputError, "learning_rate is positive, got 'x'"),
        ({"num_epochs": -1}, InputError, "num_epochs is a whole number, at least 0, got -1"),
        ({"num_epochs": 1.5}, InputError, "num_epochs is a whole number, at least 0, got 1.5"),
        ({"batch_size": 0}, InputError, "batch_size is a whole number, at least 1, got 0"),
        ({"batch_size": None}, InputError, "batch_size is a whole number, at least 1, got None"),
        ({"max_pairs": 0}, InputError, "max_pairs is a whole number, at least 2, got 0"),
        ({"max_pairs": "x"}, InputError, "max_pairs is a whole number, at least 2, got 'x'"),
        ({"num_iterations": 0}, InputError, "num_iterations is a whole number, at least 1, or"),
        ({"num_iterations": "x"}, InputError, "at least 1, or None, got 'x'"),
        ({"random_state": "x"}, InputError, "random_state is an int, .* got 'x'"),
        ({"verbose": "x"}, InputError, "verbose is one of"),
        ({"max_length": "x"}, ModelError, "max_length is from 1 to .* got 'x'"),
        ({"sampling_strategy": "all"}, InputError, "sampling_strategy is one of"),
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


def test_bad_input_is_refused(transformer):
    with pytest.raises(InputError, match="X is a sequence of texts"):
        make(transformer).fit("great", ["pos"])
    with pytest.raises(InputError, match="None or NaN in row 1"):
        make(transformer).fit(["great", None], LABELS[:2])
    with pytest.raises(InputError, match="2 classes at least"):
        make(transformer).fit(TEXTS, ["pos"] * 6)
    with pytest.raises(InputError, match="no text has a label"):
        make(transformer, labels=["pos", "neg"]).fit(TEXTS, [None] * 6)


def test_empty_and_odd_texts_are_taken(transformer):
    clf = make(transformer).fit(["", "great"], [0, 1])

    assert np.isfinite(clf.predict_proba(["", "🎉", "\n", "word " * 5000])).all()
