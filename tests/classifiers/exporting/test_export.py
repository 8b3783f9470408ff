"""Exported classifiers predict as the originals, or are refused with nothing left behind."""

from __future__ import annotations

import sys
from typing import get_args

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from sklearn.exceptions import NotFittedError

import fewshot
from fewshot import FineTuneClassifier, PETClassifier, TfidfClassifier
from fewshot.classifiers.exporting.quantization import linear_layers
from fewshot.errors import InputError, MissingExtraError, ModelError, PersistenceError
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.aggregation import Aggregation
from fewshot.tuning import STRATEGIES, BitFit
from tests.tiny_estimators import ESTIMATORS, POOL, QUIET, X, Y, fit, prompt, tiny_lm
from tests.tiny_models import tiny_bert

# Empty, alone, long, and with the names of special tokens in it.
TEXTS = ["", "a new player", "goal " * 200, "the [MASK] of <mask> law!", "wonderful basketball"]
WITH_GRAPH = [name for name in ESTIMATORS if name not in ("tfidf", "classifier")]
WORDS = {"politics": ["politics", "law", "unhelpful"], "sports": ["sports", "basketball", "goal"]}


def export(clf, folder, **settings):
    """Export to a new folder, in float32 unless the test says otherwise."""
    settings = {"precision": "float32", "texts": POOL} | settings
    return fewshot.export(clf, folder / "exported", **settings)


def assert_same(clf, exported, texts=TEXTS):
    """Check that predictions agree, and that no text depends on the others of a call."""
    expected, found = clf.predict_proba(texts), exported.predict_proba(texts)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    alone = np.concatenate([exported.predict_proba(texts[i : i + 1]) for i in range(len(texts))])
    np.testing.assert_array_equal(alone, found)
    np.testing.assert_array_equal(exported.predict(texts), clf.predict(texts))
    np.testing.assert_array_equal(exported.classes_, clf.classes_)
    assert exported.classes_.dtype == clf.classes_.dtype


@pytest.mark.filterwarnings("ignore:.*were shortened", "ignore:.*were among the unlabelled")
@pytest.mark.parametrize("name", WITH_GRAPH)
def test_each_estimator_predicts_the_same(name, tmp_path):
    clf = fit(ESTIMATORS[name](), X, Y)

    assert_same(clf, export(clf, tmp_path))
    assert linear_layers(tmp_path / "exported" / "model.onnx")  # what int8 is for


@pytest.mark.filterwarnings("ignore:.*were shortened")
def test_each_architecture_predicts_the_same(tiny, tmp_path):
    clf = prompt(model=MaskedLM(*tiny, device="cpu")).fit(X, Y)

    assert_same(clf, export(clf, tmp_path))


@pytest.mark.filterwarnings("ignore:.*were shortened")
@pytest.mark.parametrize("name", STRATEGIES)
def test_each_tuning_predicts_the_same(name, tmp_path):
    strategy = STRATEGIES[name]()
    if name not in ("none", "head"):
        strategy.set_params(num_epochs=1, learning_rate=0.01)
    clf = prompt(strategy).fit(X, Y)

    assert_same(clf, export(clf, tmp_path))


@pytest.mark.parametrize("multi_token", ["mean", "first"])
@pytest.mark.parametrize("aggregation", get_args(Aggregation))
def test_each_aggregation_of_words_predicts_the_same(aggregation, multi_token, tmp_path):
    words = {name: dict.fromkeys(row, 1.0) for name, row in WORDS.items()}
    words["sports"]["goal"], words["politics"]["tax"] = 0.25, 0.5
    words["politics"].pop("tax")  # classes of three words each, then one of four
    words["sports"]["team"] = 2.0
    clf = prompt("none", verbalizer=words, aggregation=aggregation, multi_token=multi_token)
    clf.fit(POOL)

    assert_same(clf, export(clf, tmp_path), TEXTS[:2])


def test_words_with_a_mask_for_each_piece_of_equally_many_predict_the_same(tmp_path):
    words = {"politics": ["politics", "law"], "sports": ["sports", "goal"]}
    clf = prompt("none", verbalizer=words, multi_token="masks").fit(POOL)

    assert_same(clf, export(clf, tmp_path), TEXTS[:2])


def test_virtual_tokens_of_a_template_predict_the_same(tmp_path):
    clf = prompt(BitFit(num_epochs=1), template="{text} {soft:it was} {mask} {soft:2}").fit(X, Y)

    assert_same(clf, export(clf, tmp_path), TEXTS[:2])


def test_a_model_that_predicts_in_bf16_is_exported_in_float32(tmp_path):
    try:
        lm = MaskedLM(*tiny_bert(), device="cpu", precision="bf16")
    except ModelError as error:
        pytest.skip(str(error))
    clf = prompt(model=lm).fit(X, Y)

    exported = export(clf, tmp_path)

    np.testing.assert_allclose(exported.predict_proba(X), clf.predict_proba(X), atol=0.1)


def test_class_shares_and_weights_are_in_the_scores(tmp_path):
    shares = {"politics": 0.9, "sports": 0.1}
    clf = prompt(class_prior=shares).fit(X, Y)
    pet = fit(PETClassifier(prompt(class_prior=shares), **QUIET), X, Y)

    assert_same(clf, export(clf, tmp_path), TEXTS[:2])
    assert_same(pet, export(pet, tmp_path), TEXTS[:2])


