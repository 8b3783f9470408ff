"""Token ids of texts, words and virtual tokens, by the tokenizers of transformers."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from itertools import islice
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from fewshot.data.locks import brief_lock
from fewshot.errors import ModelError, TemplateError
from fewshot.prompting.shortening import Ids
from fewshot.prompting.template import Soft, Template

Tokenizer: TypeAlias = Any  # transformers' tokenizers share no usable static type

# Whether "[MASK]" in a text is special is a state of the tokenizer that each call sets.
TOKENIZER_LOCK = brief_lock()

_SPACE_MARKS = "▁Ġ"  # that unigram and byte-level tokens start with
_FREQUENT = 5000  # Lester et al. (2021), section 3.2
# Tokenizers that keep the tokens that users have added, with these.
_KEEPING: WeakKeyDictionary[Tokenizer, tuple[list[str], Tokenizer]] = WeakKeyDictionary()


def encode(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    with_special: bool = False,
    max_length: int | None = None,
) -> list[list[int]]:
    """Return the ids of texts, in which only special tokens that users have added are special."""
    if not len(texts):  # which tokenizers do not take
        return []
    keeping = _keeping_added(tokenizer)
    with TOKENIZER_LOCK:
        encoded = keeping(
            list(texts),
            text_pair=None if pairs is None else list(pairs),
            add_special_tokens=with_special,
            truncation=max_length is not None,
            max_length=max_length,
            padding=False,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def token_ids(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int
) -> tuple[list[Ids], int]:
    """Return the ids of whole texts with special tokens, and how many texts were cut."""
    # Texts that are too long lose their end; of a pair, the longer one does.
    ids = encode(tokenizer, texts, pairs, with_special=True)
    long = [i for i, row in enumerate(ids) if len(row) > max_length]
    if long:
        empty = encode(tokenizer, [""], None if pairs is None else [""], with_special=True)
        n_special = len(empty[0])
        if max_length <= n_special:
            raise ModelError(
                f"max_length={max_length} leaves no room for a text beside the {n_special} special "
                "tokens; raise it"
            )
        second = None if pairs is None else [pairs[i] for i in long]
        first = [texts[i] for i in long]
        cut = encode(tokenizer, first, second, with_special=True, max_length=max_length)
        for i, row in zip(long, cut, strict=True):
            ids[i] = row
    return [np.array(row, dtype=np.int32) for row in ids], len(long)


def marks_spaces(tokenizer: Tokenizer) -> bool:
    """Return whether a text has other tokens after a space than without one."""
    bare, spaced = encode(tokenizer, ["a", " a"])
    return bare != spaced


def soft_ids(tokenizer: Tokenizer, template: Template) -> list[Ids]:
    """Return the ids of the words that the virtual tokens of each ``{soft}`` start as."""
    drawn = np.random.default_rng(0)  # the same words each time: a template is a fixed thing
    return [
        drawn.choice(ordinary_tokens(tokenizer), segment.length)
        if segment.text is None
        else _word_ids(tokenizer, segment, template, after_space)
        for segment, after_space in template.gaps
        if isinstance(segment, Soft)
    ]


def count_soft(tokenizer: Tokenizer, template: Template) -> int:
    """Return the number of virtual tokens of a template."""
    return sum(map(len, soft_ids(tokenizer, template)))


def ordinary_tokens(tokenizer: Tokenizer, n_tokens: int = _FREQUENT) -> Ids:
    """Return the first words of the vocabulary, which are frequent: whole ones where marked."""
    found = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    names = {i: name for i, name in enumerate(found) if name is not None}
    marks = tuple(_SPACE_MARKS)
    starts = marks if any(name.startswith(marks) for name in names.values()) else ""
    words = (i for i, name in names.items() if name.startswith(starts) and _is_word(name))
    return np.fromiter(islice(words, n_tokens), dtype=np.int32)


def added_special(tokenizer: Tokenizer) -> list[str]:
    """Return the special tokens without a role, such as markers that users have added."""
    named = {str(name) for name in tokenizer.special_tokens_map.values() if isinstance(name, str)}
    return [str(token) for token in tokenizer.all_special_tokens if str(token) not in named]


def _keeping_added(tokenizer: Tokenizer) -> Tokenizer:
    """Return a tokenizer to which special tokens without a role are ordinary tokens."""
    # The others are text: "[MASK]" in a review is no mask. One without a fast backend splits all.
    added = added_special(tokenizer)
    if not added or not tokenizer.is_fast:
        return tokenizer
    if tokenizer not in _KEEPING or _KEEPING[tokenizer][0] != added:
        backend = tokenizer.backend_tokenizer
        content = json.loads(backend.to_str())
        for token in content["added_tokens"]:
            token["special"] = token["special"] and token["content"] not in added
        twin = copy.copy(tokenizer)
        twin._tokenizer = type(backend).from_str(json.dumps(content))
        _KEEPING[tokenizer] = added, twin
    return _KEEPING[tokenizer][1]


def _word_ids(tokenizer: Tokenizer, soft: Soft, template: Template, after_space: bool) -> Ids:
    space = " " if after_space and marks_spaces(tokenizer) else ""
    ids = np.array(encode(tokenizer, [f"{space}{soft.text}"])[0], dtype=np.int32)
    if not len(ids) or tokenizer.unk_token_id in ids:
        raise TemplateError(
            f"{soft.shown} of the template {template.text!r} has words that "
            f"{type(tokenizer).__name__} does not know; write others, or {{soft:2}} for two tokens"
        )
    return ids


def _is_word(name: str) -> bool:
    word = name.lstrip(_SPACE_MARKS)
    return len(word) > 1 and word.isalpha()
