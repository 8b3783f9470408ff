"""Names of an encoder's parts: attention, feed-forward and norms of each layer, by role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch
import transformers
from torch import Tensor, nn

from fewshot.data.settings import is_whole
from fewshot.errors import ModelError, TuningError

Backbone: TypeAlias = transformers.PreTrainedModel
Role: TypeAlias = Literal[
    "query",
    "key",
    "value",
    "query_key_value",
    "attention_output",
    "attention_norm",
    "intermediate",
    "output",
    "output_norm",
]

# Lists of layers, within the base model: BERT and its kin, DistilBERT, ALBERT, ModernBERT.
_LISTS = ("encoder.layer", "transformer.layer", "encoder.albert_layer_groups", "layers")
# Within a layer, for each role; the first that is there counts. In the order of the families
# BERT (and RoBERTa, ELECTRA), DistilBERT, ALBERT, DeBERTa-v2, MPNet, DeBERTa, ModernBERT.
_NAMES: dict[Role, tuple[str, ...]] = {
    "query": (
        "attention.self.query",
        "attention.q_lin",
        "attention.query",
        "attention.self.query_proj",
        "attention.attn.q",
    ),
    "key": (
        "attention.self.key",
        "attention.k_lin",
        "attention.key",
        "attention.self.key_proj",
        "attention.attn.k",
    ),
    "value": (
        "attention.self.value",
        "attention.v_lin",
        "attention.value",
        "attention.self.value_proj",
        "attention.attn.v",
    ),
    "query_key_value": ("attention.self.in_proj", "attn.Wqkv"),
    "attention_output": (
        "attention.output.dense",
        "attention.out_lin",
        "attention.dense",
        "attention.attn.o",
        "attn.Wo",
    ),
    "attention_norm": (
        "attention.output.LayerNorm",
        "sa_layer_norm",
        "attention.LayerNorm",
        "attn_norm",
    ),
    "intermediate": ("intermediate.dense", "ffn.lin1", "ffn", "mlp.Wi"),
    "output": ("output.dense", "ffn.lin2", "ffn_output", "mlp.Wo"),
    "output_norm": (
        "output.LayerNorm",
        "output_layer_norm",
        "full_layer_layer_norm",
        "mlp_norm",
    ),
}
# Roles that each layer must have; the others depend on the family.
_NEEDED: tuple[Role, ...] = ("attention_output", "intermediate", "output")


@dataclass(frozen=True)
class EncoderLayer:
    """The names of one layer's modules, by role."""

    name: str  # of the layer itself, within the model
    # Names within the model. A fused projection of query, key and value (ModernBERT, DeBERTa) has
    # the role "query_key_value".
    parts: dict[Role, str]


def encoder_layers(model: Backbone) -> tuple[EncoderLayer, ...]:
    """Find the encoder's layers, the lowest first; layers that share weights (ALBERT) are one."""
    names = {id(module): name for name, module in model.named_modules()}
    layers = []
    for layer in _layer_modules(model.base_model):
        found = {role: _find(layer, role) for role in get_args(Role)}
        parts = {role: names[id(module)] for role, module in found.items() if module is not None}
        if any(role not in parts for role in _NEEDED):
            break
        layers.append(EncoderLayer(names[id(layer)], parts))
    if not layers:
        raise TuningError(
            f"the layers of {type(model).__name__} are not known: known are BERT, RoBERTa, XLM-R, "
            "CamemBERT, DistilBERT, ALBERT, ELECTRA, DeBERTa, ModernBERT, MPNet; for this model "
            "use tuning='full', 'bitfit', 'norm' or 'head'"
        )
    return tuple(layers)


def weight_of(model: nn.Module, name: str) -> Tensor:
    """Return the weight of a linear module [outputs, inputs]."""
    weight: Tensor = model.get_submodule(name).get_parameter("weight")
    return weight


def embedding_width(model: Backbone) -> int:
    """Return the width of the word embeddings, which may be less than that of the states."""
    if model.config.is_encoder_decoder:
        raise TuningError(
            f"vectors cannot take the place of tokens in {type(model).__name__}, which reads them "
            "twice, in its encoder and its decoder; use tuning='full', 'bitfit', 'norm' or 'head'"
        )
    table: Tensor = model.get_input_embeddings().get_parameter("weight")
    return int(table.shape[1])


def position_limit(model: Backbone) -> int | None:
    """Return the most tokens that positions allow, if they are numbered."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if positions is None or positions <= 0:
        return None
    embeddings = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    offset = getattr(embeddings, "padding_idx", None)  # RoBERTa's start after the padding index
    return int(positions if offset is None else positions - offset - 1)


def check_max_length(max_length: int, longest: int) -> None:
    """Raise ModelError for what is not a number of tokens that the model takes."""
    if not is_whole(max_length, 1) or max_length > longest:
        raise ModelError(f"max_length is from 1 to {longest} for this model, got {max_length!r}")


def default_batch_tokens(device: torch.device) -> int:
    """Return the tokens that fill a batch: on a CPU every thread has one of its own."""
    return 1024 if device.type == "cpu" else 16384


def head_names(model: Backbone) -> set[str]:
    """Return the names of the MLM head's parameters, but its matrix of word embeddings."""
    encoder = {id(parameter) for parameter in model.base_model.parameters()}
    table = id(model.get_output_embeddings().get_parameter("weight"))
    return {
        name
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if id(parameter) not in encoder | {table}
    }


def is_table(name: str) -> bool:
    """Return whether a parameter of this name is a table of embeddings."""
    return name.endswith("embeddings.weight")


def norm_names(model: nn.Module) -> set[str]:
    """Return the names of all parameters of norms: of embeddings, layers and MLM head."""
    return {
        f"{name}.{own}"
        for name, module in model.named_modules()
        if is_norm(module)
        for own, _ in module.named_parameters(recurse=False)
    }


def is_norm(module: nn.Module) -> bool:
    """Return whether a module is a layer norm, of torch or of a model's own."""
    return type(module).__name__.endswith(("LayerNorm", "RMSNorm"))


def _layer_modules(encoder: nn.Module) -> Iterator[nn.Module]:
    known = dict(encoder.named_modules())
    for name in _LISTS:
        for layer in known.get(name, nn.ModuleList()).children():
            # A group of ALBERT's holds one layer or more.
            yield from getattr(layer, "albert_layers", [layer])


def _find(layer: nn.Module, role: Role) -> nn.Module | None:
    known = dict(layer.named_modules())
    for name in _NAMES[role]:
        module = known.get(name)
        if isinstance(module, nn.Linear) or (module is not None and is_norm(module)):
            return module
    return None
