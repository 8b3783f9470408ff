"""An encoder with a linear head on pooled states of whole texts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import Prompts, text_prompts
from fewshot.training.history import Epoch
from fewshot.training.loop import Batch, Learner, TrainSettings, check_trained, train

Pooling: TypeAlias = Literal["mean", "first"]

_DROPOUT = 0.1  # Devlin et al. (2019), appendix A.2
_HEAD_SPREAD = 0.02  # of a new layer's weights, as BERT's initializer_range


@dataclass(frozen=True)
class SequenceModel:
    """An encoder and a linear head on one pooled state of a text."""

    lm: MaskedLM
    pooling: Pooling  # the mean of all states, or the first after the dense layer of the MLM head
    max_length: int
    coef: npt.NDArray[np.float32]  # [hidden, n_classes]
    intercept: npt.NDArray[np.float32]

    @classmethod
    def untrained(
        cls,
        lm: MaskedLM,
        pooling: Pooling,
        max_length: int,
        n_classes: int,
        rng: np.random.Generator,
    ) -> SequenceModel:
        """Return a model with a new head: small random weights."""
        width = lm.model.config.hidden_size
        coef = rng.normal(0.0, _HEAD_SPREAD, (width, n_classes)).astype(np.float32)
        return cls(lm, pooling, max_length, coef, np.zeros(n_classes, dtype=np.float32))

    def tokenize(self, examples: Examples) -> Prompts:
        """Tokenize examples; two fields make a pair, any more are joined to the second."""
        return text_prompts(self.lm.tokenizer, examples, self.max_length)

    def scores(self, prompts: Prompts) -> npt.NDArray[np.float64]:
        """Score classes, [n, n_classes]; rounded to float32: a row depends on no other."""
        states = self.lm.states(prompts)
        pooled = states.mean if self.pooling == "mean" else states.mask[:, 0]
        scores = pooled.astype(np.float64) @ self.coef.astype(np.float64) + self.intercept
        return scores.astype(np.float32).astype(np.float64)

    def tuned(
        self,
        prompts: Prompts,
        targets: npt.NDArray[np.float64],
        sample_weight: npt.NDArray[np.float64],
        settings: TrainSettings,
        rng: np.random.Generator,
        *,
        valid: Batch | None,  # examples that are held out
        show_progress: bool,
    ) -> tuple[SequenceModel, list[Epoch]]:
        """Tune a copy of the encoder together with the head."""
        lm = self.lm.copy(self._is_tuned)
        width, n_classes = self.coef.shape
        head = nn.utils.skip_init(
            nn.Linear, width, n_classes, device=lm.device, dtype=torch.float32
        )
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(self.coef.T))
            head.bias.copy_(torch.from_numpy(self.intercept))
        learner = _learner(lm, head, self.pooling, prompts)
        history = train(
            learner,
            targets,
            sample_weight,
            settings,
            rng,
            valid=valid,
            show_progress=show_progress,
        )
        lm.freeze()
        weight, bias = head.weight.detach().cpu(), head.bias.detach().cpu()
        model = replace(self, lm=lm, coef=weight.T.numpy().copy(), intercept=bias.numpy().copy())
        check_trained(model.scores(prompts), settings.learning_rate)
        return model, history

    def _is_tuned(self, name: str) -> bool:
        """Return whether a parameter is tuned: all of the encoder, the MLM head only where used."""
        return self.pooling == "first" or name.startswith(f"{self.lm.model.base_model_prefix}.")


def _learner(lm: MaskedLM, head: nn.Linear, pooling: Pooling, prompts: Prompts) -> Learner:
    dropout = nn.Dropout(_DROPOUT)

    def scores(batch: Batch) -> Tensor:
        mask, mean = lm.forward(prompts.take(batch))
        pooled = mean if pooling == "mean" else mask[:, 0]  # [n, hidden]
        logits: Tensor = head(dropout(pooled.float()))
        return logits.cpu()

    def set_training(mode: bool) -> None:
        lm.train(mode)
        dropout.train(mode)

    parameters: dict[str, Any] = dict(lm.tuned_parameters())
    parameters |= {f"head.{name}": p for name, p in head.named_parameters()}
    return Learner(scores, parameters, set_training, prompts.lengths)
