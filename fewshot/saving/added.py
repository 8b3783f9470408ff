"""New modules beside a model as class, settings and tensors, and built again."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, TypeAlias, TypedDict

import torch

from fewshot.data.forms import Node
from fewshot.errors import PersistenceError
from fewshot.models.added_modules import AddedModules, Stacked
from fewshot.models.parts import Backbone
from fewshot.saving.classes import check_types, simple_parameters
from fewshot.saving.codec import Json, Reader, Writer
from fewshot.saving.tensors import add_tensor

_LARGEST, _TIMES = 1024, 4  # of settings: this, or so many times the longest side of a tensor

_Plain = TypedDict("_Plain", {"class": str, "settings": Node, "tensors": dict[str, str]})


class _Both(TypedDict):
    lower: SavedModules | None
    upper: SavedModules | None


SavedModules: TypeAlias = _Plain | _Both


def encode_added(added: AddedModules | None, writer: Writer, path: str) -> Json:
    """Return modules as JSON; their tensors go to the file of tensors."""
    if added is None:
        return None
    if isinstance(added, Stacked):
        return {
            "lower": encode_added(added.lower, writer, f"{path}.lower"),
            "upper": encode_added(added.upper, writer, f"{path}.upper"),
        }
    kind, known = type(added), _known_classes()
    if known.get(kind.__name__) is not kind:
        raise PersistenceError(
            f"{path} is a {kind.__module__}.{kind.__name__}, which is none of the modules that "
            f"can be saved: {sorted(known)}"
        )
    return {
        "class": kind.__name__,
        "settings": writer.encode(added.settings, f"{path}.settings"),
        "tensors": {
            own: add_tensor(tensor, writer, f"{path}.{own}")
            for own, tensor in added.state_dict().items()
        },
    }


def decode_added(content: Any, model: Backbone, reader: Reader) -> AddedModules | None:
    """Build modules for a model, which is not changed, and give them the saved tensors."""
    if content is None:
        return None
    if "lower" in content:
        lower = decode_added(content["lower"], model, reader)
        upper = decode_added(content["upper"], model, reader)
        return upper if lower is None or upper is None else Stacked(lower, upper)
    saved = {name: reader.tensors[stored] for name, stored in content["tensors"].items()}
    settings = reader.decode(content["settings"])
    _check_sizes(content["class"], settings, saved)
    added = _build(content["class"], settings, model)
    # First to the model's type of numbers, so that no bit is lost.
    added.to(next(model.parameters()))
    if _shapes(added.state_dict()) != _shapes(saved):
        raise PersistenceError(
            f"the installed fewshot builds a {content['class']} with other tensors than were "
            "saved; load the folder with the version that its config.json names"
        )
    added.load_state_dict(saved)
    return added


def _check_sizes(name: str, settings: Any, saved: dict[str, torch.Tensor]) -> None:
    """Refuse settings by which modules far larger than the saved tensors would be built."""
    longest = max((side for tensor in saved.values() for side in tensor.shape), default=0)
    most = max(_LARGEST, _TIMES * longest)
    for setting, value in settings.items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, (int, float)) and abs(number) > most:
                raise PersistenceError(
                    f"the saved {name[:60]} has {setting[:60]}={number:.3g}, more than its tensors "
                    "have room for; the folder was altered"
                )


def _known_classes() -> dict[str, type[AddedModules]]:
    import_module("fewshot.tuning")  # defines them all
    return {
        kind.__name__: kind
        for kind in _subclasses(AddedModules)
        if kind.__module__.startswith("fewshot.tuning.")
    }


def _subclasses(kind: Any) -> Iterator[Any]:  # mypy knows abstract classes only as values
    for found in kind.__subclasses__():
        yield found
        yield from _subclasses(found)


def _build(name: str, settings: dict[str, Any], model: Backbone) -> AddedModules:
    known = _known_classes()
    if name not in known:
        raise PersistenceError(
            f"the saved model names the unknown modules {name!r}; known are {sorted(known)}. "
            "If it was saved by a newer version, upgrade fewshot"
        )
    check_types(known[name], settings, simple_parameters(known[name]))
    with torch.random.fork_rng(devices=[]):  # initial values may be random
        try:
            return known[name](model, **settings)
        except TypeError as error:
            raise PersistenceError(
                f"the installed {name} does not take the saved settings ({error}); load the "
                "folder with the version that its config.json names"
            ) from error


def _shapes(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
