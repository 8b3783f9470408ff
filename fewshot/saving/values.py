"""Codecs of plain values: containers, arrays, numpy's scalars and random generators, paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from fewshot.errors import PersistenceError
from fewshot.saving.codec import Codec, Json, Reader, Writer

__all__ = ["VALUE_CODECS"]

_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def _encode_items(value: Any, writer: Writer, where: str) -> Json:
    return [writer.encode(item, f"{where}[{i}]") for i, item in enumerate(value)]


def _encode_dict(value: Mapping[Any, Any], writer: Writer, where: str) -> Json:
    if all(type(key) is str for key in value):
        return {key: writer.encode(item, f"{where}[{key!r}]") for key, item in value.items()}
    return [
        [writer.encode(key, f"a key of {where}"), writer.encode(item, f"{where}[{key!r}]")]
        for key, item in value.items()
    ]


def _decode_dict(content: Any, reader: Reader) -> dict[Any, Any]:
    if isinstance(content, dict):
        return {key: reader.decode(item) for key, item in content.items()}
    return {reader.decode(key): reader.decode(item) for key, item in content}


def _is_array(value: object) -> bool:
    if type(value) not in (np.ndarray, np.memmap):
        return False
    dtype = np.asarray(value).dtype
    return _is_number(dtype) or dtype.kind in "UO"


def _is_number(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def _encode_array(value: npt.NDArray[Any], writer: Writer, where: str) -> Json:
    if not _is_number(value.dtype):
        items = _encode_items(value.ravel().tolist(), writer, where)
        return {"dtype": value.dtype.str, "shape": list(value.shape), "items": items}
    # The order in memory is kept: sums of products may differ in their last bits with it.
    is_transposed = value.flags.f_contiguous and not value.flags.c_contiguous
    native = np.ascontiguousarray(value.T if is_transposed else value)
    native = native.astype(value.dtype.newbyteorder("=")).reshape(
        value.shape[::-1] if is_transposed else value.shape
    )
    name = writer.add_array(native, where)
    return {"dtype": value.dtype.str, "name": name, "order": "F" if is_transposed else "C"}


def _decode_array(content: Any, reader: Reader) -> npt.NDArray[Any]:
    dtype = np.dtype(content["dtype"])
    if "items" in content:
        flat = np.empty(len(content["items"]), dtype=dtype)
        for i, item in enumerate(content["items"]):
            flat[i] = reader.decode(item)
        return flat.reshape(content["shape"])
    stored = reader.arrays[content["name"]].astype(dtype)
    return stored.T if content["order"] == "F" else stored


def _is_scalar(value: object) -> bool:
    return isinstance(value, np.generic) and (_is_number(value.dtype) or value.dtype.kind == "U")


def _encode_scalar(value: np.generic, writer: Writer, where: str) -> Json:
    return {"dtype": value.dtype.str, "value": writer.encode(value.item(), where)}


def _decode_scalar(content: Any, reader: Reader) -> Any:
    return np.dtype(content["dtype"]).type(reader.decode(content["value"]))


def _is_random(value: object) -> bool:
    if isinstance(value, np.random.RandomState):
        return bool(value.get_state(legacy=False)["bit_generator"] == "MT19937")
    name = type(getattr(value, "bit_generator", None)).__name__
    return isinstance(value, np.random.Generator) and name in _BIT_GENERATORS


def _encode_random(
    value: np.random.RandomState | np.random.Generator, writer: Writer, where: str
) -> Json:
    if isinstance(value, np.random.RandomState):
        return {"legacy": writer.encode(value.get_state(legacy=False), where)}
    return {"state": writer.encode(value.bit_generator.state, where)}


def _decode_random(content: Any, reader: Reader) -> np.random.RandomState | np.random.Generator:
    if "legacy" in content:
        legacy = np.random.RandomState()
        legacy.set_state(reader.decode(content["legacy"]))
        return legacy
    state = reader.decode(content["state"])
    if state["bit_generator"] not in _BIT_GENERATORS:
        raise PersistenceError(f"unknown random generator {state['bit_generator']!r}")
    bits = getattr(np.random, state["bit_generator"])()
    bits.state = state
    return np.random.Generator(bits)


def _is_numpy_type(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, np.number)


def _encode_numpy_type(value: type[np.generic], _writer: Writer, _where: str) -> str:
    return np.dtype(value).name


def _decode_numpy_type(content: Any, _reader: Reader) -> type[np.generic]:
    found: type[np.generic] = np.dtype(content).type
    return found


def _encode_path(value: PurePath, _writer: Writer, _where: str) -> str:
    return str(value)


def _decode_path(content: Any, _reader: Reader) -> Path:
    return Path(content)


VALUE_CODECS: tuple[Codec, ...] = (
    Codec(
        "tuple",
        lambda value: type(value) is tuple,
        _encode_items,
        lambda content, reader: tuple(reader.decode(item) for item in content),
    ),
    Codec("dict", lambda value: type(value) is dict, _encode_dict, _decode_dict),
    Codec("array", _is_array, _encode_array, _decode_array),
    Codec("scalar", _is_scalar, _encode_scalar, _decode_scalar),
    Codec("numpy_type", _is_numpy_type, _encode_numpy_type, _decode_numpy_type),
    Codec("random", _is_random, _encode_random, _decode_random),
    Codec("path", lambda value: isinstance(value, PurePath), _encode_path, _decode_path),
)
