"""Lines to pre-train on: texts as they are, or in a template with a word of their label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.token_masking import Ids
from fewshot.prompting.bare_texts import token_ids
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.scoring.label_words import LabelWords


class Lines(NamedTuple):
    """Lines to train on.

    Parameters
    ----------
    ids : list of ndarray
        Token ids of each line, special tokens included.
    n_truncated : int
        Texts that were shortened.
    """

    ids: list[Ids]
    n_truncated: int


def bare_lines(lm: MaskedLM, examples: Examples, max_length: int) -> Lines:
    """Return the texts as they are; of several fields, the first and the others joined.

    Parameters
    ----------
    lm : MaskedLM
        Whose tokenizer is used.
    examples : Examples
    max_length : int
        Tokens of a line.

    Returns
    -------
    Lines
    """
    first, *others = examples.columns.values()
    second = [" ".join(texts) for texts in zip(*others, strict=True)] if others else None
    return Lines(*token_ids(lm.tokenizer, first, second, max_length))


def templated_lines(
    lm: MaskedLM,
    template: Template,
    words: LabelWords,
    examples: Examples,
    labels: npt.NDArray[np.int64],
    *,
    max_length: int,
    rng: np.random.Generator,
) -> Lines:
    """Put texts into a template with a word of their label, token by token.

    So the word is the very tokens that are scored at the mask, and texts are shortened as in
    prompts: the template stays whole.

    Parameters
    ----------
    lm : MaskedLM
    template : Template
    words : LabelWords
        Of several words of a class one is drawn for each line, by their weights.
    examples : Examples
    labels : ndarray of shape (n,)
        Numbers of the classes.
    max_length : int
    rng : numpy.random.Generator

    Returns
    -------
    Lines
    """
    slots = tokenize_slots(lm.tokenizer, [template], examples, lm.tokens)
    views = {}
    ids: list[Ids] = []
    for row, label in enumerate(labels.tolist()):
        pieces = _draw_word(words, label, rng)
        if len(pieces) not in views:
            views[len(pieces)] = build_prompts(
                lm.tokenizer, template, slots, max_length=max_length, n_masks=len(pieces)
            )
        prompts = views[len(pieces)]
        for number in range(*np.searchsorted(prompts.owners, (row, row + 1))):  # they ascend
            line = prompts.ids[number].copy()
            line[prompts.mask_positions[number]] = pieces
            ids.append(line)
    n_truncated = max((prompts.n_truncated for prompts in views.values()), default=0)
    return Lines(ids, n_truncated)


def start_of_soft_prompts(fields: tuple[str, ...]) -> Template:
    """Return the text that soft prompts start from: Shi and Lipani's, with one field or more."""
    first, *others = fields
    if not others:
        return Template(f"{{{first}}} It was {{mask}}")
    rest = " ".join(f"{{{name}}}" for name in others)
    return Template(f"{{{first}}} {{mask}} , {rest}", fields)


def _draw_word(words: LabelWords, label: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw one of the words of a label and return its token ids."""
    of_class = np.flatnonzero(words.class_index.numpy() == label)
    odds = words.weights.numpy()[of_class].astype(np.float64)
    return words.token_ids(int(rng.choice(of_class, p=odds / odds.sum())))
