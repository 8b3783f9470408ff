"""LoRA in the format of the peft library: export and import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from fewshot.data.files import user_path
from fewshot.errors import ModelError, PersistenceError, TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.parts import Backbone
from fewshot.models.peft import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    has_same_logits,
    load_adapters,
    require_peft,
)
from fewshot.saving.folders import written_aside
from fewshot.tuning.lora import LoRAModules

_PREFIX = "base_model.model"  # of names in peft's files
_FILES = frozenset({ADAPTER_CONFIG, ADAPTER_WEIGHTS, "README.md"})


def export_lora(lm: MaskedLM, folder: str | Path) -> None:
    """Write the low-rank updates of a tuned model as a folder of peft.

    ``peft.PeftModel.from_pretrained(base, folder)`` loads it onto the model that was tuned. The
    rest of what a classifier has learned (label words, calibration, the regression beside the
    prompt) is not in such a folder; ``save`` keeps it.

    Parameters
    ----------
    lm : MaskedLM
        The ``model_`` of a classifier tuned with :class:`~fewshot.tuning.LoRA`.
    folder : str or Path
        A new or empty folder, or one with adapters of peft, which are replaced. It is written
        aside and renamed, so that it is never incomplete.

    Raises
    ------
    MissingExtraError
        If peft is not installed.
    TuningError
        If the model has no low-rank updates beside it, or has other modules too.
    PersistenceError
        If the folder holds something else.

    See Also
    --------
    import_lora : The other way round.
    merge : Adds the updates to the matrices instead.

    Examples
    --------
    >>> from fewshot.tuning import export_lora
    >>> export_lora(clf.model_, "news-lora")  # doctest: +SKIP
    """
    peft, added = require_peft(), lm.added
    if not isinstance(added, LoRAModules):
        raise TuningError(f"export_lora takes a model tuned with LoRA, got {lm} with {added}")
    target = user_path(folder).resolve()
    _check_replaceable(target)
    kind = type(lm.model)
    config = peft.LoraConfig(
        base_model_name_or_path=lm.name,
        auto_mapping={"base_model_class": kind.__name__, "parent_library": kind.__module__},
        r=added.rank,
        lora_alpha=added.alpha,
        lora_dropout=added.dropout,
        target_modules=added.targets,
        inference_mode=True,
    )
    tensors = {}
    for number, name in enumerate(added.targets):
        for key, matrix in (("lora_A", added.down[number]), ("lora_B", added.up[number])):
            tensors[f"{_PREFIX}.{name}.{key}.weight"] = matrix.detach().cpu().contiguous()
    with written_aside(target) as aside:
        config.save_pretrained(aside)
        _sort_targets(aside / ADAPTER_CONFIG)
        save_file(tensors, aside / ADAPTER_WEIGHTS, metadata={"format": "pt"})


def import_lora(lm: MaskedLM, folder: str | Path) -> MaskedLM:
    """Put the LoRA weights of a folder of peft beside a model.

    The model shares its tensors with the result and stays as it is, so several such folders can
    be used together.

    Parameters
    ----------
    lm : MaskedLM
        The model that the weights were trained for.
    folder : str or Path
        Saved by ``PeftModel.save_pretrained``.

    Returns
    -------
    MaskedLM
        A ``model=`` for classifiers. It scores as peft's own model, which is checked.

    Raises
    ------
    MissingExtraError
        If peft is not installed.
    ModelError
        If the folder is incomplete, is for another model, or holds more than plain LoRA (DoRA,
        biases, other kinds of adapters).

    See Also
    --------
    export_lora : The other way round.

    Examples
    --------
    >>> from fewshot import load_masked_lm
    >>> from fewshot.tuning import import_lora
    >>> lm = import_lora(load_masked_lm("roberta-base"), "news-lora")  # doctest: +SKIP
    """
    path = user_path(folder)
    loaded = load_adapters(lm.without_added().model, path)
    layers = _lora_layers(loaded.get_base_model(), path)
    added = _modules(lm.model, layers, path)
    bare = lm.without_added().copy(_nothing, added)
    if not has_same_logits(bare.model, loaded.eval()):
        raise ModelError(f"the adapters in {path} {_MORE}")
    twin = lm.copy(_nothing, added)
    twin.freeze()
    return twin


_MORE = (
    "hold more than plain LoRA of one rank and alpha; load them with peft and use them merged: "
    "MaskedLM(PeftModel.from_pretrained(model, folder), tokenizer)"
)


def _nothing(_name: str) -> bool:
    return False


def _lora_layers(model: nn.Module, folder: Path) -> dict[str, Any]:
    """Return peft's layers by the names of the modules that they replace."""
    from peft.tuners.lora import Linear
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, BaseTunerLayer)
    }
    if not layers or any(type(module) is not Linear for module in layers.values()):
        raise ModelError(f"the adapters in {folder} {_MORE}")
    return layers


def _modules(model: Backbone, layers: dict[str, Any], folder: Path) -> LoRAModules:
    [name] = next(iter(layers.values())).active_adapters
    shapes = {(layer.r[name], layer.scaling[name]) for layer in layers.values()}
    if len(shapes) != 1:
        raise ModelError(f"the adapters in {folder} {_MORE}")
    [(rank, scaling)] = shapes
    with torch.random.fork_rng(devices=[]):
        added = LoRAModules(model, list(layers), rank=rank, alpha=scaling * rank, dropout=0.0)
    added.to(next(model.parameters()))
    with torch.no_grad():
        for number, layer in enumerate(layers.values()):
            added.down[number].copy_(layer.lora_A[name].weight)
            added.up[number].copy_(layer.lora_B[name].weight)
    return added


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    others = (
        [path.name for path in target.iterdir() if path.name not in _FILES]
        if target.is_dir()
        else [target.name]
    )
    if others:
        raise PersistenceError(
            f"{target} holds {sorted(others)[:3]}, which would be lost; give another folder"
        )


def _sort_targets(file: Path) -> None:
    """Write the names in one order: peft keeps them as a set."""
    config = json.loads(file.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    file.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
