"""PET and iPET: who is trained on what, what is merged, and that it always ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import fewshot
from fewshot import (
    FineTuneClassifier,
    PETClassifier,
    PromptClassifier,
    Template,
    Unlabeled,
    Verbalizer,
)
from fewshot.classifiers.prompt import PromptClassifier as _Prompt
from fewshot.errors import FewShotError, InputError, TemplateError
from fewshot.models.masked_lm import MaskedLM
from fewshot.training import rounds
from fewshot.tuning import Full, Head
from tests.tiny_models import tiny_bert

X = [
    "football team", "player goal", "football match", "team win goal", "player of the team",
    "government", "election vote", "law of the world", "vote and law", "election government",
]  # fmt: skip
Y = ["sports"] * 5 + ["politics"] * 5
POOL = [
    f"{a} {b}"
    for a in ("goal", "vote", "team", "law", "player", "government")
    for b in ("match", "world", "election", "win", "of the day", "football")
]
TEMPLATES = ["{text} {mask}", "{mask} : {text}"]
WORDS = {"politics": "politics", "sports": "sports"}

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def prompt(tuning=None, **settings) -> PromptClassifier:
    lm = MaskedLM(*tiny_bert(), device="cpu")
    tuning = Head() if tuning is None else tuning
    settings = {"verbalizer": WORDS, "calibration": "domain"} | settings
    return PromptClassifier(model=lm, tuning=tuning, verbose=0, **settings)


def pet(tuning=None, **settings) -> PETClassifier:
    settings = {"templates": TEMPLATES, "random_state": 0, "verbose": 0} | settings
    return PETClassifier(prompt(tuning), **settings)


def fit(clf, pool=POOL) -> PETClassifier:
    return clf.fit(X, Y, unlabeled=Unlabeled(pool))


class Watched:
    """Notes what every classifier is fitted on."""

    def __init__(self, monkeypatch):
        self.fits = []
        plain = _Prompt.fit

        def noted(clf, X=None, y=None, **params):
            labels = [None] * len(X) if y is None else list(y)
            self.fits.append((clf, list(X), labels))
            return plain(clf, X, y, **params)

        monkeypatch.setattr(_Prompt, "fit", noted)

    def tuned(self):
        """Return the fits that learn from labels, but the last, which is the distillation."""
        return [row for row in self.fits if any(label is not None for label in row[2])]


# ---- Ensemble ---------------------------------------------------------------------------------


def test_there_is_a_member_for_each_pattern_and_repetition():
    clf = fit(pet(n_repetitions=3))

    rows = [(row["pattern"], row["repetition"]) for row in clf.history_]
    assert rows == [(p, r) for p in (0, 1) for r in (0, 1, 2)]
    assert clf.member_weights_.shape == (6,)


def test_members_weigh_by_their_accuracy_before_tuning():
    clf = fit(pet())

    for template, weight in zip(TEMPLATES, clf.member_weights_, strict=True):
        zero_shot = prompt("none", template=template).fit([*X, *POOL])
        assert weight == pytest.approx(np.mean(zero_shot.predict(X) == Y))


def test_texts_of_weight_zero_do_not_count_in_the_accuracy():
    plain, weighted = (pet().set_params(estimator__calibration="none") for _ in range(2))
    wrong = ["sports", *Y[1:9], "sports"]

    plain.fit(X[:9], wrong[:9], unlabeled=Unlabeled(POOL))
    weighted.fit(X, wrong, sample_weight=[1.0] * 9 + [0.0], unlabeled=Unlabeled(POOL))

    assert weighted.member_weights_.tolist() == pytest.approx(plain.member_weights_.tolist())


def test_in_a_uniform_ensemble_all_weigh_alike():
    assert fit(pet(ensemble="uniform")).member_weights_.tolist() == [1.0, 1.0]


def test_soft_labels_are_the_softmax_of_merged_scores():
    clf = fit(pet(ensemble="uniform"))

    scores = []
    for template in TEMPLATES:
        member = prompt(template=template).fit([*X, *POOL], [*Y, *[None] * len(POOL)])
        scores.append(member._class_scores(POOL))
    merged = np.mean(scores, axis=0)
    expected = np.exp(merged) / np.exp(merged).sum(1, keepdims=True)
    np.testing.assert_allclose(clf.soft_labels_, expected, atol=1e-5)


def test_repetitions_of_tuning_differ():
    clf = fit(pet(Full(num_epochs=1), templates=TEMPLATES[:1], n_repetitions=2, generations=0))
    one = fit(pet(Full(num_epochs=1), templates=TEMPLATES[:1]))

    assert not np.allclose(clf.soft_labels_, one.soft_labels_, atol=1e-6)


def test_a_pattern_may_bring_its_own_words():
    second = ("{mask} : {text}", {"politics": ["law", "government"], "sports": ["football"]})

    clf = fit(pet(templates=[TEMPLATES[0], second]))

    assert clf.classes_.tolist() == ["politics", "sports"]


def test_by_default_the_estimators_template_comes_first_and_three_follow():
    clf = fit(PETClassifier(prompt(template="{text} {mask}"), random_state=0, verbose=0))

    assert [row["pattern"] for row in clf.history_] == [0, 1, 2, 3]


def test_pairs_have_only_the_template_of_the_estimator_by_default():
    pairs = [(text, "news") for text in POOL]

    clf = PETClassifier(prompt(template="{a} {mask} {b}"), random_state=0, verbose=0)
    clf.fit([(text, "news") for text in X], Y, unlabeled=Unlabeled(pairs))

    assert len(clf.history_) == 1
    assert clf.predict([("football", "news")]).shape == (1,)


# ---- Distillation -----------------------------------------------------------------------------


def test_the_final_classifier_never_sees_the_labelled_texts(monkeypatch):
    watched = Watched(monkeypatch)

    fit(pet())

    _, texts, _ = watched.fits[-1]
    assert texts == POOL


def test_the_final_classifier_learns_the_soft_labels():
    clf = fit(pet(Head(C=1e4)))

    likeliest = clf.predict_proba(POOL).argmax(1)
    assert np.mean(likeliest == clf.soft_labels_.argmax(1)) > 0.9


def test_the_final_classifier_has_the_pattern_of_the_largest_weight():
    clf = fit(pet())

    best = TEMPLATES[int(clf.member_weights_.argmax())]
    assert clf.estimator_.template_.text == best


def test_a_final_prompt_classifier_may_be_given():
    final = prompt(Head(C=5.0), template="{text} is {mask}")

    clf = fit(pet(final_estimator=final))

    assert clf.estimator_.template_.text == "{text} is {mask}"
    assert clf.estimator_.tuning.C == 5.0


def test_a_final_linear_layer_learns_the_soft_labels():
    lm = MaskedLM(*tiny_bert(), device="cpu")
    final = FineTuneClassifier(lm, num_epochs=15, learning_rate=3e-3, verbose=0)

    clf = fit(pet(final_estimator=final))

    assert isinstance(clf.estimator_, FineTuneClassifier)
    assert np.mean(clf.predict_proba(POOL).argmax(1) == clf.soft_labels_.argmax(1)) > 0.8


def test_gradient_tuning_distils_in_three_epochs():
    clf = fit(pet(Full(num_epochs=5)))

    assert [row["epoch"] for row in clf.history_ if "epoch" in row] == [0, 1, 2]
    assert clf.estimator_.tuning.num_epochs == 3


def test_a_final_classifier_that_cannot_learn_is_refused():
    with pytest.raises(InputError, match="tuning='none' and would learn nothing"):
        fit(pet("none"))


def test_temperature_changes_what_gradients_learn():
    cold = fit(pet(Full(num_epochs=1, learning_rate=1e-2), temperature=1.0))
    warm = fit(pet(Full(num_epochs=1, learning_rate=1e-2), temperature=4.0))

    np.testing.assert_allclose(cold.soft_labels_, warm.soft_labels_)
    assert not np.allclose(cold.predict_proba(X), warm.predict_proba(X))


def test_masked_language_modelling_joins_the_members_loss():
    without = fit(pet(Full(num_epochs=1)))
    with_it = fit(pet(Full(num_epochs=1), mlm_weight=0.5))

    assert not np.allclose(without.soft_labels_, with_it.soft_labels_)


# ---- Without labels ---------------------------------------------------------------------------


def test_without_labels_the_patterns_are_used_zero_shot():
    clf = pet().fit(unlabeled=Unlabeled(POOL))

    scores = [prompt("none", template=t).fit(POOL)._class_scores(POOL) for t in TEMPLATES]
    merged = np.mean(scores, axis=0)
    assert clf.member_weights_.tolist() == [1.0, 1.0]
    np.testing.assert_array_equal(clf.soft_labels_.argmax(1), merged.argmax(1))


def test_unlabelled_rows_alone_are_enough():
    by_rows = pet().fit(POOL)
    by_none = pet().fit(POOL, [None] * len(POOL))
    by_pool = pet().fit(unlabeled=Unlabeled(POOL))

    np.testing.assert_array_equal(by_rows.soft_labels_, by_pool.soft_labels_)
    np.testing.assert_array_equal(by_none.soft_labels_, by_pool.soft_labels_)


def test_ipet_without_labels_draws_each_class_alike(monkeypatch):
    watched = Watched(monkeypatch)

    pet(generations=1).fit(unlabeled=Unlabeled(POOL))

    for _, texts, labels in watched.tuned()[:-1]:
        drawn = [label for label in labels if label is not None]
        assert (drawn.count("politics"), drawn.count("sports")) == (5, 5)
        assert set(texts) <= set(POOL)


# ---- Cost -------------------------------------------------------------------------------------


def test_texts_are_tokenised_once_for_all_patterns_and_members():
    clf = pet(Head(), n_repetitions=2, generations=1)
    lm = clf.estimator.model
    counted = []
    plain = type(lm.tokenizer).__call__

    class Counting(type(lm.tokenizer)):
        def __call__(self, text=None, *args, **kwargs):
            if isinstance(text, list):
                counted.extend(text)
            return plain(self, text, *args, **kwargs)

    lm.tokenizer.__class__ = Counting

    fit(clf)

    texts = [text for text in counted if text in set(POOL)]
    assert sorted(texts) == sorted(POOL)


def test_one_tuned_model_is_alive_at_a_time(monkeypatch):
    copies, alive = [], []
    plain = MaskedLM.copy

    def noted(lm, *args):
        twin = plain(lm, *args)
        copies.append(weakref.ref(twin.model))
        alive.append(sum(model() is not None for model in copies))
        return twin

    monkeypatch.setattr(MaskedLM, "copy", noted)

    fit(pet(Full(num_epochs=1), n_repetitions=2, generations=1))

    # Eight members and the final one; none waits for the garbage collector.
    assert alive == [1] * 9


# ---- Seeds and interruptions ------------------------------------------------------------------


def test_the_same_seed_gives_the_same_to_the_last_bit():
    one, again = (fit(pet(Full(num_epochs=1), generations=1)) for _ in range(2))

    assert np.array_equal(one.predict_proba(X), again.predict_proba(X))
    assert np.array_equal(one.soft_labels_, again.soft_labels_)


def test_the_bar_counts_members_and_the_final_classifier(capfd, monkeypatch):
    monkeypatch.setattr(rounds, "_BAR_DELAY", 0)

    fit(pet(verbose=1))

    assert "3/3" in capfd.readouterr().err  # two patterns, and the final classifier


@pytest.mark.parametrize("stop_at", [1, 2, 5])
def test_an_interrupted_fit_goes_on_to_the_same_result(tmp_path, monkeypatch, stop_at):
    settings = {"tuning": Full(num_epochs=1), "generations": 1}
    whole = fit(pet(**settings))
    fits = []
    plain = _Prompt.fit

    def broken(clf, *args, **params):
        fits.append(clf)
        if len(fits) == stop_at:
            raise KeyboardInterrupt
        return plain(clf, *args, **params)

    with monkeypatch.context() as patched:
        patched.setattr(_Prompt, "fit", broken)
        with pytest.raises(KeyboardInterrupt):
            fit(pet(**settings, checkpoint_dir=tmp_path))

    again = fit(pet(**settings, checkpoint_dir=tmp_path))

    assert np.array_equal(whole.predict_proba(X), again.predict_proba(X))
    assert list(tmp_path.iterdir()) == []


def test_a_fit_without_a_seed_can_be_taken_up(tmp_path, monkeypatch):
    import fewshot.classifiers.semi_supervised.pet as module

    monkeypatch.setattr(module, "_distil", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fit(pet(random_state=None, checkpoint_dir=tmp_path, max_unlabeled=20))
    monkeypatch.undo()

    clf = fit(pet(random_state=None, checkpoint_dir=tmp_path, max_unlabeled=20))

    assert clf.n_unlabeled_ == 20


def test_an_error_of_a_member_is_raised_and_the_estimator_stays_as_it_was(monkeypatch):
    clf = fit(pet(Full(num_epochs=1)))
    before = dict(vars(clf))
    monkeypatch.setattr(
        "fewshot.tuning.gradient.train", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("oom"))
    )

    with pytest.raises(RuntimeError, match="oom"):
        fit(clf)

    assert all(vars(clf)[name] is value for name, value in before.items())


# ---- Bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_repetitions": 0}, "n_repetitions is a whole number, at least 1"),
        ({"ensemble": "best"}, "ensemble is one of"),
        ({"temperature": 0}, "temperature is positive"),
        ({"mlm_weight": 1.0}, "mlm_weight is from 0 to below 1"),
        ({"mlm_weight": 0.1}, "needs tuning by gradients"),
        ({"generations": -1}, "generations is a whole number, 0 or more"),
        ({"templates": "{text} {mask}"}, "templates is a list of patterns"),
        ({"templates": []}, "templates is a list of patterns"),
        ({"templates": [("{text} {mask}",)]}, "a pair of template and verbalizer"),
        ({"templates": ["{text} {mask}", "{a} {b} {mask}"]}, "same fields"),
        ({"final_estimator": "cls"}, "final_estimator is a PromptClassifier or a FineTune"),
        ({"verbose": 2}, "verbose is 0 or 1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        fit(pet(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": "{a} {b} {mask}"}, "same fields"),
        ({"template": "{text} without a mask"}, "exactly one {mask}"),
        ({"verbalizer": {"politics": "law", "sport": "game"}}, "no label 'sports'"),
        ({"tuning": Full(num_epochs=0)}, "num_epochs of Full"),
    ],
)
def test_a_final_classifier_that_cannot_be_fitted_is_refused_before_any_work(settings, message):
    final = prompt(template=TEMPLATES[0]).set_params(**settings)
    clf = pet(final_estimator=final)

    with pytest.raises(FewShotError, match=message):
        fit(clf)

    assert clf.estimator.model.counts.prompts == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_epochs": 0}, "num_epochs is a whole number"),
        ({"model": "/none"}, "/none"),
        ({"validation_fraction": 2.0}, "validation_fraction is from 0"),
        ({"max_length": 100_000}, "max_length"),
        ({"pooling": "last"}, "pooling is one of"),
    ],
)
def test_a_final_linear_layer_is_checked_before_any_work(settings, message):
    clf = pet()
    final = FineTuneClassifier(clf.estimator.model, num_epochs=1).set_params(**settings)
    clf.set_params(final_estimator=final)

    with pytest.raises(FewShotError, match=message):
        fit(clf)

    assert clf.estimator.model.counts.prompts == 0


def test_ipet_with_one_member_is_refused():
    with pytest.raises(InputError, match="generations > 0 needs two members"):
        fit(pet(templates=TEMPLATES[:1], generations=1))


@pytest.mark.parametrize("tuning", ["head", "none", Head(C=1.0)])
def test_ipet_with_members_that_are_alike_is_refused(tuning):
    given = {"final_estimator": prompt(), "n_repetitions": 3, "generations": 1}

    with pytest.raises(InputError, match=r"two members that differ.*repetitions of 'head' are"):
        fit(pet(tuning, templates=TEMPLATES[:1], **given))


def test_a_bad_template_is_refused():
    with pytest.raises(TemplateError):
        fit(pet(templates=["{text} without a mask"]))


def test_patterns_that_disagree_on_labels_are_refused():
    other = Verbalizer({"politics": "politics", "sport": "sports"})

    with pytest.raises(InputError, match=r"same labels|unknown"):
        pet(templates=[TEMPLATES[0], (TEMPLATES[1], other)]).fit(unlabeled=Unlabeled(POOL))


def test_bad_input_is_refused_before_any_text_is_encoded():
    clf = pet(generations=1, templates=[Template(TEMPLATES[0])])
    lm = clf.estimator.model

    with pytest.raises(InputError):
        fit(clf)

    assert lm.counts.prompts == 0


# ---- Copies -----------------------------------------------------------------------------------


def test_a_clone_copies_no_model():
    clf = pet()

    assert clone(clf).estimator.model is clf.estimator.model


def test_a_saved_one_holds_the_final_classifier_only(tmp_path):
    clf = fit(pet(Full(num_epochs=1)))
    clf.save(tmp_path / "model")

    again = fewshot.load(tmp_path / "model")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(again.predict_proba(POOL), clf.predict_proba(POOL))
    assert np.array_equal(again.soft_labels_, clf.soft_labels_)


_KILLED = """
import os, signal
import fewshot.classifiers.semi_supervised.ensembles as module
from tests.classifiers.semi_supervised.test_pet import Full, fit, pet

plain, fits = module._train_member, []

def killing(*args):
    if len(fits) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    fits.append(args)
    return plain(*args)

module._train_member = killing
fit(pet(Full(num_epochs=1), generations=1, checkpoint_dir={folder!r}))
"""


@pytest.mark.slow
def test_a_killed_process_loses_one_round_and_goes_on_to_the_same_result(tmp_path):
    folder = tmp_path / "checkpoint"
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", _KILLED.format(folder=str(folder))]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}

    ended = subprocess.run(command, cwd=root, env=environment, check=False)

    assert ended.returncode == -signal.SIGKILL
    assert len(list(folder.rglob("*.safetensors"))) == 3
    again = fit(pet(Full(num_epochs=1), generations=1, checkpoint_dir=folder))
    whole = fit(pet(Full(num_epochs=1), generations=1))
    assert np.array_equal(again.soft_labels_, whole.soft_labels_)
