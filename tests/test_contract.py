"""What every classifier of the package promises, whatever it is made of."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import datasets
import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import fewshot
from fewshot import (
    FineTuneClassifier,
    LiSTClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    SciPromptVerbalizer,
    SetFitClassifier,
    TfidfClassifier,
    Unlabeled,
)
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.errors import FewShotError
from fewshot.knowledge import GivenTerms, SoftVerbalizer, VocabularyWords
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import BitFit, Full, Head, LoRA
from tests.tiny_models import tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

X = [
    "football team", "player goal", "football match", "team win goal", "player of the team",
    "government", "election vote", "law of the world", "vote and law", "election government",
]  # fmt: skip
Y = ["sports"] * 5 + ["politics"] * 5
POOL = ["goal and match", "the vote of the world", "a team", "law and government"] * 3
NEW = ["the football player", "a law", "", "🎉 日本 [MASK]", "vote vote vote goal"]


def prompt(tuning) -> PromptClassifier:
    lm = MaskedLM(*tiny_bert(), device="cpu")
    return PromptClassifier(
        model=lm, tuning=tuning, calibration="domain", random_state=0, verbose=0
    )


def has_words(clf) -> bool:
    """Tell whether an estimator is a PromptClassifier, or made of one."""
    return isinstance(clf, (PromptClassifier, SemiSupervisedClassifier))


def with_settings(clf, **params):
    """Set parameters where they are declared: in the estimator that a meta-estimator clones."""
    is_meta = isinstance(clf, SemiSupervisedClassifier)
    return clf.set_params(**{f"estimator__{n}" if is_meta else n: v for n, v in params.items()})


def more_texts(clf) -> dict[str, Unlabeled]:
    """Return the unlabelled texts for the estimators that need some."""
    return {"unlabeled": Unlabeled(POOL)} if isinstance(clf, SemiSupervisedClassifier) else {}


def fit(clf, X, y, **params):
    return clf.fit(X, y, **more_texts(clf), **params)


ESTIMATORS = {
    "prompt-none": lambda: prompt("none"),
    "prompt-head": lambda: prompt(Head()),
    "prompt-bitfit": lambda: prompt(BitFit(num_epochs=2)),
    "prompt-sciprompt": lambda: prompt(Head()).set_params(
        verbalizer=SciPromptVerbalizer(
            [GivenTerms({"sports": {"football team": 0.5}}), VocabularyWords()],
            3,
            encoder=tiny_sentence_transformer(tiny_bert()),
            min_similarity=-1.0,
        )
    ),
    "prompt-full": lambda: prompt(Full(num_epochs=2, learning_rate=1e-3)),
    "prompt-lora": lambda: prompt(LoRA(2, num_epochs=2)),
    "prompt-soft": lambda: prompt(BitFit(num_epochs=2)).set_params(verbalizer=SoftVerbalizer()),
    "tfidf": TfidfClassifier,
    "setfit": lambda: SetFitClassifier(
        tiny_sentence_transformer(tiny_bert()), max_pairs=16, random_state=0, verbose=0
    ),
    "fine-tune": lambda: FineTuneClassifier(
        MaskedLM(*tiny_bert(), device="cpu"), num_epochs=2, random_state=0, verbose=0
    ),
    "pet": lambda: PETClassifier(prompt(Head()), random_state=0, verbose=0),
    "list": lambda: LiSTClassifier(
        prompt(Head()),
        tuning=BitFit(num_epochs=1),
        n_sessions=1,
        n_steps=3,
        random_state=0,
        verbose=0,
    ),
    "pcp": lambda: PCPClassifier(
        prompt(Head()), pretraining=Pretraining(num_epochs=1), random_state=0, verbose=0
    ),
}
_METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


@pytest.fixture(scope="module", params=list(ESTIMATORS))
def estimator(request) -> TextClassifier:
    return ESTIMATORS[request.param]()


@pytest.fixture(scope="module")
def fitted(estimator) -> TextClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(clone(estimator), X, Y)


def outputs(clf: TextClassifier, texts=NEW) -> np.ndarray:
    return clf.predict_proba(texts)


# ---- Construction -----------------------------------------------------------------------------


def test_every_public_classifier_is_in_this_suite():
    public = {getattr(fewshot, name) for name in fewshot.__all__}
    classifiers = {
        kind for kind in public if inspect.isclass(kind) and issubclass(kind, TextClassifier)
    }

    assert {type(make()) for make in ESTIMATORS.values()} == classifiers


def test_the_constructor_only_assigns(estimator):
    kind = type(estimator)
    names = [name for name in inspect.signature(kind.__init__).parameters if name != "self"]

    assert vars(kind()).keys() == set(names)
    assert len(names) <= 12


def test_after_the_first_two_parameters_are_by_name(estimator):
    parameters = list(inspect.signature(type(estimator).__init__).parameters.values())[1:]

    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters[2:])
    assert not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def test_every_parameter_is_documented(estimator):
    names = inspect.signature(type(estimator).__init__).parameters.keys() - {"self"}

    # Parameters that belong together share an entry: "num_epochs, batch_size : int".
    documented = {
        name.strip()
        for line in inspect.getdoc(type(estimator)).splitlines()
        if " : " in line and not line.startswith(" ")
        for name in line.split(" : ")[0].split(",")
    }
    assert names <= documented


def test_it_is_a_classifier_of_texts(estimator):
    tags = estimator.__sklearn_tags__()

    assert is_classifier(estimator)
    assert tags.input_tags.string
    assert tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array


def test_a_clone_has_the_same_parameters(estimator):
    twin = clone(estimator)

    assert repr(twin) == repr(estimator)
    assert twin.get_params().keys() == estimator.get_params().keys()


@pytest.mark.parametrize("method", [*_METHODS, "save"])
def test_before_fit_nothing_is_predicted_or_saved(estimator, method, tmp_path):
    argument = tmp_path / "model" if method == "save" else NEW

    with pytest.raises(NotFittedError):
        getattr(clone(estimator), method)(argument)


# ---- Fitting ----------------------------------------------------------------------------------


def test_fit_returns_the_estimator_and_keeps_its_parameters(estimator):
    clf = clone(estimator)
    before = {name: (id(value), repr(value)) for name, value in clf.get_params().items()}

    assert fit(clf, X, Y) is clf

    assert {name: (id(v), repr(v)) for name, v in clf.get_params().items()} == before


def test_what_is_learned_is_named_with_an_underscore(estimator, fitted):
    new = vars(fitted).keys() - estimator.get_params(deep=False).keys()

    assert all(name.endswith("_") and not name.startswith("_") for name in new)
    assert {"classes_", "history_", "n_truncated_"} <= new
    assert isinstance(fitted.history_, list)
    assert fitted.n_truncated_ == 0


def test_the_texts_and_labels_are_not_changed(estimator):
    texts, labels = list(X), list(Y)

    fit(clone(estimator), texts, labels)

    assert (texts, labels) == (X, Y)


def test_fitting_twice_gives_the_same(estimator, fitted):
    clf = fit(fit(clone(estimator), X[:6], Y[:6]), X, Y)

    np.testing.assert_allclose(outputs(clf), outputs(fitted), atol=1e-6)


def test_global_random_states_are_as_before(estimator):
    torch.manual_seed(1)
    np.random.seed(1)
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()

    fit(clone(estimator), X, Y).predict(NEW)

    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)


def test_it_prints_nothing_when_silent(estimator, capfd):
    fit(clone(estimator), X, Y).predict_proba(NEW)

    assert capfd.readouterr() == ("", "")


def test_rows_without_a_label_are_accepted(estimator):
    clf = fit(clone(estimator), [*X, "the market", "a bank"], [*Y, None, None])

    assert clf.classes_.tolist() == ["politics", "sports"]
    assert np.isfinite(outputs(clf)).all()


def test_a_class_without_an_example_keeps_its_column(estimator):
    clf = fit(with_settings(clone(estimator), labels=["animal", "politics", "sports"]), X, Y)

    assert clf.classes_.tolist() == ["animal", "politics", "sports"]
    assert outputs(clf).shape == (5, 3)
    assert np.isfinite(clf.predict_log_proba(NEW)).all()


def test_integer_labels_come_back_as_integers(estimator):
    clf = clone(estimator)
    if has_words(clf):
        with_settings(clf, verbalizer={3: "politics", 7: "sports"})

    fit(clf, X, [7 if label == "sports" else 3 for label in Y])

    assert clf.classes_.dtype == np.int64
    assert clf.classes_.tolist() == [3, 7]
    assert clf.predict(NEW).dtype == np.int64


def test_pairs_are_classified(estimator):
    pairs = [(text, "news") for text in X]
    clf = clone(estimator)
    if has_words(clf):
        with_settings(clf, template="{a} {mask} {b}")

    more = {"unlabeled": Unlabeled([(text, "news") for text in POOL])} if more_texts(clf) else {}
    clf.fit(pairs, Y, **more)

    assert outputs(clf, [("football", "news"), ("", "")]).shape == (2, 2)


# ---- Predicting -------------------------------------------------------------------------------


def test_probabilities_are_probabilities(fitted):
    proba = outputs(fitted)

    assert proba.dtype == np.float64
    assert proba.shape == (5, 2)
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(1), 1.0)


def test_all_predictions_agree(fitted):
    proba = outputs(fitted)

    assert fitted.classes_.tolist() == ["politics", "sports"]
    assert fitted.predict(NEW).tolist() == fitted.classes_[proba.argmax(1)].tolist()
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(NEW)), proba, atol=1e-12)
    decision = fitted.decision_function(NEW)
    assert decision.shape == (5,)
    np.testing.assert_allclose(1 / (1 + np.exp(-decision)), proba[:, 1], atol=1e-9)


def test_predictions_are_strings_where_labels_were(fitted):
    assert all(type(label) is str for label in fitted.predict(NEW))


def test_order_and_duplicates_do_not_matter(fitted):
    proba = outputs(fitted)

    np.testing.assert_allclose(outputs(fitted, NEW[::-1]), proba[::-1], atol=1e-6)
    np.testing.assert_allclose(outputs(fitted, NEW[:1]), proba[:1], atol=1e-6)
    np.testing.assert_allclose(outputs(fitted, NEW[1:2] * 3), proba[[1, 1, 1]], atol=1e-6)


@pytest.mark.parametrize(
    "container",
    [
        tuple,
        lambda texts: np.array(texts, dtype=object),
        pd.Series,
        lambda texts: pd.DataFrame({"text": texts}),
        lambda texts: datasets.Dataset.from_dict({"text": texts})["text"],
    ],
    ids=["tuple", "array", "Series", "DataFrame", "datasets"],
)
def test_containers_give_equal_output(fitted, container):
    assert np.array_equal(outputs(fitted, container(NEW)), outputs(fitted))


def test_containers_are_learned_from_alike(estimator, fitted):
    clf = fit(clone(estimator), pd.Series(X, index=range(7, 17)), pd.Series(Y, index=range(10)))

    np.testing.assert_allclose(outputs(clf), outputs(fitted), atol=1e-6)


def test_a_very_long_text_is_classified(fitted):
    assert np.isfinite(outputs(fitted, ["football " * 10_000])).all()


def test_parameters_that_are_changed_after_fit_change_no_prediction(fitted):
    clf = copy.copy(fitted)
    others = clf.get_params(deep=False).keys() - {"verbose"}

    clf.set_params(**dict.fromkeys(others, "changed"))

    for method in _METHODS:
        assert np.array_equal(getattr(clf, method)(NEW), getattr(fitted, method)(NEW))


# ---- Bad input --------------------------------------------------------------------------------

_BAD = {
    "a bare string": {"X": "one text"},
    "no texts": {"X": [], "y": []},
    "a missing text": {"X": [*X[:-1], None]},
    "NaN": {"X": [*X[:-1], np.nan]},
    "a number": {"X": [*X[:-1], 3]},
    "fewer labels": {"y": Y[:-1]},
    "one class": {"y": ["sports"] * 10},
    "mixed labels": {"y": [*Y[:-1], 1]},
    "a matrix of labels": {"y": np.zeros((10, 2))},
    "too few weights": {"sample_weight": [1.0]},
    "negative weights": {"sample_weight": [-1.0] * 10},
}


@pytest.mark.parametrize("case", list(_BAD))
def test_bad_input_is_refused_and_the_estimator_stays_as_it_was(fitted, case):
    before, proba = dict(vars(fitted)), outputs(fitted)

    with pytest.raises(FewShotError) as caught:
        fit(fitted, **({"X": X, "y": Y} | _BAD[case]))

    assert isinstance(caught.value, ValueError)
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[name] is value for name, value in before.items())
    assert np.array_equal(outputs(fitted), proba)


def test_a_label_that_was_not_named_is_refused(estimator):
    clf = with_settings(clone(estimator), labels=["politics", "animal"])

    with pytest.raises(FewShotError, match="sports"):
        fit(clf, X, Y)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("ab", r"labels is a list of all labels.* got 'ab'"),
        (3, r"labels is a list of all labels.* got 3"),
        (["politics", 1], r"labels all of str or all of int, got \['politics', 1\]"),
        (["politics", "sports", "politics"], "the label 'politics' stands twice"),
        (["politics", None], "a label is a str or an int, got NoneType"),
    ],
)
def test_labels_that_cannot_be_classes_are_refused(estimator, labels, message):
    with pytest.raises(FewShotError, match=message):
        fit(with_settings(clone(estimator), labels=labels), X, Y)


def test_labels_of_numpy_are_taken_as_plain_ones(estimator):
    clf = with_settings(clone(estimator), labels=np.array(["sports", "animal", "politics"]))

    assert fit(clf, X, Y).classes_.tolist() == ["animal", "politics", "sports"]
    assert all(type(label) is str for label in clf.classes_)


@pytest.mark.parametrize("bad", ["one text", [], [None], [3], [("a", "b")]], ids=repr)
@pytest.mark.parametrize("method", _METHODS)
def test_bad_texts_are_refused_in_prediction(fitted, method, bad):
    with pytest.raises(FewShotError):
        getattr(fitted, method)(bad)


def test_class_weights_that_cannot_be_used_are_refused(estimator):
    for class_weight in ("even", {"animal": 1.0}, {"sports": -1.0}, {"sports": "x"}):
        clf = with_settings(clone(estimator), class_weight=class_weight)
        if isinstance(clf, PromptClassifier) and clf.tuning == "none":
            continue  # zero-shot has no use for them

        with pytest.raises(FewShotError, match="class_weight"):
            fit(clf, X, Y)


def test_weights_that_leave_no_text_are_refused(estimator):
    clf = with_settings(clone(estimator), class_weight={"sports": 0.0, "politics": 1.0})
    if isinstance(clf, SemiSupervisedClassifier):  # to them rows of weight 0 name no class
        with_settings(clf, labels=["politics", "sports"])
    if isinstance(clf, PromptClassifier) and clf.tuning == "none":
        return  # zero-shot has no use for them

    with pytest.raises(FewShotError, match="no text has a label and a weight above 0"):
        fit(clf, X, Y, sample_weight=[float(label == "sports") for label in Y])


# ---- Copies -----------------------------------------------------------------------------------


def test_pickle_joblib_and_deepcopy_keep_the_predictions(fitted, tmp_path):
    joblib.dump(fitted, tmp_path / "model.joblib")

    for twin in (
        pickle.loads(pickle.dumps(fitted)),
        joblib.load(tmp_path / "model.joblib"),
        copy.deepcopy(fitted),
    ):
        assert np.array_equal(outputs(twin), outputs(fitted))


def test_a_saved_estimator_gives_the_same_to_the_last_bit(fitted, tmp_path):
    fitted.save(tmp_path / "model")

    again = fewshot.load(tmp_path / "model")

    assert type(again) is type(fitted)
    assert np.array_equal(outputs(again), outputs(fitted))
    assert again.classes_.tolist() == fitted.classes_.tolist()


def test_no_pickle_is_saved(fitted, tmp_path):
    fitted.save(tmp_path / "model")

    kinds = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".txt", ".md"}


# ---- In scikit-learn --------------------------------------------------------------------------


def test_it_is_cross_validated(estimator):
    scores = cross_val_score(
        clone(estimator), X, Y, cv=2, error_score="raise", params=more_texts(estimator)
    )

    assert scores.shape == (2,)


def test_it_ends_a_pipeline(estimator):
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])

    pipeline = make_pipeline(lower, clone(estimator))
    last = pipeline.steps[-1][0]
    pipeline.fit(
        X, Y, **{f"{last}__{name}": value for name, value in more_texts(estimator).items()}
    )

    assert pipeline.predict_proba(NEW).shape == (5, 2)
