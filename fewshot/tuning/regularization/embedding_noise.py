"""Noise on the input embeddings of a model, for adversarial training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EmbeddingNoise:
    """Noise on the token embeddings of a model in its next passes."""

    # A batch may take several passes (prompts with one mask and with two): there is one tensor for
    # each, in the order of the passes.

    def __init__(self, embeddings: nn.Module) -> None:
        self._embeddings = embeddings

    @contextmanager
    def watch(self, spread: float = 0.0) -> Iterator[list[Tensor]]:
        """Add noise that takes gradients; yield it, one tensor [n, length, width] per pass."""
        # It is zero, or normally distributed with a standard deviation of `spread`.
        added: list[Tensor] = []

        def add(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            noise = torch.zeros_like(output) if spread == 0 else spread * torch.randn_like(output)
            added.append(noise.requires_grad_())
            return output + added[-1]

        with self._embeddings.register_forward_hook(add):
            yield added

    @contextmanager
    def apply(self, noise: list[Tensor]) -> Iterator[None]:
        """Add given noise, one tensor per pass."""
        left = iter(noise)

        def add(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            return output + next(left)

        with self._embeddings.register_forward_hook(add):
            yield


def embedding_scale(embeddings: nn.Module) -> float:
    """Return the root mean square of an embedding matrix."""
    # Perturbations are measured in this unit, so that they mean the same for every model; Miyato et
    # al. (2017) normalise the embeddings to the same end.
    weight = next(embeddings.parameters()).detach()
    return float(weight.float().square().mean().sqrt())


def norm_ball_step(gradient: Tensor, radius: float) -> Tensor:
    """Return the perturbation of a text that raises a linear loss the most, r g / ||g||."""
    # It is zero where the gradient is. Miyato, Dai and Goodfellow (2017), Adversarial Training
    # Methods for Semi-Supervised Text Classification, equation 3.
    norm = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)
    return radius * torch.where(norm > 0, gradient / norm, 0.0)


def sign_ball_step(noise: Tensor, gradient: Tensor, radius: float) -> Tensor:
    """Move noise along a gradient, and back into the box of a radius."""
    # The largest number of a text's step is the radius. Jiang et al. (2020), SMART, algorithm 1,
    # with the maximum norm.
    largest = gradient.abs().amax(dim=(1, 2), keepdim=True)
    step = radius * torch.where(largest > 0, gradient / largest, 0.0)
    return (noise + step).clamp(-radius, radius)
