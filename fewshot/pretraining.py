"""Masked language modelling: hiding tokens, the loss over the vocabulary, and training with it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from fewshot.errors import InputError, TuningError
from fewshot.fine_tuning import TrainSettings, parameter_groups
from fewshot.history import Epoch
from fewshot.masked_lm import MaskedLM
from fewshot.prompts import Prompts, Tokenizer
from fewshot.rounds import Rounds
from fewshot.seeding import torch_seed
from fewshot.threads import limited_threads

__all__ = ["Corpus", "Hidden", "Pretraining", "TokenMasking", "masked_loss", "pretrain"]

# Devlin et al. (2019), section 3.1: of the chosen tokens.
_SHARE_MASKED, _SHARE_RANDOM = 0.8, 0.1
_BETAS, _EPSILON = (0.9, 0.98), 1e-6  # of Adam; Shi and Lipani (2023), as in RoBERTa
_BATCHES_SORTED = 50
_MOMENTS = ("exp_avg", "exp_avg_sq")
_HISTORY = ("epoch", "loss", "learning_rate", "tokens", "seconds")

Ids = npt.NDArray[np.int32]


class Hidden(NamedTuple):
    """Prompts of which some tokens are hidden.

    Parameters
    ----------
    ids : list of ndarray
        The token ids with some replaced.
    rows, positions : ndarray of shape (n_targets,)
        Where the tokens stand that are to be found.
    originals : ndarray of shape (n_targets,)
        What stood there.
    """

    ids: list[Ids]
    rows: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    originals: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Lines to train on.

    Parameters
    ----------
    ids : list of ndarray
        Token ids of each line, special tokens included.
    always : list of ndarray of int
        Positions in each line that are hidden in any case; often none.
    """

    ids: list[Ids]
    always: list[npt.NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.ids)


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
    warmup_ratio : float, default=0.06
        Share of the steps in which the learning rate rises; it falls linearly afterwards.

    References
    ----------
    Gururangan et al. (2020), Don't Stop Pretraining. Shi and Lipani (2023), Don't Stop
    Pretraining? Make Prompt-based Fine-tuning Powerful Learner.

    Examples
    --------
    >>> from fewshot.pretraining import Pretraining
    >>> Pretraining(num_epochs=100, batch_size=128)
    Pretraining(batch_size=128, num_epochs=100)
    """

    def __init__(
        self,
        learning_rate: float = 1e-4,
        num_epochs: int = 5,
        *,
        batch_size: int = 16,
        mask_probability: float = 0.15,
        embeddings: Literal["frozen", "tuned"] = "frozen",
        weight_decay: float = 0.01,
        warmup_ratio: float = 0.06,
    ) -> None:
        self.learning_rate = learning_rate
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.mask_probability = mask_probability
        self.embeddings = embeddings
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio

    def check(self) -> None:
        """Check all settings.

        Raises
        ------
        InputError
            If one is out of range.
        """
        whole = "a whole number, at least"
        limits = {
            "learning_rate": (_is_number(self.learning_rate, 0.0), "positive"),
            "num_epochs": (_is_count(self.num_epochs, 0), f"{whole} 0"),
            "batch_size": (_is_count(self.batch_size, 1), f"{whole} 1"),
            "mask_probability": (
                _is_number(self.mask_probability, 0.0) and self.mask_probability <= 1,
                "above 0 and up to 1",
            ),
            "embeddings": (self.embeddings in ("frozen", "tuned"), "'frozen' or 'tuned'"),
            "weight_decay": (
                self.weight_decay == 0 or _is_number(self.weight_decay, 0.0),
                "0 or more",
            ),
            "warmup_ratio": (
                self.warmup_ratio == 0
                or (_is_number(self.warmup_ratio, 0.0) and self.warmup_ratio <= 1),
                "from 0 to 1",
            ),
        }
        for name, (is_good, expected) in limits.items():
            if not is_good:
                raise InputError(
                    f"{name} of Pretraining is {expected}, got {getattr(self, name)!r}"
                )

    def is_tuned(self, name: str) -> bool:
        """Tell by its name whether a parameter is trained: all but, by default, the embeddings."""
        return self.embeddings == "tuned" or not name.endswith("embeddings.weight")

    def steps(self, n_lines: int) -> int:
        """Return the number of optimiser steps for so many lines."""
        return self._settings().steps(n_lines)

    def _settings(self) -> TrainSettings:
        return TrainSettings(
            self.learning_rate,
            self.num_epochs,
            self.batch_size,
            self.weight_decay,
            self.warmup_ratio,
        )


def pretrain(
    lm: MaskedLM, corpus: Corpus, pretraining: Pretraining, seed: int, rounds: Rounds
) -> tuple[MaskedLM, list[Epoch]]:
    """Train a copy of a model on lines, an epoch a round.

    Parameters
    ----------
    lm : MaskedLM
    corpus : Corpus
    pretraining : Pretraining
    seed : int
        Each epoch has random numbers of its own, so that training can go on where it stopped.
    rounds : Rounds

    Returns
    -------
    lm : MaskedLM
        With weights of its own, frozen.
    history : list of Epoch
    """
    own = lm.copy(pretraining.is_tuned)
    run = _Run(own, corpus, pretraining, seed)
    rounds.run_chain("epoch", pretraining.num_epochs, run.epoch, run.state, run.restore)
    own.freeze()
    return own, run.history


@dataclass(frozen=True)
class TokenMasking:
    """How tokens are hidden, drawn anew at each use.

    Of the tokens that are no special ones a share is chosen; of these, 80 % become the mask
    token, 10 % a random one, and 10 % stay.

    Parameters
    ----------
    mask_id : int
    special_ids : ndarray of int
        Tokens that are never chosen, and never put in place of others.
    n_tokens : int
        Size of the vocabulary.
    probability : float
        The share.
    """

    mask_id: int
    special_ids: npt.NDArray[np.int64]
    n_tokens: int
    probability: float = 0.15

    @classmethod
    def of(cls, tokenizer: Tokenizer, probability: float = 0.15) -> TokenMasking:
        """Return the masking for a tokenizer."""
        special = np.array(sorted(tokenizer.all_special_ids), dtype=np.int64)
        return cls(int(tokenizer.mask_token_id), special, len(tokenizer), probability)

    def hide(
        self,
        ids: Sequence[Ids],
        rng: np.random.Generator,
        always: Sequence[npt.NDArray[np.int64]] | None = None,
    ) -> Hidden:
        """Choose tokens and replace them.

        Parameters
        ----------
        ids : sequence of ndarray
        rng : numpy.random.Generator
        always : sequence of ndarray of int, optional
            Positions in each row that are chosen in any case.

        Returns
        -------
        Hidden
        """
        lengths = np.array([len(row) for row in ids])
        flat = np.concatenate(list(ids)).astype(np.int64)
        starts = np.cumsum(lengths) - lengths
        is_chosen = (rng.random(len(flat)) < self.probability) & ~np.isin(flat, self.special_ids)
        if always is not None:
            for start, positions in zip(starts, always, strict=True):
                is_chosen[start + positions] = True
        chosen = np.flatnonzero(is_chosen)
        originals = flat[chosen]
        fate = rng.random(len(chosen))
        others = np.setdiff1d(np.arange(self.n_tokens), self.special_ids)
        random = others[rng.integers(0, len(others), len(chosen))]
        is_random = (fate >= _SHARE_MASKED) & (fate < _SHARE_MASKED + _SHARE_RANDOM)
        flat[chosen] = np.where(
            fate < _SHARE_MASKED, self.mask_id, np.where(is_random, random, originals)
        )
        rows = np.repeat(np.arange(len(ids)), lengths)[chosen]
        hidden = np.split(flat.astype(np.int32), starts[1:])
        return Hidden(hidden, rows, chosen - starts[rows], originals)


def masked_loss(lm: MaskedLM, hidden: Hidden) -> Tensor:
    """Return the mean cross-entropy over the vocabulary, at the chosen positions only.

    Parameters
    ----------
    lm : MaskedLM
    hidden : Hidden

    Returns
    -------
    Tensor of shape ()
        0 if no token was chosen.
    """
    if not len(hidden.originals):
        return torch.zeros((), device=lm.device)
    n = len(hidden.ids)
    prompts = Prompts(hidden.ids, np.zeros((n, 1), dtype=np.int64), np.arange(n), n, 0)
    logits = lm.logits_at(prompts, hidden.rows, hidden.positions)  # [n_targets, vocabulary]
    originals = torch.from_numpy(hidden.originals).to(logits.device)
    return nn.functional.cross_entropy(logits, originals)


class _Run:
    """Optimiser, schedule and step count of one training run, which can be stopped and go on."""

    def __init__(self, lm: MaskedLM, corpus: Corpus, pretraining: Pretraining, seed: int) -> None:
        self.lm, self.corpus, self.seed = lm, corpus, seed
        self.settings = pretraining._settings()
        self.masking = TokenMasking.of(lm.tokenizer, pretraining.mask_probability)
        self.lengths = np.array([len(ids) for ids in corpus.ids], dtype=np.int64)
        self.n_steps = self.settings.steps(len(corpus))
        self.step = 0
        self.history: list[Epoch] = []
        self.parameters = lm.tuned_parameters()
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.parameters, self.settings), betas=_BETAS, eps=_EPSILON
        )

    def epoch(self, number: int) -> None:
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
                learning_rate=float(self.optimizer.param_groups[0]["lr"]),
                tokens=int(self.lengths.sum()),
                seconds=time.perf_counter() - started,
            )
        )

    def _update(self, batch: npt.NDArray[np.int64], rng: np.random.Generator) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate * self.settings.rate(self.step, self.n_steps)
        hidden = self.masking.hide(
            [self.corpus.ids[row] for row in batch], rng, [self.corpus.always[row] for row in batch]
        )
        loss = masked_loss(self.lm, hidden)
        if not bool(loss.isfinite()):
            raise TuningError(
                f"the loss is {loss.item()} at step {self.step + 1} of {self.n_steps}: it has "
                f"diverged; lower learning_rate={self.settings.learning_rate} of Pretraining"
            )
        if len(hidden.originals):
            loss.backward()
            nn.utils.clip_grad_norm_(self.parameters.values(), self.settings.max_grad_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
        self.step += 1
        return float(loss.detach())

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return weights, moments of the optimiser, the step and the history as arrays."""
        arrays = {"step": np.array(self.step), "history": _as_array(self.history)}
        for name, parameter in self.parameters.items():
            arrays[f"weight {name}"] = _array(parameter)
            for moment in _MOMENTS:
                if parameter in self.optimizer.state:
                    arrays[f"{moment} {name}"] = _array(self.optimizer.state[parameter][moment])
        return arrays

    def restore(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Go back to a state."""
        self.step = int(arrays["step"])
        self.history = _as_history(arrays["history"])
        for name, parameter in self.parameters.items():
            parameter.data.copy_(torch.from_numpy(arrays[f"weight {name}"]))
            moments: dict[str, Any] = {"step": torch.tensor(float(self.step))}
            for moment in _MOMENTS:
                if f"{moment} {name}" in arrays:
                    saved = torch.from_numpy(arrays[f"{moment} {name}"])
                    moments[moment] = saved.to(parameter.device)
            if len(moments) > 1:
                self.optimizer.state[parameter] = moments


def even_batches(
    lengths: npt.NDArray[np.int64], batch_size: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Shuffle rows into batches of similar length, so that little is padding.

    Parameters
    ----------
    lengths : ndarray of shape (n,)
    batch_size : int
    rng : numpy.random.Generator

    Yields
    ------
    batch : ndarray of int
        Row numbers; all batches together hold each row once, in random order but for the
        grouping within every fifty batches.
    """
    order = rng.permutation(len(lengths))
    chunk = _BATCHES_SORTED * batch_size
    batches = []
    for start in range(0, len(order), chunk):
        rows = order[start : start + chunk]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
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
        Epoch(
            epoch=int(epoch),
            loss=float(loss),
            learning_rate=float(rate),
            tokens=int(tokens),
            seconds=float(seconds),
        )
        for epoch, loss, rate, tokens, seconds in array
    ]


def _is_number(value: Any, above: float) -> bool:
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and above < float(value) < np.inf


def _is_count(value: Any, least: int) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least
