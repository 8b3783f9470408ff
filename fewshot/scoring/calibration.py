"""Calibration: the scores of label words without regard to the text."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor

from fewshot.data.examples import Examples

Calibration: TypeAlias = Literal["auto", "none", "contextual", "domain", "pmi"]

# Zhao et al. (2021), Calibrate Before Use, section 5.
_CONTENT_FREE = ("N/A", "[MASK]", "")


def content_free_examples(fields: tuple[str, ...], calibration: Calibration) -> Examples:
    """Return examples without content, for calibration without texts.

    ``"contextual"`` takes the strings of Zhao et al. (2021), ``"pmi"`` the template alone
    (Holtzman et al., 2021: pointwise mutual information with the domain's prompt).
    """
    texts = [""] if calibration == "pmi" else list(_CONTENT_FREE)
    return Examples(dict.fromkeys(fields, texts))


def word_prior(log_probs: Tensor, weights: Tensor) -> Tensor:
    """Return the log-probabilities of words averaged over texts, [n_words].

    Dividing by this prior removes the mean of each word's score over these texts. Not all weights
    are 0.
    """
    share = (weights / weights.sum()).to(log_probs.dtype)
    return (share @ log_probs).log_softmax(-1)
