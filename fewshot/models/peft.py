"""Models with adapters of the peft library, which become part of the weights."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
import transformers
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from fewshot.errors import MissingExtraError, ModelError
from fewshot.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from peft import PeftModel


ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_PROBE_TOKENS = 8
_PROBE_TOLERANCE = 1e-3  # times the largest logit


def require_peft() -> ModuleType:
    """Import peft."""
    try:
        import peft
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "adapters of peft need the peft library, which is not installed: pip install "
            '"fewshot[peft]"'
        ) from error
    return peft


def merge_adapters(model: Any) -> transformers.PreTrainedModel:
    """Return a model without adapters that computes the same, or the model if it has none."""
    # The weights of active adapters are added to a copy of the model's.
    if sys.modules.get("peft") is None:  # nobody can have put adapters in
        plain: transformers.PreTrainedModel = model
        return plain
    inner = _unwrapped(model)
    if not any(_is_adapter(module) for module in inner.modules()):
        return inner
    if require_peft().get_model_status(inner).enabled is not True:
        raise ModelError(
            f"the adapters of {type(model).__name__} are switched off; switch them on to use them, "
            "or pass the model without them"
        )
    merged: transformers.PreTrainedModel = copy.deepcopy(inner)
    merged.eval()
    expected = _logits(merged)
    try:
        _merge(merged)
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelError(f"the adapters of {type(model).__name__} cannot be merged: {error}") from (
            error
        )
    if not _is_close(_logits(merged), expected):
        raise ModelError(
            f"the adapters of {type(model).__name__} cannot be merged: the logits would be others, "
            "as with adapters on word embeddings that are the decoder's too; leave those out"
        )
    return merged


def load_adapters(model: transformers.PreTrainedModel, folder: Path) -> PeftModel:
    """Load adapters that peft has saved onto a copy of a model."""
    peft = require_peft()
    _check_kind(_read_config(folder), folder)
    _check_there(folder, ADAPTER_WEIGHTS)
    with _quiet_peft(), torch.random.fork_rng(devices=[]):
        try:
            loaded: PeftModel = peft.PeftModel.from_pretrained(copy.deepcopy(model), str(folder))
            with safe_open(folder / ADAPTER_WEIGHTS, "pt") as file:
                saved = set(file.keys())
        except (OSError, RuntimeError, SafetensorError, ValueError) as error:
            raise ModelError(f"cannot load the adapters in {folder}: {error}") from error
    # With save_embedding_layers="auto" peft would ask the hub.
    expected = set(peft.get_peft_model_state_dict(loaded, save_embedding_layers=False))
    others = (expected - saved) | (saved - expected - set(loaded.state_dict()))
    if others:  # of which peft itself only warns
        raise ModelError(
            f"the adapters in {folder} are for another model than {type(model).__name__}: "
            f"{sorted(others)[:3]} are in one of the two only"
        )
    return loaded


def adapter_base(folder: Path) -> str | None:
    """Return the name of the model that a folder of peft is for, if it has one."""
    return _read_config(folder).base_model_name_or_path or None


def has_same_logits(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two models give the same logits for a few tokens, but for rounding."""
    return _is_close(_logits(one), _logits(other))


def _read_config(folder: Path) -> Any:
    peft = require_peft()
    _check_there(folder, ADAPTER_CONFIG)
    with _quiet_peft():
        try:
            config = peft.PeftConfig.from_pretrained(str(folder))
        except (KeyError, OSError, TypeError, ValueError) as error:
            raise ModelError(f"{folder / ADAPTER_CONFIG} cannot be read: {error!r}") from error
    if config.peft_type is None:
        raise ModelError(f"{folder / ADAPTER_CONFIG} cannot be read: it names no kind of adapters")
    return config


def _check_there(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise ModelError(f"{folder} has no {name}; give a folder that peft has saved")


def _check_kind(config: Any, source: object) -> None:
    """Refuse prompt learning, no part of a model's weights, and names of modules to import."""
    if getattr(config, "megatron_config", None) is not None:
        raise ModelError(f"{source} names the module {config.megatron_core!r}, which is not run")
    if config.is_prompt_learning:
        raise ModelError(
            f"{source} has {config.peft_type.value} of peft, whose virtual tokens cannot be taken "
            "over; tune with tuning='prompt' or 'prefix' instead"
        )


@contextmanager
def _quiet_peft() -> Iterator[None]:
    """Silence peft and transformers during a load that we check ourselves."""
    with quiet_transformers(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _unwrapped(model: Any) -> transformers.PreTrainedModel:
    peft = require_peft()
    inner: transformers.PreTrainedModel = model
    if isinstance(model, (peft.PeftModel, peft.PeftMixedModel)):
        for config in model.peft_config.values():
            _check_kind(config, type(model).__name__)
        inner = model.base_model.model
    return inner


def _is_adapter(module: nn.Module) -> bool:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    return isinstance(module, (BaseTunerLayer, AuxiliaryTrainingWrapper))


def _merge(model: Any) -> None:  # modules of peft have no common type
    """Put plain modules in place of adapters, the outer ones first."""
    done: list[str] = []
    for name, module in list(model.named_modules()):
        is_inside = any(name.startswith(f"{outer}.") for outer in done)
        if is_inside or not _is_adapter(module):
            continue
        done.append(name)
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, _plain(module))
    for trace in ("peft_config", "_hf_peft_config_loaded"):
        model.__dict__.pop(trace, None)
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    if outputs is not None and outputs.weight is not inputs.weight:
        model.config.tie_word_embeddings = False  # where an adapter had a decoder of its own


def _plain(module: Any) -> nn.Module:
    if hasattr(module, "unload_and_optionally_merge_module"):
        whole: nn.Module = module.unload_and_optionally_merge_module(
            merge=True, safe_merge=True, adapter_names=None
        )
        return whole
    module.merge(safe_merge=True)
    base: nn.Module = module.get_base_layer()
    return base


def _logits(model: nn.Module) -> Tensor:
    device = next(model.parameters()).device
    tokens = torch.arange(_PROBE_TOKENS, device=device)[None]
    with torch.inference_mode():
        logits: Tensor = model(input_ids=tokens).logits
    return logits


def _is_close(one: Tensor, other: Tensor) -> bool:
    tolerance = _PROBE_TOLERANCE * max(1.0, float(other.abs().max()))
    return one.shape == other.shape and torch.allclose(one, other, rtol=0.0, atol=tolerance)
