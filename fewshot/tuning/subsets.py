"""Tuning of a subset of the model's own weights: all, the biases, the norms, some layers."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

import numpy as np
from torch import nn

from fewshot.data.settings import check_settings, is_whole, one_of
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import Backbone, encoder_layers, head_names, is_table, norm_names
from fewshot.prompting.template import Template
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.task import TuningTask


class SubsetTuning(GradientTuning):
    """Strategies that tune some of the model's own weights and add none."""

    @abstractmethod
    def tuned_names(self, model: Backbone, rng: np.random.Generator) -> set[str]:
        """Return the names of the parameters that are tuned; a tied one has all its names.

        Raises a TuningError if a setting is out of range for the model.
        """

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        self.tuned_names(lm.model, np.random.default_rng(0))

    def prepare(self, task: TuningTask) -> TuningTask:
        """Return the task with a copy of the model; see :meth:`GradientTuning.prepare`."""
        lm = task.scorer.lm
        names = self.tuned_names(lm.model, task.rng)
        return replace(task, scorer=replace(task.scorer, lm=lm.copy(names.__contains__)))


@dataclass(eq=False, repr=False)
class Full(SubsetTuning):
    """Tune all weights of the model, or all but its embeddings.

    Parameters
    ----------
    learning_rate : float, default=1e-4
    num_epochs : int, default=8
    embeddings : {"frozen", "tuned"}, default="frozen"
        The embeddings (of tokens, positions and types) hold half of a small model's weights, of
        which a few texts touch hardly any: frozen they save time and memory.
    batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    Half : Tunes a random half of these weights.
    LastLayers : Tunes the highest layers; steps are cheaper.

    Examples
    --------
    >>> from fewshot.tuning import Full
    >>> Full(learning_rate=1e-5)
    Full(learning_rate=1e-05)
    """

    learning_rate: float = 1e-4
    _: KW_ONLY
    num_epochs: int = 8
    embeddings: Literal["frozen", "tuned"] = "frozen"

    def tuned_names(self, model: Backbone, _rng: np.random.Generator) -> set[str]:
        """Return the names of all parameters but, by default, the embeddings."""
        limits = {"embeddings": one_of(self.embeddings, ("frozen", "tuned"))}
        check_settings(self, limits, TuningError, is_part=True)
        names = _names(model)
        return names if self.embeddings == "tuned" else {n for n in names if not is_table(n)}


@dataclass(eq=False, repr=False)
class BitFit(SubsetTuning):
    """Tune the biases only (Ben Zaken et al., 2022): some 0.1 % of the weights.

    Parameters
    ----------
    learning_rate : float, default=1e-3
    num_epochs : int, default=20
    batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    LayerNorm : Tunes the norms; for encoders without biases, such as ModernBERT.

    Examples
    --------
    >>> from fewshot.tuning import BitFit
    >>> BitFit(num_epochs=5)
    BitFit(num_epochs=5)
    """

    learning_rate: float = 1e-3
    _: KW_ONLY
    num_epochs: int = 20

    def tuned_names(self, model: Backbone, _rng: np.random.Generator) -> set[str]:
        """Return the names of the biases, DeBERTa's ``q_bias`` included."""
        names = {name for name in _names(model) if name.endswith("bias")}
        if not any(name.startswith(f"{model.base_model_prefix}.") for name in names):
            raise TuningError(
                f"the encoder of {type(model).__name__} has no biases to tune, and that of the "
                "output alone moves all texts alike; use tuning='norm', 'lora' or 'adapter'"
            )
        return names


@dataclass(eq=False, repr=False)
class LayerNorm(SubsetTuning):
    """Tune the layer norms only: of the embeddings, all layers and the MLM head.

    Parameters
    ----------
    learning_rate : float, default=3e-3
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    BitFit : Tunes the biases.

    References
    ----------
    Zhao et al. (2024), Tuning LayerNorm in Attention.

    Examples
    --------
    >>> from fewshot.tuning import LayerNorm
    >>> LayerNorm(num_epochs=5)
    LayerNorm(num_epochs=5)
    """

    learning_rate: float = 3e-3

    def tuned_names(self, model: Backbone, _rng: np.random.Generator) -> set[str]:
        """Return the names of the norms' parameters."""
        return norm_names(model)


@dataclass(eq=False, repr=False)
class LastLayers(SubsetTuning):
    """Tune the highest layers and the MLM head; steps are cheap, since those below stay frozen.

    Parameters
    ----------
    n_layers : int, default=2
        From 1 to the number of layers. Not for ALBERT, whose layers share their weights.
    learning_rate : float, default=2e-4
    num_epochs : int, default=8
    batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    Full : Tunes all layers.

    References
    ----------
    Lee et al. (2019), What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning.

    Examples
    --------
    >>> from fewshot.tuning import LastLayers
    >>> LastLayers(n_layers=1)
    LastLayers(n_layers=1)
    """

    n_layers: int = 2
    _: KW_ONLY
    learning_rate: float = 2e-4
    num_epochs: int = 8

    def tuned_names(self, model: Backbone, _rng: np.random.Generator) -> set[str]:
        """Return the names of the parameters of the highest layers and the MLM head."""
        layers = encoder_layers(model)
        n_all = len(layers)
        if n_all < model.config.num_hidden_layers:
            raise TuningError(
                f"the {model.config.num_hidden_layers} layers of {type(model).__name__} share "
                "their weights, so the last ones cannot be tuned alone; use tuning='full', "
                "'adapter' or 'lora'"
            )
        is_good = is_whole(self.n_layers, 1) and self.n_layers <= n_all
        expected = f"a whole number from 1 to {n_all}, the layers of {type(model).__name__}"
        check_settings(self, {"n_layers": (is_good, expected)}, TuningError, is_part=True)
        starts = tuple(f"{layer.name}." for layer in layers[-self.n_layers :])
        return {name for name in _names(model) if name.startswith(starts)} | head_names(model)


@dataclass(eq=False, repr=False)
class EmbeddingsHead(SubsetTuning):
    """Tune what is before and behind the encoder's layers: the embeddings and the MLM head.

    Parameters
    ----------
    learning_rate : float, default=1e-3
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    LastLayers : Tunes the highest layers and the MLM head.

    Examples
    --------
    >>> from fewshot.tuning import EmbeddingsHead
    >>> EmbeddingsHead(num_epochs=5)
    EmbeddingsHead(num_epochs=5)
    """

    learning_rate: float = 1e-3

    def tuned_names(self, model: Backbone, _rng: np.random.Generator) -> set[str]:
        """Return the names of all parameters outside the layers."""
        starts = tuple(f"{layer.name}." for layer in encoder_layers(model))
        return {name for name in _names(model) if not name.startswith(starts)}


def _names(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_parameters(remove_duplicate=False)}
