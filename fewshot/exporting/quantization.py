"""int8 graphs: weights by output channel, activations by token, at the time of the call."""

# A tensor-wide scale of the activations, as quantizers of runtimes choose, would let the scores of
# a text depend on the others of its batch, and lose more: a few channels of encoders are large.

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.errors import MissingExtraError
from fewshot.exporting.graphs import ENCODERS
from fewshot.runtime.manifest import Backend

_LEVELS = 127  # on either side of 0
_MIDDLE = (
    128  # that stands for 0 among unsigned numbers, which processors multiply with signed ones
)
_SMALLEST = 1e-12  # activations of a token that are all zero


def linear_layers(file: Path) -> list[str]:
    """Return the names of the products with weights in the encoder of a graph."""
    onnx = import_onnx()
    graph = onnx.load(str(file)).graph
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    return [node.name for node in graph.node if _is_linear(node, weights)]


def quantize(file: Path, target: Path, layers: Collection[str], backend: Backend) -> None:
    """Write a graph with int8 weights in some layers."""
    onnx = import_onnx()
    model = onnx.load(str(file))
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    write = _Onnx(onnx) if backend == "onnx" else _OpenVino(onnx)
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
    """For ONNX Runtime: integer products, with a scale for each token."""

    def __init__(self, onnx: Any) -> None:
        super().__init__(onnx)
        self._tokens: dict[str, tuple[str, str]] = {}  # numbers and scales of activations, by name

    def linear(self, node: Any, weight: npt.NDArray[np.float32]) -> Iterator[Any]:
        """Yield the nodes of a layer."""
        source, name, (output,) = node.input[0], node.input[1], node.output
        integers, scale = int8_weights(weight)
        weights = self.constant(f"{name}_int8", integers)
        scales = self.constant(f"{name}_scale", scale)
        if source not in self._tokens:
            yield from self._quantized(source)
        numbers, of_token = self._tokens[source]
        middle = self.constant("int8_middle", np.uint8(_MIDDLE))
        yield self.node("MatMulInteger", [numbers, weights, middle], f"{output}_int32")
        yield self.node("Cast", [f"{output}_int32"], f"{output}_float", to=1)
        yield self.node("Mul", [f"{output}_float", of_token], f"{output}_by_token")
        yield self.node("Mul", [f"{output}_by_token", scales], output)

    def _quantized(self, source: str) -> Iterator[Any]:
        step = [self.constant("int8_step", np.float32(1 / _LEVELS))]
        least = self.constant("int8_smallest", np.float32(_SMALLEST))
        middle = self.constant("int8_middle_float", np.float32(_MIDDLE))
        scale, numbers = f"{source}_scale", f"{source}_uint8"
        yield self.node("Abs", [source], f"{source}_abs")
        yield self.node("ReduceMax", [f"{source}_abs"], f"{source}_max", axes=[-1], keepdims=1)
        yield self.node("Max", [f"{source}_max", least], f"{source}_most")
        yield self.node("Mul", [f"{source}_most", *step], scale)
        yield self.node("Div", [source, scale], f"{source}_divided")
        yield self.node("Add", [f"{source}_divided", middle], f"{source}_shifted")
        yield self.node("Round", [f"{source}_shifted"], f"{source}_rounded")
        yield self.node("Cast", [f"{source}_rounded"], numbers, to=self.onnx.TensorProto.UINT8)
        self._tokens[source] = numbers, scale


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
    is_product = node.op_type == "MatMul" and node.name.startswith(ENCODERS)
    return is_product and len(weights.get(node.input[1], ())) == 2
