"""Graphs as functions of arrays, run by ONNX Runtime or OpenVINO on one thread each call."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.errors import FewShotError, MissingExtraError, ModelError, PersistenceError
from fewshot.runtime.manifest import Backend, Precision

# From token ids and the like, by name, to class scores [n, n_classes]. Threads may call it.
Run: TypeAlias = Callable[[Mapping[str, npt.NDArray[np.int64]]], npt.NDArray[np.float32]]

SCORES = "scores"
_ERRORS_ONLY = 3  # log level of ONNX Runtime
# Processors without VNNI add pairs of products in 16 bits, and cut what is larger; unless told so.
_EXACT_INTEGERS = "session.x64quantprecision", "1"
# Activations are quantized by groups of so many; docs/how-to/export.md.
_OPENVINO_GROUP = 64


def open_graph(file: Path, backend: Backend, precision: Precision, n_threads: int) -> Run:
    """Return the function that a graph stands for."""
    check_precision(backend, precision)
    opened = {"onnx": _open_onnx, "openvino": _open_openvino}[backend]
    try:
        return opened(file, precision, n_threads)
    except FewShotError:
        raise
    except Exception as error:  # of whichever kind the runtime has for what it cannot run
        raise PersistenceError(
            f"{backend} cannot run {file} ({str(error)[:300]}); it lacks an operator, or the file "
            "is of another version: export with this version, or with the other backend"
        ) from error


def check_precision(backend: Backend, precision: Precision) -> None:
    """Refuse a backend that is not installed, and a precision that it or the machine lacks."""
    if backend == "onnx":
        _import_onnxruntime()
        if precision == "bf16":
            raise ModelError(
                "onnxruntime computes nothing in bf16 on a CPU; use precision='int8' or 'float32', "
                "or backend='openvino'"
            )
        return
    core = _import_openvino().Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ModelError(
            "this machine has no instructions for bf16, which precision='bf16' needs; use "
            "'float32', 'int8' or 'auto'"
        )


def _open_onnx(file: Path, precision: Precision, n_threads: int) -> Run:
    del precision, n_threads  # it is in the graph; a call takes the thread that it comes from
    onnxruntime = _import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry(*_EXACT_INTEGERS)
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        found: npt.NDArray[np.float32] = session.run([SCORES], dict(inputs))[0]
        return found

    return run


def _open_openvino(file: Path, precision: Precision, n_threads: int) -> Run:
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "INFERENCE_NUM_THREADS": n_threads,
        "NUM_STREAMS": n_threads,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": _OPENVINO_GROUP if precision == "int8" else 0,
    }
    model = _import_openvino().Core().compile_model(str(file), "CPU", settings)
    of_thread = threading.local()

    def run(inputs: Mapping[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
        if not hasattr(of_thread, "request"):
            of_thread.request = model.create_infer_request()
        found: npt.NDArray[np.float32] = of_thread.request.infer(dict(inputs))[SCORES].copy()
        return found

    return run


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise _missing("onnx", "onnxruntime") from error
    return onnxruntime


def _import_openvino() -> Any:
    # It counts its users over the network as soon as it is imported, unless this is missing.
    modules: dict[str, Any] = sys.modules
    modules.setdefault("openvino_telemetry", None)
    try:
        import openvino
    except ModuleNotFoundError as error:
        raise _missing("openvino", "openvino") from error
    finally:
        if modules["openvino_telemetry"] is None:
            del modules["openvino_telemetry"]
    return openvino


def _missing(backend: Backend, package: str) -> MissingExtraError:
    return MissingExtraError(
        f"backend={backend!r} needs {package}, which is not installed; install it: "
        f'pip install "fewshot[{backend}]", or pip install {package} where there is no torch'
    )
