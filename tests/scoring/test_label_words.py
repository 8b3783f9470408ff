"""Label words: their token ids, and class scores worked out by hand."""

from __future__ import annotations

import warnings
from typing import ClassVar

import numpy as np
import pytest
import torch

from fewshot.errors import LabelWordError
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import aggregate, word_log_probs
from fewshot.scoring.label_words import LabelWords
from tests.tiny_models import byte_bpe_tokenizer, unigram_tokenizer, wordpiece_tokenizer


class TableTokenizer:
    """Gives the token ids of a table; a word that is not there is unknown."""

    unk_token_id = 99
    special_tokens_map: ClassVar[dict[str, str]] = {}
    all_special_tokens = ()

    def __init__(self, **table: list[int]) -> None:
        self.table = table

    def __call__(self, texts: list[str], **_options: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [self.table.get(text.strip(), [self.unk_token_id]) for text in texts]}

    def convert_ids_to_tokens(self, index: int) -> str:
        return str(index)


def resolve(label_words, tokenizer, multi_token="mean") -> LabelWords:
    verbalizer = Verbalizer(label_words)
    return LabelWords.resolve(verbalizer, verbalizer.labels, tokenizer, multi_token)


def class_probabilities(words: LabelWords, logits: torch.Tensor, how="mean", prior=None):
    """Probabilities of classes from logits over the vocabulary, [n, vocab]."""
    scores = words.scores_at_one_mask(logits[:, words.tokens])
    log_probs = word_log_probs(scores, prior)
    return aggregate(log_probs, words.class_index, how, words.weights).softmax(-1)


# ---- Arithmetic -------------------------------------------------------------------------------


def test_the_mean_of_word_log_probabilities_by_hand():
    words = resolve({"A": ["w0", "w1"], "B": ["w2"]}, TableTokenizer(w0=[0], w1=[1], w2=[2]))

    proba = class_probabilities(words, torch.tensor([[1.0, 2.0, 3.0, 0.0]]))

    assert proba.tolist() == [pytest.approx([0.1824, 0.8176], abs=1e-4)]


def test_nothing_is_padded_where_one_class_has_hundreds_of_words():
    table = {f"w{i}": [100 + i] for i in range(350)} | {"phrase": [1, 2, 3, 4, 5, 6]}
    many = {"A": [f"w{i}" for i in range(300)], **{f"{c}": f"w{300 + c}" for c in range(49)}}

    words = resolve(many | {"B": "phrase"}, TableTokenizer(**table))

    assert len(words.n_pieces) == 300 + 49 + 1
    assert len(words.index) == 300 + 49 + 6
    assert words.scores_at_one_mask(torch.zeros(7, len(words.tokens))).shape == (7, 350)


# ---- Token ids --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "token"),
    [(wordpiece_tokenizer, "great"), (byte_bpe_tokenizer, "Ġgreat"), (unigram_tokenizer, "▁great")],
)
def test_a_label_word_is_looked_up_as_it_stands_in_a_sentence(make, token):
    tokenizer = make()

    words = resolve({"neg": "bad", "pos": "great"}, tokenizer)

    assert tokenizer.convert_ids_to_tokens(int(words.tokens[words.index[1]])) == token
    assert words.n_pieces.tolist() == [1, 1]


def test_classes_are_in_the_order_asked_for():
    verbalizer = Verbalizer({"b": "bad", "a": "great", "c": "film"})
    tokenizer = wordpiece_tokenizer()

    words = LabelWords.resolve(verbalizer, ["a", "b", "c"], tokenizer)

    assert words.classes == ("a", "b", "c")
    assert words.words == (("great",), ("bad",), ("film",))
    ids = words.tokens[words.index]
    assert tokenizer.convert_ids_to_tokens(ids.tolist()) == ["great", "bad", "film"]


def test_labels_may_be_integers():
    assert resolve({0: "bad", 1: "great"}, wordpiece_tokenizer()).classes == (0, 1)


def test_token_id_zero_is_a_token_like_any_other():
    words = resolve({"A": ["zero"], "B": ["one"]}, TableTokenizer(zero=[0], one=[1]))

    proba = class_probabilities(words, torch.tensor([[2.0, 0.0]]))

    assert proba.tolist() == [pytest.approx([0.880797, 0.119203], abs=1e-6)]


def test_a_piece_with_token_id_zero_counts_in_a_split_word():
    tokenizer = TableTokenizer(split=[3, 0], one=[1])

    words = resolve({"A": ["split"], "B": ["one"]}, tokenizer)

    assert words.n_pieces.tolist() == [2, 1]
    logits = torch.tensor([[4.0, 1.0, 0.0, 2.0]])
    assert words.scores_at_one_mask(logits[:, words.tokens]).flatten().tolist() == [3.0, 1.0]


