"""Codecs of what transformers makes: models by configuration and state dict, tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import Tensor, nn
from transformers.initialization import no_init_weights

from fewshot.errors import PersistenceError
from fewshot.models.quiet import quiet_transformers
from fewshot.saving.codec import Codec, Json, Reader, Writer
from fewshot.saving.tensors import add_tensor

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Others need hardware or packages that the reader may lack; transformers then chooses.
_PORTABLE_ATTENTION = ("eager", "sdpa")


def _encode_tokenizer(
    value: transformers.PreTrainedTokenizerBase, writer: Writer, _where: str
) -> Json:
    folder = writer.new_folder("tokenizers")
    value.save_pretrained(folder)
    return folder.relative_to(writer.folder).as_posix()


def _decode_tokenizer(content: Any, reader: Reader) -> transformers.PreTrainedTokenizerBase:
    folder = reader.subfolder(content)
    with quiet_transformers():
        tokenizer: transformers.PreTrainedTokenizerBase = (
            transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        )
    return tokenizer


def _encode_model(value: transformers.PreTrainedModel, writer: Writer, where: str) -> Json:
    state = value.state_dict(keep_vars=True)
    _check_described(value, state, where)
    folder = writer.new_folder("models")
    value.config.save_pretrained(folder)
    return {
        "folder": folder.relative_to(writer.folder).as_posix(),
        "attention": value.config._attn_implementation,
        "tensors": {
            name: add_tensor(tensor, writer, f"{where}.{name}") for name, tensor in state.items()
        },
    }


def _check_described(
    model: transformers.PreTrainedModel, state: dict[str, Tensor], where: str
) -> None:
    """Check, without weights, that the configuration makes such a model again."""
    with quiet_transformers(), torch.device("meta"):
        twin = transformers.AutoModelForMaskedLM.from_config(model.config, trust_remote_code=False)
    is_same = type(twin) is type(model) and _shapes(twin.state_dict()) == _shapes(state)
    if not is_same:
        raise PersistenceError(
            f"{where} holds a {type(model).__name__} that its configuration does not describe, so "
            "it could not be loaded again; use a model as AutoModelForMaskedLM loads it"
        )


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _decode_model(content: Any, reader: Reader) -> transformers.PreTrainedModel:
    folder = reader.subfolder(content["folder"])
    attention = content["attention"] if content["attention"] in _PORTABLE_ATTENTION else None
    with quiet_transformers(), torch.random.fork_rng(devices=[]), no_init_weights():
        config = transformers.AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        model: transformers.PreTrainedModel = transformers.AutoModelForMaskedLM.from_config(
            config, attn_implementation=attention, trust_remote_code=False
        )
    _set_tensors(model, content["tensors"], reader)
    model.eval()
    return model


def _set_tensors(model: nn.Module, names: dict[str, str], reader: Reader) -> None:
    """Put saved tensors in place of the model's; those that were one tensor are one again."""
    if set(names) != set(model.state_dict()):
        differing = sorted(set(names) ^ set(model.state_dict()))
        raise PersistenceError(
            f"the installed transformers has other weights in {type(model).__name__}: "
            f"{differing[:3]}; load the folder with the versions that its config.json names"
        )
    parameters = dict(model.named_parameters(remove_duplicate=False))
    made: dict[str, nn.Parameter] = {}
    for name, stored in names.items():
        owner_name, _, attribute = name.rpartition(".")
        owner = model.get_submodule(owner_name)
        tensor = reader.tensors[stored]
        if name in parameters:
            setattr(owner, attribute, made.setdefault(stored, _frozen(tensor)))
        else:
            setattr(owner, attribute, tensor)


def _frozen(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


MODEL_CODECS: Sequence[Codec] = (
    Codec(
        "tokenizer",
        lambda value: isinstance(value, transformers.PreTrainedTokenizerBase),
        _encode_tokenizer,
        _decode_tokenizer,
        is_shared=True,
    ),
    Codec(
        "model",
        lambda value: isinstance(value, transformers.PreTrainedModel),
        _encode_model,
        _decode_model,
        is_shared=True,
    ),
)


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
    from fewshot.models.sentence_encoder import foreign_modules, from_name  # takes seconds

    folder = reader.subfolder(content)
    foreign = foreign_modules(folder)
    if foreign:
        raise PersistenceError(f"{folder} names the classes {foreign}, whose code is not run")
    encoder = from_name(str(folder), local_files_only=True)
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
