"""Models by name: from a folder, from the hub's local cache, or from the hub."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from huggingface_hub import constants
from safetensors import SafetensorError

from fewshot.data.files import user_path
from fewshot.errors import HubError, ModelError

_PROBE_SECONDS = 5.0
MINI_NAME: Final = "fewshot-mini"  # the one that works offline; see fewshot.models.embedded
NO_CODE = (
    "code that comes with a model is never run; if you trust it, load the model with "
    "trust_remote_code=True yourself and pass that"
)

Model = TypeVar("Model")


def model_name(model: str | Path) -> str:
    """Return a hub id as it is, and a folder with its ``~`` written out."""
    return str(user_path(model)) if str(model).startswith("~") else str(model)


def load_by_name(name: str, kind: str, load: Callable[..., Model]) -> Model:
    """Call ``load(name, local_files_only=...)`` for a folder or the hub's cache, else the hub."""
    is_folder = Path(name).is_dir()
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if is_path and not is_folder:
        raise ModelError(f"there is no folder {name!r}; give a folder, a hub id or {MINI_NAME!r}")
    try:
        return load(name, local_files_only=True)
    except ModelError:
        raise
    except (RuntimeError, SafetensorError) as error:  # weights of another size, or truncated
        raise ModelError(f"cannot load the weights of {name!r}: {error}") from error
    except (OSError, ValueError) as error:
        if is_folder or _needs_code(error):
            raise unusable(name, kind, error) from error
    return _from_hub(name, kind, load)


def unusable(name: str, kind: str, error: Exception) -> ModelError:
    """Return the error for a model that is there, but cannot be loaded."""
    advice = f"; {NO_CODE}" if _needs_code(error) else ""
    return ModelError(f"cannot load a {kind} from {name!r}: {error}{advice}")


def hub_answers() -> bool:
    """Return within seconds whether the hub can be reached; its client would retry for minutes."""
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


def _needs_code(error: Exception) -> bool:
    return "trust_remote_code" in str(error)


def _from_hub(name: str, kind: str, load: Callable[..., Model]) -> Model:
    advice = (
        f"go online, download it first (hf download {name}), give a local folder, "
        f"or use model={MINI_NAME!r}, which works offline"
    )
    if not hub_answers():
        raise HubError(
            f"{name!r} is not in the local cache and the hub cannot be reached; {advice}"
        )
    try:
        return load(name, local_files_only=False)
    except ModelError:
        raise
    except OSError as error:
        raise HubError(f"cannot load {name!r} from the hub: {error}; {advice}") from error
    except ValueError as error:
        raise unusable(name, kind, error) from error
