"""Models with adapters of the peft library whose weights do something."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import peft
import torch

LORA = {"r": 4, "lora_alpha": 12, "target_modules": ["query", "value"]}


def wrapped(model: Any, config: Any = None) -> Any:
    """Wrap a copy of a model, and move what peft trains away from its initial values."""
    with torch.random.fork_rng(devices=[]):
        found = peft.get_peft_model(
            copy.deepcopy(model), peft.LoraConfig(**LORA) if config is None else config
        )
    return moved(found)


def moved(model: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def saved(folder: Path, model: Any, config: Any = None) -> Path:
    wrapped(model, config).save_pretrained(folder)
    return folder


def logits(model: Any, length: int = 9) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.arange(5, 5 + length)[None]).logits
