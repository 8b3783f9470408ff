"""Class vectors and prototypes in place of label words, while the model is tuned."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from fewshot.data.examples import Examples
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.prototypes import LabelEmbeddings, prototypes_of
from fewshot.scoring.scorer import PromptScorer, Views
from fewshot.tuning.task import TuningTask

_NAME = "label_words.vectors"
_RATE = 10.0  # times the learning rate, as OpenPrompt's soft verbalizer: 3e-4 against 3e-5


def with_class_vectors(task: TuningTask) -> TuningTask:
    """Return the task with parameters in place of class vectors that are to be tuned, if any."""
    words = task.scorer.words
    if not isinstance(words, LabelWords) or not words.is_tuned or words.vectors is None:
        return task
    vectors = nn.Parameter(words.vectors.to(task.scorer.lm.device, copy=True))
    return replace(task, scorer=replace(task.scorer, words=replace(words, vectors=vectors)))


def tuned_parameters(scorer: PromptScorer) -> dict[str, nn.Parameter]:
    """Return the parameters of a scorer that take gradients: the model's, and class vectors."""
    return scorer.lm.tuned_parameters() | _vectors(scorer)


def vector_rate(scorer: PromptScorer) -> dict[str, float]:
    """Return the factor of the learning rate of class vectors, if they are tuned."""
    return dict.fromkeys(_vectors(scorer), _RATE)


def with_trained_classes(task: TuningTask) -> TuningTask:
    """Return the task with class vectors as they were trained, or prototypes of trained states."""
    # With plain label words it is the same.
    scorer = task.scorer
    words = scorer.words
    if isinstance(words, LabelEmbeddings) and words.names:
        states = scorer.label_states(scorer.encode(name_views(scorer)), words.states)
        words = replace(words, vectors=states.float())
    elif isinstance(words, LabelEmbeddings):
        states = scorer.states_at_masks(scorer.encode(task.views))
        shares = torch.from_numpy(task.sample_weight[:, None] * task.targets)
        found = prototypes_of(words.classes, states, shares)
        is_first = isinstance(words.vectors, nn.Parameter)  # label embeddings become prototypes
        # States that were pulled to prototypes are too near to them to fit a temperature.
        words = found if is_first else replace(found, temperature=words.temperature)
    elif words.is_tuned and words.vectors is not None:
        words = replace(words, vectors=words.vectors.detach().cpu())
    return replace(task, scorer=replace(scorer, words=words))


def name_views(scorer: PromptScorer) -> Views:
    """Return the prompts of class names: they take the place of the text, in its first field."""
    names = scorer.words.names if isinstance(scorer.words, LabelEmbeddings) else ()
    first, *others = scorer.template.field_names
    blank = {name: [""] * len(names) for name in others}
    return scorer.views(Examples({first: list(names)} | blank))


def _vectors(scorer: PromptScorer) -> dict[str, nn.Parameter]:
    words = scorer.words
    if isinstance(words, LabelWords) and isinstance(words.vectors, nn.Parameter):
        return {_NAME: words.vectors}
    return {}
