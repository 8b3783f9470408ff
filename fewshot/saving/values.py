"""Codecs of plain values: containers, arrays, numpy's scalars and random states, paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from fewshot.data.forms import Node
from fewshot.errors import PersistenceError
from fewshot.saving.codec import Codec, Json, Reader, Writer

_MOST_BYTES = 2**31  # of an array of text, whose entries all take the place of the longest


class _Stored(TypedDict):
    """An array of numbers, in the file of arrays."""

    dtype: str
    name: str
    order: Literal["C", "F"]


class _Listed(TypedDict):
    """An array of text or objects."""

    dtype: str
    shape: list[int]
    items: list[Node]


class _Scalar(TypedDict):
    dtype: str
    value: Node


def _is_float(value: object) -> bool:
    return type(value) is float  # those that JSON has need no codec


def _encode_float(value: float, _writer: Writer, _path: str) -> str:
    return repr(value)


def _decode_float(content: Any, _reader: Reader) -> float:
    return float(content)


def _encode_items(value: Any, writer: Writer, path: str) -> Json:
    return [writer.encode(item, f"{path}[{i}]") for i, item in enumerate(value)]


def _encode_dict(value: Mapping[Any, Any], writer: Writer, path: str) -> Json:
    if all(type(key) is str for key in value):
        return {key: writer.encode(item, f"{path}[{key!r}]") for key, item in value.items()}
    return [
        [writer.encode(key, f"a key of {path}"), writer.encode(item, f"{path}[{key!r}]")]
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


def _encode_array(value: npt.NDArray[Any], writer: Writer, path: str) -> Json:
    if not _is_number(value.dtype):
        items = _encode_items(value.ravel().tolist(), writer, path)
        return {"dtype": value.dtype.str, "shape": list(value.shape), "items": items}
    # The order in memory is kept: sums of products may differ in their last bits with it.
    is_transposed = value.flags.f_contiguous and not value.flags.c_contiguous
    native = np.ascontiguousarray(value.T if is_transposed else value)
    native = native.astype(value.dtype.newbyteorder("=")).reshape(
        value.shape[::-1] if is_transposed else value.shape
    )
    name = writer.add_array(native, path)
    return {"dtype": value.dtype.str, "name": name, "order": "F" if is_transposed else "C"}


def _decode_array(content: Any, reader: Reader) -> npt.NDArray[Any]:
    dtype = _dtype(content["dtype"])
    if "items" in content:
        if dtype.itemsize * len(content["items"]) > _MOST_BYTES:
            raise PersistenceError(f"the saved estimator has an array of {dtype}; it was altered")
        flat = np.empty(len(content["items"]), dtype=dtype)
        for i, item in enumerate(content["items"]):
            flat[i] = reader.decode(item)
        return flat.reshape(content["shape"])
    stored = reader.arrays[content["name"]].astype(dtype)
    return stored.T if content["order"] == "F" else stored


def _dtype(name: str) -> np.dtype[Any]:
    """Return the type of numbers, text or objects that a folder names, and no other."""
    dtype = np.dtype(name)
    if _is_number(dtype) or dtype.kind in "UO":
        return dtype
    raise PersistenceError(f"the saved estimator names the type {name[:40]!r}; it was altered")


def _is_scalar(value: object) -> bool:
    return isinstance(value, np.generic) and (_is_number(value.dtype) or value.dtype.kind == "U")


def _encode_scalar(value: np.generic, writer: Writer, path: str) -> Json:
    return {"dtype": value.dtype.str, "value": writer.encode(value.item(), path)}


def _decode_scalar(content: Any, reader: Reader) -> Any:
    return _dtype(content["dtype"]).type(reader.decode(content["value"]))


def _is_random(value: object) -> bool:
    return isinstance(value, np.random.RandomState) and _state(value)["bit_generator"] == "MT19937"


def _encode_random(value: np.random.RandomState, writer: Writer, path: str) -> Json:
    return writer.encode(_state(value), path)


def _state(value: np.random.RandomState) -> dict[str, Any]:
    state: dict[str, Any] = value.get_state(legacy=False)
    return state


def _decode_random(content: Any, reader: Reader) -> np.random.RandomState:
    random = np.random.RandomState()
    random.set_state(reader.decode(content))
    return random


def _encode_path(value: PurePath, _writer: Writer, _path: str) -> str:
    return str(value)


def _decode_path(content: Any, _reader: Reader) -> Path:
    return Path(content)


VALUE_CODECS: tuple[Codec, ...] = (
    Codec("float", Literal["nan", "inf", "-inf"], _is_float, _encode_float, _decode_float),
    Codec(
        "tuple",
        list[Node],
        lambda value: type(value) is tuple,
        _encode_items,
        lambda content, reader: tuple(reader.decode(item) for item in content),
    ),
    Codec(
        "dict",
        dict[str, Node] | list[tuple[Node, Node]],
        lambda value: type(value) is dict,
        _encode_dict,
        _decode_dict,
    ),
    Codec("array", _Stored | _Listed, _is_array, _encode_array, _decode_array),
    Codec("scalar", _Scalar, _is_scalar, _encode_scalar, _decode_scalar),
    Codec("random", Node, _is_random, _encode_random, _decode_random),
    Codec("path", str, lambda value: isinstance(value, PurePath), _encode_path, _decode_path),
)
