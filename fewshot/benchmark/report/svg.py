"""SVG elements, and the ticks of an axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from html import escape


def shape(name: str, attributes: Mapping[str, str | float], content: str = "") -> str:
    """Write an element; `content` is SVG, in which text has been escaped."""
    written = "".join(f' {key}="{_attribute(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def nice_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers that cover a range: multiples of 1, 2 or 5 times a power of 10."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 12) for place in range(first, last + 1)]


def decimals(ticks: list[float]) -> int:
    """Return the number of decimals that ticks need to differ."""
    step = min(after - before for before, after in itertools.pairwise(ticks))
    return max(0, -math.floor(math.log10(step) + 1e-9))


def _attribute(value: str | float) -> str:
    if isinstance(value, str):
        return escape(value)
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
