"""Codec of sentence encoders of sentence-transformers, which write and read folders themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch

from fewshot.errors import PersistenceError
from fewshot.models.quiet import quiet_transformers
from fewshot.saving.codec import Codec, Json, Reader, Writer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_PACKAGE = "sentence_transformers"


def _is_sentence_transformer(value: object) -> bool:
    """Tell it by name: the package takes seconds to import, and not every estimator needs it."""
    found = type(value)
    return found.__module__.split(".")[0] == _PACKAGE and found.__name__ == "SentenceTransformer"


def _encode_sentence(value: SentenceTransformer, writer: Writer, where: str) -> Json:
    foreign = [
        type(module).__name__
        for module in value
        if type(module).__module__.split(".")[0] != _PACKAGE
    ]
    if foreign:
        raise PersistenceError(
            f"{where} holds modules of other packages, {foreign}, whose code could not be loaded; "
            "use a sentence encoder of sentence-transformers' own modules"
        )
    folder = writer.new_folder("encoders")
    with quiet_transformers():
        value.save(str(folder), create_model_card=False, safe_serialization=True)
    return folder.relative_to(writer.folder).as_posix()


def _decode_sentence(content: Any, reader: Reader) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    folder = reader.subfolder(content)
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    foreign = [row["type"] for row in modules if not row["type"].startswith(f"{_PACKAGE}.")]
    if foreign:
        raise PersistenceError(f"{folder} names the classes {foreign}, whose code is not run")
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        encoder = SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False)
    for parameter in encoder.parameters():
        parameter.data = parameter.data.clone()  # see fewshot.saving.tensors.read_tensors
    return encoder.eval()


SENTENCE_CODEC = Codec(
    "sentence_encoder",
    _is_sentence_transformer,
    _encode_sentence,
    _decode_sentence,
    is_shared=True,
)
