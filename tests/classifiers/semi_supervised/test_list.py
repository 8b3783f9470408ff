"""LiST: what each student starts from and learns, what its texts weigh, and that it can go on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone

from fewshot import LiSTClassifier, PromptClassifier, Unlabeled
from fewshot.classifiers.prompt_plan import resolve_template
from fewshot.classifiers.semi_supervised import student_training
from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.pseudo_labels import at_pool_shares
from fewshot.classifiers.semi_supervised.sessions import Sessions
from fewshot.errors import InputError, TuningError
from fewshot.models.fingerprint import model_fingerprint
from fewshot.tuning import Adapter, BitFit, Full, LoRA, Perfect, SoftPrompt, Training
from tests import tiny_estimators
from tests.tiny_estimators import POOL, QUIET, WORDS, X, Y

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def prompt(tuning=None, **settings) -> PromptClassifier:
    return tiny_estimators.prompt(tuning, **{"verbalizer": WORDS} | settings)


def adapter(**settings) -> Adapter:
    settings = {"learning_rate": 1e-2, "num_epochs": 2} | settings
    return Adapter(4, placement="houlsby", activation="linear", also_tuned="head", **settings)


def learner(estimator=None, **settings) -> LiSTClassifier:
    settings = {"n_sessions": 2, "n_steps": 6, "batch_size": 6, "tuning": adapter()} | settings
    return LiSTClassifier(prompt() if estimator is None else estimator, **QUIET | settings)


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
    known = prompt(class_prior="uniform")
    clf = fit(learner(known, n_sessions=1))

    alone = clone(known).fit([*X, *POOL], [*Y, *[None] * len(POOL)])
    np.testing.assert_allclose(clf.soft_labels_, alone.predict_proba(POOL), atol=1e-6)


def test_its_labels_follow_the_shares_of_the_pool_unless_they_are_known():
    clf = fit(learner(n_sessions=1))

    alone = prompt().fit([*X, *POOL], [*Y, *[None] * len(POOL)])
    scores = at_pool_shares(alone.predict_log_proba(POOL), None)
    np.testing.assert_allclose(clf.soft_labels_, softmax(scores, axis=1), atol=1e-6)
    assert np.abs(clf.soft_labels_ - alone.predict_proba(POOL)).max() > 1e-3


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
    # With shares that are given, labels stay as they are.
    known = prompt(class_prior="uniform")
    long = learner(known, n_sessions=1, n_steps=60, weights="uniform")

    clf = fit(long)

    assert clf.history_[1]["loss"] < 0.001
    assert clf.agreement_[0] > 0.85  # the teacher is undecided on some texts


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


def test_a_confidence_that_no_text_has_can_be_lowered_for_the_next_fit(tmp_path):
    with pytest.raises(
        InputError, match=r"session 1 labels no text .* the surest .*Lower min_conf"
    ):
        fit(learner(min_confidence=0.9999999, checkpoint_dir=tmp_path))

    assert fit(learner(checkpoint_dir=tmp_path)).n_unlabeled_ == len(POOL)


# ---- Weights ----------------------------------------------------------------------------------


def test_uniform_weights_are_alike():
    clf = fit(learner(weights="uniform", n_steps=12))

    assert clf.example_weights_.shape == (2, len(POOL))
    np.testing.assert_allclose(clf.example_weights_, 1.0)
    assert clf.trusted_.all()


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
    assert not set(session.compared) & set(session.labeled)
    assert sorted([*session.compared, *session.labeled]) == list(range(10))


def test_by_default_the_labels_serve_both(watched):
    fit(learner(n_sessions=1))

    assert watched[0][1].compared.tolist() == watched[0][1].labeled.tolist() == list(range(10))


def test_weights_can_be_asked_for_by_text():
    clf = fit(learner(n_steps=12))

    weights = clf.weights_of([POOL[3], "another text", POOL[0]])

    assert weights[[0, 2]].tolist() == clf.example_weights_[-1][[3, 0]].tolist()
    assert np.isnan(weights[1])


# ---- What is tuned ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    ["contrastive", "head", "none", Full(training=Training(patience=1, validation_fraction=0.25))],
)
def test_in_place_of_these_students_tune_lists_adapters(given):
    clf = fit(learner(prompt(given), tuning=None, n_sessions=1, n_steps=2))

    tuning = clf.estimator_.tuning
    assert isinstance(tuning, Adapter)
    assert (tuning.activation, tuning.placement, tuning.also_tuned) == ("linear", "houlsby", "head")


@pytest.mark.parametrize("given", [LoRA(rank=2, num_epochs=1), Full(num_epochs=1)])
def test_students_tune_what_the_estimator_tunes(given):
    clf = fit(learner(prompt(given), tuning=None, n_sessions=1, n_steps=2))

    assert clf.estimator_.tuning is not given
    assert repr(clf.estimator_.tuning) == repr(given)


@pytest.mark.parametrize("tuning", [Full(num_epochs=1), SoftPrompt(num_epochs=1)])
def test_students_can_tune_by_any_gradients(tuning):
    clf = fit(learner(tuning=tuning, n_sessions=1, n_steps=2))

    assert np.isfinite(clf.predict_log_proba(X)).all()


def test_students_keep_the_template_of_the_first_teacher():
    estimator = prompt(Perfect(num_epochs=1))

    clf = fit(learner(estimator, n_sessions=1, n_steps=2))

    assert clf.estimator_.template_ == resolve_template(estimator)


def test_virtual_tokens_of_the_template_are_tuned_too():
    first = prompt(BitFit(num_epochs=1), template="{text} {soft:2} {mask}")
    clf = learner(first, n_steps=2)

    fit(clf)

    assert clf.estimator_.template_.soft
    assert np.allclose(clf.predict_proba(POOL).sum(1), 1)


# ---- Seeds and interruptions ------------------------------------------------------------------


_LARGE_POOL = [f"{text} {word}" for text in POOL for word in ("star", "film", "news")]  # 108


def test_a_next_student_learns_what_the_student_before_predicts():
    one, two = (fit(learner(n_sessions=n), _LARGE_POOL) for n in (1, 2))

    np.testing.assert_allclose(two.soft_labels_, one.predict_proba(_LARGE_POOL), atol=1e-5)


def test_a_fit_that_was_interrupted_at_its_end_gives_the_same_student(tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    whole = fit(learner(n_sessions=1), _LARGE_POOL)
    with monkeypatch.context() as patched:
        patched.setattr(Sessions, "history", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(learner(n_sessions=1, checkpoint_dir=tmp_path), _LARGE_POOL)

    resumed = fit(learner(n_sessions=1, checkpoint_dir=tmp_path), _LARGE_POOL)

    assert whole.estimator_.head_.intercept.any()
    assert np.array_equal(resumed.predict_proba(X), whole.predict_proba(X))


def test_a_loss_that_diverges_is_reported(monkeypatch):
    factors = iter([1.0, 1.0])
    monkeypatch.setattr(
        student_training,
        "kl_losses",
        lambda scores, _: scores.sum(1) * next(factors, float("nan")),
    )

    with pytest.raises(TuningError, match=r"the loss is nan at step \d+ of 10: it has diverged"):
        fit(learner(weights="uniform"))


# ---- Bad input --------------------------------------------------------------------------------


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
