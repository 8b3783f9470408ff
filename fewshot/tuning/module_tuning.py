"""The base of strategies that add modules to a frozen model, and the check that these act."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np
import torch

from fewshot.errors import TuningError
from fewshot.models.added_modules import AddedModules
from fewshot.models.reproducible import limited_threads, torch_seed
from fewshot.tuning.gradient import GradientTuning
from fewshot.tuning.task import TuningTask

_PROBE_NOISE = 0.1  # moves what starts as the identity
_PROBE_EXAMPLES = 2


class ModuleTuning(GradientTuning):
    """Strategies that tune new modules beside a frozen model."""

    @abstractmethod
    def new_modules(self, task: TuningTask) -> AddedModules:
        """Build the modules with their initial values; torch's random state is seeded."""

    def tuned_names(self, task: TuningTask) -> set[str]:
        """Return the names of the model's own parameters that are tuned too."""
        return set()

    def prepare(self, task: TuningTask) -> TuningTask:
        """Add the modules to a copy of the model; see :meth:`GradientTuning.prepare`."""
        with torch_seed(task.rng):
            added = self.new_modules(task)
        lm = task.scorer.lm.copy(self.tuned_names(task).__contains__, added)
        own = replace(task, scorer=replace(task.scorer, lm=lm))
        check_acting(own, type(self).__name__)
        return own


def check_acting(task: TuningTask, strategy: str) -> None:
    """Raise an error if the scores do not depend on all that is new: nothing would be learned."""
    lm = task.scorer.lm
    new = {name: p for name, p in lm.tuned_parameters().items() if name.startswith("added.")}
    before = {name: parameter.detach().clone() for name, parameter in new.items()}
    generator = torch.Generator().manual_seed(0)
    rows = np.arange(min(_PROBE_EXAMPLES, len(task.targets)))
    with torch.no_grad():
        for parameter in new.values():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(_PROBE_NOISE * noise.to(parameter.device))
    with limited_threads(0):
        scores = task.scorer.train_scores(task.views, rows)
        gradients = (
            torch.autograd.grad(scores.square().sum(), list(new.values()), allow_unused=True)
            if scores.requires_grad
            else [None] * len(new)
        )
    with torch.no_grad():
        for name, parameter in new.items():
            parameter.copy_(before[name])
    idle = [name for name, gradient in zip(new, gradients, strict=True) if gradient is None]
    is_still = all(gradient is None or not gradient.any() for gradient in gradients)
    if idle or is_still:
        raise TuningError(
            f"{strategy} has no effect on {type(lm.model).__name__}: the scores do not depend on "
            f"{(idle or list(new))[:3]}; use another strategy, such as 'lora', 'adapter' or "
            "'bitfit'"
        )
