"""Tuning of a subset of the model's own weights: all, the biases, the norms, some layers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Literal

from torch import nn

from fewshot.errors import TuningError
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.task import TuningTask
from fewshot.tuning.training import Training

__all__ = ["BitFit", "Full", "SubsetTuning"]


class SubsetTuning(GradientTuning):
    """Strategies that tune some of the model's own weights and add none."""

    @abstractmethod
    def tuned_names(self, model: nn.Module) -> set[str]:
        """Return the names of the parameters that are tuned; a tied one has all its names.

        Parameters
        ----------
        model : Module

        Returns
        -------
        set of str

        Raises
        ------
        TuningError
            If a setting is out of range for this model.
        """

    def prepare(self, task: TuningTask) -> TuningTask:
        """Return the task with a copy of the model, in which these weights are tuned."""
        lm = task.scorer.lm
        names = self.tuned_names(lm.model)
        return replace(task, scorer=replace(task.scorer, lm=lm.copy(names.__contains__)))


class Full(SubsetTuning):
    """Tune all weights of the model, or all but its embeddings.

    Parameters
    ----------
    learning_rate : float, default=1e-4
    num_epochs : int, default=8
    batch_size : int, default=8
    embeddings : {"frozen", "tuned"}, default="frozen"
        The embeddings (of tokens, positions and types) hold half of a small model's weights, of
        which a few texts touch hardly any: frozen they save time and memory.
    interpolation : float, optional
    C : float, optional
    training : Training, optional
        See :class:`GradientTuning`.

    Examples
    --------
    >>> from fewshot.tuning import Full
    >>> Full(learning_rate=1e-5)
    Full(learning_rate=1e-05)
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        *,
        num_epochs: int = 8,
        batch_size: int = 8,
        embeddings: Literal["frozen", "tuned"] = "frozen",
        interpolation: float | None = None,
        C: float | None = None,
        training: Training | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            num_epochs=num_epochs,
            batch_size=batch_size,
            interpolation=interpolation,
            C=C,
            training=training,
        )
        self.embeddings = embeddings

    def tuned_names(self, model: nn.Module) -> set[str]:
        """Return the names of all parameters but, by default, the embeddings."""
        if self.embeddings not in ("frozen", "tuned"):
            raise TuningError(f"embeddings is 'frozen' or 'tuned', got {self.embeddings!r}")
        names = _names(model)
        return names if self.embeddings == "tuned" else {n for n in names if not _is_embedding(n)}


class BitFit(SubsetTuning):
    """Tune the biases only (Ben Zaken et al., 2022): some 0.1 % of the weights.

    Parameters
    ----------
    learning_rate : float, default=1e-3
    num_epochs : int, default=20
    batch_size : int, default=8
    interpolation : float, optional
    C : float, optional
    training : Training, optional
        See :class:`GradientTuning`.

    Examples
    --------
    >>> from fewshot.tuning import BitFit
    >>> BitFit(num_epochs=5)
    BitFit(num_epochs=5)
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        *,
        num_epochs: int = 20,
        batch_size: int = 8,
        interpolation: float | None = None,
        C: float | None = None,
        training: Training | None = None,
    ) -> None:
        super().__init__(
            learning_rate,
            num_epochs=num_epochs,
            batch_size=batch_size,
            interpolation=interpolation,
            C=C,
            training=training,
        )

    def tuned_names(self, model: nn.Module) -> set[str]:
        """Return the names of the biases, as DeBERTa's ``q_bias`` too."""
        return {name for name in _names(model) if name.endswith("bias")}


def _names(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_parameters(remove_duplicate=False)}


def _is_embedding(name: str) -> bool:
    return name.endswith("embeddings.weight")
