"""Precisions: int8 by token, layers that stay in float, the fastest that is close enough."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnx
import onnxruntime
import transformers as hf

import fewshot
from fewshot.classifiers.exporting.quantization import int8_weights, linear_layers, quantize
from fewshot.errors import MissingExtraError, ModelError
from fewshot.models.masked_lm import MaskedLM
from fewshot.runtime.sessions import SCORES, check_precision, open_graph
from tests.tiny_estimators import POOL, X, Y, prompt
from tests.tiny_models import tiny_bert, wordpiece_tokenizer


@pytest.fixture(scope="module")
def clf():
    return prompt().fit(X, Y)


def test_weights_are_rounded_by_output_channel():
    weight = np.array([[1.27, -254.0], [0.014, 100.0]], dtype=np.float32)

    numbers, scale = int8_weights(weight)

    np.testing.assert_allclose(scale, [0.01, 2.0], rtol=1e-6)
    assert numbers.tolist() == [[127, -127], [1, 50]]


def save_product(name, weight, file, output="y"):
    """Save a graph of one product with weights."""
    product = onnx.helper.make_node("MatMul", ["x", "w"], [output], name=name)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [product],
        "product",
        [value("x", 1, ["n", 2])],
        [value(output, 1, ["n", 1])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.save(model, file)


def test_a_product_in_int8_is_that_of_the_rounded_numbers(tmp_path):
    # Of the token (0, 2.55): scale 0.01, zero 0; of (-1, 1.55): scale 0.01, zero 100.
    weight = np.array([[1.27], [0.64]], dtype=np.float32)  # 127 and 64 times 0.01
    save_product("/encoder/lm/model/layer/MatMul", weight, tmp_path / "float.onnx")

    layers = linear_layers(tmp_path / "float.onnx")
    quantize(tmp_path / "float.onnx", tmp_path / "int8.onnx", layers, "onnx")

    session = onnxruntime.InferenceSession(str(tmp_path / "int8.onnx"))
    x = np.array([[0.0, 2.55], [-1.0, 1.55], [0.0, 0.0]], dtype=np.float32)
    [found] = session.run(None, {"x": x})
    assert layers == ["/encoder/lm/model/layer/MatMul"]
    np.testing.assert_allclose(found, [[2.55 * 0.64], [-1.27 + 1.55 * 0.64], [0.0]], atol=1e-5)


def test_large_products_in_int8_are_not_cut(tmp_path):
    # 255 * 127 twice is 64770; processors without VNNI would cut it to 32767.
    weight = np.array([[1.27], [1.27]], dtype=np.float32)
    save_product("/encoder/lm/model/layer/MatMul", weight, tmp_path / "float.onnx", SCORES)
    layers = linear_layers(tmp_path / "float.onnx")
    quantize(tmp_path / "float.onnx", tmp_path / "int8.onnx", layers, "onnx")

    run = open_graph(tmp_path / "int8.onnx", "onnx", "int8", 1)

    x = np.array([[2.55, 2.55]], dtype=np.float32)
    np.testing.assert_allclose(run({"x": x}), [[2 * 2.55 * 1.27]], rtol=1e-5)


def test_a_product_may_follow_a_product_at_once_as_in_an_adapter_of_low_rank(tmp_path):
    first = np.diag(np.array([1.27, 1.27], dtype=np.float32))
    second = np.array([[1.27], [0.64]], dtype=np.float32)
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    products = [
        make("MatMul", ["x", "first"], ["h"], name="/encoder/lm/model/down/MatMul"),
        make("MatMul", ["h", "second"], ["y"], name="/encoder/lm/model/up/MatMul"),
    ]
    weights = [onnx.numpy_helper.from_array(first, "first")]
    weights += [onnx.numpy_helper.from_array(second, "second")]
    ends = [value("x", 1, ["n", 2])], [value("y", 1, ["n", 1])]
    graph = onnx.helper.make_graph(products, "products", *ends, weights)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    onnx.save(model, tmp_path / "float.onnx")

    layers = linear_layers(tmp_path / "float.onnx")
    quantize(tmp_path / "float.onnx", tmp_path / "int8.onnx", layers, "onnx")

    session = onnxruntime.InferenceSession(str(tmp_path / "int8.onnx"))
    [found] = session.run(None, {"x": np.array([[0.0, 2.55]], dtype=np.float32)})
    np.testing.assert_allclose(found, [[2.55 * 1.27 * 0.64]], rtol=1e-5)


def test_a_graph_without_layers_for_int8_is_refused(tmp_path):
    save_product("/encoder/head/MatMul", np.ones((2, 1), dtype=np.float32), tmp_path / "x.onnx")

    with pytest.raises(ModelError, match=r"no product with weights.*precision='float32'"):
        linear_layers(tmp_path / "x.onnx")


def test_auto_leaves_int8_out_where_no_layer_can_be_int8(tmp_path):
    tokenizer = wordpiece_tokenizer()
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 16, "hidden_size": 16}
    more = {"intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    convolutions = hf.SqueezeBertForMaskedLM(hf.SqueezeBertConfig(**sizes, **more)).eval()
    clf = prompt(model=MaskedLM(convolutions, tokenizer)).fit(X, Y)

    exported = fewshot.export(clf, tmp_path / "auto", texts=POOL)

    assert exported.manifest_["precision"] == "float32"
    with pytest.raises(ModelError, match="no product with weights"):
        fewshot.export(clf, tmp_path / "int8", precision="int8", texts=POOL)


def test_int8_is_close_and_the_same_for_a_text_alone(clf, tmp_path):
    exact = fewshot.export(clf, tmp_path / "float", precision="float32", texts=POOL)
    small = fewshot.export(clf, tmp_path / "int8", precision="int8", texts=POOL, tolerance=0.2)

    expected, found = exact.predict_proba(POOL), small.predict_proba(POOL)
    assert 0 < np.abs(found - expected).max() < 0.1
    np.testing.assert_array_equal(small.predict_proba(POOL[:1]), found[:1])
    tensors = onnx.load(tmp_path / "int8" / "model.onnx").graph.initializer
    n_int8 = sum(tensor.data_type == onnx.TensorProto.INT8 for tensor in tensors)
    assert n_int8 == 2 * 6  # layers, and products with weights in each
    assert small.manifest_["check"]["largest"] == pytest.approx(
        np.abs(found - expected).max(), abs=1e-5
    )


def test_a_layer_that_loses_too_much_stays_in_float(tmp_path):
    # The second layer's last product gets a huge weight for an input that is always 0: in int8 all
    # its other weights become 0, and in float nothing changes.
    model, tokenizer = tiny_bert()
    layer = model.bert.encoder.layer[1]
    layer.intermediate.dense.weight.data[0] = 0.0
    layer.intermediate.dense.bias.data[0] = -50.0  # GELU makes 0 of it
    layer.output.dense.weight.data[:, 0] = 1e5
    clf = prompt(model=MaskedLM(model, tokenizer, device="cpu")).fit(X, Y)
    changed = fewshot.export(clf, tmp_path / "all", precision="int8", texts=POOL, tolerance=1.0)
    lost = changed.manifest_["check"]["changed"]

    exported = fewshot.export(clf, tmp_path / "some", precision="int8", texts=POOL, tolerance=0.1)

    assert lost > 0.1 * len(POOL)
    assert changed.manifest_["float_layers"] == []
    names = exported.manifest_["float_layers"]
    assert [name for name in names if "layer.1/output/dense" in name]
    assert len(names) < 12
    assert exported.manifest_["check"]["changed"] <= 0.1 * len(POOL)


def test_a_loss_beyond_the_tolerance_is_refused_and_nothing_is_left(tmp_path):
    # Half of many texts lie on either side of the offset, so that some are close calls.
    clf = prompt("none").fit(X, Y)
    texts = [f"{one} {other}" for one in POOL for other in POOL[::9]]
    scores = clf._decision_scores(texts)
    clf.class_offset_ = np.array([np.median(scores[:, 1] - scores[:, 0]), 0.0])

    message = (
        r"precision='int8' changes the class of \d+ of 144 texts, more than tolerance=0 allows"
    )
    with pytest.raises(ModelError, match=message):
        fewshot.export(clf, tmp_path / "m", precision="int8", texts=texts, tolerance=0.0)
    assert not any(tmp_path.iterdir())


def test_auto_measures_what_the_runtime_has_and_takes_the_fastest(clf, tmp_path):
    exported = fewshot.export(clf, tmp_path / "auto", texts=POOL, tolerance=0.5)

    seconds = exported.manifest_["seconds"]
    assert set(seconds) == {"float32", "int8"}
    assert exported.manifest_["precision"] == min(seconds, key=seconds.get)


# ---- OpenVINO ---------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bf16", "int8"])
def test_openvino_predicts_the_same(clf, precision, tmp_path):
    try:
        check_precision("openvino", precision)
    except (MissingExtraError, ModelError) as error:
        pytest.skip(str(error))

    exported = fewshot.export(
        clf, tmp_path / "m", backend="openvino", precision=precision, texts=POOL, tolerance=0.2
    )

    bound = 2e-5 if precision == "float32" else 0.15
    np.testing.assert_allclose(exported.predict_proba(POOL), clf.predict_proba(POOL), atol=bound)
    assert repr(exported) == f"ExportedClassifier(PromptClassifier, openvino, {precision})"


def test_openvino_counts_no_users(tmp_path):
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    code = "from fewshot.runtime.sessions import check_precision as c; c('openvino', 'float32')"
    subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"HOME": str(tmp_path)}, check=True
    )

    assert list(tmp_path.iterdir()) == []
