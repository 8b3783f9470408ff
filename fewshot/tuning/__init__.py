"""Tuning strategies: how a prompt classifier adapts to labelled examples."""

from __future__ import annotations

from fewshot.errors import TuningError, did_you_mean
from fewshot.tuning.adapter import Adapter
from fewshot.tuning.contrastive import Contrastive
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.half import Half
from fewshot.tuning.head import Head
from fewshot.tuning.lora import LoRA, merge
from fewshot.tuning.lora_files import export_lora, import_lora
from fewshot.tuning.perfect import Perfect
from fewshot.tuning.regularization.adversarial import FGM, SMART
from fewshot.tuning.regularization.consistency import TemplateConsistency
from fewshot.tuning.soft_prompts.dept import DePT
from fewshot.tuning.soft_prompts.ept import EPT
from fewshot.tuning.soft_prompts.iapt import IAPT
from fewshot.tuning.soft_prompts.prefix import Prefix
from fewshot.tuning.soft_prompts.prompt import SoftPrompt
from fewshot.tuning.strategy import NoTuning, Tuning
from fewshot.tuning.subsets import BitFit, EmbeddingsHead, Full, LastLayers, LayerNorm
from fewshot.tuning.training_settings import Training

__all__ = [
    "EPT",
    "FGM",
    "IAPT",
    "SMART",
    "STRATEGIES",
    "Adapter",
    "BitFit",
    "Contrastive",
    "DePT",
    "EmbeddingsHead",
    "Full",
    "GradientTuning",
    "Half",
    "Head",
    "LastLayers",
    "LayerNorm",
    "LoRA",
    "NoTuning",
    "Perfect",
    "Prefix",
    "SoftPrompt",
    "TemplateConsistency",
    "Training",
    "Tuning",
    "export_lora",
    "import_lora",
    "merge",
    "resolve_tuning",
]

# By their names in `tuning=`.
STRATEGIES: dict[str, type[Tuning]] = {
    "none": NoTuning,
    "head": Head,
    "bitfit": BitFit,
    "norm": LayerNorm,
    "last": LastLayers,
    "embeddings_head": EmbeddingsHead,
    "half": Half,
    "full": Full,
    "contrastive": Contrastive,
    "adapter": Adapter,
    "lora": LoRA,
    "prefix": Prefix,
    "prompt": SoftPrompt,
    "dept": DePT,
    "ept": EPT,
    "iapt": IAPT,
    "perfect": Perfect,
}


def resolve_tuning(tuning: str | Tuning) -> Tuning:
    """Return a strategy by its name, with the default settings, or as it is.

    Parameters
    ----------
    tuning : str or Tuning
        One of the names in :data:`STRATEGIES`, or an object.

    Returns
    -------
    Tuning

    Raises
    ------
    TuningError
        If there is no such strategy; the nearest name is suggested.

    See Also
    --------
    Tuning : The base of strategies.

    Examples
    --------
    >>> resolve_tuning("bitfit")
    BitFit()
    """
    if isinstance(tuning, Tuning):
        return tuning
    if isinstance(tuning, str) and tuning in STRATEGIES:
        return STRATEGIES[tuning]()
    raise TuningError(
        f"tuning is one of {list(STRATEGIES)} or a strategy such as Full(learning_rate=1e-5), "
        f"got {tuning!r}{did_you_mean(tuning, STRATEGIES)}"
    )
