"""Values against type hints."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pytest

from fewshot.data.forms import is_instance, misfit


class Entry(TypedDict):
    name: str
    parts: list[float]


@pytest.mark.parametrize(
    ("value", "hint", "fits"),
    [
        ("x", Any, True),
        ([1, "x"], list[Any], True),
        ([{"loss": 0.5}], list[Entry], True),
        ([0.5], list[Entry], False),
        (("a", "b"), tuple[str, ...], True),
        (("a", 1), tuple[str, ...], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "1"}, dict[str, int], False),
        (True, int, False),
        (np.float64(0.5), float | None, True),
        ("half", Literal["half", "whole"], True),
        (np.zeros(2), npt.NDArray[np.float64], True),
        (np.array(["x"]), npt.NDArray[np.float64], False),
    ],
)
def test_an_attribute_has_the_type_of_its_annotation(value, hint, fits):
    assert is_instance(value, hint) == fits


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"name": "a", "parts": [1, 0.5]}, None),
        ({"name": "a"}, "entry: expected the keys ['name', 'parts'], and 'parts' differs"),
        ({"name": 1, "parts": []}, "entry.name: expected str, got int"),
        ({"name": "a", "parts": ["b"]}, "entry.parts[0]: expected float, got 'b'"),
        ([], "entry: expected an object with ['name', 'parts'], got list"),
    ],
)
def test_the_first_part_that_does_not_fit_is_named(value, problem):
    assert misfit(value, Entry, "entry", []) == problem


@pytest.mark.parametrize(
    ("value", "hint", "problem"),
    [
        ({"a": 1, "b": 2}, dict[str, int], None),
        ({"a": 1, "b": "2"}, dict[str, int], "it.b: expected int, got '2'"),
        ([["a"], 1], dict[str, int], "it: expected dict[str, int], got list"),
        (["a", 1], tuple[str, int], None),
        (["a"], tuple[str, int], "it: expected 2 values, got 1"),
        (["a", "b"], tuple[str, ...], None),
        (["a", 1], tuple[str, ...], "it[1]: expected str, got int"),
        (0.5, int | None, "it: expected int or NoneType, got 0.5"),
        (2**1000, int, "it: expected int, got int"),  # more digits than Python reads
        (True, Literal[1], "it: expected 1, got True"),
    ],
)
def test_parts_of_containers_are_checked(value, hint, problem):
    assert misfit(value, hint, "it", []) == problem
