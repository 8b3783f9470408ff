"""Pieces of SVG pictures: shapes, and the ticks of their axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from html import escape


def shape(name: str, attributes: Mapping[str, str | float], content: str = "") -> str:
    """Write an element.

    Parameters
    ----------
    name : str
    attributes : mapping of str to (str or float)
        Numbers are written with two decimals at most.
    content : str, default=""
        What is inside, as SVG: text must have been escaped.

    Returns
    -------
    str

    Examples
    --------
    >>> shape("circle", {"cx": 1 / 3, "r": 4.0, "class": "dot"})
    '<circle cx="0.33" r="4" class="dot"/>'
    """
    written = "".join(f' {key}="{_attribute(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers that cover a range: multiples of 1, 2 or 5 times a power of 10.

    Parameters
    ----------
    low, high : float
    most : int, default=6
        Number of ticks, about.

    Returns
    -------
    list of float
        The first is at most `low`, the last at least `high`.

    Examples
    --------
    >>> nice_ticks(0.52, 0.93)
    [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    """
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 12) for place in range(first, last + 1)]


def decimals(ticks: list[float]) -> int:
    """Return how many decimals ticks need to be told apart.

    Parameters
    ----------
    ticks : list of float

    Returns
    -------
    int
    """
    step = min(after - before for before, after in itertools.pairwise(ticks))
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _attribute(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
