"""Exported classifiers open without torch, unaltered or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import fewshot
import fewshot.runtime
from fewshot.data.files import content_sha256
from fewshot.errors import CollapseWarning, InputError, PersistenceError, TruncationWarning
from fewshot.runtime.manifest import FOLDER
from tests.tiny_estimators import POOL, X, Y, prompt

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "sentence_transformers", "sklearn", "scipy", "safetensors")


@pytest.fixture(scope="module")
def clf():
    return prompt(class_prior={"politics": 0.3, "sports": 0.7}).fit(X, Y)


@pytest.fixture(scope="module")
def exported(clf, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    fewshot.export(clf, folder, precision="float32", texts=POOL)
    return folder


@pytest.fixture
def altered(exported, tmp_path) -> Path:
    """Give a copy that a test may damage."""
    return shutil.copytree(exported, tmp_path / "copy")


def test_it_predicts_without_torch_and_scikit_learn(clf, exported, tmp_path):
    code = f"""
import json, sys
for name in {HEAVY}:
    sys.modules[name] = None  # as if it were not installed
import fewshot
clf = fewshot.runtime.load({str(exported)!r})
print(json.dumps([clf.predict_proba({X!r}).tolist(), clf.predict({X!r}).tolist()]))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    proba, labels = json.loads(done.stdout)
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-6)
    assert labels == clf.predict(X).tolist()


def test_files_and_batches_are_predicted_without_torch_and_scikit_learn(clf, exported, tmp_path):
    (tmp_path / "in.csv").write_text("text\nfootball team\n")
    code = f"""
import json, sys
for name in {HEAVY}:
    sys.modules[name] = None
from fewshot import BatchPredictor
from fewshot.cli import main
status = main(["predict", {str(exported)!r}, "in.csv", "out.csv"])
batch = BatchPredictor({str(exported)!r})({{"text": ["football team"]}})
print(json.dumps([status, open("out.csv").read(), batch["label"]]))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    status, table, labels = json.loads(done.stdout)
    [label] = clf.predict(["football team"])
    assert (status, labels) == (0, [label])
    assert table.startswith(f"text,label,score\nfootball team,{label},")


def test_scores_do_not_depend_on_the_number_of_threads(exported):
    one, four = (fewshot.runtime.load(exported, n_threads=n) for n in (1, 4))

    np.testing.assert_array_equal(one.predict_proba(POOL), four.predict_proba(POOL))


def test_rows_sum_to_1_in_the_order_of_the_classes(exported):
    proba = fewshot.runtime.load(exported).predict_proba(POOL)

    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(1), 1.0, atol=1e-12)


def test_its_repr_and_manifest_say_what_it_is(exported):
    clf = fewshot.runtime.load(exported)

    assert repr(clf) == "ExportedClassifier(PromptClassifier, onnx, float32)"
    assert clf.manifest_["check"]["n_texts"] == len(POOL)
    assert (clf.fields_, clf.max_length_) == (["text"], 96)


def test_long_texts_and_a_collapse_are_warned_of(exported):
    clf = fewshot.runtime.load(exported)

    with pytest.warns(TruncationWarning, match="1 of 1 texts were shortened to fit 96 tokens"):
        clf.predict(["goal " * 200])
    with pytest.warns(CollapseWarning, match="takes 30 of 30 predictions"):
        clf.predict(["football team"] * 30)


@pytest.mark.parametrize("n_threads", [0, 1.5, True, "2"])
def test_a_wrong_number_of_threads_is_refused(n_threads, exported):
    with pytest.raises(InputError, match="n_threads is a whole number, at least 1, got"):
        fewshot.runtime.load(exported, n_threads=n_threads)


def test_texts_are_checked_as_everywhere(exported):
    clf = fewshot.runtime.load(exported)

    with pytest.raises(InputError, match="X is a sequence of texts, got str 'a text'"):
        clf.predict("a text")
    with pytest.raises(InputError, match="'text' is None or NaN in row 1"):
        clf.predict(["a", None])


# ---- Folders ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_an_altered_file_is_refused(name, altered):
    content = bytearray((altered / name).read_bytes())
    content[len(content) // 2] ^= 1
    (altered / name).write_bytes(content)

    with pytest.raises(PersistenceError, match=rf"{name} in .* was altered.*export the classifier"):
        fewshot.runtime.load(altered)


def test_a_missing_and_a_truncated_file_are_refused(altered):
    (altered / "model.onnx").write_bytes(b"onnx")
    with pytest.raises(PersistenceError, match=r"model.onnx in .* has 4 bytes instead of"):
        fewshot.runtime.load(altered)

    (altered / "model.onnx").unlink()
    with pytest.raises(PersistenceError, match=r"model.onnx in .* is missing; export"):
        fewshot.runtime.load(altered)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"precision": "int8"}, "not what was signed"),
        ({"format_version": 2}, "in format 2 by a newer fewshot.*pip install --upgrade"),
        ({"format": "fewshot estimator"}, "no classifier exported by fewshot; fewshot.load opens"),
    ],
)
def test_an_altered_or_newer_manifest_is_refused(change, message, altered):
    _edit(altered, change)

    with pytest.raises(PersistenceError, match=message):
        fewshot.runtime.load(altered)


def test_a_manifest_of_an_older_format_is_refused_with_the_version_that_reads_it(
    exported, monkeypatch
):
    monkeypatch.setattr(fewshot.runtime.classifier, "FOLDER", replace(FOLDER, version=2))

    message = rf"format 1 by an older fewshot .*{fewshot.__version__}.*export the classifier again"
    with pytest.raises(PersistenceError, match=message):
        fewshot.runtime.load(exported)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backend": "tflite"}, "manifest.json.backend: expected 'onnx' or 'openvino'"),
        ({"classes": [1.5]}, "manifest.json.classes: expected"),
        ({"files": {"../model.onnx": {"size": 1, "sha256": "0"}}}, "which is outside of it"),
    ],
)
def test_a_manifest_that_was_signed_again_is_checked(change, message, altered):
    _edit(altered, change, sign=True)

    with pytest.raises(PersistenceError, match=message):
        fewshot.runtime.load(altered)


def test_a_graph_that_the_runtime_cannot_read_is_refused(altered):
    (altered / "model.onnx").write_bytes(b"no graph")
    entry = fewshot.saving.folders.list_files(altered)["model.onnx"]
    files = json.loads((altered / "manifest.json").read_text())["files"]
    _edit(altered, {"files": files | {"model.onnx": entry}}, sign=True)

    with pytest.raises(PersistenceError, match=r"onnx cannot run .*model\.onnx"):
        fewshot.runtime.load(altered)


def test_a_saved_classifier_and_no_folder_are_refused(clf, tmp_path):
    clf.save(tmp_path / "saved")

    with pytest.raises(PersistenceError, match=r"no manifest.json.*passed to export"):
        fewshot.runtime.load(tmp_path / "saved")
    with pytest.raises(PersistenceError, match=r"there is no folder.*passed to export"):
        fewshot.runtime.load(tmp_path / "nothing")


def _edit(folder: Path, change: dict, *, sign: bool = False) -> None:
    file = folder / "manifest.json"
    content = json.loads(file.read_text()) | change
    if sign:
        del content["sha256"]
        content["sha256"] = content_sha256(content)
    file.write_text(json.dumps(content))
