"""The words that the virtual tokens of a template start as, and ordinary words of a vocabulary."""

from __future__ import annotations

from itertools import islice
from threading import Lock
from typing import Any, TypeAlias

import numpy as np

from fewshot.errors import TemplateError
from fewshot.prompting.shortening import Ids
from fewshot.prompting.template import Soft, Template, Text

_SPACE_MARKS = "▁Ġ"  # that unigram and byte-level tokens start with


def soft_ids(tokenizer: Tokenizer, template: Template) -> list[Ids]:
    """Return the ids of the words that virtual tokens start as, for each ``{soft}`` of a template.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    template : Template

    Returns
    -------
    list of ndarray of int32
        Where the template names no words, the same words are drawn each time.

    Raises
    ------
    TemplateError
        If the tokenizer does not know the words that the template names.
    """
    drawn = np.random.default_rng(0)  # the same words each time: a template is a fixed thing
    ids = []
    before = ""
    for segment in template.segments:
        if isinstance(segment, Soft) and segment.text is None:
            ids.append(drawn.choice(ordinary_tokens(tokenizer), segment.length))
        elif isinstance(segment, Soft):
            ids.append(_word_ids(tokenizer, segment, template, before[-1:].isspace()))
        before = segment.text if isinstance(segment, Text) else ""
    return ids


def count_soft(tokenizer: Tokenizer, template: Template) -> int:
    """Return the number of virtual tokens of a template; see :func:`soft_ids`."""
    return sum(map(len, soft_ids(tokenizer, template)))


def _word_ids(tokenizer: Tokenizer, soft: Soft, template: Template, after_space: bool) -> Ids:
    space = " " if after_space and tells_spaces(tokenizer) else ""
    ids = np.array(encode(tokenizer, [f"{space}{soft.text}"])[0], dtype=np.int32)
    if not len(ids) or tokenizer.unk_token_id in ids:
        raise TemplateError(
            f"{soft.shown} of the template {template.text!r} has words that "
            f"{type(tokenizer).__name__} does not know; write others, or {{soft:2}} for two tokens"
        )
    return ids


def ordinary_tokens(tokenizer: Tokenizer, n_tokens: int = 5000) -> Ids:
    """Return the ids of the first words of the vocabulary, which are frequent ones.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
    n_tokens : int, default=5000
        How many at most, as in Lester et al. (2021), section 3.2.

    Returns
    -------
    ndarray of int32
        Whole words of two letters or more where the vocabulary marks them.
    """
    found = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    names = {i: name for i, name in enumerate(found) if name is not None}
    marks = tuple(_SPACE_MARKS)
    starts = marks if any(name.startswith(marks) for name in names.values()) else ""
    words = (i for i, name in names.items() if name.startswith(starts) and _is_word(name))
    return np.fromiter(islice(words, n_tokens), dtype=np.int32)


def _is_word(name: str) -> bool:
    word = name.lstrip(_SPACE_MARKS)
    return len(word) > 1 and word.isalpha()


# Any: transformers' tokenizers share no usable static type.
Tokenizer: TypeAlias = Any


# Whether "[MASK]" in a text is special is a state of the tokenizer that each call sets.
TOKENIZER_LOCK = Lock()


def tells_spaces(tokenizer: Tokenizer) -> bool:
    """Tell whether a text has other tokens after a space than without one."""
    return encode(tokenizer, ["a"]) != encode(tokenizer, [" a"])


def encode(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return the ids of texts, in which names of special tokens are plain text."""
    with TOKENIZER_LOCK:
        encoded = tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
    ids: list[list[int]] = encoded["input_ids"]
    return ids
