"""LoRA: low-rank updates of chosen matrices, which can be merged into them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

from fewshot.data.settings import check_settings, one_of, positive, share, whole
from fewshot.errors import TuningError
from fewshot.models.added_modules import AddedModules, after
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import Backbone, EncoderLayer, Role, encoder_layers, weight_of
from fewshot.prompting.template import Template
from fewshot.tuning.module_tuning import ModuleTuning
from fewshot.tuning.task import TuningTask

Target: TypeAlias = Literal["query", "key", "value", "attention_output", "intermediate", "output"]


@dataclass(eq=False, repr=False)
class LoRA(ModuleTuning):
    """Tune low-rank updates of the attention's matrices (Hu et al., 2022).

    A matrix ``W`` acts as ``W + alpha / rank * B A``, with `A` of shape (rank, inputs) and `B` of
    shape (outputs, rank), which starts at zero: at first nothing changes. `W` stays frozen.
    :func:`~fewshot.tuning.merge` adds the updates to the matrices, which then cost nothing.

    Parameters
    ----------
    rank : int, default=8
    alpha : float, default=16.0
    dropout : float, default=0.0
        Of what `A` sees.
    targets : sequence of str, default=("query", "value")
        Roles of the matrices in each layer: ``"query"``, ``"key"``, ``"value"``,
        ``"attention_output"``, ``"intermediate"``, ``"output"`` (the last two of the feed-forward
        network). Where one matrix makes query, key and value (ModernBERT, DeBERTa), it has one
        update if any of the three is named.
    learning_rate : float, default=3e-3
    num_epochs, batch_size, interpolation, C, training
        See :class:`GradientTuning`.

    See Also
    --------
    merge : Adds the updates to the matrices.
    export_lora : Writes them for the peft library.
    Adapter : Tunes bottlenecks in the layers.

    References
    ----------
    Hu et al. (2022), LoRA: Low-Rank Adaptation of Large Language Models, section 4.1.

    Examples
    --------
    >>> from fewshot.tuning import LoRA
    >>> LoRA(rank=4)
    LoRA(rank=4)
    """

    rank: int = 8
    _: KW_ONLY
    alpha: float = 16.0
    dropout: float = 0.0
    targets: Sequence[Target] = ("query", "value")
    learning_rate: float = 3e-3

    def check(self, lm: MaskedLM, template: Template) -> None:
        """Check the settings; see :meth:`Tuning.check`."""
        super().check(lm, template)
        limits = {
            "rank": whole(self.rank),
            "alpha": positive(self.alpha),
            "dropout": share(self.dropout),
        }
        check_settings(self, limits, TuningError, is_part=True)
        model = lm.model
        names = _target_names(self.targets, encoder_layers(model))
        smallest = min(min(weight_of(model, name).shape) for name in names)
        if self.rank > smallest:
            raise TuningError(
                f"rank of LoRA is at most {smallest} for the matrices of "
                f"{type(model).__name__}, got {self.rank}"
            )

    def new_modules(self, task: TuningTask) -> LoRAModules:
        """Build the updates of all layers."""
        model = task.scorer.lm.model
        names = _target_names(self.targets, encoder_layers(model))
        return LoRAModules(
            model, names, rank=int(self.rank), alpha=float(self.alpha), dropout=float(self.dropout)
        )


class LoRAModules(AddedModules):
    """Low-rank updates beside a model: matrices A and B in the order of the targets' names."""

    def __init__(
        self,
        model: Backbone,
        targets: Sequence[str],
        *,
        rank: int,
        alpha: float,
        dropout: float,
    ) -> None:
        super().__init__()
        self.targets, self.rank, self.alpha = list(targets), rank, alpha
        weights = [weight_of(model, name) for name in targets]
        self.down = nn.ParameterList(w.new_empty(rank, w.shape[1]) for w in weights)  # A
        self.up = nn.ParameterList(w.new_zeros(w.shape[0], rank) for w in weights)  # B
        for matrix in self.down:
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))  # as the reference code of LoRA
        self.dropout, self._drop = dropout, nn.Dropout(dropout)

    @property
    def scale(self) -> float:
        """What updates are multiplied by."""
        return self.alpha / self.rank

    def attach(self, model: Backbone) -> None:
        """Let each target add its update to its output."""
        for number, name in enumerate(self.targets):
            after(model.get_submodule(name), partial(self._add_update, number))

    def update(self, number: int) -> Tensor:
        """Return what is added to the weight of one target, [outputs, inputs]."""
        product: Tensor = self.up[number] @ self.down[number]
        return self.scale * product

    def _add_update(self, number: int, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        low = nn.functional.linear(self._drop(inputs[0]), self.scale * self.down[number])
        change: Tensor = output + nn.functional.linear(low, self.up[number])
        return change


def merge(lm: MaskedLM) -> MaskedLM:
    """Return a model whose matrices hold their low-rank updates; the given one stays as it is.

    Parameters
    ----------
    lm : MaskedLM
        The ``model_`` of a classifier tuned with :class:`LoRA`.

    Returns
    -------
    MaskedLM
        Without modules beside it. It scores as the given one does, but for rounding.

    Raises
    ------
    TuningError
        If the model has no low-rank updates beside it, or has other modules too.

    See Also
    --------
    LoRA : Tunes the updates.

    Examples
    --------
    >>> from fewshot.tuning import merge
    >>> lm = merge(clf.model_)  # doctest: +SKIP
    """
    added = lm.added
    if not isinstance(added, LoRAModules):
        raise TuningError(f"merge takes a model tuned with LoRA, got {lm} with {added}")
    names = {f"{name}.weight" for name in added.targets}
    merged = lm.copy(names.__contains__).without_added()
    with torch.no_grad():
        for number, name in enumerate(added.targets):
            weight_of(merged.model, name).add_(added.update(number))
    merged.freeze()
    return merged


def _target_names(targets: Any, layers: Sequence[EncoderLayer]) -> list[str]:
    """Return the names of all target modules, the lowest layer first."""
    known = get_args(Target)
    is_several = isinstance(targets, Collection) and not isinstance(targets, str)
    given = list(targets) if is_several else []
    if not given or not all(one_of(target, known)[0] for target in given):
        raise TuningError(f"targets of LoRA are some of {list(known)}, got {targets!r}")
    names: list[str] = []
    for layer in layers:
        roles: list[Role] = [role if role in layer.parts else "query_key_value" for role in targets]
        names += [layer.parts[role] for role in dict.fromkeys(roles)]
    return names
