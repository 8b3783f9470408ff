"""Calls of a tokenizer on plain text."""

from __future__ import annotations

from fewshot.tokenizing import encode, tells_spaces


def test_a_special_token_in_a_text_is_plain_text(tiny):
    tokenizer = tiny[1]

    ids = encode(tokenizer, [f"a {tokenizer.sep_token} goal"])[0]

    assert len(ids) > 2


def test_only_byte_level_tokens_tell_a_space_in_front(tiny_bert, tiny_roberta, tiny_xlm_roberta):
    tokenizers = [tiny[1] for tiny in (tiny_bert, tiny_roberta, tiny_xlm_roberta)]

    assert [tells_spaces(tokenizer) for tokenizer in tokenizers] == [False, True, False]
