"""Loading masked language models by name, quickly, quietly and with clear failures."""

from __future__ import annotations

from pathlib import Path
from threading import RLock
from typing import Any, TypeAlias
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import torch
import transformers
from huggingface_hub import constants
from safetensors import SafetensorError

from fewshot.data.cache import BoundedCache
from fewshot.errors import HubError, ModelError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.mini import MINI_NAME, load_mini
from fewshot.models.peft import ADAPTER_CONFIG, adapter_base, load_adapters
from fewshot.models.quiet import quiet_transformers

_LOADED_AT_ONCE = 2
_PROBE_SECONDS = 3.0


def load_masked_lm(model: str | Path | MaskedLM) -> MaskedLM:
    """Return a masked language model by name; one that was just loaded is shared.

    Parameters
    ----------
    model : str, Path or MaskedLM
        ``"fewshot-mini"``, a local folder, a hub id, or a model that is loaded already. A folder
        of peft stands for the model that it names, with its adapters.

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
        If ``"fewshot-mini"`` is asked for and its encoder is not installed, or a folder of peft
        without peft.
    """
    if isinstance(model, MaskedLM):
        return model
    if not isinstance(model, (str, Path)):
        raise ModelError(
            "model is 'fewshot-mini', a folder, a hub id or a MaskedLM, "
            f"got {type(model).__name__}; wrap a loaded model as MaskedLM(model, tokenizer)"
        )
    name = str(Path(model).expanduser()) if str(model).startswith("~") else str(model)
    key = (name, _folder_state(Path(name)))
    with _LOCK:  # the second of two threads gets what the first loads
        return _LOADED.get(key, lambda: _load_mini() if name == MINI_NAME else _load(name))


FolderState: TypeAlias = tuple[tuple[str, int, int], ...]

_LOADED: BoundedCache[tuple[str, FolderState], MaskedLM] = BoundedCache(_LOADED_AT_ONCE)
_LOCK = RLock()


def _folder_state(folder: Path) -> FolderState:
    """Return name, size and time of a folder's files: they tell when a model was replaced."""
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    states = [(path.name, path.stat()) for path in files]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)


def _load_mini() -> MaskedLM:
    model, tokenizer = load_mini()
    return MaskedLM(model, tokenizer, name=MINI_NAME)


def _load(name: str) -> MaskedLM:
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if not Path(name).is_dir() and is_path:
        raise ModelError(f"there is no folder {name!r}; give a folder, a hub id or {MINI_NAME!r}")
    if (Path(name) / ADAPTER_CONFIG).is_file():
        return _load_with_adapters(Path(name))
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


def _load_with_adapters(folder: Path) -> MaskedLM:
    base_name = adapter_base(folder)
    if base_name is None:
        raise ModelError(
            f"{folder} holds adapters of peft for a model that it does not name; load both "
            "yourself: MaskedLM(PeftModel.from_pretrained(model, folder), tokenizer)"
        )
    base = load_masked_lm(base_name)
    return MaskedLM(load_adapters(base.model, folder), base.tokenizer, name=str(folder))


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
    # Half precision gives NaN in training and is slow on a CPU; code in a folder is never run.
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        name, local_files_only=local_files_only, trust_remote_code=False
    )
    model, info = transformers.AutoModelForMaskedLM.from_pretrained(
        name,
        local_files_only=local_files_only,
        trust_remote_code=False,
        dtype=torch.float32,
        output_loading_info=True,
    )
    return model, tokenizer, sorted(info["missing_keys"])


def hub_answers() -> bool:
    """Tell within seconds whether the hub can be reached; its client would retry for minutes."""
    if constants.HF_HUB_OFFLINE:
        return False
    try:
        # Not a bare socket: urllib goes through the proxies that the environment names.
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_PROBE_SECONDS).close()
    except HTTPError:  # an answer, whatever it says
        return True
    except OSError:
        return False
    return True