def test_weights_follow_their_words():
    words = resolve(
        {"neg": {"bad": 2.0, "awful": 0.5}, "pos": {"great": 3.0}}, wordpiece_tokenizer()
    )

    assert words.weights.tolist() == [2.0, 0.5, 3.0]
    assert words.class_index.tolist() == [0, 0, 1]


def test_a_word_unknown_to_the_tokenizer_is_refused():
    with pytest.raises(LabelWordError, match=r"'日本' of label 'pos' is unknown to .*its script"):
        resolve({"neg": "bad", "pos": ["great", "日本"]}, wordpiece_tokenizer())


def test_words_of_two_classes_that_are_the_same_tokens_are_refused():
    with pytest.raises(LabelWordError, match="'great' of 'a' and 'Great' of 'b' are the same"):
        resolve({"a": "great", "b": "Great"}, wordpiece_tokenizer())


def test_cased_tokenizers_tell_these_apart():
    assert len(resolve({"a": "great", "b": "Great"}, byte_bpe_tokenizer()).tokens) == 2


def test_words_of_one_class_may_be_the_same_tokens():
    assert resolve(
        {"a": ["great", "Great"], "b": "bad"}, wordpiece_tokenizer()
    ).n_pieces.tolist() == [1, 1, 1]


def test_first_pieces_that_are_equal_are_refused_only_where_first_pieces_count():
    tokenizer = TableTokenizer(basketball=[1, 2], baseball=[1, 3])
    label_words = {"a": "basketball", "b": "baseball"}

    with pytest.raises(LabelWordError, match="use multi_token='mean' or 'masks'"):
        resolve(label_words, tokenizer, "first")
    assert resolve(label_words, tokenizer, "mean").n_pieces.tolist() == [2, 2]


# ---- Words of several pieces ------------------------------------------------------------------


@pytest.mark.parametrize("multi_token", ["first", "mean", "masks"])
def test_names_of_several_words_are_the_normal_case_and_nothing_is_warned_of(multi_token):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        words = resolve({"pos": "great film", "neg": "bad"}, wordpiece_tokenizer(), multi_token)

    assert words.n_pieces.tolist() == [1 if multi_token == "first" else 2, 1]


@pytest.mark.parametrize(("multi_token", "score"), [("first", 4.0), ("mean", 2.5)])
def test_pieces_at_one_mask_by_hand(multi_token, score):
    words = resolve({"A": "split", "B": "one"}, TableTokenizer(split=[2, 0], one=[1]), multi_token)
    logits = torch.tensor([[1.0, 0.5, 4.0]])

    scores = words.scores_at_one_mask(logits[:, words.tokens])

    assert scores.flatten().tolist() == [score, 0.5]
    assert words.mask_counts == (1,)


def test_pieces_at_a_mask_each_by_hand():
    tokenizer = TableTokenizer(split=[2, 0], one=[1], three=[0, 1, 2])
    words = resolve({"A": ["split", "one"], "B": ["three"]}, tokenizer, "masks")
    assert words.mask_counts == (1, 2, 3)
    assert words.tokens.tolist() == [0, 1, 2]

    scores = words.scores_at_masks(
        {
            1: torch.tensor([[[-1.0, -2.0, -3.0]]]),
            2: torch.tensor([[[-9.0, -9.0, -0.25], [-0.5, -9.0, -9.0]]]),
            3: torch.tensor([[[-1.0, 0, 0], [0, -2.0, 0], [0, 0, -4.0]]]),
        }
    )

    assert scores.tolist() == [[-0.75, -2.0, -7.0]]


def test_the_example_of_parallel_multi_mask_pet():
    words = resolve({"A": "split", "B": "one"}, TableTokenizer(split=[0, 1], one=[2]), "masks")
    first, second = np.log([[0.3, 0.1, 0.6], [0.2, 0.6, 0.2]])  # E6 of methods/pet.md

    scores = words.scores_at_masks(
        {
            1: torch.tensor(np.log([[[0.2, 0.3, 0.5]]])),
            2: torch.tensor(np.array([[first, second]])),
        }
    )

    assert scores[0, 0].item() == pytest.approx(-1.714798, abs=1e-6)
    assert scores[0, 1].item() == pytest.approx(np.log(0.5))


def test_the_tokens_of_each_word_and_the_mean_vectors_of_classes():
    tokenizer = wordpiece_tokenizer()
    words = resolve({"neg": ["dreadful", "bad"], "pos": "great"}, tokenizer)
    places = torch.arange(len(words.tokens)).double()

    vectors = words.class_vectors(places[:, None])  # the vector of a token is its place

    ids = [words.token_ids(word).tolist() for word in range(3)]
    assert ids == tokenizer(["dreadful", "bad", "great"], add_special_tokens=False)["input_ids"]
    dreadful, bad, great = [
        np.mean([words.tokens.tolist().index(token) for token in row]) for row in ids
    ]
    assert vectors.flatten().tolist() == pytest.approx([(dreadful + bad) / 2, great])
