"""Codecs of other libraries' models: transformers' models and tokenizers, sentence encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import torch
import transformers
from torch import Tensor, nn
from transformers.initialization import no_init_weights

from fewshot.data.files import parse_json
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
# Sizes in configurations; the deepest and widest published encoders have a hundredth of these.
_MOST_LAYERS, _LARGEST_SIZE = 1000, 2**24
_REPEATED = ("layer", "block", "group", "repeat", "depth")  # in the names of such numbers


class _EmbeddedEncoder(TypedDict):
    embedded: str
    of: str
    max_length: int


class _Model(TypedDict):
    folder: str
    attention: str | None
    tensors: dict[str, str]


def _is_tokenizer(value: object) -> bool:
    return isinstance(value, transformers.PreTrainedTokenizerBase)


def _encode_tokenizer(
    value: transformers.PreTrainedTokenizerBase, writer: Writer, _path: str
) -> Json:
    folder = writer.new_folder("tokenizers")
    value.save_pretrained(folder)
    return folder.relative_to(writer.folder).as_posix()


def _decode_tokenizer(content: Any, reader: Reader) -> transformers.PreTrainedTokenizerBase:
    with reader.subfolder(content) as folder, quiet_transformers():
        tokenizer: transformers.PreTrainedTokenizerBase = (
            transformers.AutoTokenizer.from_pretrained(
                str(folder), local_files_only=True, trust_remote_code=False
            )
        )
        tokenizer("a", add_special_tokens=True)  # its settings are looked at when it is used
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
    twin = _twin(model.config)
    is_same = type(twin) is type(model) and _shapes(twin.state_dict()) == _shapes(state)
    if not is_same:
        raise PersistenceError(
            f"{path} holds a {type(model).__name__} that its configuration does not describe, so "
            "it could not be loaded again; use a model as AutoModelForMaskedLM loads it"
        )


def _twin(config: transformers.PretrainedConfig) -> transformers.PreTrainedModel:
    """Return the model that a configuration describes, without weights."""
    with quiet_transformers(), torch.device("meta"):
        twin: transformers.PreTrainedModel = transformers.AutoModelForMaskedLM.from_config(
            config, trust_remote_code=False
        )
    return twin


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items()}


def _decode_model(content: Any, reader: Reader) -> transformers.PreTrainedModel:
    attention = content["attention"] if content["attention"] in _PORTABLE_ATTENTION else None
    config = _read_config(content["folder"], reader)
    _check_tensors(_twin(config), content["tensors"], reader)  # before memory is taken
    with quiet_transformers(), torch.random.fork_rng(devices=[]), no_init_weights():
        model: transformers.PreTrainedModel = transformers.AutoModelForMaskedLM.from_config(
            config, attn_implementation=attention, trust_remote_code=False
        )
    _set_tensors(model, content["tensors"], reader)
    model.eval()
    return model


def _read_config(name: str, reader: Reader) -> transformers.PretrainedConfig:
    check_sizes(name, reader)
    with reader.subfolder(name) as folder, quiet_transformers():
        config: transformers.PretrainedConfig = transformers.AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    return config


def check_sizes(name: str, reader: Reader) -> None:
    """Refuse absurd sizes in the configurations of a subfolder, which would take hours to build."""
    for file, data in reader.files.items():
        if file.startswith(f"{name}/") and file.endswith("config.json"):
            waiting = [("", parse_json(data))]
            while waiting:
                key, value = waiting.pop()
                if isinstance(value, dict):
                    waiting += value.items()
                elif isinstance(value, list):
                    waiting += [(key, item) for item in value]
                elif type(value) is int and "model_max_length" not in key:  # 10**30 by default
                    is_repeated = any(part in key for part in _REPEATED)
                    most = _MOST_LAYERS if is_repeated else _LARGEST_SIZE
                    if abs(value) > most:
                        raise PersistenceError(
                            f"{file} has {key[:60]!r} of {value:.3g}, more than {most}: it was "
                            "altered, or is damaged"
                        )


def _check_tensors(twin: nn.Module, names: dict[str, str], reader: Reader) -> None:
    saved = {name: reader.tensors[stored].shape for name, stored in names.items()}
    built = _shapes(twin.state_dict())
    if saved != built:
        both = {*saved, *built}
        differing = sorted(name for name in both if saved.get(name) != built.get(name))
        raise PersistenceError(
            f"the installed transformers has other weights in {type(twin).__name__}: "
            f"{differing[:3]}; load the folder with the versions that its config.json names"
        )


def _set_tensors(model: nn.Module, names: dict[str, str], reader: Reader) -> None:
    """Put saved tensors in place of the model's; those that were one tensor are one again."""
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
    check_sizes(content, reader)
    with reader.subfolder(content) as folder:
        foreign = foreign_names(folder)
        if foreign:
            raise PersistenceError(f"{content} names {foreign}, whose code is not run")
        encoder = from_name(str(folder), local_files_only=True)
    for parameter in encoder.parameters():
        parameter.data = parameter.data.clone()  # see fewshot.saving.tensors.read_tensors
    check_weights(encoder, str(folder))
    return encoder.eval()


MODEL_CODECS = tuple(
    Codec(kind, form, matches, encode, decode, is_shared=True)
    for kind, form, matches, encode, decode in (
        ("tokenizer", str, _is_tokenizer, _encode_tokenizer, _decode_tokenizer),
        ("model", _Model, _is_model, _encode_model, _decode_model),
        (
            "sentence_encoder",
            str | _EmbeddedEncoder,
            _is_sentence_transformer,
            _encode_sentence,
            _decode_sentence,
        ),
    )
)
