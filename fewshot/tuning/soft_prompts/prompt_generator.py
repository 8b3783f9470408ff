"""IAPT's generator: a few soft tokens made of the hidden states of a text."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import least_squares
from scipy.special import erf
from torch import Tensor, nn

from fewshot.models.reproducible import in_large_products

_NUMERATOR, _DENOMINATOR = 5, 4  # degrees
_RANGE = 3.0  # where the start fits GELU; beyond it, the quotient takes the wrong sign
_SCALE = 0.02  # standard deviation of initial weights, as BERT's


class Rational(nn.Module):
    """A learned activation: a quotient of polynomials that starts as GELU."""

    # Inputs are clamped to [-3, 3], where the start is right within 0.002 (gradients pass): the
    # quotient is -2.3 at 6, where GELU is 6. The denominator `1 + |...|` is at least 1. Zhu et al.
    # (2024), IAPT: Instruction-Aware Prompt Tuning for Large Language Models.

    def __init__(self) -> None:
        super().__init__()
        numerator, denominator = gelu_coefficients()
        self.numerator = nn.Parameter(torch.tensor(numerator))
        self.denominator = nn.Parameter(torch.tensor(denominator))

    def forward(self, values: Tensor) -> Tensor:
        """Return the activation of each value."""
        x = values + (values.clamp(-_RANGE, _RANGE) - values).detach()
        return self.unclamped(x)

    def unclamped(self, x: Tensor) -> Tensor:
        """Return the bare quotient, for values within [-3, 3]."""
        return _polynomial(self.numerator, x) / (1 + (x * _polynomial(self.denominator, x)).abs())


class PromptGenerator(nn.Module):
    """Pools the states of a text to a few soft tokens, through a bottleneck."""

    # The states are projected down, pooled by attention with one learned query per soft token,
    # passed through an activation, and projected up. The last projection starts as zero, so that
    # all texts get the same prompt at first: the bias. Zhu et al. (2024), IAPT: Instruction-Aware
    # Prompt Tuning for Large Language Models.

    def __init__(self, width: int, bottleneck: int, n_tokens: int) -> None:
        super().__init__()
        noise = _SCALE * torch.randn(width, bottleneck, dtype=torch.float32)
        self.down = nn.Parameter(noise)
        self.down_bias = nn.Parameter(torch.zeros(bottleneck))
        queries = _SCALE * torch.randn(bottleneck, n_tokens, dtype=torch.float32)
        self.pool = nn.Parameter(queries)
        self.up = nn.Parameter(torch.zeros(bottleneck, width))
        self.up_bias = nn.Parameter(torch.zeros(width))

    def pooled(self, states: Tensor, attention: Tensor) -> Tensor:
        """Return the pooled states before the activation, [n, n_tokens, bottleneck]."""
        low = states @ self.down + self.down_bias  # [n, length, bottleneck]
        scores = (low @ self.pool).masked_fill(attention[..., None] == 0, -torch.inf)
        return scores.softmax(1).transpose(1, 2) @ low

    def forward(self, states: Tensor, attention: Tensor, activation: nn.Module) -> Tensor:
        """Make soft tokens [n, n_tokens, width]; `attention` is 1 at tokens, 0 at padding."""
        pooled: Tensor = activation(self.pooled(states, attention))
        tokens = in_large_products(lambda rows: rows @ self.up + self.up_bias, pooled.flatten(0, 1))
        return tokens.view(*pooled.shape[:2], -1)


def _polynomial(coefficients: Tensor, x: Tensor) -> Tensor:
    """Return the polynomial, the constant first, at each value."""
    # By Horner's rule: the bits of a sum over a last axis of powers depend on the other values.
    value = torch.zeros_like(x)
    for coefficient in coefficients.flip(0):
        value = value * x + coefficient
    return value


@cache
def gelu_coefficients() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Fit the quotient to GELU on [-3, 3]; return the coefficients above and below the line."""
    x = np.linspace(-_RANGE, _RANGE, 301)
    goal = x * (1 + erf(x / np.sqrt(2))) / 2
    above = np.vander(x, _NUMERATOR + 1, increasing=True)
    below = np.vander(x, _DENOMINATOR + 1, increasing=True)[:, 1:]

    def error(both: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        quotient = above @ both[: _NUMERATOR + 1] / (1 + np.abs(below @ both[_NUMERATOR + 1 :]))
        wrong: npt.NDArray[np.float64] = quotient - goal
        return wrong

    # Where the sum below the line is positive, the problem is linear: that is the start.
    linear = np.hstack([above, -goal[:, None] * below])
    start = np.linalg.lstsq(linear, goal, rcond=None)[0]
    found = least_squares(error, start, xtol=1e-12, ftol=1e-12).x.tolist()
    return tuple(found[: _NUMERATOR + 1]), tuple(found[_NUMERATOR + 1 :])
