"""Tuning strategies: how a prompt classifier adapts to labelled examples."""

from __future__ import annotations

from difflib import get_close_matches

from fewshot.errors import TuningError
from fewshot.tuning.adapter import Adapter
from fewshot.tuning.adversarial import FGM, SMART
from fewshot.tuning.consistency import TemplateConsistency
from fewshot.tuning.dept import DePT
from fewshot.tuning.ept import EPT
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.head import Head
from fewshot.tuning.lora import LoRA, merge
from fewshot.tuning.prompt import SoftPrompt
from fewshot.tuning.strategy import NoTuning, Tuning
from fewshot.tuning.subsets import BitFit, Full
from fewshot.tuning.training import Training

__all__ = [
    "EPT",
    "FGM",
    "SMART",
    "Adapter",
    "BitFit",
    "DePT",
    "Full",
    "GradientTuning",
    "Head",
    "LoRA",
    "NoTuning",
    "SoftPrompt",
    "TemplateConsistency",
    "Training",
    "Tuning",
    "merge",
    "resolve_tuning",
]

_BY_NAME: dict[str, type[Tuning]] = {
    "none": NoTuning,
    "head": Head,
    "bitfit": BitFit,
    "full": Full,
    "adapter": Adapter,
    "lora": LoRA,
    "prompt": SoftPrompt,
    "dept": DePT,
    "ept": EPT,
}


def resolve_tuning(tuning: str | Tuning) -> Tuning:
    """Return a strategy by its name, with the default settings, or as it is.

    Parameters
    ----------
    tuning : str or Tuning
        ``"none"``, ``"head"``, ``"bitfit"``, ``"full"``, or an object.

    Returns
    -------
    Tuning

    Raises
    ------
    TuningError
        If there is no such strategy; the nearest name is suggested.

    Examples
    --------
    >>> resolve_tuning("bitfit")
    BitFit()
    """
    if isinstance(tuning, Tuning):
        return tuning
    if isinstance(tuning, str) and tuning in _BY_NAME:
        return _BY_NAME[tuning]()
    near = get_close_matches(str(tuning), _BY_NAME, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise TuningError(
        f"tuning is one of {list(_BY_NAME)} or a strategy such as Full(learning_rate=1e-5), "
        f"got {tuning!r}{hint}"
    )
