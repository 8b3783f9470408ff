"""Codec of torch tensors, and the file that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save_file
from torch import Tensor, nn

from fewshot.saving.codec import Codec, Reader, Writer


def add_tensor(tensor: Tensor, writer: Writer, path: str) -> str:
    """Keep a tensor for the file and return its name in it; tied tensors are one entry."""
    place = (tensor.data_ptr(), tensor.device, tensor.dtype, tensor.shape, tensor.stride())
    identity = place if tensor.numel() else object()  # empty ones have no place
    return writer.add_tensor(tensor.detach(), identity, path)


def write_tensors(tensors: Mapping[str, Tensor], file: Path) -> None:
    """Write tensors of any device to a file of safetensors, which takes no shared memory."""
    storages: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        plain = tensor.cpu().contiguous()
        storage = plain.untyped_storage()
        is_view = storage.data_ptr() in storages or storage.nbytes() != plain.nbytes
        separate[name] = plain.clone() if is_view else plain
        storages.add(storage.data_ptr())
    save_file(separate, file)


def read_tensors(content: bytes) -> dict[str, Tensor]:
    """Read all tensors of a file of safetensors, into memory of their own."""
    # There they lie at any address, and products may differ in their last bits with alignment.
    return {name: tensor.clone() for name, tensor in load(content).items()}


def _is_tensor(value: object) -> bool:
    return (
        type(value) in (Tensor, nn.Parameter)
        and isinstance(value, Tensor)
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_complex() or value.is_meta)
    )


def _decode_tensor(content: Any, reader: Reader) -> Tensor:
    tensor: Tensor = reader.tensors[content]
    return tensor


TENSOR_CODEC = Codec("tensor", str, _is_tensor, add_tensor, _decode_tensor)
