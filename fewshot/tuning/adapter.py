"""Bottleneck adapters: small networks inside the layers of a frozen encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from threading import local
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from fewshot.data.settings import check_settings, one_of, positive, whole
from fewshot.errors import TuningError
from fewshot.models.added_modules import AddedModules, after, before
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import (
    Backbone,
    Role,
    embedding_width,
    encoder_layers,
    head_names,
    norm_names,
    weight_of,
)
from fewshot.prompting.template import Template
from fewshot.tuning.module_tuning import ModuleTuning
from fewshot.tuning.task import TuningTask

Placement: TypeAlias = Literal["pfeiffer", "houlsby", "parallel"]
Activation: TypeAlias = Literal["relu", "gelu", "silu", "linear"]
Embeddings: TypeAlias = Literal["none", "invertible"]
AlsoTuned: TypeAlias = Literal["nothing", "norms", "head"]

_ROLES: dict[Placement, tuple[Role, ...]] = {
    "pfeiffer": ("output",),
    "houlsby": ("attention_output", "output"),
    "parallel": ("output",),
}


def _unchanged(values: Tensor) -> Tensor:  # a lambda could not be pickled
    return values


_FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "linear": _unchanged,
}
_SPREAD = 0.02  # of new weights, as BERT's initializer_range
_INVERTIBLE_REDUCTION = 4  # width of the embeddings through that of the bottlenecks
_LINEAR_SPREAD = 2e-4  # LiST's adapters, both matrices


@dataclass(eq=False, repr=False)
class Adapter(ModuleTuning):
    """Tune bottleneck adapters in the layers of a frozen encoder.

    An adapter changes states ``h`` to ``h + scaling * up(activation(down(h)))``, where `down` maps
    to a ``reduction``-th of the width and `up` back. It acts on what a dense layer gives, before
    the residual and the norm, so it has the same meaning in each architecture; it starts as the
    identity.

    Parameters
    ----------
    reduction : int, default=16
        Width of the states through width of the bottleneck.
    placement : {"pfeiffer", "houlsby", "parallel"}, default="pfeiffer"
        After the feed-forward network of each layer; after the attention too; or beside the
        feed-forward network, reading what it reads.
    activation : {"relu", "gelu", "silu", "linear"}, default="relu"
        ``"linear"`` is LiST's adapter: no biases, both matrices drawn from N(0, 0.0002²).
    scaling : float, default=1.0
        4 is usual for ``placement="parallel"``.
    embeddings : {"none", "invertible"}, default="none"
        ``"invertible"`` also changes the word embeddings by a small invertible network (NICE),
        whose inverse precedes the output embeddings, as in MAD-X.
    also_tuned : {"nothing", "norms", "head"}, default="nothing"
        Weights of the model that are tuned with the adapters: all layer norms (PERFECT), or the
        MLM head but its word embeddings (LiST).
    learning_rate : float, default=3e-3
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    LoRA : Tunes low-rank updates, which can be merged into the model.
    fewshot.list_adapter : LiST's adapter.

    References
    ----------
    Houlsby et al. (2019), Parameter-Efficient Transfer Learning for NLP. Pfeiffer et al. (2020),
    MAD-X. He et al. (2022), Towards a Unified View of Parameter-Efficient Transfer Learning.
    Wang et al. (2022), LiST: Lite Prompted Self-training, section 3.

    Examples
    --------
    >>> from fewshot.tuning import Adapter
    >>> Adapter(reduction=8, placement="houlsby", activation="linear", also_tuned="head")  # LiST's
    Adapter(activation='linear', also_tuned='head', placement='houlsby',
            reduction=8)
    """

    reduction: int = 16
    _: KW_ONLY
    placement: Placement = "pfeiffer"
    activation: Activation = "relu"
    scaling: float = 1.0
    embeddings: Embeddings = "none"
    also_tuned: AlsoTuned = "nothing"
    learning_rate: float = 3e-3

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        limits = {
            "reduction": whole(self.reduction),
            "placement": one_of(self.placement, get_args(Placement)),
            "activation": one_of(self.activation, get_args(Activation)),
            "scaling": positive(self.scaling),
            "embeddings": one_of(self.embeddings, get_args(Embeddings)),
            "also_tuned": one_of(self.also_tuned, get_args(AlsoTuned)),
        }
        check_settings(self, limits, TuningError, is_part=True)
        width = int(lm.model.config.hidden_size)
        if self.reduction > width:
            raise TuningError(
                f"reduction of Adapter is at most {width}, the width of {lm}, got {self.reduction}"
            )
        encoder_layers(lm.model)  # raises if they are not known
        if self.embeddings == "invertible":
            _check_invertible(lm)

    def new_modules(self, task: TuningTask) -> AdapterModules:
        """Build the adapters of all layers."""
        model = task.scorer.lm.model
        inner = 0
        if self.embeddings == "invertible":
            inner = embedding_width(model) // _INVERTIBLE_REDUCTION
        return AdapterModules(
            model,
            size=int(model.config.hidden_size) // int(self.reduction),
            placement=self.placement,
            activation=self.activation,
            scaling=float(self.scaling),
            invertible_size=inner,
        )

    def tuned_names(self, task: TuningTask) -> set[str]:
        """Return the names of the norms, of the MLM head, or none."""
        model = task.scorer.lm.model
        if self.also_tuned == "norms":
            return norm_names(model)
        return head_names(model) if self.also_tuned == "head" else set()


class AdapterModules(AddedModules):
    """Adapters beside a model."""

    def __init__(
        self,
        model: Backbone,
        *,
        size: int,  # width of the bottleneck
        placement: Placement,
        activation: Activation,
        scaling: float,
        invertible_size: int = 0,  # width of the invertible network's bottlenecks; 0 for none
    ) -> None:
        super().__init__()
        self.size, self.scaling = size, scaling
        self.placement, self.activation = placement, activation
        self.invertible_size = invertible_size
        layers = encoder_layers(model)
        self._layers = [layer.parts for layer in layers]
        # The lowest layer's first; of a layer, that of the attention first.
        self.blocks = nn.ModuleList(
            Block(len(weight_of(model, layer.parts[role])), size, activation, scaling)
            for layer in layers
            for role in _ROLES[placement]
        )
        self.invertible = (
            Invertible(embedding_width(model), invertible_size) if invertible_size else None
        )

    def attach(self, model: Backbone) -> None:
        """Let each adapter act on its dense layer's output."""
        blocks = iter(self.blocks)
        for parts in self._layers:
            for role in _ROLES[self.placement]:
                block, dense = next(blocks), model.get_submodule(parts[role])
                if self.placement == "parallel":
                    _attach_beside(model.get_submodule(parts["intermediate"]), dense, block)
                else:
                    after(dense, partial(_add_own, block))
        if self.invertible is not None:
            invertible = self.invertible
            after(model.get_input_embeddings(), lambda _inputs, output: invertible(output))
            before(
                model.get_output_embeddings(),
                lambda inputs, keywords: ((invertible.inverse(inputs[0]),), keywords),
            )


