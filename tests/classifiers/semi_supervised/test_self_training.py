"""LiST: what each student starts from and learns, what its texts weigh, and that it can go on."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_validate

import fewshot
from fewshot import LiSTClassifier, PCPClassifier, PromptClassifier, Unlabeled
from fewshot.classifiers.prompt_plan import resolve_template
from fewshot.classifiers.semi_supervised import sessions, student_training
from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.errors import InputError, TuningError
from fewshot.knowledge import PrototypeVerbalizer, SoftVerbalizer
from fewshot.models.fingerprint import model_fingerprint
from fewshot.models.masked_lm import MaskedLM
from fewshot.training.loop import TrainSettings
from fewshot.tuning import (
    Adapter,
    BitFit,
    Full,
    Head,
    LoRA,
    Perfect,
    SoftPrompt,
    Training,
)
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
WORDS = {"politics": "politics", "sports": "sports"}

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def prompt(tuning=None, **settings) -> PromptClassifier:
    lm = MaskedLM(*tiny_bert(), device="cpu")
    tuning = Head() if tuning is None else tuning
    settings = {"verbalizer": WORDS, "calibration": "domain", "random_state": 0} | settings
    return PromptClassifier(model=lm, tuning=tuning, verbose=0, **settings)


def adapter(**settings) -> Adapter:
    settings = {"learning_rate": 1e-2, "num_epochs": 2} | settings
    return Adapter(4, placement="houlsby", activation="linear", also_tuned="head", **settings)


def learner(estimator=None, **settings) -> LiSTClassifier:
    settings = {"n_sessions": 2, "n_steps": 6, "batch_size": 6, "tuning": adapter()} | settings
    settings = {"random_state": 0, "verbose": 0} | settings
    return LiSTClassifier(prompt() if estimator is None else estimator, **settings)


def fit(clf, pool=POOL) -> LiSTClassifier:
    return clf.fit(X, Y, unlabeled=Unlabeled(pool))


@pytest.fixture
def watched(monkeypatch):
    """Note every student before it learns: its tuned parameters and its task."""
    starts = []
    plain = student_training.StudentTraining.learn

    def noted(session):
        values = {n: p.detach().clone() for n, p in session.learner.parameters.items()}
        starts.append((values, session))
        return plain(session)

    monkeypatch.setattr(student_training.StudentTraining, "learn", noted)
    return starts


# ---- Sessions ---------------------------------------------------------------------------------


def test_the_first_teacher_is_the_estimator_fitted_on_the_labels():
    clf = fit(learner(n_sessions=1))

    alone = prompt().fit([*X, *POOL], [*Y, *[None] * len(POOL)])
    np.testing.assert_allclose(clf.soft_labels_, alone.predict_proba(POOL), atol=1e-6)


def test_each_student_is_the_next_teacher_and_constant_within_a_session():
    one, two = fit(learner(n_sessions=1)), fit(learner(n_sessions=2))

    labels = one.estimator_.predict_proba(POOL)
    np.testing.assert_allclose(two.soft_labels_, labels, atol=1e-6)


def test_a_student_starts_from_the_given_model_with_new_adapters(watched):
    clf = learner()
    given = dict(clf.estimator.model.named_parameters())

    fit(clf)

    (first, _), (second, _) = watched
    for name in first:
        if name.startswith("added."):
            assert not torch.equal(first[name], second[name])
            assert float(first[name].abs().max()) < 2e-3  # N(0, 0.0002^2)
        else:
            assert torch.equal(first[name], given[name])
            assert torch.equal(second[name], given[name])


def test_the_encoder_is_frozen_and_shared():
    clf = learner()
    before = model_fingerprint(clf.estimator.model)

    fit(clf)

    assert model_fingerprint(clf.estimator.model) == before
    given = dict(clf.estimator.model.model.named_parameters())
    own = dict(clf.estimator_.model_.model.named_parameters())
    other = {name for name in own if own[name].data_ptr() != given[name].data_ptr()}
    assert other
    assert not any("encoder" in name or "embeddings" in name for name in other)


def test_students_learn_what_their_teacher_says():
    long = learner(n_sessions=1, n_steps=60, weights="uniform")

    clf = fit(long)

    assert clf.history_[1]["loss"] < 0.02
    assert clf.agreement_[0] > 0.9


def test_the_learning_rate_falls_over_both_parts_of_a_session():  # list.md, E6
    settings = TrainSettings(1e-4, num_epochs=50, batch_size=4, warmup_ratio=0.0)

    n_steps = 1000 + settings.steps(30)
    assert n_steps == 1400
    assert 1e-4 * settings.rate(1000, n_steps) == pytest.approx(2.857e-5, abs=1e-8)


def test_a_session_has_steps_on_the_pool_and_epochs_on_the_labels():
    clf = fit(learner(tuning=adapter(batch_size=4, num_epochs=3)))

    assert [row["steps"] for row in clf.history_] == [0, 6 + 3 * 3, 6 + 3 * 3]
    assert [row["session"] for row in clf.history_] == [0, 1, 2]


def test_no_labelled_text_is_in_the_pool(watched):
    clf = fit(learner(), [*POOL, *X])

    assert clf.n_unlabeled_ == len(POOL)
    (_, session), *_ = watched
    assert session.pool.tolist() == list(range(len(X), len(X) + len(POOL)))


def test_soft_labels_are_sharpened_below_a_temperature_of_one():
    plain, sharp = fit(learner(n_sessions=1)), fit(learner(n_sessions=1, temperature=0.5))

    expected = plain.soft_labels_**2
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(sharp.soft_labels_, expected, atol=1e-6)


def test_texts_below_the_confidence_are_left_out(watched):
    labels = fit(learner(n_sessions=1)).soft_labels_
    bound = float(np.median(labels.max(1)))
    watched.clear()

    clf = fit(learner(n_sessions=1, min_confidence=bound))

    is_sure = labels.max(1) >= bound
    assert 0 < is_sure.sum() < len(POOL)
    assert ((watched[0][1].pool - len(X)) == np.flatnonzero(is_sure)).all()
    assert (clf.example_weights_[0, ~is_sure] == 0).all()
    assert not clf.trusted_[~is_sure].any()


def test_a_confidence_that_no_text_has_is_told():
    with pytest.raises(InputError, match=r"session 1 labels no text .* the surest has 0\.\d+"):
        fit(learner(min_confidence=0.9999999))


def test_a_confidence_that_no_text_has_can_be_lowered_at_once(tmp_path):
    with pytest.raises(InputError, match="Lower min_confidence"):
        fit(learner(min_confidence=0.9999999, checkpoint_dir=tmp_path))

    assert fit(learner(checkpoint_dir=tmp_path)).n_unlabeled_ == len(POOL)


# ---- Weights ----------------------------------------------------------------------------------


def test_uniform_weights_are_alike():
    clf = fit(learner(weights="uniform", n_steps=12))

    assert clf.example_weights_.shape == (2, len(POOL))
    np.testing.assert_allclose(clf.example_weights_, 1.0)
    assert clf.trusted_.all()


def test_meta_weights_are_never_negative_and_sum_to_one_at_most(monkeypatch):
    found = []
    plain = student_training.normalized_weights
    monkeypatch.setattr(
        student_training, "normalized_weights", lambda a: found.append(plain(a)) or plain(a)
    )

    clf = fit(learner(n_steps=10))

    assert len(found) == 8  # 4 of 10 steps in both sessions
    assert all(bool((weights >= 0).all()) for weights in found)
    assert all(float(weights.sum()) <= 1 + 1e-6 for weights in found)
    assert np.nanmin(clf.example_weights_) == 0


def test_steps_without_a_useful_text_change_nothing(monkeypatch):
    starts, ends = [], []
    plain = student_training.StudentTraining._learn_soft_labels

    def noted(session, rng):
        parameters = session.learner.parameters.values()
        starts.append([p.detach().clone() for p in parameters])
        loss = plain(session, rng)
        ends.append([p.detach().clone() for p in parameters])
        return loss

    monkeypatch.setattr(student_training.StudentTraining, "_learn_soft_labels", noted)
    monkeypatch.setattr(
        student_training, "alignments", lambda losses, *_: -torch.ones(len(losses()))
    )

    fit(learner(n_sessions=1, weights=MetaWeights(warmup_fraction=0.0)))

    assert all(torch.equal(a, b) for a, b in zip(starts[0], ends[0], strict=True))


def test_texts_are_compared_with_held_out_labels(watched):
    fit(learner(n_sessions=1, weights=MetaWeights(validation_fraction=0.4)))

    session = watched[0][1]
    assert len(session.compared) == 4
    assert not set(session.compared) & set(session.labelled)
    assert sorted([*session.compared, *session.labelled]) == list(range(10))


def test_by_default_the_labels_serve_both(watched):
    fit(learner(n_sessions=1))

    assert watched[0][1].compared.tolist() == watched[0][1].labelled.tolist() == list(range(10))


def test_weights_can_be_asked_for_by_text():
    clf = fit(learner(n_steps=12))

    weights = clf.weights_of([POOL[3], "another text", POOL[0]])

    assert weights[[0, 2]].tolist() == clf.example_weights_[-1][[3, 0]].tolist()
    assert np.isnan(weights[1])


# ---- What is tuned ----------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["full", "head", "none"])
def test_in_place_of_these_students_tune_lists_adapters(given):
    clf = fit(learner(prompt(given), tuning=None, n_sessions=1, n_steps=2))

    tuning = clf.estimator_.tuning
    assert isinstance(tuning, Adapter)
    assert (tuning.activation, tuning.placement, tuning.also_tuned) == ("linear", "houlsby", "head")


def test_students_tune_what_the_estimator_tunes_in_a_frozen_encoder():
    lora = LoRA(rank=2, num_epochs=1)

    clf = fit(learner(prompt(lora), tuning=None, n_sessions=1, n_steps=2))

    assert clf.estimator_.tuning is not lora
    assert clf.estimator_.tuning.rank == 2


@pytest.mark.parametrize("tuning", [Full(num_epochs=1), "bitfit", SoftPrompt(num_epochs=1)])
def test_students_can_tune_by_any_gradients(tuning):
    clf = fit(learner(tuning=tuning, n_sessions=1, n_steps=2))

    assert np.isfinite(clf.predict_log_proba(X)).all()


def test_students_keep_the_template_of_the_first_teacher():
    estimator = prompt(Perfect(num_epochs=1))

    clf = fit(learner(estimator, n_sessions=1, n_steps=2))

    assert clf.estimator_.template_ == resolve_template(estimator)


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ("head", "students of LiSTClassifier tune by gradients, such as tuning='lora', got 'head'"),
        (Perfect(), "score label words"),
        (adapter(training=Training(patience=2)), "patience"),
        (adapter(training=Training(r_drop=1.0)), "r_drop"),
        (adapter(training=Training(validation_fraction=0.2)), "validation_fraction"),
    ],
)
def test_what_students_cannot_tune_is_refused(tuning, message):
    with pytest.raises(InputError, match=message):
        fit(learner(tuning=tuning))


def test_it_builds_on_an_adapted_model():
    pcp = PCPClassifier(
        learner(n_sessions=1), pretraining=Pretraining(num_epochs=1), random_state=0, verbose=0
    )

    pcp.fit(X, Y, unlabeled=Unlabeled(POOL))

    assert isinstance(pcp.estimator_, LiSTClassifier)
    assert pcp.predict(X).shape == (10,)


def test_sample_weights_count():
    plain = fit(learner(n_sessions=1))
    weighted = learner(n_sessions=1).fit(
        X, Y, sample_weight=[5.0, *[1.0] * 9], unlabeled=Unlabeled(POOL)
    )

    assert not np.allclose(plain.predict_proba(X), weighted.predict_proba(X))


def test_cross_validation_takes_the_pool():
    scores = cross_validate(
        learner(n_sessions=1), X, Y, cv=2, params={"unlabeled": Unlabeled(POOL)}
    )

    assert scores["test_score"].shape == (2,)


def test_virtual_tokens_of_the_template_are_tuned_too():
    first = prompt(BitFit(num_epochs=1), template="{text} {soft:2} {mask}")
    clf = learner(first, n_steps=2)

    fit(clf)

    assert clf.estimator_.template_.soft
    assert np.allclose(clf.predict_proba(POOL).sum(1), 1)


@pytest.mark.parametrize("tuning", ["bitfit", adapter()], ids=["bitfit", "adapter"])
def test_saved_and_loaded_it_predicts_the_same(tmp_path, tuning):
    clf = fit(learner(tuning=tuning, weights=MetaWeights(batch_size=2)))

    clf.save(tmp_path / "model")
    again = fewshot.load(tmp_path / "model")

    np.testing.assert_allclose(again.predict_proba(X), clf.predict_proba(X), atol=1e-6)
    assert repr(again.weights) == "MetaWeights(batch_size=2)"
    np.testing.assert_array_equal(again.example_weights_, clf.example_weights_)


# ---- Seeds and interruptions ------------------------------------------------------------------


def test_the_same_seed_gives_the_same_to_the_last_bit():
    one, again = fit(learner()), fit(learner())

    assert np.array_equal(one.predict_proba(X), again.predict_proba(X))
    assert np.array_equal(one.example_weights_, again.example_weights_, equal_nan=True)


def test_another_seed_gives_something_else():
    assert not np.array_equal(
        fit(learner()).predict_proba(X), fit(learner(random_state=1)).predict_proba(X)
    )


def interrupt(monkeypatch, at):
    """Stop in the session of a number."""
    plain = sessions._Run.session

    def broken(run, number):
        if number == at:
            raise KeyboardInterrupt
        plain(run, number)

    monkeypatch.setattr(sessions._Run, "session", broken)


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_an_interrupted_fit_goes_on_to_the_same_result(tmp_path, monkeypatch, stop_at):
    whole = fit(learner(n_sessions=3))
    with monkeypatch.context() as patched:
        interrupt(patched, stop_at)
        with pytest.raises(KeyboardInterrupt):
            fit(learner(n_sessions=3, checkpoint_dir=tmp_path))

    done = []
    plain = sessions._Run.session
    monkeypatch.setattr(
        sessions._Run, "session", lambda run, number: done.append(number) or plain(run, number)
    )
    again = fit(learner(n_sessions=3, checkpoint_dir=tmp_path))

    assert done == list(range(stop_at, 4))
    assert np.array_equal(whole.predict_proba(X), again.predict_proba(X))
    assert np.array_equal(whole.example_weights_, again.example_weights_, equal_nan=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [WORDS, SoftVerbalizer(WORDS), PrototypeVerbalizer()], ids=["words", "soft", "means"]
)
def test_a_fit_that_was_stopped_after_its_last_session_has_its_student(
    tmp_path, monkeypatch, words
):
    base = prompt(verbalizer=words)
    whole = fit(learner(base))
    with monkeypatch.context() as patched:
        patched.setattr(sessions._Run, "record", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fit(learner(base, checkpoint_dir=tmp_path))

    again = fit(learner(base, checkpoint_dir=tmp_path))

    assert np.array_equal(whole.predict_proba(X), again.predict_proba(X))


def test_without_a_checkpoint_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    fit(learner(n_sessions=1))

    assert list(tmp_path.iterdir()) == []


def test_an_error_of_training_is_raised_and_the_estimator_stays_as_it_was(monkeypatch):
    clf = fit(learner(n_sessions=1))
    before = dict(vars(clf))
    monkeypatch.setattr(
        student_training,
        "kl_losses",
        lambda *_: (_ for _ in ()).throw(RuntimeError("out of memory")),
    )

    with pytest.raises(RuntimeError, match="out of memory"):
        fit(clf)

    assert all(vars(clf)[name] is value for name, value in before.items())


def test_a_loss_that_diverges_is_told(monkeypatch):
    monkeypatch.setattr(
        student_training, "kl_losses", lambda scores, _: scores.sum(1) * float("nan")
    )

    with pytest.raises(TuningError, match="the loss is nan at step 1 of 10: it has diverged"):
        fit(learner(weights="uniform"))


# ---- Bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_sessions": 0}, "n_sessions is a whole number, at least 1, got 0"),
        ({"n_steps": 0}, "n_steps is a whole number"),
        ({"batch_size": 1.5}, "batch_size is a whole number"),
        ({"temperature": 0}, "temperature is positive"),
        ({"min_confidence": 1.0}, "min_confidence is from 0 to below 1"),
        ({"weights": "best"}, "weights is one of"),
        ({"weights": MetaWeights(batch_size=0)}, "batch_size"),
        ({"weights": MetaWeights(validation_fraction=0.01)}, "validation_fraction=0.01"),
        ({"verbose": 2}, "verbose is 0 or 1"),
    ],
)
def test_bad_settings_are_refused_before_any_work(settings, message):
    clf = learner(**settings)

    with pytest.raises(InputError, match=message):
        fit(clf)

    assert clf.estimator.model.counts.tokens == 0


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (None, None, "needs some labelled texts"),
        (X, [None] * 10, "needs some labelled texts"),
        (X[:5], Y[:5], "one class, 'sports'"),
    ],
)
def test_labels_of_two_classes_are_needed(X, Y, message):
    clf = learner(prompt(labels=["politics", "sports"]))

    with pytest.raises(InputError, match=message):
        clf.fit(X, Y, unlabeled=Unlabeled(POOL))


def test_it_shows_its_sessions(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(clone(learner(n_sessions=1)))

    assert capfd.readouterr() == ("", "")


def test_a_next_student_learns_labels_as_soft_as_the_regression_made_them():
    pool = [f"{text} {word}" for text in POOL for word in ("star", "film", "news")]  # 108
    one, two = (fit(learner(n_sessions=n), pool) for n in (1, 2))
    student = one.estimator_
    student.head_ = replace(student.head_, temperature=1.0)

    assert student.head_.prompt_share == 0.0
    np.testing.assert_allclose(two.soft_labels_, student.predict_proba(pool), atol=1e-5)
