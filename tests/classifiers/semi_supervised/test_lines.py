"""Lines to pre-train on; how a fit makes them is tested with PCPClassifier."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fewshot.classifiers.semi_supervised.lines import (
    bare_lines,
    start_of_soft_prompts,
    templated_lines,
)
from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import LabelWords
from tests.tiny_models import tiny_bert


@pytest.fixture(scope="module")
def lm() -> MaskedLM:
    return MaskedLM(*tiny_bert(), device="cpu")


def read(lm, lines) -> list[str]:
    return [lm.tokenizer.decode(ids) for ids in lines.ids]


def templated(lm, verbalizer, texts, labels, template="{text} is {mask}", max_length=16):
    words = LabelWords.resolve(Verbalizer(verbalizer), [0, 1], lm.tokenizer)
    return templated_lines(
        lm,
        Template(template),
        words,
        Examples({"text": texts}),
        np.array(labels),
        max_length=max_length,
        rng=np.random.default_rng(0),
    )


def test_bare_lines_are_texts_or_pairs_of_them(lm):
    texts = Examples({"a": ["football"], "b": ["team"], "c": ["goal"]})

    assert read(lm, bare_lines(lm, texts, 16)) == ["[CLS] football [SEP] team goal [SEP]"]
    assert read(lm, bare_lines(lm, Examples({"a": ["football"]}), 16)) == ["[CLS] football [SEP]"]


def test_each_line_has_a_word_of_its_own_label(lm):
    lines = templated(lm, {0: "politics", 1: "sports"}, ["a vote", "a goal"], [0, 1])

    assert read(lm, lines) == ["[CLS] a vote is politics [SEP]", "[CLS] a goal is sports [SEP]"]


def test_words_are_drawn_by_their_weights(lm):
    words = {0: {"politics": 3.0, "law": 1.0}, 1: "sports"}

    lines = templated(lm, words, ["a"] * 400, [0] * 400)

    drawn = Counter(line.split()[-2] for line in read(lm, lines))
    assert drawn["politics"] / 400 == pytest.approx(0.75, abs=0.06)
    assert drawn["politics"] + drawn["law"] == 400


def test_a_long_text_is_shortened_and_the_template_is_not(lm):
    lines = templated(lm, {0: "politics", 1: "sports"}, ["a " * 50, "a"], [0, 0], max_length=8)

    assert read(lm, lines)[0] == "[CLS] a a a a is politics [SEP]"
    assert lines.n_truncated == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [(("text",), "{text} It was {mask}"), (("a", "b"), "{a} {mask} , {b}")],
)
def test_soft_prompts_start_from_the_papers_text(fields, expected):
    assert start_of_soft_prompts(fields).text == expected
