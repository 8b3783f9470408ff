"""What every classifier promises, whatever it is made of; what it refuses: test_refusals."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import random
import tempfile
import warnings
from enum import Enum

import datasets
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import fewshot
from fewshot import (
    Classifier,
    EmbeddingClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    Unlabeled,
)
from fewshot.classifiers.base import TextClassifier
from fewshot.errors import (
    FewShotWarning,
    InputError,
    LabelWordError,
    LabelWordWarning,
    TruncationWarning,
    VerbalizerError,
)
from fewshot.knowledge import LearnedVerbalizer, SoftVerbalizer
from tests.tiny_estimators import (
    ESTIMATORS,
    POOL,
    X,
    Y,
    fit,
    has_words,
    is_meta,
    more_texts,
    with_settings,
)

NEW = ["the football player", "a law", "", "🎉 日本 [MASK]", "vote vote vote goal"]
_METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def knows_names(clf) -> bool:
    """Tell whether names of classes and texts without a label make a difference."""
    return has_words(clf) or isinstance(clf, (Classifier, EmbeddingClassifier))


def has_names(clf) -> bool:
    """Tell whether an estimator finds words for the names of classes."""
    verbalizer = getattr(clf, "verbalizer", None)
    return verbalizer is not None and not isinstance(verbalizer, SoftVerbalizer)


def model_of(clf):
    """Return the model that was given to an estimator; None where it takes none."""
    return getattr(clf.estimator if is_meta(clf) else clf, "model", None)


def weights_of(clf) -> list[torch.Tensor]:
    model = model_of(clf)
    return [] if model is None else list(getattr(model, "model", model).parameters())


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
    assert len(names) <= 15


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


def test_a_clone_is_unfitted_and_shares_the_model(estimator, fitted):
    twin = clone(fitted)

    assert repr(twin) == repr(estimator)
    assert twin.get_params().keys() == estimator.get_params().keys()
    assert not hasattr(twin, "classes_")
    if has_words(twin):
        assert model_of(twin) is model_of(estimator)


@pytest.mark.parametrize("method", [*_METHODS, "save"])
def test_before_fit_nothing_is_predicted_or_saved(estimator, method, tmp_path):
    argument = tmp_path / "model" if method == "save" else NEW

    with pytest.raises(NotFittedError):
        getattr(clone(estimator), method)(argument)


# ---- Fitting ----------------------------------------------------------------------------------


def test_fit_returns_the_estimator_and_changes_nothing_else(estimator):
    clf, texts, labels = clone(estimator), list(X), list(Y)
    params = {name: (id(value), repr(value)) for name, value in clf.get_params().items()}
    weights = [parameter.clone() for parameter in weights_of(estimator)]
    random.seed(1)
    torch.manual_seed(1)
    np.random.seed(1)
    states = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()

    assert fit(clf, texts, labels) is clf
    clf.predict(NEW)

    assert {name: (id(v), repr(v)) for name, v in clf.get_params().items()} == params
    assert (texts, labels) == (X, Y)
    pairs = zip(weights, weights_of(estimator), strict=True)
    assert all(torch.equal(old, new) for old, new in pairs)
    assert states[0] == random.getstate()
    assert torch.equal(states[1], torch.get_rng_state())
    assert np.array_equal(states[2], np.random.get_state()[1])


def test_what_is_learned_is_named_with_an_underscore(estimator, fitted):
    new = vars(fitted).keys() - estimator.get_params(deep=False).keys()

    assert all(name.endswith("_") and not name.startswith("_") for name in new)
    assert {"classes_", "history_", "n_truncated_"} <= new
    assert isinstance(fitted.history_, list)
    assert fitted.n_truncated_ == 0


def test_fitting_twice_gives_the_same_to_the_last_bit(estimator, fitted):
    clf = fit(fit(clone(estimator), X[:6], Y[:6]), X, Y)

    assert np.array_equal(outputs(clf), outputs(fitted))


def test_contexts_of_the_caller_change_nothing(estimator, fitted):
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
            again = outputs(fit(estimator, X, Y))
            other = outputs(fitted)
    finally:
        torch.set_default_dtype(torch.float32)

    np.testing.assert_array_equal(again, outputs(fitted))
    np.testing.assert_array_equal(other, outputs(fitted))


def test_a_silent_fit_prints_warns_and_leaves_nothing(estimator, capfd, tmp_path, monkeypatch):
    folders = tmp_path / "work", tmp_path / "home", tmp_path / "temporary"
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(folders[0])
    monkeypatch.setenv("HOME", str(folders[1]))
    monkeypatch.setattr(tempfile, "tempdir", str(folders[2]))
    before = dict(os.environ)

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", FewShotWarning)
        fit(clone(estimator), X, Y).predict_proba(NEW)

    assert capfd.readouterr() == ("", "")
    assert [list(folder.rglob("*")) for folder in folders] == [[], [], []]
    assert dict(os.environ) == before


def test_a_dry_run_learns_nothing_and_checks_as_fit_does(estimator):
    clf = clone(estimator)
    if not hasattr(clf, "dry_run"):
        pytest.skip("has none")

    before = copy.copy(getattr(model_of(clf), "counts", None))

    assert clf.dry_run(X, Y).n_texts == 10

    if not isinstance(getattr(clf, "verbalizer", None), LearnedVerbalizer):  # finds words in texts
        assert before == getattr(model_of(clf), "counts", None)
    assert not any(name.endswith("_") for name in vars(clf))
    with pytest.raises(InputError, match="None or NaN in row 9"):
        clf.dry_run([*X[:-1], None], Y)


def test_rows_without_a_label_are_accepted(estimator, fitted):
    clf = fit(clone(estimator), [*X, "the market", "a bank"], [*Y, None, None])

    assert clf.classes_.tolist() == ["politics", "sports"]
    if knows_names(clf):  # they calibrate
        assert np.isfinite(outputs(clf)).all()
    else:
        assert np.array_equal(outputs(clf), outputs(fitted))


def test_a_row_of_weight_zero_is_as_if_it_were_not_there(estimator, fitted):
    clf = fit(
        clone(estimator), [*X, "the market"], [*Y, "sports"], sample_weight=[1.0] * 10 + [0.0]
    )

    np.testing.assert_allclose(outputs(clf), outputs(fitted), atol=1e-6)


def test_a_class_without_an_example_keeps_its_column(estimator):
    clf = fit(with_settings(clone(estimator), labels=["animal", "politics", "sports"]), X, Y)

    assert clf.classes_.tolist() == ["animal", "politics", "sports"]
    assert outputs(clf).shape == (5, 3)
    assert np.isfinite(clf.predict_log_proba(NEW)).all()


def test_labels_of_numpy_are_taken_as_plain_ones(estimator):
    clf = with_settings(clone(estimator), labels=np.array(["sports", "animal", "politics"]))

    assert fit(clf, X, Y).classes_.tolist() == ["animal", "politics", "sports"]
    assert all(type(label) is str for label in clf.classes_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_members_of_an_enum_count_as_their_values(estimator, fitted):
    topic = Enum("topic", {"A": "sports", "B": "politics"}, type=str)
    members = [topic(label) for label in Y]
    clf = with_settings(clone(estimator), labels=list(topic), class_weight={topic.A: 1.0})

    assert fit(clf, X, members).classes_.tolist() == ["politics", "sports"]
    assert fitted.score(X, members) == fitted.score(X, Y)


def test_bools_with_words_come_back_from_a_folder(estimator, tmp_path):
    if not has_words(estimator) or has_names(estimator):
        pytest.skip("is given no words")
    clf = with_settings(
        clone(estimator),
        verbalizer={False: "politics", True: "sports"},
        labels=[False, True],
        class_weight={True: 2.0},
    )
    fit(clf, X, [label == "sports" for label in Y]).save(tmp_path / "clf")

    loaded = fewshot.load(tmp_path / "clf")

    assert loaded.classes_.dtype == bool
    assert loaded.predict(X).tolist() == clf.predict(X).tolist()


def test_integer_labels_come_back_as_integers(estimator):
    clf = clone(estimator)
    if has_words(clf):
        with_settings(clf, verbalizer={3: "politics", 7: "sports"})

    fit(clf, X, [7 if label == "sports" else 3 for label in Y])

    assert clf.classes_.dtype == np.int64
    assert clf.classes_.tolist() == [3, 7]
    assert clf.predict(NEW).dtype == np.int64


@pytest.mark.parametrize(
    ("politics", "sports"), [(False, True), ("0", "1"), ("👍", "👎"), ("体育", "政治"), (3, 7)]
)
def test_labels_without_words_are_learned_and_come_back(
    estimator, fitted, politics, sports, tmp_path
):
    clf = clone(estimator)
    y = [sports if label == "sports" else politics for label in Y]
    needs_words = isinstance(clf, (PETClassifier, PCPClassifier))
    if has_names(clf):
        pytest.skip("may find words even for these")
    if needs_words or getattr(clf, "tuning", None) == "none":
        with pytest.raises((VerbalizerError, LabelWordError, InputError), match=r"words|script"):
            fit(clf, X, y)
        return

    if has_words(clf) and getattr(clf, "verbalizer", None) is None:
        with pytest.warns(LabelWordWarning, match="learns the classes from the labelled texts"):
            fit(clf, X, y)
    else:
        fit(clf, X, y)
    if not knows_names(clf):
        np.testing.assert_allclose(outputs(clf), outputs(fitted), atol=1e-6)

    clf.save(tmp_path / "clf")
    for found in (clf, fewshot.load(tmp_path / "clf")):
        assert found.classes_.tolist() == [politics, sports]
        assert {type(label) for label in found.predict(X).tolist()} == {type(sports)}


def test_pairs_are_classified(estimator):
    pairs = [(text, "news") for text in X]
    clf = clone(estimator)
    if has_words(clf):
        with_settings(clf, template="{a} {mask} {b}")

    more = {"unlabeled": Unlabeled([(text, "news") for text in POOL])} if is_meta(clf) else {}
    clf.fit(pairs, Y, **more)

    assert outputs(clf, [("football", "news"), ("", "")]).shape == (2, 2)


def test_fields_are_found_by_name(estimator):
    frame = pd.DataFrame({"title": X, "body": X[::-1]})
    clf = clone(estimator)
    if has_words(clf):
        with_settings(clf, template="{title} {mask} {body}")

    more = {"unlabeled": Unlabeled(frame.iloc[:3] + " goal")} if is_meta(clf) else {}
    clf.fit(frame, Y, **more)

    expected = outputs(clf, frame)
    assert np.array_equal(outputs(clf, frame[["body", "title"]]), expected)
    assert np.array_equal(outputs(clf, frame.to_dict("records")), expected)
    rows = list(frame[["body", "title"]].itertuples(index=False))
    assert np.array_equal(outputs(clf, rows), expected)


def test_heavier_texts_are_predicted_more(estimator):
    clf = clone(estimator)
    if is_meta(clf) or (isinstance(clf, PromptClassifier) and clf.tuning == "none"):
        pytest.skip("does not learn from the labels itself")
    if has_words(clf):  # weights count in a calibration over the texts too
        clf.set_params(calibration="contextual")

    found = []
    for weight in (0.1, 1.0, 10.0):
        weights = [weight if label == "sports" else 1.0 for label in Y]
        found.append(outputs(clone(clf).fit(X, Y, sample_weight=weights), X)[:, 1].mean())

    assert found == sorted(set(found))


def test_only_ratios_of_sample_weights_count(estimator):
    weights = np.array([1.0, 2.0] * (len(X) // 2))

    one, eight, ten = (
        outputs(fit(clone(estimator), X, Y, sample_weight=factor * weights))
        for factor in (1, 8, 10)
    )

    assert np.array_equal(one, eight)
    np.testing.assert_allclose(ten, one, atol=1e-5)  # a tenth has no exact float


def test_weights_of_classes_multiply_the_probabilities_of_the_decision(estimator):
    plain = fit(clone(estimator), X, Y)

    weighted = fit(with_settings(clone(estimator), class_weight={"sports": 1000.0}), X, Y)

    expected = outputs(plain) * [1.0, 1000.0]
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(outputs(weighted), expected, rtol=1e-9)
    assert set(weighted.predict([*X, *NEW])) == {"sports"}, "the recall of a heavy class is 1"
    change = weighted._class_scores(NEW) - plain._class_scores(NEW)  # what Classifier pools
    np.testing.assert_allclose(np.diff(change), 0.0, atol=1e-9, err_msg="they count once")


@pytest.mark.parametrize("name", ["prompt-bitfit", "prompt-full", "setfit", "fine-tune", "list"])
def test_another_seed_gives_something_else(name):
    one, other = (fit(ESTIMATORS[name]().set_params(random_state=seed), X, Y) for seed in (0, 1))

    assert not np.array_equal(outputs(one), outputs(other))


def test_cut_texts_are_counted_and_warned_of_at_the_line_of_the_user(estimator):
    clf = clone(estimator)
    if is_meta(clf) or "max_length" not in clf.get_params():
        pytest.skip("cuts nothing itself")
    long = "film " * 200

    with pytest.warns(TruncationWarning, match=r"1 of 10 texts .* 60 tokens.*max_length") as found:
        clf.set_params(max_length=60).fit([*X[:-1], long], Y)
    with pytest.warns(TruncationWarning, match="2 of 3 texts .* 60 tokens") as found_later:
        clf.predict([long, "short", long])

    assert clf.n_truncated_ == 1
    assert [warning.filename for warning in (found[0], found_later[0])] == [__file__] * 2


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
    assert all(type(label) is str for label in fitted.predict(NEW))
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(NEW)), proba, atol=1e-12)
    decision = fitted.decision_function(NEW)
    assert decision.shape == (5,)
    np.testing.assert_allclose(1 / (1 + np.exp(-decision)), proba[:, 1], atol=1e-9)


def test_order_duplicates_and_other_texts_do_not_matter(fitted):
    proba, most = outputs(fitted), 0.0 if has_words(fitted) else 1e-7

    for rows in ([4, 3, 2, 1, 0], [0], [3], [1, 1, 1], [4, 4, 0]):
        found = outputs(fitted, [NEW[row] for row in rows])
        np.testing.assert_allclose(found, proba[rows], rtol=0, atol=most)


@pytest.mark.parametrize(
    "container",
    [
        tuple,
        lambda texts: np.array(texts, dtype=object),
        pd.Series,
        lambda texts: pd.DataFrame({"text": texts}),
        lambda texts: datasets.Dataset.from_dict({"text": texts})["text"],
        lambda texts: pl.DataFrame({"text": texts}),
        lambda texts: pa.table({"text": texts}),
        iter,
    ],
    ids=["tuple", "array", "Series", "DataFrame", "datasets", "polars", "pyarrow", "iterator"],
)
def test_containers_give_equal_output(fitted, container):
    assert np.array_equal(outputs(fitted, container(NEW)), outputs(fitted))


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (pd.Series(X, index=range(7, 17)), pd.Series(Y, index=range(10))),
        (pl.DataFrame({"text": X}), pl.Series(Y)),
        (pa.table({"text": X}), pa.chunked_array([Y])),
    ],
    ids=["pandas", "polars", "pyarrow"],
)
def test_containers_are_learned_from_alike(estimator, fitted, texts, labels):
    clf = fit(clone(estimator), texts, labels)

    np.testing.assert_allclose(outputs(clf), outputs(fitted), atol=1e-6)
    assert clf.score(texts, labels) == clf.score(X, Y)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_column_of_labels_is_scored_as_it_is_learned_from(fitted, frame):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        assert fitted.score(X, frame({"label": Y})) == fitted.score(X, Y)


def test_iterators_are_read_once(estimator, fitted):
    clf = fit(clone(estimator), iter(X), iter(Y), sample_weight=iter([1.0] * len(X)))

    np.testing.assert_allclose(outputs(clf), outputs(fitted), atol=1e-6)
    assert clf.score(iter(X), iter(Y)) == clf.score(X, Y)


@pytest.mark.parametrize("table", [pl.DataFrame, pa.table])
def test_pools_of_tables_are_read_by_the_names_of_columns(estimator, fitted, table):
    if not is_meta(estimator):
        pytest.skip("has no pool")

    pool = Unlabeled(table({"id": ["x"] * len(POOL[::3]), "text": POOL[::3]}))
    clf = clone(estimator).fit(X, Y, unlabeled=pool)

    assert np.array_equal(outputs(clf), outputs(fitted))


def test_odd_texts_are_classified(fitted):
    odd = [" ", "\n\t", "🎉🎉", "日本語", "[MASK] [SEP]", "a" * 3000, "football " * 10_000, "\x00"]

    proba = outputs(fitted, odd)

    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(1), 1.0)


def test_parameters_that_are_changed_after_fit_change_no_prediction(fitted):
    clf = copy.copy(fitted)
    others = clf.get_params(deep=False).keys() - {"verbose"}

    clf.set_params(**dict.fromkeys(others, "changed"))

    for method in _METHODS:
        assert np.array_equal(getattr(clf, method)(NEW), getattr(fitted, method)(NEW))


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

    assert repr(again) == repr(fitted)
    assert np.array_equal(outputs(again), outputs(fitted))
    for name, value in vars(fitted).items():
        if isinstance(value, (np.ndarray, str, int, float)):
            np.testing.assert_array_equal(getattr(again, name), value)


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
