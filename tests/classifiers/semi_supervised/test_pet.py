"""PET and iPET: who is trained on what, what is merged, and that it always ends."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch

from fewshot import (
    EmbeddingClassifier,
    FineTuneClassifier,
    PETClassifier,
    PromptClassifier,
    Template,
    Unlabeled,
    load_masked_lm,
)
from fewshot.classifiers.prompt_plan import PromptPlan
from fewshot.models.masked_lm import MaskedLM
from fewshot.training import rounds
from fewshot.tuning import Full, Head
from tests import tiny_estimators
from tests.tiny_estimators import POOL, QUIET, WORDS, X, Y
from tests.tiny_models import noting, tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

TEMPLATES = ["{text} {mask}", "{mask} : {text}"]

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def prompt(tuning=None, **settings) -> PromptClassifier:
    return tiny_estimators.prompt(tuning, **{"verbalizer": WORDS} | settings)


def pet(tuning=None, **settings) -> PETClassifier:
    return PETClassifier(prompt(tuning), **{"templates": TEMPLATES} | QUIET | settings)


def fit(clf, pool=POOL) -> PETClassifier:
    return clf.fit(X, Y, unlabeled=Unlabeled(pool))


class Watched:
    """Notes what every classifier is fitted on."""

    def __init__(self, monkeypatch):
        self.fits = []
        plain = PromptPlan.calibrate

        def noted(plan):
            labels = plan.data.labels
            values = [
                value if is_labeled else None
                for value, is_labeled in zip(labels.values, labels.is_labeled, strict=True)
            ]
            self.fits.append((plan.settings, plan.data.examples.joined(), values))
            return plain(plan)

        monkeypatch.setattr(PromptPlan, "calibrate", noted)

    def tuned(self):
        """Return the fits that learn from labels, but the last, which is the distillation."""
        return [row for row in self.fits if any(label is not None for label in row[2])]


# ---- Ensemble ---------------------------------------------------------------------------------


def test_there_is_a_member_for_each_template_and_repetition():
    clf = fit(pet(n_repetitions=3))

    rows = [(row["pattern"], row["repetition"]) for row in clf.history_]
    assert rows == [(p, r) for p in (0, 1) for r in (0, 1, 2)]
    assert clf.member_weights_.shape == (6,)


def test_members_weigh_by_their_accuracy_before_tuning():
    clf = fit(pet())

    for template, weight in zip(TEMPLATES, clf.member_weights_, strict=True):
        zero_shot = prompt("none", template=template).fit([*X, *POOL], [*Y, *[None] * len(POOL)])
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


def test_a_template_may_bring_its_own_words():
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
    assert np.mean(likeliest == clf.soft_labels_.argmax(1)) > 0.75  # some labels are near 0.5


def test_the_final_classifier_has_the_template_of_the_largest_weight():
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


def test_a_final_regression_on_embeddings_learns_the_soft_labels():
    final = EmbeddingClassifier(tiny_sentence_transformer(tiny_bert()), class_weight="balanced")

    clf = fit(pet(final_estimator=final))

    assert isinstance(clf.estimator_, EmbeddingClassifier)
    assert clf.estimator_.get_params()["class_weight"] is None  # that of the members counts
    assert np.mean(clf.predict_proba(POOL).argmax(1) == clf.soft_labels_.argmax(1)) > 0.8


MANY = [f"{first} and {second}" for first in POOL for second in POOL]


@pytest.mark.parametrize(
    ("settings", "n_texts", "kind"),
    [
        ({}, 100, EmbeddingClassifier),
        ({}, 99, PromptClassifier),
        ({"model": lambda: load_masked_lm("fewshot-mini")}, 100, EmbeddingClassifier),
        ({"tuning": Head(C=5.0)}, 100, PromptClassifier),
        ({"template": Template("{text} {mask}", shorten="chunk")}, 100, PromptClassifier),
        ({"template": "{text:whole} {mask}"}, 100, PromptClassifier),
        ({"model": tiny_estimators.tiny_lm}, 100, PromptClassifier),
    ],
)
def test_of_an_embedded_model_the_final_classifier_reads_sentence_embeddings(
    settings, n_texts, kind
):
    settings = {name: value() if callable(value) else value for name, value in settings.items()}
    base = PromptClassifier(**{"verbalizer": WORDS, "tuning": "head"} | settings)
    clf = PETClassifier(base, templates=[base.template or TEMPLATES[0]], **QUIET)

    clf.fit(X, Y, unlabeled=Unlabeled(MANY[:n_texts]))

    assert (type(clf.estimator_), clf.n_unlabeled_) == (kind, n_texts)


@pytest.mark.parametrize(("given", "expected"), [(None, 512), (32, 32)])
def test_embeddings_at_the_end_are_of_as_much_of_a_text_as_prompts_hold(given, expected):
    base = PromptClassifier(verbalizer=WORDS, tuning="head", max_length=given)
    clf = PETClassifier(base, templates=TEMPLATES[:1], **QUIET)

    assert fit(clf, MANY[:100]).estimator_.max_length_ == expected


def test_class_shares_count_once():
    clf = fit(PETClassifier(prompt("head", class_prior={"politics": 0.9, "sports": 0.1}), **QUIET))

    odds = clf.decision_function(X) - clf.estimator_.decision_function(X)
    assert odds == pytest.approx(np.full(len(X), np.log(0.1 / 0.9)))
    assert clf.estimator_.class_prior is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_fit_that_ends_with_a_loaded_encoder_keeps_checkpoints(tmp_path, dtype):
    final = EmbeddingClassifier(tiny_sentence_transformer(tiny_bert()).to(dtype))

    clf = fit(pet(final_estimator=final, checkpoint_dir=tmp_path))

    assert (clf.predict_proba(POOL) == fit(pet(final_estimator=final)).predict_proba(POOL)).all()


def test_what_a_fit_learned_is_counted_where_the_model_has_a_name():
    base = PromptClassifier(verbalizer=WORDS, tuning="head")
    clf = PETClassifier(base, templates=TEMPLATES[:1], final_estimator=base, **QUIET)

    assert fit(clf)._n_trainable() == clf.estimator_.parameter_report_.n_head


def test_texts_of_two_fields_are_read_by_prompts_to_the_end():
    base = PromptClassifier("{a} ? {mask} , {b}", WORDS, tuning="head")
    rows = [(text, text) for text in MANY[:100]]

    clf = PETClassifier(base, **QUIET).fit(unlabeled=Unlabeled(rows))

    assert type(clf.estimator_) is PromptClassifier


def test_gradient_tuning_distils_in_three_epochs():
    clf = fit(pet(Full(num_epochs=5)))

    assert [row["epoch"] for row in clf.history_ if "epoch" in row] == [0, 1, 2]
    assert clf.estimator_.tuning.num_epochs == 3


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


def test_without_labels_the_members_are_zero_shot():
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


def test_texts_are_tokenized_once_for_all_templates_and_members():
    model, tokenizer = tiny_bert()
    tokenizer, seen = noting(tokenizer)
    clf = pet(Head(), n_repetitions=2, generations=1)

    fit(clf.set_params(estimator__model=MaskedLM(model, tokenizer, device="cpu")))

    assert sorted(text for text in seen if text in set(POOL)) == sorted(POOL)


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


def test_the_bar_counts_members_and_the_final_classifier(capfd, monkeypatch):
    monkeypatch.setattr(rounds, "_BAR_DELAY", 0)

    fit(pet(verbose=1))

    assert "3/3" in capfd.readouterr().err  # two patterns, and the final classifier
