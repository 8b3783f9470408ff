"""Unlabelled texts in scikit-learn: routed whole, never leaking, counted in no score."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fewshot import (
    FineTuneClassifier,
    LiSTClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    Unlabeled,
)
from fewshot.classifiers.semi_supervised.base import innermost, with_model
from fewshot.classifiers.semi_supervised.list import list_adapter
from fewshot.errors import (
    CheckpointWarning,
    InputError,
    LeakageWarning,
    UnlabeledWarning,
)
from fewshot.models.masked_lm import MaskedLM
from fewshot.training.rounds import Rounds
from fewshot.tuning import BitFit, LoRA
from tests.tiny_estimators import ESTIMATORS, QUIET, prompt
from tests.tiny_estimators import FEW_POOL as POOL
from tests.tiny_estimators import FEW_X as X
from tests.tiny_estimators import FEW_Y as Y
from tests.tiny_models import tiny_bert, tiny_roberta

MAKERS = {
    "pet": lambda: PETClassifier(prompt(), templates=["{text} {mask}", "{mask} : {text}"], **QUIET),
    "list": ESTIMATORS["list"],
    "pcp": ESTIMATORS["pcp"],
}


@pytest.fixture(params=list(MAKERS))
def learner(request):
    return MAKERS[request.param]()


# ---- Routing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", [POOL, [*POOL, "money", "the bank", "a stock price"]])
def test_cross_validation_passes_the_pool_whole(learner, pool):  # the longer one is as long as X
    scores = cross_validate(
        learner, X, Y, cv=2, params={"unlabeled": Unlabeled(pool)}, return_estimator=True
    )

    assert [clf.n_unlabeled_ for clf in scores["estimator"]] == [len(pool)] * 2


def test_metadata_routing_reaches_the_last_step_of_a_pipeline(learner):
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(lower, learner.set_fit_request(unlabeled=True))
        scores = cross_validate(
            pipeline, X, Y, cv=2, params={"unlabeled": Unlabeled(POOL)}, return_estimator=True
        )

    assert [pipe[-1].n_unlabeled_ for pipe in scores["estimator"]] == [5, 5]


def test_rows_without_a_label_are_the_pool_and_pass_earlier_steps(learner):
    upper = FunctionTransformer(lambda texts: [text.replace("goal", "vote") for text in texts])

    pipeline = make_pipeline(upper, learner).fit([*X, *POOL], [*Y, *[None] * 5])

    assert pipeline[-1].n_unlabeled_ == 5
    with pytest.warns(LeakageWarning, match="1 of 2 texts"):
        pipeline[-1].predict(["vote and match", "the bank"])


def test_rows_of_minus_one_work_in_cross_validation_and_count_in_no_score(learner):
    texts, labels = [*X, *POOL], [*([1] * 4), *([0] * 4), *([-1] * 5)]
    learner.set_params(estimator__verbalizer={0: "politics", 1: "sports"})

    folds = KFold(2, shuffle=True, random_state=0)
    scores = cross_validate(learner, texts, labels, cv=folds, return_estimator=True)

    for (train, test), clf, score in zip(
        folds.split(texts), scores["estimator"], scores["test_score"], strict=True
    ):
        labelled = [i for i in test if labels[i] != -1]
        expected = np.mean(
            clf.predict([texts[i] for i in labelled]) == [labels[i] for i in labelled]
        )
        assert score == pytest.approx(expected)
        assert clf.n_unlabeled_ == sum(labels[i] == -1 for i in train)  # none of the test fold


def test_the_order_of_both_ways_of_passing_does_not_matter(learner):
    by_rows = clone(learner).fit([*X, *POOL], [*Y, *[None] * 5])
    by_pool = clone(learner).fit(X, Y, unlabeled=Unlabeled(POOL))

    np.testing.assert_allclose(by_rows.predict_proba(X), by_pool.predict_proba(X), atol=1e-6)


# ---- Streams ----------------------------------------------------------------------------------


def test_of_a_long_stream_a_bounded_sample_is_used(learner):
    stream = (f"{text} {i}" for i in range(1000) for text in POOL)

    clf = learner.set_params(max_unlabeled=7).fit(X, Y, unlabeled=Unlabeled(stream))

    assert clf.n_unlabeled_ == 7


def test_a_stream_in_cross_validation_is_reported_as_used_up(learner):
    with pytest.raises(InputError, match="was read before and is empty now"):
        cross_validate(
            learner, X, Y, cv=2, params={"unlabeled": Unlabeled(iter(POOL))}, error_score="raise"
        )


# ---- Leaks ------------------------------------------------------------------------------------


def test_labelled_texts_are_taken_out_of_the_pool(learner):
    clf = learner.fit(X, Y, unlabeled=Unlabeled([*POOL, *X[:3], f" {X[0]} "]))

    assert clf.n_unlabeled_ == 5


def test_predicting_texts_of_the_pool_warns(learner):
    clf = learner.fit(X, Y, unlabeled=Unlabeled(POOL))

    with pytest.warns(LeakageWarning, match="2 of 3 texts were among the unlabelled texts"):
        clf.predict([*POOL[:2], "something else"])


def test_test_texts_in_the_pool_are_reported_in_cross_validation(learner):
    with pytest.warns(LeakageWarning, match="4 of 4 texts"):
        cross_validate(learner, X, Y, cv=2, params={"unlabeled": Unlabeled([*POOL, *X])})


def test_what_is_saved_holds_no_text_of_the_pool(learner, tmp_path):
    secret = "zebra quartz"
    learner.fit(X, Y, unlabeled=Unlabeled([*POOL, secret])).save(tmp_path / "model")

    for file in (tmp_path / "model").rglob("*.json"):
        assert secret not in file.read_text()


# ---- Settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clf", "params"),
    [
        (PETClassifier(), {"estimator__tuning__learning_rate": 1e-3}),
        (LiSTClassifier(weights="meta"), {"weights__batch_size": 8}),
        (LiSTClassifier(), {"tuning__learning_rate": 1e-3}),
        (LiSTClassifier(tuning="lora"), {"tuning__rank": 2}),
        (LiSTClassifier(), {"estimator": PromptClassifier(tuning="lora"), "tuning__rank": 2}),
        (PCPClassifier(), {"pretraining__num_epochs": 1}),
        (PCPClassifier(PETClassifier(prompt())), {"predictor__calibration": "none"}),
    ],
    ids=lambda value: str(list(value)) if isinstance(value, dict) else "",
)
def test_settings_of_a_default_can_be_set(clf, params):
    found = clone(clf).set_params(**params).get_params()

    assert all(found[name] == value for name, value in params.items())


def test_what_stands_for_a_default_is_what_fit_would_use():
    clf = LiSTClassifier(prompt()).set_params(tuning__reduction=4)

    assert repr(clf.tuning) == repr(list_adapter().set_params(reduction=4))


def test_a_default_that_becomes_an_object_is_shared_with_nothing():
    base = prompt().set_params(tuning=BitFit(num_epochs=5))

    LiSTClassifier(base).set_params(tuning__num_epochs=1)
    PCPClassifier(base).set_params(predictor__tuning__num_epochs=1)

    assert base.tuning.num_epochs == 5


@pytest.mark.parametrize(
    ("clf", "params"),
    [
        (PETClassifier(), {"final_estimator__tuning": "head"}),
        (LiSTClassifier(weights="uniform"), {"weights__batch_size": 8}),
    ],
    ids=["final", "weights"],
)
def test_settings_of_nothing_are_refused(clf, params):
    with pytest.raises(InputError, match="has no settings of its own"):
        clf.set_params(**params)


@pytest.mark.parametrize("kind", ["pet", "list"])
def test_the_random_state_of_the_estimator_does_not_count(kind):
    fits = [
        MAKERS[kind]().set_params(estimator__tuning=LoRA(num_epochs=1), estimator__random_state=s)
        for s in (0, 1)
    ]

    first, second = (clf.fit(X, Y, unlabeled=Unlabeled(POOL)).predict_proba(X) for clf in fits)

    assert np.array_equal(first, second)


# ---- Bad input --------------------------------------------------------------------------------


def stop(*_):
    raise KeyboardInterrupt


def interrupt(learner, monkeypatch, **data) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Rounds, "run", stop)
        patched.setattr(Rounds, "run_chain", stop)
        with pytest.raises(KeyboardInterrupt):
            learner.fit(**{"X": X, "y": Y, "unlabeled": Unlabeled(POOL)} | data)


def test_a_random_state_that_an_interrupted_fit_used_up_is_named(learner, tmp_path, monkeypatch):
    state = np.random.RandomState(0)
    interrupt(learner.set_params(checkpoint_dir=tmp_path, random_state=state), monkeypatch)

    with pytest.warns(CheckpointWarning, match="A RandomState differs after each fit; an int does"):
        learner.fit(X, Y, unlabeled=Unlabeled(POOL))


@pytest.mark.filterwarnings("ignore::fewshot.errors.CheckpointWarning")
def test_folds_in_one_folder_are_fits_of_their_own(learner, tmp_path, monkeypatch):
    interrupt(learner.set_params(checkpoint_dir=tmp_path), monkeypatch, X=X[1:], y=Y[1:])
    alone = clone(learner).set_params(checkpoint_dir=None).fit(X, Y, unlabeled=Unlabeled(POOL))

    beside = learner.fit(X, Y, unlabeled=Unlabeled(POOL))

    assert np.array_equal(beside.predict_proba(X), alone.predict_proba(X))
    assert len(list(tmp_path.iterdir())) == 1  # what was interrupted


def test_folds_at_the_same_time_in_one_folder_do_not_mix(tmp_path):
    def fitted(folder):
        clf = MAKERS["pet"]().set_params(checkpoint_dir=folder)
        params = {"unlabeled": Unlabeled(POOL)}
        return cross_validate(
            clf, X, Y, cv=4, params=params, return_estimator=True, error_score="raise"
        )["estimator"]

    with parallel_config("threading", n_jobs=4):
        together = fitted(tmp_path)

    for one, alone in zip(together, fitted(None), strict=True):
        np.testing.assert_allclose(one.soft_labels_, alone.soft_labels_, atol=1e-6)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore::fewshot.errors.CheckpointWarning")
def test_a_search_that_was_interrupted_runs_through_when_it_is_repeated(tmp_path, monkeypatch):
    clf = MAKERS["pet"]().set_params(checkpoint_dir=tmp_path)
    search = GridSearchCV(clf, {"n_repetitions": [1, 2]}, cv=2, refit=False, error_score="raise")
    plain, begun = Rounds.run, []

    def stopping(self, name, work):
        begun.append(name)
        return stop() if len(begun) == 7 else plain(self, name, work)  # 2 x 2, then of 4

    monkeypatch.setattr(Rounds, "run", stopping)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y, unlabeled=Unlabeled(POOL))
    monkeypatch.undo()

    search.fit(X, Y, unlabeled=Unlabeled(POOL))

    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert list(tmp_path.iterdir()) == []


def test_a_list_as_long_as_the_data_warns(learner):
    with pytest.warns(UnlabeledWarning, match=r"a list as long as X, 8 texts.*Unlabeled\(texts\)"):
        learner.fit(X, Y, unlabeled=[*POOL, "money", "the bank", "a price"])


def test_a_list_of_another_length_is_a_pool(learner):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnlabeledWarning)
        clf = learner.fit(X, Y, unlabeled=POOL)

    assert clf.n_unlabeled_ == 5


def test_numbers_that_stand_for_names_are_refused(learner):
    numbers = [["politics", "sports"].index(label) for label in Y]
    learner = clone(learner).set_params(estimator__labels=["politics", "sports"])

    with pytest.raises(InputError, match=r"named \['politics', 'sports'\]: pass the names in y"):
        learner.fit(X, numbers, unlabeled=Unlabeled(POOL))


def test_a_score_without_labels_is_refused(learner):
    clf = learner.fit(X, Y, unlabeled=Unlabeled(POOL))

    with pytest.raises(InputError, match="no row of y has a label"):
        clf.score(["a text"], [None])


# ---- Composition ------------------------------------------------------------------------------


def model(make=tiny_bert) -> MaskedLM:
    return MaskedLM(*make(), device="cpu")


def test_the_innermost_classifier_is_found_and_cloned():
    base = PromptClassifier("{text} {mask}")

    found = innermost(PCPClassifier(PETClassifier(base)), "Method")

    assert found.template == "{text} {mask}"
    assert found is not base


def test_without_a_classifier_the_innermost_is_the_default():
    assert innermost(LiSTClassifier(), "Method").get_params() == PromptClassifier().get_params()


@pytest.mark.parametrize("act", [innermost, lambda other, owner: with_model(other, "lm", owner)])
def test_other_estimators_are_refused(act):
    with pytest.raises(InputError, match="estimator of Method is a PromptClassifier, got FineTune"):
        act(PETClassifier(FineTuneClassifier()), "Method")


@pytest.mark.parametrize("final", [FineTuneClassifier, PromptClassifier])
def test_the_final_classifier_of_pet_starts_from_the_adapted_model(final):
    base = PromptClassifier(model=model())
    pet = PETClassifier(base, final_estimator=final(model=base.model))

    twin = with_model(pet, "adapted", "Method")

    assert twin.final_estimator.model == "adapted"
    assert pet.final_estimator.model is base.model


def test_a_final_classifier_with_a_model_of_its_own_keeps_that():
    own = model(tiny_roberta)
    pet = PETClassifier(PromptClassifier(model=model()), final_estimator=FineTuneClassifier(own))

    twin = with_model(pet, "adapted", "Method")

    assert twin.estimator.model == "adapted"
    assert twin.final_estimator.model is own


def test_the_predictor_of_a_second_adaptation_has_the_adapted_model():
    nested = PCPClassifier(PETClassifier(), predictor=PromptClassifier())

    twin = with_model(nested, "adapted", "Method")

    assert twin.predictor.model == "adapted"
    assert twin.estimator.estimator.model == "adapted"
