"""BatchPredictor: any kind of batch, in any process, loaded once."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fewshot
import fewshot.runtime
from fewshot import BatchPredictor, TfidfClassifier
from fewshot.classifiers import batch_predictor
from fewshot.errors import InputError, PersistenceError
from fewshot.saving import estimators
from tests.tiny_estimators import X, Y, prompt

TEXTS = ["football goal", "vote", "the law of the world"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model"
    prompt().fit(X, Y).save(path)
    return path


@pytest.fixture(scope="module")
def expected(folder):
    clf = BatchPredictor(folder).classifier()
    return clf.predict(TEXTS).tolist(), clf.predict_proba(TEXTS)


BATCHES = {
    "lists": lambda: {"body": list(TEXTS)},
    "arrays": lambda: {"body": np.array(TEXTS)},
    "frame": lambda: pd.DataFrame({"body": TEXTS}),
    "polars": lambda: pl.DataFrame({"body": TEXTS}),
    "table": lambda: pa.table({"body": TEXTS}),
    "record batch": lambda: pa.RecordBatch.from_pydict({"body": TEXTS}),
    "mappings": lambda: [{"body": text} for text in TEXTS],
}


@pytest.mark.parametrize("kind", BATCHES)
def test_a_batch_of_any_kind_gets_the_columns_of_predict(kind, folder, expected):
    batch = BATCHES[kind]()
    labels, proba = expected

    found = BatchPredictor(folder, text="body", proba=True)(batch)

    assert type(found) is type(batch)
    if isinstance(found, list):
        found = {name: [row[name] for row in found] for name in found[0]}
    elif hasattr(found, "to_pydict"):
        found = found.to_pydict()
    elif isinstance(found, pl.DataFrame):
        found = found.to_dict()
    names = ["body", "label", "score", "proba_politics", "proba_sports"]
    assert list(found) == names
    assert list(found["body"]) == TEXTS
    assert list(found["label"]) == labels
    assert list(found["score"]) == proba.max(1).tolist()
    assert list(found["proba_politics"]) == proba[:, 0].tolist()
    assert list(found["proba_sports"]) == proba[:, 1].tolist()


def test_datasets_maps_it_over_batches(folder, expected):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"body": TEXTS})

    found = data.map(BatchPredictor(folder, text="body"), batched=True, batch_size=2)

    assert found.column_names == ["body", "label", "score"]
    assert list(found["label"]) == expected[0]
    assert list(found["score"]) == expected[1].max(1).tolist()


def test_texts_become_rows(folder, expected):
    found = BatchPredictor(folder)(TEXTS)

    assert [row["text"] for row in found] == TEXTS
    assert [row["label"] for row in found] == expected[0]


def test_labels_below_the_confidence_are_none(folder, expected):
    least = float(sorted(expected[1].max(1))[1])

    found = BatchPredictor(folder, text="t", min_confidence=least)({"t": TEXTS})

    assert [label is None for label in found["label"]] == [p < least for p in found["score"]]
    assert found["label"].count(None) == 1


def test_an_empty_batch_gets_the_columns_too(folder):
    assert BatchPredictor(folder)({"text": []}) == {"text": [], "label": [], "score": []}


def test_a_pickle_is_small_and_a_process_loads_once(folder, monkeypatch):
    loads = []
    load = estimators.load_estimator
    monkeypatch.setattr(estimators, "load_estimator", lambda f: loads.append(f) or load(f))
    batch_predictor._loaded.cache_clear()
    content = pickle.dumps(BatchPredictor(folder))

    for _ in range(3):
        pickle.loads(content)(["goal"])

    assert len(content) < 1000
    assert len(loads) == 1


def test_another_classifier_in_the_folder_is_refused(tmp_path):
    TfidfClassifier().fit(X, Y).save(tmp_path / "model")
    predictor = BatchPredictor(tmp_path / "model")
    TfidfClassifier().fit(X, Y[::-1]).save(tmp_path / "model")

    with pytest.raises(PersistenceError, match="holds another classifier than when"):
        predictor(["goal"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "bdoy"}, r"no column 'bdoy' \(did you mean 'body'\?\)"),
        ({}, "no column 'text'; the columns are"),
        ({"text": ["body", "label"]}, r"takes the fields \['text'\], got 2 columns"),
        ({"text": {"title": "body"}}, r"takes the fields \['text'\], got columns for \['title'\]"),
        ({"text": "body"}, "there is a column 'label' already.*prefix"),
        ({"text": "body", "min_confidence": 2}, "min_confidence is from 0 to 1, or None, got 2"),
    ],
)
def test_what_does_not_fit_is_named(settings, message, folder):
    with pytest.raises(InputError, match=message):
        BatchPredictor(folder, **settings)({"body": TEXTS, "label": Y[:3]})


@pytest.mark.parametrize("labels", [["sports", "politics"], [1, 2], [True, False]])
def test_types_of_columns_do_not_depend_on_what_is_predicted(tmp_path, labels):
    sets = [[label] for label in labels]
    TfidfClassifier().fit(["a goal", "a vote"], sets).save(tmp_path / "model")
    predictor = BatchPredictor(tmp_path / "model")

    tables = [predictor(pa.table({"text": pa.array(t, "string")})) for t in (["zzz"], ["goal"], [])]
    frames = [predictor(pl.DataFrame({"text": texts})) for texts in (["zzz"], ["goal"])]

    assert predictor({"text": np.array([], dtype=str)})["label"].dtype == object
    assert tables[0]["label"].to_pylist() == [[]]
    assert pa.concat_tables(tables)["label"].to_pylist() == [[], sets[0]]
    assert pl.concat(frames)["label"].to_list() == [[], sets[0]]


@pytest.mark.parametrize("batch", [pd.Series(TEXTS), np.array(TEXTS), iter(TEXTS), "a text"])
def test_what_is_no_batch_is_refused(batch, folder):
    with pytest.raises(InputError, match=f"a batch is a list .* got {type(batch).__name__}"):
        BatchPredictor(folder)(batch)


_TWICE = {"columns": ["text", "text"]}


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"text": "goal"}, "'text' of the batch is a text, .* batched=True"),
        (pd.DataFrame([["goal", "vote"]], **_TWICE), "several columns 'text'"),
        (pa.Table.from_arrays([["goal"], ["vote"]], names=["text", "text"]), "several columns"),
    ],
)
def test_a_row_and_columns_of_one_name_are_refused(batch, message, folder):
    with pytest.raises(InputError, match=message):
        BatchPredictor(folder)(batch)


def test_no_row_loses_what_it_has_as_its_label(folder):
    with pytest.raises(InputError, match="there is a column 'label' already"):
        BatchPredictor(folder)([{"text": "goal"}, {"text": "vote", "label": "by hand"}])


def test_several_labels_of_a_text_are_a_list_of_those_of_predict(tmp_path):
    sets = [["sports"], ["politics"], ["sports", "politics"], [], *[[label] for label in Y[4:]]]
    clf = TfidfClassifier().fit(X, sets)
    clf.save(tmp_path / "model")

    found = BatchPredictor(tmp_path / "model", proba=True)({"text": X})

    proba = clf.predict_proba(X)
    assert found["label"] == [list(one) for one in clf.predict(X)]
    assert any(len(labels) != 1 for labels in found["label"])
    assert found["proba_sports"] == proba[:, 1].tolist()
    assert found["score"] == proba.max(1).tolist()
    for texts in (X, X[:1]):  # as many labels for each, too
        arrays = BatchPredictor(tmp_path / "model")({"text": np.array(texts)})
        assert arrays["label"].shape == (len(texts),)
        assert arrays["label"].tolist() == found["label"][: len(texts)]
    with pytest.raises(InputError, match="min_confidence is for one label per text"):
        BatchPredictor(tmp_path / "model", min_confidence=0.5)({"text": X})


def test_an_exported_classifier_is_loaded_without_torch_and_scikit_learn(tmp_path):
    pytest.importorskip("onnxruntime", reason="fewshot[onnx] is missing")
    clf = prompt().fit(X, Y)
    fewshot.export(clf, tmp_path / "exported", precision="float32", texts=X)
    code = (
        "import json, sys\n"
        "for name in ('torch', 'transformers', 'sklearn'):\n"
        "    sys.modules[name] = None\n"
        "from fewshot import BatchPredictor\n"
        f"predictor = BatchPredictor({str(tmp_path / 'exported')!r}, proba=True)\n"
        f"print(json.dumps(predictor({{'text': {TEXTS!r}}})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(fewshot.__file__).parents[1])}

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    found, here = json.loads(done.stdout), fewshot.runtime.load(tmp_path / "exported")
    assert found["label"] == here.predict(TEXTS).tolist() == clf.predict(TEXTS).tolist()
    assert found["score"] == here.predict_proba(TEXTS).max(1).tolist()


def test_a_prefix_keeps_columns_apart(folder):
    found = BatchPredictor(folder, text="body", prefix="p_")({"body": TEXTS, "label": Y[:3]})

    assert list(found) == ["body", "label", "p_label", "p_score"]


def test_fields_of_pairs_are_given_by_name_or_order(tmp_path):
    pairs = [{"a": text, "b": "world"} for text in X]
    TfidfClassifier().fit(pairs, Y).save(tmp_path / "pairs")
    batch = {"one": ["football goal"], "two": ["world"]}
    expected = BatchPredictor(tmp_path / "pairs")([{"a": "football goal", "b": "world"}])[0]

    by_order = BatchPredictor(tmp_path / "pairs", text=["one", "two"])(batch)
    by_name = BatchPredictor(tmp_path / "pairs", text={"b": "two", "a": "one"})(batch)

    assert by_order["score"] == by_name["score"] == [expected["score"]]
