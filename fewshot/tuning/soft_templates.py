"""The virtual tokens of a template: checks, and tuning them along with any strategy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from fewshot.errors import TemplateError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.tokens import count_soft, soft_ids
from fewshot.tuning.soft_tokens import TemplateTokens, soft_tokens_of
from fewshot.tuning.task import TuningTask


def check_template_tokens(lm: MaskedLM, template: Template, *, is_tuned: bool = False) -> None:
    """Check that a model can read a template with virtual tokens."""
    # Raises a ModelError if the model was tuned with another number of them; a TemplateError if
    # some name no words, and neither were tuned nor are going to be.
    known = _tokens_beside(lm)
    if known and template.soft:
        known[0].check_places(count_soft(lm.tokenizer, template))
    unnamed = [soft.shown for soft in template.soft if soft.text is None]
    if unnamed and not known and not is_tuned:
        raise TemplateError(
            f"{unnamed[0]} of the template {template.text!r} starts as words drawn at random, "
            "which nothing tunes; name words, such as {soft:It was}, or tune by gradient, with "
            "tuning='prompt' for example"
        )


def check_wording_tokens(lm: MaskedLM, wording: Template, template: Template) -> None:
    """Raise a TemplateError if a wording has virtual tokens, but not as many as the template."""
    n_wording, n_own = (count_soft(lm.tokenizer, each) for each in (wording, template))
    if n_wording not in (0, n_own):
        raise TemplateError(
            f"the wording {wording.text!r} has {n_wording} virtual tokens, the template "
            f"{template.text!r} has {n_own}: these are tuned for both, so that a wording has as "
            "many, or none"
        )


def with_template_tokens(task: TuningTask) -> TuningTask:
    """Return a prepared task with a model that also tunes the virtual tokens of its template."""
    # It is the same if there are none, or the strategy tunes them itself.
    lm, template = task.scorer.lm, task.scorer.template
    tuned = lm.tuned_parameters()
    is_tuned = any(
        part.tokens is parameter for part in _tokens_beside(lm) for parameter in tuned.values()
    )
    if is_tuned or not template.soft:
        return task
    twin = lm.copy(tuned.__contains__, template_tokens(lm, template))
    return replace(task, scorer=replace(task.scorer, lm=twin))


def template_tokens(lm: MaskedLM, template: Template) -> TemplateTokens:
    """Return the virtual tokens of a template, as the words that they name or as tuned before."""
    ids = np.concatenate(soft_ids(lm.tokenizer, template)).tolist()
    tokens = TemplateTokens(lm.model, length=len(ids))
    before = _tokens_beside(lm)
    with torch.no_grad():
        if before and len(before[0].tokens) == len(ids):
            tokens.tokens.copy_(before[0].tokens)
        else:
            tokens.tokens.copy_(lm.model.get_input_embeddings().weight[ids])
    return tokens


def _tokens_beside(lm: MaskedLM) -> list[TemplateTokens]:
    """Return the virtual tokens that a model was tuned with in its template, upper ones first."""
    return [part for part in soft_tokens_of(lm.added) if isinstance(part, TemplateTokens)]
