"""Estimated costs of a fit. Baselines use it too, so nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DryRun:
    """Cost of a fit.

    Parameters
    ----------
    n_texts : int
    n_tokens : int
        Tokens of all prompts, read once.
    n_truncated : int
        Texts that would be shortened.
    n_steps : int
        Optimiser steps.
    seconds : float
        Estimate, from a measured batch.
    """

    n_texts: int
    n_tokens: int
    n_truncated: int
    n_steps: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.n_texts} texts, {self.n_tokens} tokens, {self.n_truncated} texts shortened, "
            f"{self.n_steps} steps, about {self.seconds:.0f} s"
        )
