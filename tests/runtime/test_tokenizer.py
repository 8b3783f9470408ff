"""Tokenizers without transformers give the ids that those of transformers give."""

from __future__ import annotations

import pytest

from fewshot.classifiers.exporting.tokenizers import write_tokenizer
from fewshot.data.examples import Examples
from fewshot.prompting.prompts import build_prompts, text_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.runtime.tokenizer import PlainTokenizer
from tests import tiny_models

TEXTS = ["", " a new player.", "goal " * 90, "[MASK] <mask> </s> [E1] wonderful", "Team  goal\n!"]
TEMPLATE = Template("{first:bare} It was {mask} {soft:2} {soft:good}.{sep}{second}")


@pytest.fixture(params=["wordpiece", "byte_bpe", "unigram"])
def both(request, tmp_path):
    """Give a tokenizer of transformers with an added marker, and the plain one that it becomes."""
    tokenizer = getattr(tiny_models, f"{request.param}_tokenizer")()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[E1]"]})
    settings = write_tokenizer(tokenizer, tmp_path)
    return tokenizer, PlainTokenizer((tmp_path / "tokenizer.json").read_bytes(), settings)


def test_prompts_are_the_same(both):
    examples = Examples({"first": TEXTS, "second": TEXTS[::-1]})

    built = []
    for tokenizer in both:
        slots = tokenize_slots(tokenizer, [TEMPLATE], examples)
        built.append(build_prompts(tokenizer, TEMPLATE, slots, max_length=40))

    expected, found = built
    assert [ids.tolist() for ids in found.ids] == [ids.tolist() for ids in expected.ids]
    assert found.mask_positions.tolist() == expected.mask_positions.tolist()
    assert found.soft_positions.tolist() == expected.soft_positions.tolist()
    assert found.n_truncated == expected.n_truncated == 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_pairs_are_cut_on_the_same_side(both, side, tmp_path):
    tokenizer = both[0]
    tokenizer.truncation_side = side
    settings = write_tokenizer(tokenizer, tmp_path)
    plain = PlainTokenizer((tmp_path / "tokenizer.json").read_bytes(), settings)
    examples = Examples({"first": TEXTS, "second": TEXTS[::-1]})

    expected, found = (text_prompts(each, examples, 20) for each in (tokenizer, plain))

    assert [ids.tolist() for ids in found.ids] == [ids.tolist() for ids in expected.ids]
    assert max(map(len, found.ids)) == 20


def test_roles_and_ids_are_the_same(both):
    tokenizer, plain = both

    assert plain.mask_token_id == tokenizer.mask_token_id
    assert plain.unk_token_id == tokenizer.unk_token_id
    assert plain.sep_token == tokenizer.sep_token
    assert sorted(plain.all_special_ids) == sorted(tokenizer.all_special_ids)
    assert len(plain) == len(tokenizer)
