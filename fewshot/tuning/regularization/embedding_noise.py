"""Moving the input embeddings of a model, to train against the worst small change of a text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EmbeddingNoise:
    """What is added to the token embeddings of a model in its next passes.

    A batch may take several passes (prompts with one mask and with two): there is one tensor for
    each, in the order of the passes.

    Parameters
    ----------
    embeddings : Module
        The token embeddings, from ``model.get_input_embeddings()``.
    """

    def __init__(self, embeddings: nn.Module) -> None:
        self._embeddings = embeddings

    @contextmanager
    def watch(self, spread: float = 0.0) -> Iterator[list[Tensor]]:
        """Add noise that takes gradients: zeros, or normally distributed numbers.

        Parameters
        ----------
        spread : float, default=0.0
            Standard deviation.

        Yields
        ------
        list of Tensor
            Gets the noise of each pass, [n, length, width].
        """
        added: list[Tensor] = []

        def add(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            noise = torch.zeros_like(output) if spread == 0 else spread * torch.randn_like(output)
            added.append(noise.requires_grad_())
            return output + added[-1]

        handle = self._embeddings.register_forward_hook(add)
        try:
            yield added
        finally:
            handle.remove()

    @contextmanager
    def apply(self, noise: list[Tensor]) -> Iterator[None]:
        """Add given noise, a tensor to each pass."""
        left = iter(noise)

        def add(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            return output + next(left)

        handle = self._embeddings.register_forward_hook(add)
        try:
            yield
        finally:
            handle.remove()


def embedding_scale(embeddings: nn.Module) -> float:
    """Return the root mean square of the numbers in an embedding matrix.

    Sizes of perturbations are told in it, so that they mean the same for every model; Miyato et
    al. (2017) normalise the embeddings to the same end.
    """
    weight = next(embeddings.parameters()).detach()
    return float(weight.float().square().mean().sqrt())


def norm_ball_step(gradient: Tensor, radius: float) -> Tensor:
    """Return the perturbation of a norm that raises a linear loss the most, r g / ||g||.

    Parameters
    ----------
    gradient : Tensor of shape (n, length, width)
    radius : float
        Euclidean norm of the perturbation of a whole text.

    Returns
    -------
    Tensor of shape (n, length, width)
        Zero where the gradient is.

    References
    ----------
    Miyato, Dai and Goodfellow (2017), Adversarial Training Methods for Semi-Supervised Text
    Classification, equation 3.
    """
    norm = torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)
    return radius * torch.where(norm > 0, gradient / norm, 0.0)


def sign_ball_step(noise: Tensor, gradient: Tensor, radius: float) -> Tensor:
    """Move noise along a gradient, and back into the box of a radius.

    Parameters
    ----------
    noise, gradient : Tensor of shape (n, length, width)
    radius : float
        The largest number of a perturbation; also the length of the step, measured by the largest
        number of a text's.

    Returns
    -------
    Tensor of shape (n, length, width)

    References
    ----------
    Jiang et al. (2020), SMART, algorithm 1, with the maximum norm.
    """
    largest = gradient.abs().amax(dim=(1, 2), keepdim=True)
    step = radius * torch.where(largest > 0, gradient / largest, 0.0)
    return (noise + step).clamp(-radius, radius)
