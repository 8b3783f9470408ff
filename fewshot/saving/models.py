"""Codecs of other libraries' models: transformers' models and tokenizers, sentence encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import Tensor, nn
from transformers.initialization import no_init_weights

from fewshot.errors import PersistenceError
from fewshot.models.embedded import EMBEDDED
from fewshot.models.model_checks import check_weights
from fewshot.models.quiet import quiet_transformers
from fewshot.saving.codec import Codec, Json, Reader, Writer
from fewshot.saving.tensors import add_tensor

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PACKAGE = "sentence_transformers"
# Others need hardware or packages that the reader may lack; transformers then chooses.
_PORTABLE_ATTENTION = ("eager", "sdpa")


def _is_tokenizer(value: object) -> bool:
    return isinstance(value, transformers.PreTrainedTokenizerBase)


def _encode_tokenizer(
    value: transformers.PreTrainedTokenizerBase, writer: Writer, _path: str
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


def _is_model(value: object) -> bool:
    return isinstance(value, transformers.PreTrainedModel)


def _encode_model(value: transformers.PreTrainedModel, writer: Writer, path: str) -> Json:
    state = value.state_dict(keep_vars=True)
    _check_described(value, state, path)
    folder = writer.new_folder("models")
    value.config.save_pretrained(folder)
    return {
        "folder": folder.relative_to(writer.folder).as_posix(),
        "attention": value.config._attn_implementation,
        "tensors": {
            name: add_tensor(tensor, writer, f"{path}.{name}") for name, tensor in state.items()
        },
    }


def _check_described(
    model: transformers.PreTrainedModel, state: dict[str, Tensor], path: str
) -> None:
    """Check, without weights, that the configuration makes such a model again."""
    with quiet_transformers(), torch.device("meta"):
        twin = transformers.AutoModelForMaskedLM.from_config(model.config, trust_remote_code=False)
    is_same = type(twin) is type(model) and _shapes(twin.state_dict()) == _shapes(state)
    if not is_same:
        raise PersistenceError(
            f"{path} holds a {type(model).__name__} that its configuration does not describe, so "
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
    made: dict[str, Tensor] = {}
    for name, stored in names.items():
        tensor = reader.tensors[stored]
        if name in parameters:
            tensor = made.setdefault(stored, nn.Parameter(tensor, requires_grad=False))
        parent, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(parent), attribute, tensor)


def _is_sentence_transformer(value: object) -> bool:
    found = type(value)  # by name: the package takes seconds to import
    return found.__module__.split(".")[0] == _PACKAGE and found.__name__ == "SentenceTransformer"


def _encode_sentence(value: SentenceTransformer, writer: Writer, path: str) -> Json:
    from fewshot.models.sentence_encoder import embedded_origin  # takes seconds

    foreign = [
        type(module).__name__
        for module in value
        if type(module).__module__.split(".")[0] != _PACKAGE
    ]
    if foreign:
        raise PersistenceError(
            f"{path} holds modules of other packages, {foreign}, whose code could not be loaded; "
            "use a sentence encoder of sentence-transformers' own modules"
        )
    origin = embedded_origin(value)
    if origin is not None:
        return {"embedded": origin.name, "of": origin.sha256, "max_length": value.max_seq_length}
    folder = writer.new_folder("encoders")
    with quiet_transformers():
        value.save(str(folder), create_model_card=False, safe_serialization=True)
    return folder.relative_to(writer.folder).as_posix()


def _decode_sentence(content: Any, reader: Reader) -> SentenceTransformer:
    from fewshot.models.sentence_encoder import SentenceEncoder, foreign_names, from_name

    if isinstance(content, dict):
        if EMBEDDED[content["embedded"]].sha256 != content["of"]:
            raise PersistenceError(
                f"the estimator was saved with another encoder of {content['embedded']!r}; install "
                "the version of fewshot that its config.json names, or fit it again"
            )
        loaded = SentenceEncoder.load(content["embedded"], content["max_length"])
        return loaded.transformer.eval()
    folder = reader.subfolder(content)
    foreign = foreign_names(folder)
    if foreign:
        raise PersistenceError(f"{folder} names {foreign}, whose code is not run")
    encoder = from_name(str(folder), local_files_only=True)
    for parameter in encoder.parameters():
        parameter.data = parameter.data.clone()  # see fewshot.saving.tensors.read_tensors
    check_weights(encoder, str(folder))
    return encoder.eval()


MODEL_CODECS = tuple(
    Codec(kind, matches, encode, decode, is_shared=True)
    for kind, matches, encode, decode in (
        ("tokenizer", _is_tokenizer, _encode_tokenizer, _decode_tokenizer),
        ("model", _is_model, _encode_model, _decode_model),
        ("sentence_encoder", _is_sentence_transformer, _encode_sentence, _decode_sentence),
    )
)
