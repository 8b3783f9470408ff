"""Calibration: what a model says of label words without regard to the text."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor

from fewshot.data.examples import Examples

Calibration: TypeAlias = Literal["auto", "none", "contextual", "domain", "pmi"]

# Zhao et al. (2021), Calibrate Before Use, section 5.
_CONTENT_FREE = ("N/A", "[MASK]", "")


def content_free_examples(fields: tuple[str, ...], calibration: Calibration) -> Examples:
    """Return examples that say nothing, for calibration without texts.

    Parameters
    ----------
    fields : tuple of str
        Fields of the template; each gets the same text.
    calibration : {"contextual", "pmi"}
        ``"contextual"`` takes the strings of Zhao et al. (2021), ``"pmi"`` the template alone
        (Holtzman et al., 2021: pointwise mutual information with the domain's prompt).

    Returns
    -------
    examples : Examples
    """
    texts = [""] if calibration == "pmi" else list(_CONTENT_FREE)
    return Examples(dict.fromkeys(fields, texts))


def word_prior(log_probs: Tensor, weights: Tensor) -> Tensor:
    """Average the log-probabilities of label words over texts.

    Dividing by this prior takes away the mean of each word's score over these texts.

    Parameters
    ----------
    log_probs : Tensor of shape (n, n_words)
        See :func:`~fewshot.scoring.label_words.word_log_probs`.
    weights : Tensor of shape (n,)
        Weights of the texts; not all 0.

    Returns
    -------
    Tensor of shape (n_words,)
        Log-probabilities of the words.

    Examples
    --------
    >>> import torch
    >>> log_probs = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    >>> word_prior(log_probs, torch.ones(2)).exp()
    tensor([0.5000, 0.5000])
    """
    share = (weights / weights.sum()).to(log_probs.dtype)
    return (share @ log_probs).log_softmax(-1)
