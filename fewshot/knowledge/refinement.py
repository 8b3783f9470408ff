"""KPT's refinement: drops terms that the model rarely predicts, or not for their class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from fewshot.data.labels import Label
from fewshot.knowledge.candidates import Names
from fewshot.knowledge.filters import (
    Relevance,
    common_cut,
    frequent_tokens,
    paper_relevance,
    relevance,
    similarity_to_names,
)
from fewshot.knowledge.retrieval import Found, kept
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import word_ids
from fewshot.scoring.learned_verbalizer import VerbalizerTask

_STATES_AT_ONCE = 256


def drop_rare(found: Found, task: VerbalizerTask, cut: float) -> Found:
    """Drop terms with a rarely predicted token (Hu et al., 2022, section 3.2: frequency)."""
    is_frequent = frequent_tokens(_mean_logits(task), cut)
    rows: Found = {}
    for label, row in found.items():
        rows[label] = []
        for term in row:
            ids = [] if term.dropped else word_ids(term.term, task.lm.tokenizer)
            is_rare = bool(ids) and not is_frequent[ids].all()
            rows[label].append(
                term.drop(f"a token among the {cut:.0%} predicted least") if is_rare else term
            )
    return rows


def drop_irrelevant(found: Found, names: Names, task: VerbalizerTask, how: Relevance) -> Found:
    """Drop terms unrelated to their class's name, or related to all (section 3.2: relevance)."""
    words = {
        label: [*names[label], *(found[label][i].term for i in kept(found[label]))]
        for label in task.classes
    }
    scorer = task.scorer(Verbalizer(words))
    scores = scorer.word_scores(task.encoded(scorer)).numpy()
    own = scorer.label_words.class_index.numpy()
    firsts = np.searchsorted(own, np.arange(len(task.classes)))
    likeness = similarity_to_names(scores, firsts.tolist())
    value = (relevance if how == "cut" else paper_relevance)(likeness, own)
    by_class = np.split(value, firsts[1:])
    terms = {
        label: row[len(names[label]) :] for label, row in zip(task.classes, by_class, strict=True)
    }
    if how == "cut":
        return _without(found, terms, _above_cut(terms))
    return _without(found, terms, {label: row >= 1.0 for label, row in terms.items()})


def _mean_logits(task: VerbalizerTask) -> npt.NDArray[np.float64]:
    """Return the logits of the whole vocabulary at the mask, averaged over the texts."""
    states = torch.from_numpy(task.lm.states(task.prompts()).mask[:, 0])
    tokens = torch.arange(len(task.lm.tokenizer))
    total = torch.zeros(len(tokens), dtype=torch.float64)
    with torch.inference_mode():
        for part in states.split(_STATES_AT_ONCE):
            logits = task.lm.mask_head.token_logits(part.to(task.lm.device), tokens)
            total += logits.double().cpu().sum(0)
    mean: npt.NDArray[np.float64] = (total / len(states)).numpy()
    return mean


def _above_cut(
    values: Mapping[Label, npt.NDArray[np.float64]],
) -> dict[Label, npt.NDArray[np.bool_]]:
    """Return masks of the best terms of each class, by KPT's one share for all classes."""
    filled = {label: row for label, row in values.items() if len(row)}
    is_good: dict[Label, npt.NDArray[np.bool_]] = {
        label: np.zeros(len(row), dtype=bool) for label, row in values.items()
    }
    if not filled:
        return is_good
    orders: Sequence[npt.NDArray[np.int64]] = [
        np.argsort(-row, kind="stable") for row in filled.values()
    ]
    n_kept = common_cut([row[order] for row, order in zip(filled.values(), orders, strict=True)])
    for label, order, n in zip(filled, orders, n_kept, strict=True):
        is_good[label][order[:n]] = True
    return is_good


def _without(
    found: Found,
    values: Mapping[Label, npt.NDArray[np.float64]],
    is_good: Mapping[Label, npt.NDArray[np.bool_]],
) -> Found:
    rows = {label: list(row) for label, row in found.items()}
    for label, row in rows.items():
        for place, value, good in zip(kept(row), values[label], is_good[label], strict=True):
            if not good:
                row[place] = row[place].drop(f"relevance {value:.2f}")
    return rows
