"""Continued pre-training: masked language modeling on lines of text, one epoch per round."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from torch import Tensor

from fewshot.data.settings import (
    check_settings,
    is_positive,
    not_negative,
    one_of,
    positive,
    proportion,
    whole,
)
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.reproducible import limited_threads, torch_seed
from fewshot.models.token_masking import TokenMasking, masked_loss
from fewshot.prompting.shortening import Ids
from fewshot.training.history import Epoch
from fewshot.training.loop import Optimizer, TrainSettings, in_batches
from fewshot.training.rounds import Rounds

_BETAS, _EPSILON = (0.9, 0.98), 1e-6  # of Adam; Shi and Lipani (2023), as in RoBERTa
_BATCHES_SORTED = 50
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # a step without a hidden token is none of Adam's
_HISTORY = ("epoch", "loss", "learning_rate", "tokens", "seconds")


@dataclass(eq=False, repr=False)
class Pretraining(BaseEstimator):
    """Settings of masked language modelling on texts of a task.

    Parameters
    ----------
    learning_rate : float, default=1e-4
    num_epochs : int, default=5
        Passes over the lines; 100 in the paper. 0 leaves the model as it is.
    batch_size : int, default=16
        Lines of a step; 128 in the paper, for longer training.
    mask_probability : float, default=0.15
        Share of the tokens that are hidden.
    embeddings : {"frozen", "tuned"}, default="frozen"
        Whether the embeddings of tokens, to which the decoder is tied, are trained too.
    weight_decay : float, default=0.01
        Of matrices; biases and norms are not decayed.
    warmup_ratio : float, default=0.06
        Share of the steps in which the learning rate rises; it falls linearly afterwards.

    See Also
    --------
    PCPClassifier : Takes these settings as ``pretraining``.

    References
    ----------
    Gururangan et al. (2020), Don't Stop Pretraining. Shi and Lipani (2023), Don't Stop
    Pretraining? Make Prompt-based Fine-tuning Powerful Learner.

    Examples
    --------
    >>> from fewshot import PCPClassifier, Pretraining
    >>> PCPClassifier(pretraining=Pretraining(num_epochs=100, batch_size=128))
    PCPClassifier(pretraining=Pretraining(batch_size=128, num_epochs=100))
    """

    learning_rate: float = 1e-4
    num_epochs: int = 5
    _: KW_ONLY
    batch_size: int = 16
    mask_probability: float = 0.15
    embeddings: Literal["frozen", "tuned"] = "frozen"
    weight_decay: float = 0.01
    warmup_ratio: float = 0.06

    def check(self) -> None:
        """Raise an InputError at a setting that is out of range."""
        limits = {
            "learning_rate": positive(self.learning_rate),
            "num_epochs": whole(self.num_epochs, 0),
            "batch_size": whole(self.batch_size),
            "mask_probability": (
                is_positive(self.mask_probability) and self.mask_probability <= 1,
                "above 0 and up to 1",
            ),
            "embeddings": one_of(self.embeddings, ("frozen", "tuned")),
            "weight_decay": not_negative(self.weight_decay),
            "warmup_ratio": proportion(self.warmup_ratio),
        }
        check_settings(self, limits, is_part=True)


def pretrain(
    lm: MaskedLM, lines: list[Ids], pretraining: Pretraining, seed: int, rounds: Rounds
) -> tuple[MaskedLM, list[Epoch]]:
    """Train a copy of a model on lines, one epoch per round; return it frozen, with its history."""
    is_frozen = pretraining.embeddings == "frozen"
    own = lm.copy(lambda name: not (is_frozen and name.endswith("embeddings.weight")))
    run = PretrainingRun(own, lines, pretraining, seed)
    rounds.run_chain("epoch", pretraining.num_epochs, run.epoch, run.state, run.restore)
    own.freeze()
    return own, run.history


class PretrainingRun:
    """A training run that can be interrupted and resumed."""

    def __init__(self, lm: MaskedLM, lines: list[Ids], pretraining: Pretraining, seed: int) -> None:
        self.lm, self.lines, self.seed = lm, lines, seed
        self.settings = TrainSettings(
            pretraining.learning_rate,
            pretraining.num_epochs,
            pretraining.batch_size,
            pretraining.weight_decay,
            pretraining.warmup_ratio,
        )
        self.masking = TokenMasking.of(lm.tokenizer, pretraining.mask_probability)
        self.lengths = np.array([len(ids) for ids in lines], dtype=np.int64)
        self.history: list[Epoch] = []
        self.parameters = lm.tuned_parameters()
        self.optimizer = Optimizer(
            self.parameters,
            self.settings,
            self.settings.steps(len(lines)),
            rate_name="learning_rate of Pretraining",
            betas=_BETAS,
            eps=_EPSILON,
        )

    def epoch(self, number: int) -> None:
        """Train for an epoch."""
        started = time.perf_counter()
        rng = np.random.default_rng([self.seed, number])
        batch_tokens = self.settings.batch_size * int(self.lengths.mean())
        losses = []
        self.lm.train()
        with torch_seed(rng), limited_threads(batch_tokens):
            for batch in even_batches(self.lengths, self.settings.batch_size, rng):
                losses.append(self._update(batch, rng))
        self.lm.train(mode=False)
        self.history.append(
            Epoch(
                epoch=number,
                loss=float(np.mean(losses)),
                learning_rate=self.optimizer.learning_rate,
                tokens=int(self.lengths.sum()),
                seconds=time.perf_counter() - started,
            )
        )

    def _update(self, batch: npt.NDArray[np.int64], rng: np.random.Generator) -> float:
        hidden = self.masking.hide([self.lines[row] for row in batch], rng)
        return self.optimizer.step(masked_loss(self.lm, hidden), is_idle=not len(hidden.originals))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return weights, moments of the optimizer, the step and the history as arrays."""
        arrays = {"step": np.array(self.optimizer.n_done), "history": _as_array(self.history)}
        for name, parameter in self.parameters.items():
            arrays[f"weight {name}"] = _array(parameter)
            for moment in _MOMENTS:
                if parameter in self.optimizer.adam.state:
                    arrays[f"{moment} {name}"] = _array(
                        self.optimizer.adam.state[parameter][moment]
                    )
        return arrays

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Go back to a state."""
        self.optimizer.n_done = int(arrays["step"])
        self.history = _as_history(arrays["history"])
        for name, parameter in self.parameters.items():
            parameter.data.copy_(torch.from_numpy(arrays[f"weight {name}"]))
            if f"step {name}" in arrays:
                saved = {m: torch.from_numpy(arrays[f"{m} {name}"]) for m in _MOMENTS}
                device = parameter.device
                self.optimizer.adam.state[parameter] = {
                    m: tensor.to(device) if tensor.ndim else tensor for m, tensor in saved.items()
                }


def even_batches(
    lengths: npt.NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield all rows in batches of similar length, so that little is padding."""
    # The order is random but for the grouping within every fifty batches.
    order = rng.permutation(len(lengths))
    batches: list[npt.NDArray[np.int64]] = []
    for rows in in_batches(order, _BATCHES_SORTED * batch_size):
        batches += in_batches(rows[np.argsort(lengths[rows], kind="stable")], batch_size)
    for number in rng.permutation(len(batches)):
        yield batches[number]


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = tensor.detach().cpu().numpy().copy()
    return array


def _as_array(history: list[Epoch]) -> npt.NDArray[np.float64]:
    rows = [[float(row[key]) for key in _HISTORY] for row in history]  # type: ignore[literal-required]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(_HISTORY))


def _as_history(array: npt.NDArray[Any]) -> list[Epoch]:
    return [
        Epoch(epoch=int(epoch), loss=loss, learning_rate=rate, tokens=int(tokens), seconds=seconds)
        for epoch, loss, rate, tokens, seconds in array.tolist()
    ]
