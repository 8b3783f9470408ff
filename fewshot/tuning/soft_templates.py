"""The virtual tokens of a template, tuned along with whatever else a strategy tunes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fewshot.masked_lm import MaskedLM
from fewshot.template import Template
from fewshot.tuning.soft_tokens import TemplateTokens, soft_tokens_of
from fewshot.tuning.task import TuningTask
from fewshot.virtual_tokens import soft_ids

__all__ = ["has_template_tokens", "template_tokens", "with_template_tokens"]


def with_template_tokens(task: TuningTask) -> TuningTask:
    """Return the task with a model that also tunes the virtual tokens of its template.

    Parameters
    ----------
    task : TuningTask
        Prepared by a strategy.

    Returns
    -------
    TuningTask
        The same if the template has no virtual tokens, or the strategy tunes them itself.
    """
    lm, template = task.scorer.lm, task.scorer.template
    tuned = lm.tuned_parameters()
    is_tuned = any(
        part.tokens is parameter
        for part in soft_tokens_of(lm.added)
        if isinstance(part, TemplateTokens)
        for parameter in tuned.values()
    )
    if is_tuned or not template.soft:
        return task
    twin = lm.copy(tuned.__contains__, template_tokens(lm, template))
    return replace(task, scorer=replace(task.scorer, lm=twin))


def template_tokens(lm: MaskedLM, template: Template) -> TemplateTokens:
    """Return the virtual tokens of a template: as the words that they start as, or as tuned before.

    Parameters
    ----------
    lm : MaskedLM
    template : Template

    Returns
    -------
    TemplateTokens
    """
    ids = np.concatenate(soft_ids(lm.tokenizer, template)).tolist()
    tokens = TemplateTokens(lm.model, length=len(ids))
    before = [part for part in soft_tokens_of(lm.added) if isinstance(part, TemplateTokens)]
    with torch.no_grad():
        if before and len(before[0].tokens) == len(ids):
            tokens.tokens.copy_(before[0].tokens)
        else:
            tokens.tokens.copy_(lm.model.get_input_embeddings().weight[ids])
    return tokens


def has_template_tokens(lm: MaskedLM) -> bool:
    """Tell whether a model was tuned with virtual tokens in its template."""
    return any(isinstance(part, TemplateTokens) for part in soft_tokens_of(lm.added))
