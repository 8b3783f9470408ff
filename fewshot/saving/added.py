"""How new modules beside a model are written and built again: class, settings and tensors."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from fewshot.errors import PersistenceError
from fewshot.models.added_modules import AddedModules, Stacked
from fewshot.models.parts import Backbone
from fewshot.saving.codec import Json, Reader, Writer
from fewshot.saving.tensors import add_tensor

# Every class that a saved folder may name, and its module.
ADDED_CLASSES: dict[str, str] = {
    "AdapterModules": "fewshot.tuning.adapter",
    "DecomposedPrompt": "fewshot.tuning.soft_tokens",
    "FusedPrompt": "fewshot.tuning.soft_tokens",
    "GeneratedPrompt": "fewshot.tuning.soft_prompts.iapt",
    "InsertedPrompt": "fewshot.tuning.soft_tokens",
    "LabelVectors": "fewshot.tuning.perfect",
    "LoRAModules": "fewshot.tuning.lora",
    "PrefixModules": "fewshot.tuning.soft_prompts.prefix",
    "TemplateTokens": "fewshot.tuning.soft_tokens",
}


def encode_added(added: AddedModules | None, writer: Writer, where: str) -> Json:
    """Return modules as JSON; their tensors go to the file of tensors.

    Parameters
    ----------
    added : AddedModules or None
    writer : Writer
    where : str

    Returns
    -------
    JSON

    Raises
    ------
    PersistenceError
        If they are of a class that is not of this package.
    """
    if added is None:
        return None
    if isinstance(added, Stacked):
        return {
            "lower": encode_added(added.lower, writer, f"{where}.lower"),
            "upper": encode_added(added.upper, writer, f"{where}.upper"),
        }
    name = type(added).__name__
    if name not in ADDED_CLASSES or type(added).__module__ != ADDED_CLASSES[name]:
        raise PersistenceError(
            f"{where} is a {type(added).__module__}.{name}, which is none of the modules that can "
            f"be saved: {sorted(ADDED_CLASSES)}"
        )
    return {
        "class": name,
        "settings": writer.encode(added.settings, f"{where}.settings"),
        "tensors": {
            own: add_tensor(tensor, writer, f"{where}.{own}")
            for own, tensor in added.state_dict().items()
        },
    }


def decode_added(content: Any, model: Backbone, reader: Reader) -> AddedModules | None:
    """Build modules for a model, and give them the tensors that were saved.

    Parameters
    ----------
    content : JSON
    model : PreTrainedModel
        What they stand beside; it is not changed.
    reader : Reader

    Returns
    -------
    AddedModules or None

    Raises
    ------
    PersistenceError
        If the class is unknown, or builds other tensors now.
    """
    if content is None:
        return None
    if "lower" in content:
        lower = decode_added(content["lower"], model, reader)
        upper = decode_added(content["upper"], model, reader)
        return upper if lower is None or upper is None else Stacked(lower, upper)
    added = _build(content["class"], reader.decode(content["settings"]), model)
    # First to the model's type of numbers, so that no bit is lost.
    added.to(next(model.parameters()))
    saved = {name: reader.tensors[stored] for name, stored in content["tensors"].items()}
    if _shapes(added.state_dict()) != _shapes(saved):
        raise PersistenceError(
            f"the installed fewshot builds a {content['class']} with other tensors than were "
            "saved; load the folder with the version that its config.json names"
        )
    added.load_state_dict(saved)
    return added


def _build(name: str, settings: dict[str, Any], model: Backbone) -> AddedModules:
    if name not in ADDED_CLASSES:
        raise PersistenceError(
            f"the saved model names the unknown modules {name!r}; known are "
            f"{sorted(ADDED_CLASSES)}. If it was saved by a newer version, upgrade fewshot"
        )
    found = getattr(import_module(ADDED_CLASSES[name]), name)
    with torch.random.fork_rng(devices=[]):  # initial values may be random
        try:
            added: AddedModules = found(model, **settings)
        except TypeError as error:
            raise PersistenceError(
                f"the installed {name} does not take the saved settings ({error}); load the "
                "folder with the version that its config.json names"
            ) from error
    return added


def _shapes(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
