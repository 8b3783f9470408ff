"""Loading masked language models by name, quickly, quietly and with clear failures."""

from __future__ import annotations

import socket
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import transformers
from huggingface_hub import constants
from safetensors import SafetensorError

from fewshot.errors import HubError, ModelError
from fewshot.masked_lm import MaskedLM
from fewshot.mini import MINI_NAME, load_mini
from fewshot.quiet import quiet_transformers

__all__ = ["hub_answers", "load_masked_lm"]

_LOADED_AT_ONCE = 2
_CONNECT_SECONDS = 3.0


def load_masked_lm(model: str | Path | MaskedLM) -> MaskedLM:
    """Return a masked language model by name; one that was just loaded is shared.

    Parameters
    ----------
    model : str, Path or MaskedLM
        ``"fewshot-mini"``, a local folder, a hub id, or a model that is loaded already.

    Returns
    -------
    MaskedLM

    Raises
    ------
    ModelError
        If there is no such folder, or the model there is not a masked language model.
    HubError
        If a hub id is not in the local cache and the hub cannot be reached.
    MissingExtraError
        If ``"fewshot-mini"`` is asked for and its encoder is not installed.
    """
    if isinstance(model, MaskedLM):
        return model
    if not isinstance(model, (str, Path)):
        raise ModelError(
            "model is 'fewshot-mini', a folder, a hub id or a MaskedLM, "
            f"got {type(model).__name__}; wrap a loaded model as MaskedLM(model, tokenizer)"
        )
    name = str(model)
    key = (name, _folder_time(Path(name)))
    if key not in _LOADED:
        _LOADED[key] = _load_mini() if name == MINI_NAME else _load(name)
    _LOADED.move_to_end(key)
    while len(_LOADED) > _LOADED_AT_ONCE:
        _LOADED.popitem(last=False)
    return _LOADED[key]


_LOADED: OrderedDict[tuple[str, float], MaskedLM] = OrderedDict()


def _folder_time(folder: Path) -> float:
    return folder.stat().st_mtime if folder.is_dir() else 0.0


def _load_mini() -> MaskedLM:
    model, tokenizer = load_mini()
    return MaskedLM(model, tokenizer, name=MINI_NAME)


def _load(name: str) -> MaskedLM:
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if not Path(name).is_dir() and is_path:
        raise ModelError(f"there is no folder {name!r}; give a folder, a hub id or {MINI_NAME!r}")
    with quiet_transformers():
        try:
            model, tokenizer, missing = _from_pretrained(name, local_files_only=True)
        except (OSError, ValueError) as error:
            if Path(name).is_dir():
                raise ModelError(
                    f"cannot load a masked language model from {name!r}: {error}"
                ) from error
            model, tokenizer, missing = _from_hub(name)
        except (RuntimeError, SafetensorError) as error:  # weights of another size, or truncated
            raise ModelError(f"cannot load the weights of {name!r}: {error}") from error
    if missing:
        raise ModelError(
            f"{name!r} has no weights for {missing[:3]}: it was saved without its MLM head; "
            "use the masked language model that it was made from"
        )
    return MaskedLM(model, tokenizer, name=name)


def _from_hub(name: str) -> tuple[Any, Any, list[str]]:
    advice = (
        f"go online, download it first (hf download {name}), give a local folder, "
        f"or use model={MINI_NAME!r}, which works offline"
    )
    if not hub_answers():
        raise HubError(
            f"{name!r} is not in the local cache and the hub cannot be reached; {advice}"
        )
    try:
        return _from_pretrained(name, local_files_only=False)
    except (OSError, ValueError) as error:
        raise HubError(f"cannot load {name!r} from the hub: {error}; {advice}") from error


def _from_pretrained(name: str, *, local_files_only: bool) -> tuple[Any, Any, list[str]]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=local_files_only)
    model, info = transformers.AutoModelForMaskedLM.from_pretrained(
        name, local_files_only=local_files_only, output_loading_info=True
    )
    return model, tokenizer, sorted(info["missing_keys"])


def hub_answers() -> bool:
    """Tell within seconds whether the hub can be reached; its client would retry for minutes."""
    if constants.HF_HUB_OFFLINE:
        return False
    url = urlparse(constants.ENDPOINT)
    try:
        with socket.create_connection((url.hostname, url.port or 443), _CONNECT_SECONDS):
            return True
    except OSError:
        return False
