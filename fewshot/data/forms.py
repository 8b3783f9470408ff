"""The form of JSON that is read back, written as type hints and checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from types import UnionType
from typing import Any, Literal, NewType, Union, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np

Node = NewType("Node", object)  # a part that has a form of its own; see misfit

_LARGEST = 10**300  # of integers: fewer digits than Python reads, and within floats
_SHOWN = 60  # characters of a value in a message


def misfit(value: object, hint: Any, place: str, nodes: list[tuple[object, str]]) -> str | None:
    """Return what is wrong with a value, or None; add its parts of the hint `Node` to `nodes`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return None
    if hint is Node:
        nodes.append((value, place))
        return None
    if origin in (Union, UnionType):
        return _misfit_of_all(value, arguments, place, nodes)
    if is_typeddict(hint):
        return _misfit_of_keys(value, hint, place, nodes)
    if origin is dict and isinstance(value, dict):
        parts = [
            (item, arguments[1], f"{place}.{str(key)[:_SHOWN]}") for key, item in value.items()
        ]
    elif origin is list and isinstance(value, list):
        parts = [(item, arguments[0], f"{place}[{i}]") for i, item in enumerate(value)]
    elif origin is tuple and isinstance(value, list):
        hints = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(hints) != len(value):
            return f"{place}: expected {len(hints)} values, got {len(value)}"
        parts = [(*both, f"{place}[{i}]") for i, both in enumerate(zip(value, hints, strict=True))]
    else:
        return None if _is_plain(value, hint) else f"{place}: expected {_name(hint)}, {_got(value)}"
    return next(filter(None, (misfit(*part, nodes) for part in parts)), None)


def is_instance(value: object, hint: Any) -> bool:
    """Return whether a value has the type of an annotation, as its items, and values of dicts."""
    origin = get_origin(hint)
    if hint is Any:
        return True
    if hasattr(origin, "__value__"):  # an alias, as NDArray is from numpy 2.5 on
        return is_instance(value, origin.__value__[get_args(hint)])
    if is_typeddict(hint):
        return isinstance(value, dict)
    if origin in (Union, UnionType):
        return any(is_instance(value, part) for part in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    kind, arguments = origin or hint, get_args(hint)
    if kind is np.ndarray and isinstance(value, np.ndarray):
        scalar = get_args(arguments[1])[0]
        return scalar is Any or np.can_cast(value.dtype, scalar, "same_kind")
    if kind is list or (kind is tuple and arguments[-1:] == (Ellipsis,)):
        inner = arguments[0] if arguments else Any
        return type(value) is kind and all(is_instance(item, inner) for item in value)
    if kind is dict and arguments:  # keys may be what stands for a label, such as True
        return type(value) is dict and all(is_instance(v, arguments[1]) for v in value.values())
    if kind in (int, float):
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    return not isinstance(kind, type) or isinstance(value, kind)


def is_simple(hint: Any) -> bool:
    """Return whether an annotation names numbers, text, flags and None alone."""
    if get_origin(hint) in (Union, UnionType):
        return all(map(is_simple, get_args(hint)))
    return get_origin(hint) is Literal or hint in (bool, int, float, str, type(None))


def _misfit_of_all(
    value: object, hints: tuple[Any, ...], place: str, nodes: list[tuple[object, str]]
) -> str | None:
    for hint in hints:
        found: list[tuple[object, str]] = []
        if misfit(value, hint, place, found) is None:
            nodes += found
            return None
    return f"{place}: expected {' or '.join(map(_name, hints))}, {_got(value)}"


def _misfit_of_keys(
    value: object, hint: Any, place: str, nodes: list[tuple[object, str]]
) -> str | None:
    hints: Mapping[str, Any] = get_type_hints(hint)
    if not isinstance(value, dict):
        return f"{place}: expected an object with {sorted(hints)}, {_got(value)}"
    wrong = sorted((hint.__required_keys__ - value.keys()) | (value.keys() - hints.keys()))
    if wrong:
        return f"{place}: expected the keys {sorted(hints)}, and {wrong[0][:_SHOWN]!r} differs"
    return next(
        filter(None, (misfit(value[key], hints[key], f"{place}.{key}", nodes) for key in value)),
        None,
    )


def _is_plain(value: object, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return any(value == known and type(value) is type(known) for known in get_args(hint))
    if type(value) is int:
        return hint in (int, float) and abs(value) < _LARGEST
    return type(value) is hint


def _name(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _got(value: object) -> str:
    shown = repr(value) if isinstance(value, (str, float, bool)) else type(value).__name__
    return f"got {shown[:_SHOWN]}"
