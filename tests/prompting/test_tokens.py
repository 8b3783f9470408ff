"""Token ids of texts, words and virtual tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

from fewshot.data.examples import Examples
from fewshot.errors import TemplateError
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.prompting.tokens import (
    TOKENIZER_LOCK,
    count_soft,
    encode,
    marks_spaces,
    ordinary_tokens,
    soft_ids,
    token_ids,
)
from fewshot.scoring.label_words import word_ids, words_ids
from tests.tiny_models import byte_bpe_tokenizer, wordpiece_tokenizer

# ---- Plain texts ------------------------------------------------------------------------------


def test_a_special_token_in_a_text_is_plain_text(tiny):
    tokenizer = tiny[1]

    ids = encode(tokenizer, [f"a {tokenizer.sep_token} goal"])[0]

    assert len(ids) > 2


def test_only_byte_level_tokens_mark_a_space_in_front(tiny_bert, tiny_roberta, tiny_xlm_roberta):
    tokenizers = [tiny[1] for tiny in (tiny_bert, tiny_roberta, tiny_xlm_roberta)]

    assert [marks_spaces(tokenizer) for tokenizer in tokenizers] == [False, True, False]


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


# ---- Whole texts, with special tokens ---------------------------------------------------------


def words(tokenizer, ids):
    return " ".join(tokenizer.convert_ids_to_tokens(ids.tolist()))


def test_tokens_are_those_of_the_tokenizer():
    tokenizer = wordpiece_tokenizer()

    ids, n_truncated = token_ids(tokenizer, ["a great film", ""], None, 10)

    assert [words(tokenizer, row) for row in ids] == ["[CLS] a great film [SEP]", "[CLS] [SEP]"]
    assert n_truncated == 0


def test_pairs_are_encoded_as_sentence_pairs():
    ids, _ = token_ids(wordpiece_tokenizer(), ["great"], ["bad"], 10)
    assert words(wordpiece_tokenizer(), ids[0]) == "[CLS] great [SEP] bad [SEP]"

    ids, _ = token_ids(byte_bpe_tokenizer(), ["great"], ["bad"], 10)
    assert words(byte_bpe_tokenizer(), ids[0]) == "<s> great </s> </s> bad </s>"


def test_long_texts_lose_their_end_and_are_counted():
    tokenizer = wordpiece_tokenizer()

    ids, n_truncated = token_ids(tokenizer, ["one two three four five", "one"], None, 5)

    assert words(tokenizer, ids[0]) == "[CLS] one two three [SEP]"
    assert n_truncated == 1


def test_longer_text_of_a_pair_is_cut():
    tokenizer = wordpiece_tokenizer()

    ids, _ = token_ids(tokenizer, ["one"], ["two three four five"], 6)

    assert words(tokenizer, ids[0]) == "[CLS] one [SEP] two three [SEP]"


# ---- Virtual tokens ---------------------------------------------------------------------------


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


def test_a_thread_waits_for_the_state_of_the_tokenizer():
    thread = Thread(target=encode, args=(wordpiece_tokenizer(), ["a"]))

    with TOKENIZER_LOCK:
        thread.start()
        thread.join(0.05)
        is_waiting = thread.is_alive()
    thread.join()

    assert is_waiting