class Block(nn.Module):
    """One adapter's change of states: ``scaling * up(activation(down(states)))``."""

    def __init__(self, width: int, size: int, activation: Activation, scaling: float) -> None:
        super().__init__()
        is_linear = activation == "linear"
        self.function, self.scaling = _FUNCTIONS[activation], scaling
        self.down = nn.Linear(width, size, bias=not is_linear, dtype=torch.float32)
        self.up = nn.Linear(size, width, bias=not is_linear, dtype=torch.float32)
        if is_linear:
            nn.init.normal_(self.down.weight, std=_LINEAR_SPREAD)
            nn.init.normal_(self.up.weight, std=_LINEAR_SPREAD)
            return
        # One of the two is not zero: were both, none would have a gradient but the last bias.
        nn.init.normal_(self.down.weight, std=_SPREAD)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, states: Tensor) -> Tensor:
        """Return what is added to states [..., width]."""
        change: Tensor = self.up(self.function(self.down(states)))
        return change if self.scaling == 1.0 else self.scaling * change


class Invertible(nn.Module):
    """An invertible network of two additive couplings (NICE), which starts as the identity."""

    # `y1 = x1 + F(x2)` and `y2 = x2 + G(y1)` for the halves of a vector; `F` and `G` are
    # bottlenecks with a ReLU. Dinh et al. (2015), NICE, equation 4; Pfeiffer et al. (2020), MAD-X,
    # section 4.2.

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.first = Block(width // 2, size, "relu", 1.0)
        self.second = Block(width // 2, size, "relu", 1.0)

    def forward(self, vectors: Tensor) -> Tensor:
        """Change vectors [..., width]."""
        one, two = vectors.chunk(2, -1)
        one = one + self.first(two)
        return torch.cat([one, two + self.second(one)], -1)

    def inverse(self, vectors: Tensor) -> Tensor:
        """Return the vectors that are changed to these."""
        one, two = vectors.chunk(2, -1)
        two = two - self.second(one)
        return torch.cat([one - self.first(two), two], -1)


def _add_own(block: nn.Module, _inputs: Sequence[Tensor], output: Tensor) -> Tensor:
    change: Tensor = block(output)
    return output + change


def _attach_beside(first: nn.Module, last: nn.Module, block: nn.Module) -> None:
    """Let a block read what the first module reads, and add to what the last one gives."""
    seen = local()  # threads share the modules

    def read(inputs: tuple[Tensor, ...], _keywords: dict[str, Tensor]) -> None:
        seen.states = inputs[0]

    def add(_inputs: Sequence[Tensor], output: Tensor) -> Tensor:
        change: Tensor = block(seen.states)
        del seen.states
        return output + change

    before(first, read)
    after(last, add)


def _check_invertible(lm: MaskedLM) -> None:
    """Check that the inverse of a change of the embeddings can precede the output embeddings."""
    width, outputs = embedding_width(lm.model), lm.model.get_output_embeddings()
    is_whole = width % _INVERTIBLE_REDUCTION == 0
    if not lm.mask_head.has_rows or outputs.weight.shape[1] != width or not is_whole:
        raise TuningError(
            f"embeddings='invertible' of Adapter needs an MLM head that ends in a matrix of the "
            f"width of the word embeddings, a multiple of {_INVERTIBLE_REDUCTION}, which "
            f"{type(lm.model).__name__} lacks; use embeddings='none'"
        )
