"""int8 graphs: weights by output channel, activations by token, at the time of the call."""

# A tensor-wide scale of the activations, as quantizers of runtimes choose, would let the scores of
# a text depend on the others of its batch, and lose more: a few channels of encoders are large.

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.errors import MissingExtraError, ModelError
from fewshot.runtime.manifest import Backend

# Nodes of modules below the model: the MLM head, which reads one state a text, stays in float.
_IN_ENCODER = re.compile(r"/encoder/(lm|transformer|reader)/[^/]+/.+")
_LEVELS = 127  # on either side of 0
_UNSIGNED = 255  # levels of activations: processors multiply unsigned numbers with signed ones
_SMALLEST = 1e-12  # activations of a token that are all zero


def linear_layers(file: Path) -> list[str]:
    """Return the names of the products with weights in the encoder of a graph."""
    onnx = import_onnx()
    graph = onnx.load(str(file)).graph
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    found = [node.name for node in graph.node if _is_linear(node, weights)]
    if not found:
        raise ModelError(
            "the encoder of this graph has no product with weights that could be int8; export with "
            "precision='float32'"
        )
    return found


def quantize(file: Path, target: Path, layers: Collection[str], backend: Backend) -> None:
    """Write a graph with int8 weights in some layers."""
    onnx = import_onnx()
    model = onnx.load(str(file))
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    writers: dict[Backend, type[_Onnx | _OpenVino]] = {"onnx": _Onnx, "openvino": _OpenVino}
    write = writers[backend](onnx)
    nodes: list[Any] = []
    for node in graph.node:
        if node.name not in layers:
            nodes.append(node)
            continue
        weight = onnx.numpy_helper.to_array(weights[node.input[1]])
        nodes += write.linear(node, weight)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *write.constants.values()])
    onnx.save(model, str(target))


def import_onnx() -> Any:
    """Return the module onnx, or say how to get it."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            'exporting needs onnx, which is not installed; install it: pip install "fewshot[onnx]"'
        ) from error
    return onnx


def int8_weights(
    weight: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return a weight [inputs, outputs] in numbers from -127 to 127, and a scale per output."""
    scale = np.maximum(np.abs(weight).max(0), _SMALLEST) / _LEVELS
    numbers = np.rint(weight / scale).astype(np.int8)
    return numbers, scale.astype(np.float32)


class _Tokens(NamedTuple):
    """Names of activations in integers, and of the scale and zero of each token."""

    numbers: str
    scale: str
    zero: str


class _Writer:
    """Makes the nodes that take the place of a product with weights."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, values: Any) -> str:
        """Return the name of a constant."""
        if name not in self.constants:
            tensor = self.onnx.numpy_helper.from_array(np.asarray(values), name)
            self.constants[name] = tensor
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
        """Return a node with one output."""
        return self.onnx.helper.make_node(kind, inputs, [output], name=output, **attributes)


class _Onnx(_Writer):
    """For ONNX Runtime: integer products, with a scale and a zero for each token."""

    def __init__(self, onnx: Any) -> None:
        super().__init__(onnx)
        self._tokens: dict[str, _Tokens] = {}  # by the name of what they quantize

    def linear(self, node: Any, weight: npt.NDArray[np.float32]) -> Iterator[Any]:
        """Yield the nodes of a layer."""
        # With `x = scale (q - zero)`: `x W = scale (q W - zero sum(W))`, the sum over the inputs.
        source, name, (output,) = node.input[0], node.input[1], node.output
        integers, scale = int8_weights(weight)
        weights = self.constant(f"{name}_int8", integers)
        scales = self.constant(f"{name}_scale", scale)
        sums = self.constant(f"{name}_sum", integers.sum(0, dtype=np.float32))
        if source not in self._tokens:
            yield from self._quantized(source)
        tokens = self._tokens[source]
        yield self.node("MatMulInteger", [tokens.numbers, weights], f"{output}_int32")
        yield self.node("Cast", [f"{output}_int32"], f"{output}_float", to=1)
        yield self.node("Mul", [tokens.zero, sums], f"{output}_zeros")
        yield self.node("Sub", [f"{output}_float", f"{output}_zeros"], f"{output}_moved")
        yield self.node("Mul", [f"{output}_moved", tokens.scale], f"{output}_by_token")
        yield self.node("Mul", [f"{output}_by_token", scales], output)

    def _quantized(self, source: str) -> Iterator[Any]:
        step = self.constant("int8_step", np.float32(1 / _UNSIGNED))
        smallest = self.constant("int8_smallest", np.float32(_SMALLEST))
        tokens = _Tokens(f"{source}_uint8", f"{source}_scale", f"{source}_zero")
        self._tokens[source] = tokens
        yield self.node("ReduceMax", [source], f"{source}_max", axes=[-1], keepdims=1)
        yield self.node("ReduceMin", [source], f"{source}_min", axes=[-1], keepdims=1)
        yield self.node("Sub", [f"{source}_max", f"{source}_min"], f"{source}_span")
        yield self.node("Mul", [f"{source}_span", step], f"{source}_step")
        yield self.node("Max", [f"{source}_step", smallest], tokens.scale)
        yield self.node("Div", [f"{source}_min", tokens.scale], f"{source}_least")
        yield self.node("Round", [f"{source}_least"], f"{source}_low")
        yield self.node("Neg", [f"{source}_low"], tokens.zero)
        yield self.node("Div", [source, tokens.scale], f"{source}_divided")
        yield self.node("Add", [f"{source}_divided", tokens.zero], f"{source}_shifted")
        yield self.node("Round", [f"{source}_shifted"], f"{source}_rounded")
        yield self.node(
            "Cast", [f"{source}_rounded"], tokens.numbers, to=self.onnx.TensorProto.UINT8
        )


class _OpenVino(_Writer):
    """For OpenVINO: weights that it multiplies with activations which it quantizes itself."""

    def linear(self, node: Any, weight: npt.NDArray[np.float32]) -> Iterator[Any]:
        """Yield the nodes of a layer."""
        source, name, (output,) = node.input[0], node.input[1], node.output
        integers, scale = int8_weights(weight)
        inputs = [
            self.constant(f"{name}_int8", integers),
            self.constant(f"{name}_scale", scale),
            self.constant(f"{name}_zero", np.zeros(len(scale), dtype=np.int8)),
        ]
        yield self.node("DequantizeLinear", inputs, f"{output}_weight", axis=1)
        yield self.node("MatMul", [source, f"{output}_weight"], output)


def _is_linear(node: Any, weights: Any) -> bool:
    is_product = node.op_type == "MatMul" and _IN_ENCODER.match(node.name) is not None
    return is_product and len(weights.get(node.input[1], ())) == 2
