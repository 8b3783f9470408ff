"""A fit that is interrupted loses nothing that was learned; one with checkpoints is resumed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fewshot import LiSTClassifier, PCPClassifier, PETClassifier
from fewshot.classifiers.semi_supervised.continued_pretraining import forget_pretraining
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.errors import CheckpointError
from fewshot.tuning import BitFit, Full
from tests.contract.refusing import assert_refused, changed
from tests.tiny_estimators import QUIET, WORDS, X, Y, fit, is_meta, prompt, tiny_lm
from tests.tiny_models import tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def stop(*_, **__):
    raise KeyboardInterrupt


def watch(clf, stop_at=None) -> list[int]:
    """Note every pass through the model, and interrupt the fit at one of them."""
    passes: list[int] = []

    def note(*_):
        if len(passes) == stop_at:
            raise KeyboardInterrupt
        passes.append(len(passes))

    while is_meta(clf):
        clf = clf.estimator
    model = getattr(clf.model, "model", None) or clf.model[0].auto_model
    model.get_input_embeddings().register_forward_pre_hook(note)
    return passes


@pytest.fixture(autouse=True)
def _nothing_remembered():
    forget_pretraining()


def test_an_interrupted_fit_leaves_the_estimator_as_it_was(fitted, monkeypatch):
    params = fitted.get_params()
    if "ngram_range" in params:
        monkeypatch.setattr(LogisticRegression, "fit", stop)
        clf = fitted
    else:
        sentences = "max_pairs" in params
        model = tiny_sentence_transformer(tiny_bert()) if sentences else tiny_lm()
        clf = changed(fitted, {"estimator__model" if is_meta(fitted) else "model": model})
        watch(clf, stop_at=1)  # in training, or in scoring where nothing is trained
    before = dict(vars(clf))

    with pytest.raises(KeyboardInterrupt):
        fit(clf, X, Y)

    assert vars(clf).keys() == before.keys()
    assert all(vars(clf)[name] is value for name, value in before.items())


# ---- Checkpoints ------------------------------------------------------------------------------


def pet(tuning=None, **settings) -> PETClassifier:
    settings = {"templates": ["{text} {mask}", "{mask} : {text}"], "generations": 1} | settings
    return PETClassifier(prompt(tuning, verbalizer=WORDS), **QUIET | settings)


def list_(**settings) -> LiSTClassifier:
    tuning = BitFit(num_epochs=2, learning_rate=1e-2)
    return LiSTClassifier(
        prompt(verbalizer=WORDS), tuning=tuning, n_sessions=2, n_steps=4, **QUIET | settings
    )


def pcp(estimator=None, **settings) -> PCPClassifier:
    base = prompt(verbalizer=WORDS) if estimator is None else estimator
    settings = {"pretraining": Pretraining(num_epochs=3, batch_size=4)} | settings
    return PCPClassifier(base, **QUIET | settings)


# What is fitted, and a share of its passes after which the first rounds are done.
RESUMED = {
    "pet": (lambda **s: pet(Full(num_epochs=1), **s), 0.5),
    "list": (list_, 0.7),
    "pcp": (pcp, 0.7),
    "pcp-pet": (lambda **s: pcp(pet(generations=0), **s), 0.9),
    "pcp-list": (lambda **s: pcp(list_(), **s), 0.9),
    "pcp-pcp": (lambda **s: pcp(pcp(pet(generations=0)), **s), 0.9),
}


@cache
def whole(name):
    """Return what is fitted without an interruption, and how many passes that took."""
    clf = RESUMED[name][0]()
    passes = watch(clf)
    return fit(clf, X, Y), len(passes)


def interrupt(name, share=None, **settings) -> None:
    """Interrupt a fit after a share of its passes, by default when some rounds are done."""
    make, late = RESUMED[name]
    n_passes = whole(name)[1]
    forget_pretraining()
    clf = make(**settings)
    watch(clf, stop_at=int((late if share is None else share) * (n_passes - 1)))
    with pytest.raises(KeyboardInterrupt):
        fit(clf, X, Y)
    forget_pretraining()


@pytest.mark.parametrize("share", [0.0, None, 1.0], ids=["begin", "middle", "end"])
@pytest.mark.parametrize("name", RESUMED)
def test_an_interrupted_fit_is_resumed_to_the_same_result(name, share, tmp_path):
    expected, n_passes = whole(name)
    interrupt(name, share, checkpoint_dir=tmp_path)

    resumed = RESUMED[name][0](checkpoint_dir=tmp_path)
    passes = watch(resumed)
    fit(resumed, X, Y)

    assert np.array_equal(resumed.predict_proba(X), expected.predict_proba(X))
    for attribute in ("soft_labels_", "example_weights_"):
        value = getattr(expected, attribute, None)
        if value is not None:
            assert np.array_equal(getattr(resumed, attribute), value, equal_nan=True)
    assert share == 0 or len(passes) < n_passes  # what was done is not done again
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "change", "named"),
    [
        ("pet", {"n_repetitions": 2}, "n_repetitions"),
        ("pet", {"templates": ["{text} is {mask}", "{text} {mask}"]}, "templates"),
        ("pet", {"estimator__tuning__num_epochs": 2}, "estimator__tuning__num_epochs"),
        ("pet", {"random_state": 1}, "random_state"),
        ("pet", {"max_unlabeled": 7}, "max_unlabeled"),
        ("list", {"n_steps": 7}, "n_steps"),
        ("list", {"weights": "uniform"}, "weights"),
        ("list", {"estimator__tuning__C": 3.0}, "estimator__tuning__C"),
        ("pcp", {"pretraining__num_epochs": 4}, r"pretraining__num_epochs \(3 there, 4 here\)"),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(name, change, named, tmp_path):
    interrupt(name, checkpoint_dir=tmp_path)
    clf = RESUMED[name][0](checkpoint_dir=tmp_path).set_params(**change)

    assert_refused(clf, CheckpointError, named)


@pytest.mark.parametrize("name", ["pet", "list", "pcp"])
def test_a_checkpoint_of_other_unlabelled_texts_is_refused(name, tmp_path):
    interrupt(name, checkpoint_dir=tmp_path)

    clf = RESUMED[name][0](checkpoint_dir=tmp_path)
    assert_refused(clf, CheckpointError, "unlabelled texts", unlabeled=["another text", "a vote"])


@pytest.mark.parametrize("name", ["pet", "list", "pcp"])
def test_a_fit_without_a_seed_is_resumed(name, tmp_path):
    settings = {"random_state": None, "checkpoint_dir": tmp_path, "max_unlabeled": 9}
    interrupt(name, **settings)

    clf = RESUMED[name][0](**settings)
    passes = watch(clf)
    fit(clf, X, Y)

    assert clf.n_unlabeled_ == 9
    assert len(passes) < whole(name)[1]


@pytest.mark.parametrize("name", ["pet", "list", "pcp"])
def test_without_a_checkpoint_nothing_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    fit(RESUMED[name][0](), X, Y)

    assert list(tmp_path.iterdir()) == []
