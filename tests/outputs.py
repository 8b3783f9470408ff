"""Outputs that pages and notebooks show, compared with those that a machine gives."""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"\d+\.\d+")
_LEAST, _SHARE = 0.03, 0.05  # of a difference that processors may make


def alike(shown: str, given: str) -> bool:
    """Return whether outputs are equal but for spaces and small differences of decimals."""
    texts = [" ".join(_DECIMAL.sub("#", text).split()) for text in (shown, given)]
    numbers = [[float(found) for found in _DECIMAL.findall(text)] for text in (shown, given)]
    return texts[0] == texts[1] and all(
        abs(one - other) <= max(_LEAST, _SHARE * abs(one))
        for one, other in zip(*numbers, strict=True)
    )