@pytest.mark.parametrize("labels", [[3, 7], [False, True]])
def test_labels_keep_their_type(labels, tmp_path):
    words = dict(zip(labels, ("sports", "politics"), strict=True))
    clf = prompt(verbalizer=words).fit(X, [labels[0]] * 5 + [labels[1]] * 5)

    assert_same(clf, export(clf, tmp_path), TEXTS[:2])


@pytest.mark.parametrize("name", ["prompt-none", "prompt-head", "embedding", "fine-tune", "setfit"])
def test_several_labels_predict_the_same(name, tmp_path):
    several = [{label} for label in Y[:-2]] + [set(), {"sports", "politics"}]
    clf = ESTIMATORS[name]().fit(X, several)

    exported = export(clf, tmp_path)

    expected, found = clf.predict_proba(TEXTS[:2]), exported.predict_proba(TEXTS[:2])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert not np.allclose(found.sum(1), 1.0)
    assert exported.predict(X) == clf.predict(X)
    assert isinstance(exported.predict(X)[0], set)
    np.testing.assert_array_equal(exported.thresholds_, clf.thresholds_)


def test_named_fields_and_pairs_predict_the_same(tmp_path):
    pairs = [{"first": text, "second": other} for text, other in zip(X, X[::-1], strict=True)]
    template = "{second}? {mask}, {first:bare}"
    of_prompt = prompt(template=template, verbalizer=WORDS).fit(pairs, Y)
    of_pair = FineTuneClassifier(tiny_lm(), num_epochs=1, **QUIET).fit(pairs, Y)

    for clf in (of_prompt, of_pair):
        exported = export(clf, tmp_path, texts=pairs)
        assert_same(clf, exported, pairs)
        swapped = [{"second": row["second"], "first": row["first"]} for row in pairs]
        np.testing.assert_array_equal(
            exported.predict_proba(swapped), exported.predict_proba(pairs)
        )


def test_without_texts_the_sentences_of_many_kinds_are_compared(tmp_path):
    exported = export(prompt().fit(X, Y), tmp_path, texts=None)

    check = exported.manifest_["check"]
    assert (check["n_texts"], check["changed"]) == (64, 0)
    assert check["largest"] < 1e-5


def test_an_exported_folder_is_replaced_and_any_other_is_not(tmp_path):
    clf = prompt().fit(X, Y)
    export(clf, tmp_path)
    export(clf, tmp_path)
    clf.save(tmp_path / "saved")

    with pytest.raises(PersistenceError, match="other than a classifier that was exported"):
        fewshot.export(clf, tmp_path / "saved", precision="float32")


def test_what_has_no_graph_is_refused_with_a_way_out(tmp_path):
    tfidf = TfidfClassifier().fit(X, Y)
    pool = ESTIMATORS["classifier"]().fit(X, Y)
    masks = prompt("none", verbalizer=WORDS, multi_token="masks").fit(X)
    chunk = prompt("none", template=fewshot.Template("{text} {mask}", shorten="chunk")).fit(X, Y)

    with pytest.raises(ModelError, match=r"TfidfClassifier has no graph.*clf\.save"):
        export(tfidf, tmp_path)
    with pytest.raises(ModelError, match=r"Classifier has no graph.*clf\.distill\(texts\)"):
        export(pool, tmp_path)
    with pytest.raises(ModelError, match=r"multi_token='masks'.*multi_token='mean'"):
        export(masks, tmp_path)
    with pytest.raises(ModelError, match=r"shorten='chunk'.*shorten='longest'"):
        export(chunk, tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "tensorrt"}, r"backend is one of \['onnx', 'openvino'\], got 'tensorrt'"),
        ({"precision": "int4"}, "precision is one of .*'auto', 'float32', 'bf16', 'int8'"),
        ({"tolerance": 2}, "tolerance is from 0 to 1, got 2"),
        ({"texts": []}, "X is empty"),
        ({"texts": "a text"}, "X is a sequence of texts"),
    ],
)
def test_wrong_settings_are_named(settings, message, tmp_path):
    with pytest.raises(InputError, match=message):
        export(prompt().fit(X, Y), tmp_path, **settings)


def test_a_precision_that_the_runtime_lacks_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"onnxruntime computes nothing in bf16.*'openvino'"):
        export(prompt().fit(X, Y), tmp_path, precision="bf16")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(
    package, tmp_path, monkeypatch
):
    clf = prompt().fit(X, Y)
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingExtraError, match=rf'{package}.*pip install "fewshot\[onnx\]"'):
        export(clf, tmp_path)


def test_a_classifier_that_is_not_fitted_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        export(prompt(), tmp_path)


def test_a_tokenizer_written_in_python_is_refused(tmp_path):
    clf = prompt().fit(X, Y)
    clf.model_.tokenizer = _InPython()

    with pytest.raises(ModelError, match=r"_InPython is written in Python.*use_fast=True"):
        fewshot.classifiers.exporting.tokenizers.write_tokenizer(clf.model_.tokenizer, tmp_path)


class _InPython:
    is_fast = False
