"""The words that virtual tokens start as."""

from __future__ import annotations

import pytest

from fewshot.errors import TemplateError
from fewshot.prompting.template import Template
from fewshot.prompting.tokens import count_soft, ordinary_tokens, soft_ids


def names_of(tokenizer, ids) -> list[str]:
    return [name.lstrip("▁Ġ") for name in tokenizer.convert_ids_to_tokens(list(map(int, ids)))]


def test_each_place_has_the_words_that_it_names(tiny):
    tokenizer = tiny[1]

    ids = soft_ids(tokenizer, Template("{text} {soft:it was} {mask} {soft:news}"))

    assert [names_of(tokenizer, part) for part in ids] == [["it", "was"], ["news"]]


def test_virtual_tokens_of_all_places_are_counted(tiny):
    template = Template("{text} {soft:it was} {mask} {soft:3}")

    assert count_soft(tiny[1], template) == 2 + 3
    assert count_soft(tiny[1], Template("{text} {mask}")) == 0


def test_a_place_without_words_has_the_same_drawn_words_each_time(tiny):
    tokenizer, template = tiny[1], Template("{text} {soft:3} {mask}")

    first, second = (soft_ids(tokenizer, template)[0].tolist() for _ in range(2))

    assert first == second
    assert set(first) <= set(ordinary_tokens(tokenizer).tolist())


def test_unknown_words_are_refused(tiny_bert):
    with pytest.raises(TemplateError, match=r"\[soft:日本\] .* does not know"):
        soft_ids(tiny_bert[1], Template("{text} {soft:日本} {mask}"))


def test_ordinary_tokens_are_the_first_whole_words_of_the_vocabulary(tiny):
    tokenizer = tiny[1]

    names = names_of(tokenizer, ordinary_tokens(tokenizer, 20))

    assert len(names) == 20
    assert all(name.isalpha() and len(name) > 1 for name in names)
