"""A fit that is interrupted loses nothing that was learned; one with checkpoints is resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fewshot import LiSTClassifier, PCPClassifier, PETClassifier
from fewshot.classifiers.semi_supervised.pcp import forget_pretraining
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.classifiers.sentence_classifier import SentenceClassifier
from fewshot.errors import CheckpointError, CheckpointWarning
from fewshot.knowledge import PrototypeVerbalizer, SoftVerbalizer
from fewshot.tuning import BitFit, Full
from tests.contract.refusing import assert_refused, changed
from tests.tiny_estimators import QUIET, WORDS, X, Y, fit, is_meta, prompt, tiny_lm
from tests.tiny_models import tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def interrupted(*_, **__):
    raise KeyboardInterrupt


def failing(*_, **__):
    raise RuntimeError("out of memory")


def watch(clf, stop_at=None, stop=interrupted) -> list[int]:
    """Note every pass through the model, and stop the fit at one of them."""
    passes: list[int] = []

    def note(*_):
        if len(passes) == stop_at:
            stop()
        passes.append(len(passes))

    while is_meta(clf):
        clf = clf.estimator
    model = getattr(clf.model, "model", None) or clf.model[0].auto_model
    model.get_input_embeddings().register_forward_pre_hook(note)
    return passes


@pytest.fixture(autouse=True)
def _nothing_remembered():
    forget_pretraining()


@pytest.mark.parametrize("stop", [interrupted, failing])
def test_a_fit_that_is_stopped_leaves_the_estimator_as_it_was(fitted, stop, monkeypatch):
    params = fitted.get_params()
    if "model" not in params and not is_meta(fitted):  # a regression on features
        monkeypatch.setattr(LogisticRegression, "fit", stop)
        clf = fitted
    else:
        is_sentences = isinstance(fitted, SentenceClassifier)
        model = tiny_sentence_transformer(tiny_bert()) if is_sentences else tiny_lm()
        clf = changed(fitted, {"estimator__model" if is_meta(fitted) else "model": model})
        watch(clf, 1, stop)  # in training, or in scoring where nothing is trained
    before = dict(vars(clf))

    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        fit(clf, X, Y)

    assert vars(clf).keys() == before.keys()
    assert all(vars(clf)[name] is value for name, value in before.items())


# ---- Checkpoints ------------------------------------------------------------------------------


def pet(tuning=None, **settings) -> PETClassifier:
    settings = {"templates": ["{text} {mask}", "{mask} : {text}"], "generations": 1} | settings
    return PETClassifier(prompt(tuning, verbalizer=WORDS), **QUIET | settings)


def list_(verbalizer=WORDS, **settings) -> LiSTClassifier:
    tuning = BitFit(num_epochs=2, learning_rate=1e-2)
    return LiSTClassifier(
        prompt(verbalizer=verbalizer), tuning=tuning, n_sessions=2, n_steps=4, **QUIET | settings
    )


def pcp(estimator=None, **settings) -> PCPClassifier:
    base = prompt(verbalizer=WORDS) if estimator is None else estimator
    settings = {"pretraining": Pretraining(num_epochs=3, batch_size=4)} | settings
    return PCPClassifier(base, **QUIET | settings)


# What is fitted, and a share of its passes after which the first rounds are done.
RESUMED = {
    "pet": (lambda **s: pet(Full(num_epochs=1), **s), 0.5),
    "list": (list_, 0.7),
    "list-vectors": (lambda **s: list_(SoftVerbalizer(WORDS), **s), 0.7),
    "list-means": (lambda **s: list_(PrototypeVerbalizer(), **s), 0.7),
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
    ("name", "change"),
    [
        ("pet", {"n_repetitions": 2}),
        ("pet", {"max_unlabeled": 4}),
        ("list", {"weights": "uniform"}),
        ("list", {"estimator__tuning__C": 3.0}),
        ("pcp", {"pretraining__num_epochs": 4}),
        ("pcp", {"random_state": 1}),
    ],
)
def test_other_settings_start_anew_and_warn(name, change, tmp_path):
    interrupt(name, checkpoint_dir=tmp_path)
    alone = fit(RESUMED[name][0]().set_params(**change), X, Y)
    forget_pretraining()
    clf = RESUMED[name][0](checkpoint_dir=tmp_path).set_params(**change)

    with pytest.warns(CheckpointWarning, match=f"differs in {next(iter(change))}"):
        fit(clf, X, Y)

    assert np.array_equal(clf.predict_proba(X), alone.predict_proba(X))
    assert len(list(tmp_path.iterdir())) == 1  # what was interrupted


@pytest.mark.parametrize("name", ["pet", "list", "pcp", "pcp-pet"])
def test_a_damaged_round_stops_the_fit_and_is_done_anew_once_it_is_deleted(name, tmp_path):
    expected, _ = whole(name)
    interrupt(name, checkpoint_dir=tmp_path)
    rounds = sorted(tmp_path.rglob("*.round"))
    for file in rounds:
        data = bytearray(file.read_bytes())
        data[-40] ^= 1  # in the last number
        file.write_bytes(data)
    clf = RESUMED[name][0](checkpoint_dir=tmp_path)

    for _ in rounds:
        with pytest.raises(CheckpointError, match=r"is damaged .*delete \S+\.round") as found:
            fit(clf, X, Y)
        forget_pretraining()
        damaged = str(found.value).partition("delete ")[2].split()[0]
        next(tmp_path.rglob(damaged)).unlink()
    fit(clf, X, Y)

    assert rounds
    assert np.array_equal(clf.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize("name", ["pet", "list", "pcp"])
def test_a_checkpoint_of_other_unlabelled_texts_is_refused(name, tmp_path):
    interrupt(name, checkpoint_dir=tmp_path)

    clf = RESUMED[name][0](checkpoint_dir=tmp_path)
    assert_refused(
        clf, CheckpointError, "differs in unlabelled texts", unlabeled=["another text", "a vote"]
    )


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


_KILLED = """
import os, signal
from tests.contract.test_interruptions import RESUMED, X, Y, fit, watch, whole

clf = RESUMED["pet"][0](checkpoint_dir={folder!r})
watch(clf, {stop_at}, lambda: os.kill(os.getpid(), signal.SIGKILL))
fit(clf, X, Y)
"""


@pytest.mark.slow
def test_a_killed_process_loses_one_round_and_is_resumed_to_the_same_result(tmp_path):
    expected, n_passes = whole("pet")
    folder, root = tmp_path / "checkpoint", Path(__file__).parents[2]
    script = _KILLED.format(folder=str(folder), stop_at=n_passes // 2)
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}

    ended = subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=False)

    assert ended.returncode == -signal.SIGKILL
    assert list(folder.rglob("*.round"))
    resumed = RESUMED["pet"][0](checkpoint_dir=folder)
    passes = watch(resumed)
    assert np.array_equal(fit(resumed, X, Y).soft_labels_, expected.soft_labels_)
    assert len(passes) < n_passes
