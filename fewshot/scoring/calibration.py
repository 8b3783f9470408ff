"""Calibration: dividing out what a model says of label words regardless of the text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Literal, TypeAlias

from torch import Tensor

from fewshot.data.examples import Examples

Calibration: TypeAlias = Literal["auto", "none", "contextual", "generic", "domain", "pmi"]

# Zhao et al. (2021), Calibrate Before Use, section 5.
_CONTENT_FREE = ("N/A", "[MASK]", "")


def calibration_examples(fields: tuple[str, ...], calibration: Calibration) -> Examples:
    """Return the texts of a calibration that needs none of the user's; all fields get the same."""
    # `"contextual"`: the strings of Zhao et al. (2021). `"pmi"`: the template alone (Holtzman et
    # al., 2021). `"generic"`: 64 sentences of many kinds.
    return Examples(dict.fromkeys(fields, OWN_TEXTS[calibration]()))


@cache
def generic_texts() -> list[str]:
    """Return sentences from news, reviews, requests, questions, science, law and small talk."""
    file = resources.files("fewshot.scoring") / "generic_texts.txt"
    return file.read_text(encoding="utf-8").splitlines()


# The calibrations that need no text of the user, with their texts.
OWN_TEXTS: dict[str, Callable[[], list[str]]] = {
    "contextual": lambda: list(_CONTENT_FREE),
    "generic": generic_texts,
    "pmi": lambda: [""],
}


def word_prior(log_probs: Tensor, weights: Tensor) -> Tensor:
    """Average the log-probabilities [n, n_words] of label words over texts."""
    share = (weights / weights.sum()).to(log_probs.dtype)
    return (share @ log_probs).log_softmax(-1)
