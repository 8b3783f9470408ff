"""Initial values of virtual tokens, [length, width]."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import Prompts
from fewshot.prompting.tokens import encode, ordinary_tokens
from fewshot.tuning.soft_prompts.bayes_prompt import domain_particles, prompt_from_particles
from fewshot.tuning.soft_tokens import SoftTokens, soft_tokens_of
from fewshot.tuning.task import TuningTask

Initial: TypeAlias = Literal["words", "vocabulary", "random", "bayes", "mlm"]


def word_values(lm: MaskedLM, words: object, length: int) -> Tensor:
    """Return the embeddings of words, repeated or cut to a length."""
    known: list[int] = []
    if isinstance(words, str):  # a setting of a strategy, which nothing has checked before
        tokens = encode(lm.tokenizer, [words])[0]
        known = [token for token in tokens if token != lm.tokenizer.unk_token_id]
    if not known:
        raise TuningError(
            f"a prompt starts as words that {type(lm.tokenizer).__name__} knows, such as "
            f"words='Classify this text:', got {words!r}"
        )
    return _embeddings(lm)[[known[i % len(known)] for i in range(length)]]


def vocabulary_values(lm: MaskedLM, length: int, rng: np.random.Generator) -> Tensor:
    """Return the embeddings of words drawn from the vocabulary (Lester et al., 2021)."""
    ids = rng.choice(ordinary_tokens(lm.tokenizer), length)
    return _embeddings(lm)[ids.tolist()]


def random_values(lm: MaskedLM, length: int, rng: np.random.Generator) -> Tensor:
    """Draw vectors from a normal distribution with mean and spread of the word embeddings."""
    weight = _embeddings(lm)
    noise = torch.from_numpy(rng.normal(size=(length, weight.shape[1]))).to(weight)
    return weight.mean(0) + weight.std(0) * noise


def bayes_values(lm: MaskedLM, task: TuningTask, length: int) -> Tensor:
    """Draw vectors from the distribution of the texts; unlabelled ones help to estimate it."""
    # The labelled texts are the particles, all texts the domain. Li et al. (2024), BayesPrompt:
    # Prompting Large-Scale Pre-Trained Language Models on Few-shot Inference via Debiased Domain
    # Abstraction.
    weight = _embeddings(lm)
    features = _features(lm, task.views[min(task.views)])
    few = features[task.sample_weight > 0]
    particles = domain_particles(few, features, task.targets.shape[1], task.rng)
    norm = float(weight.norm(dim=1).mean())
    drawn = prompt_from_particles(particles, length, task.targets.shape[1], norm, task.rng)
    return torch.from_numpy(drawn).to(weight)


def warm_values(lm: MaskedLM, other: MaskedLM, kind: type[SoftTokens] = SoftTokens) -> Tensor:
    """Return the virtual tokens, of a kind, of another model tuned on the same backbone."""
    found = next((part for part in soft_tokens_of(other.added) if isinstance(part, kind)), None)
    if found is None:
        raise TuningError(
            f"{other!r} has no virtual tokens to start from; give the model_ of a classifier that "
            "was fitted with tuning='prompt', 'dept' or 'ept', or with virtual tokens in its "
            "template"
        )
    ours, theirs = _embeddings(lm), _embeddings(other)
    if ours.shape != theirs.shape or not torch.equal(ours, theirs.to(ours)):
        raise TuningError(
            f"the prompt to start from was tuned for {other!r}, with word embeddings of shape "
            f"{tuple(theirs.shape)}, which are not those of {lm!r} {tuple(ours.shape)}: it means "
            "nothing there; tune it on the same model"
        )
    return found.vectors.detach().clone()


def _features(lm: MaskedLM, prompts: Prompts) -> npt.NDArray[np.float64]:
    """Return the mean word embedding of each example's prompts, without special tokens."""
    weight = _embeddings(lm).double().cpu().numpy()
    special = np.array(lm.tokenizer.all_special_ids)
    ordinary = [ids[~np.isin(ids, special)] for ids in prompts.ids]
    # An empty text in a template without words leaves nothing but special tokens.
    means = [
        weight[some if len(some) else ids].mean(0)
        for some, ids in zip(ordinary, prompts.ids, strict=True)
    ]
    counts = np.bincount(prompts.examples, minlength=prompts.n_examples)
    total = np.zeros((prompts.n_examples, weight.shape[1]))
    np.add.at(total, prompts.examples, np.stack(means))
    features: npt.NDArray[np.float64] = total / counts[:, None]
    return features


def _embeddings(lm: MaskedLM) -> Tensor:
    weight: Tensor = lm.model.get_input_embeddings().weight
    return weight.detach()
