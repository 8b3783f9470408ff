"""Calls of a tokenizer on plain text."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fewshot.data.examples import Examples
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.prompting.tokens import encode, tells_spaces
from fewshot.scoring.label_words import word_ids, words_ids


def test_a_special_token_in_a_text_is_plain_text(tiny):
    tokenizer = tiny[1]

    ids = encode(tokenizer, [f"a {tokenizer.sep_token} goal"])[0]

    assert len(ids) > 2


def test_only_byte_level_tokens_tell_a_space_in_front(tiny_bert, tiny_roberta, tiny_xlm_roberta):
    tokenizers = [tiny[1] for tiny in (tiny_bert, tiny_roberta, tiny_xlm_roberta)]

    assert [tells_spaces(tokenizer) for tokenizer in tokenizers] == [False, True, False]


def test_words_that_are_read_in_one_thread_leave_the_templates_of_another_alone(tiny_bert):
    tokenizer = tiny_bert[1]

    template = Template("{text} It was {mask} .")
    slots = tokenize_slots(tokenizer, [template], Examples({"text": ["goal"]}))

    def read_words():
        for _ in range(300):
            word_ids("goal", tokenizer)
            words_ids(["goal", "vote"], tokenizer)

    with ThreadPoolExecutor(1) as thread:
        words = thread.submit(read_words)
        while not words.done():  # raises if "[MASK]" is read as text meanwhile
            build_prompts(tokenizer, template, slots, max_length=32)
        words.result()
