"""Half fine-tuning: a random half of the weights is tuned, the other half stays."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from fewshot.data.settings import check_settings, one_of, proportion, whole
from fewshot.errors import TuningError
from fewshot.models.parts import (
    Backbone,
    EncoderLayer,
    Role,
    encoder_layers,
    head_names,
    is_table,
)
from fewshot.tuning.subsets import SubsetTuning

Granularity: TypeAlias = Literal["category", "layer", "model"]

# What is drawn from together; a fused matrix of query, key and value is one.
_CATEGORIES: tuple[tuple[Role, ...], ...] = (
    ("query", "key", "value", "query_key_value", "attention_output"),
    ("intermediate", "output"),
    ("attention_norm", "output_norm"),
)


@dataclass(eq=False, repr=False)
class Half(SubsetTuning):
    """Tune a random half of the encoder and the MLM head (HFT, Hui et al., 2024).

    In each layer two of the four attention matrices, one of the two feed-forward matrices and one
    of the two norms are drawn, with their biases. The other half keeps what it knew, as if a
    penalty held it where it was. Which half that is depends on `random_state` and `stage`.
    A step is hardly cheaper than one of full tuning: gradients still flow through all layers.

    Parameters
    ----------
    ratio : float, default=0.5
        Share that is tuned. 1 is full tuning.
    granularity : {"category", "layer", "model"}, default="category"
        What is drawn: matrices of each category in each layer, whole layers, or any matrices of
        the model up to the share of its size. ``"model"`` is for architectures whose parts are
        not known.
    embeddings : {"frozen", "tuned"}, default="frozen"
        The tables of word, position and type embeddings.
    stage : int, default=0
        Number of the task, or of the round of self-training: each draws anew.
    learning_rate : float, default=2e-4
    num_epochs : int, default=8
    batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    Full : Tunes all of these weights.

    References
    ----------
    Hui et al. (2024), HFT: Half Fine-Tuning for Large Language Models, section 3.

    Examples
    --------
    >>> from fewshot.tuning import Half
    >>> Half(granularity="layer")
    Half(granularity='layer')
    """

    ratio: float = 0.5
    _: KW_ONLY
    granularity: Granularity = "category"
    embeddings: Literal["frozen", "tuned"] = "frozen"
    stage: int = 0
    learning_rate: float = 2e-4
    num_epochs: int = 8

    def tuned_names(self, model: Backbone, rng: np.random.Generator) -> set[str]:
        """Return the names of the parameters that are drawn, and those of the MLM head."""
        limits = {
            "ratio": proportion(self.ratio),
            "granularity": one_of(self.granularity, get_args(Granularity)),
            "embeddings": one_of(self.embeddings, ("frozen", "tuned")),
            "stage": whole(self.stage, 0),
        }
        check_settings(self, limits, TuningError, is_part=True)
        # Each stage has a draw of its own from the same seed.
        draws = np.random.default_rng([int(rng.integers(2**32)), int(self.stage)])
        tuned = draw_half(model, float(self.ratio), self.granularity, draws) | head_names(model)
        if self.embeddings == "tuned":
            names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
            table = model.get_input_embeddings().get_parameter("weight")
            is_tied = {name for name in names if model.get_parameter(name) is table}
            tuned |= is_tied | {name for name in names if is_table(name)}
        return tuned


def draw_half(
    model: Backbone, ratio: float, granularity: Granularity, rng: np.random.Generator
) -> set[str]:
    """Draw the names of a share of an encoder's parameters, without its tables of embeddings."""
    # Weight and bias of a module are drawn together. Chance decides about a fraction of a matrix.
    units = _units(model)
    if granularity == "model":
        chosen = _draw_by_size(model, units, ratio, rng)
    else:
        layers = _layers(model)
        groups = _groups(list(units), layers, granularity)
        chosen = [name for group in groups for part in _draw(group, ratio, rng) for name in part]
    return {parameter for name in chosen for parameter in units[name]}


def _units(model: Backbone) -> dict[str, list[str]]:
    """Return the parameters of each module of the encoder that has some of its own."""
    inside = {id(module) for module in model.base_model.modules()}
    units: dict[str, list[str]] = {}
    for name, module in model.named_modules():
        own = [f"{name}.{own}" for own, _ in module.named_parameters(recurse=False)]
        kept = [parameter for parameter in own if not is_table(parameter)]
        if kept and id(module) in inside:
            units[name] = kept
    return units


def _layers(model: Backbone) -> tuple[EncoderLayer, ...]:
    try:
        return encoder_layers(model)
    except TuningError as error:
        raise TuningError(f"{error}; or Half(granularity='model')") from error


def _groups(
    names: list[str], layers: tuple[EncoderLayer, ...], granularity: Granularity
) -> list[list[list[str]]]:
    """Return what is drawn from together: groups of parts, each of one module or more."""
    inside = {
        layer.name: [name for name in names if name.startswith(f"{layer.name}.")]
        for layer in layers
    }
    rest = [name for name in names if not any(name in own for own in inside.values())]
    if granularity == "layer":
        return [list(inside.values()), [[name] for name in rest]]
    groups = []
    for layer in layers:
        categories = [
            [layer.parts[role] for role in roles if layer.parts.get(role) in names]
            for roles in _CATEGORIES
        ]
        known = {name for category in categories for name in category}
        others = [name for name in inside[layer.name] if name not in known]
        groups += [[[name] for name in group] for group in (*categories, others)]
    return [*groups, [[name] for name in rest]]


def _draw(group: list[list[str]], ratio: float, rng: np.random.Generator) -> list[list[str]]:
    wanted = ratio * len(group)
    n = int(wanted) + int(rng.random() < wanted - int(wanted))
    return [group[i] for i in rng.permutation(len(group))[:n]]


def _draw_by_size(
    model: Backbone, units: dict[str, list[str]], ratio: float, rng: np.random.Generator
) -> list[str]:
    """Draw modules one after the other, and leave out what would go beyond the share."""
    sizes = {
        name: sum(model.get_parameter(own).numel() for own in names)
        for name, names in units.items()
    }
    left = ratio * sum(sizes.values())
    chosen = []
    for name in (list(units)[i] for i in rng.permutation(len(units))):
        if sizes[name] <= left:
            chosen.append(name)
            left -= sizes[name]
    return chosen
