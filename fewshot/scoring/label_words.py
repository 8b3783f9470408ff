"""Label words on one tokenizer: their token ids, and their scores from those of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.data.labels import Label
from fewshot.errors import LabelWordError
from fewshot.prompting.tokens import encode
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.aggregation import segment_sum

MultiToken: TypeAlias = Literal["first", "mean", "masks"]

_SPACE_PIECES = frozenset({"▁", "Ġ"})


@dataclass(frozen=True)
class LabelWords:
    """A verbalizer resolved against one tokenizer."""

    # The words are listed class by class, and so are their pieces: nothing is padded, so that a
    # class may have one word and another 300.

    classes: tuple[Label, ...]
    words: tuple[tuple[str, ...], ...]  # of each class
    tokens: Tensor  # [n_tokens]: the distinct token ids of all words
    index: Tensor  # [n_all_pieces]: the places of the words' pieces in `tokens`
    n_pieces: Tensor  # [n_words]: pieces of each word
    weights: Tensor  # [n_words], float32
    # Scoring of words of several pieces: by the first at one mask, by the mean over all at one
    # mask, or with a mask for each.
    multi_token: MultiToken = "mean"
    # [n_tokens, hidden]: multiply the states at the mask in place of the decoder's rows of
    # `tokens`, which then only number the words.
    vectors: Tensor | None = None
    is_tuned: bool = False  # whether tuning by gradients learns the vectors too

    def __post_init__(self) -> None:
        """Refuse parts of different sizes, as an altered folder may hold."""
        n_words = sum(map(len, self.words))
        sizes = len(self.words), len(self.weights), len(self.n_pieces), len(self.index)
        if sizes != (len(self.classes), n_words, n_words, int(self.n_pieces.sum())):
            raise LabelWordError("the label words do not match their pieces or their weights")

    @classmethod
    def resolve(
        cls,
        verbalizer: Verbalizer,
        classes: Sequence[Label],
        tokenizer: Any,  # transformers' tokenizers share no usable static type
        multi_token: MultiToken = "mean",
    ) -> LabelWords:
        """Look up the token ids of all label words, of the classes in the order given."""
        # Raises a LabelWordError if a word is unknown to the tokenizer, or words of two classes
        # become the same tokens.
        label_words, word_weights = verbalizer.label_words, verbalizer.weights
        words = tuple(tuple(label_words[label]) for label in classes)
        pieces = _known_ids(classes, words, tokenizer)
        scored = [[ids[:1] if multi_token == "first" else ids for ids in row] for row in pieces]
        is_cut = multi_token == "first"
        remedy = "change one, or use multi_token='mean' or 'masks'" if is_cut else "change one"
        _check_distinct(classes, words, scored, remedy)
        weights = [list(word_weights[label]) for label in classes]
        return cls(tuple(classes), words, *_tensors(scored, weights), multi_token)

    @classmethod
    def from_vectors(
        cls, classes: Sequence[Label], vectors: Tensor, *, is_tuned: bool = False
    ) -> LabelWords:
        """Return label words that are a vector [hidden] for each class, instead of words."""
        numbers = torch.arange(len(classes))
        ones = torch.ones(len(classes))
        names = tuple((str(label),) for label in classes)
        ids = (numbers, numbers, ones.long(), ones)
        return cls(tuple(classes), names, *ids, "mean", vectors, is_tuned)

    @property
    def mask_counts(self) -> tuple[int, ...]:
        """The numbers of masks for which prompts are needed."""
        if self.multi_token != "masks":
            return (1,)
        return tuple(sorted(set(self.n_pieces.tolist())))

    @property
    def class_index(self) -> Tensor:
        """The class number of each word, [n_words]."""
        return torch.repeat_interleave(torch.tensor([len(row) for row in self.words]))

    def token_ids(self, word: int) -> npt.NDArray[np.int64]:
        """Return the token ids of a word, by its number among the words of all classes."""
        end = int(self.n_pieces[: word + 1].sum())
        pieces = self.index[end - int(self.n_pieces[word]) : end]
        ids: npt.NDArray[np.int64] = self.tokens[pieces].numpy()
        return ids

    def scores_at_one_mask(self, logits: Tensor) -> Tensor:
        """Return the logits of words [n, n_words] from those of `tokens` at one mask."""
        pieces = logits[:, self.index]  # [n, pieces of all words]
        if len(self.index) == len(self.n_pieces):
            return pieces
        return segment_sum(pieces, self._word_index, len(self.n_pieces)) / self.n_pieces

    def scores_at_masks(self, log_probs: dict[int, Tensor]) -> Tensor:
        """Return log-probabilities of words [n, n_words], summed over masks, one for each piece."""
        ends = self.n_pieces.cumsum(0)
        starts = ends - self.n_pieces
        parts, places = [], []
        for n_masks, at_masks in log_probs.items():
            masks = torch.arange(n_masks)
            words = torch.nonzero(self.n_pieces == n_masks).flatten()
            index = self.index[starts[words, None] + masks]  # [words, masks]
            parts.append(at_masks[:, masks, index].sum(-1))
            places.append(words)
        return torch.cat(parts, 1)[:, torch.cat(places).argsort()]

    def class_vectors(self, rows: Tensor) -> Tensor:
        """Return the weighted mean of the words' vectors of each class, [n_classes, hidden]."""
        # `rows` are the vectors of `tokens`; a word's vector is the mean over its pieces. These are
        # SciPrompt's soft words.
        words = self.scores_at_one_mask(rows.T)  # [hidden, words]
        n_words = torch.tensor([len(row) for row in self.words])
        total = segment_sum(words * self.weights.to(rows.dtype), self.class_index, len(n_words))
        return (total / n_words).T

    @property
    def _word_index(self) -> Tensor:
        return torch.repeat_interleave(self.n_pieces)


def word_ids(word: str, tokenizer: Any) -> list[int] | None:
    """Return the token ids of a word inside a sentence, or None if the tokenizer lacks one."""
    return words_ids([word], tokenizer)[0]


def words_ids(words: Sequence[str], tokenizer: Any) -> list[list[int] | None]:
    """Return what :func:`word_ids` does, for many words in one call."""
    # A label word follows a space in the template: RoBERTa's "good" and " good" differ.
    rows = encode(tokenizer, [" " + word for word in words])
    return [_inside(ids, tokenizer) for ids in rows]


def _inside(ids: list[int], tokenizer: Any) -> list[int] | None:
    if len(ids) > 1 and tokenizer.convert_ids_to_tokens(ids[0]) in _SPACE_PIECES:
        ids = ids[1:]
    return None if not ids or tokenizer.unk_token_id in ids else ids


def _known_ids(
    classes: Sequence[Label], words: Sequence[Sequence[str]], tokenizer: Any
) -> list[list[list[int]]]:
    """Return the token ids of the words of each class."""
    found = iter(words_ids([word for row in words for word in row], tokenizer))
    pieces: list[list[list[int]]] = []
    for label, row in zip(classes, words, strict=True):
        pieces.append([])
        for word in row:
            ids = next(found)
            if ids is None:
                raise LabelWordError(
                    f"the label word {word!r} of label {label!r} is unknown to the tokenizer "
                    f"{type(tokenizer).__name__}; choose a word of its language, in its script"
                )
            pieces[-1].append(ids)
    return pieces


def _check_distinct(
    classes: Sequence[Label],
    words: Sequence[Sequence[str]],
    pieces: list[list[list[int]]],
    remedy: str,
) -> None:
    seen: dict[tuple[int, ...], tuple[Label, str]] = {}
    for label, row, row_ids in zip(classes, words, pieces, strict=True):
        for word, ids in zip(row, row_ids, strict=True):
            other, other_word = seen.setdefault(tuple(ids), (label, word))
            if other != label:
                raise LabelWordError(
                    f"the label words {other_word!r} of {other!r} and {word!r} of {label!r} are "
                    f"the same tokens, so these classes cannot be told apart by them; {remedy}"
                )


def _tensors(
    pieces: list[list[list[int]]], weights: list[list[float]]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    words = [ids for row in pieces for ids in row]
    tokens = sorted({token for ids in words for token in ids})
    place = {token: i for i, token in enumerate(tokens)}
    index = torch.tensor([place[token] for ids in words for token in ids])
    n_pieces = torch.tensor([len(ids) for ids in words])
    return torch.tensor(tokens), index, n_pieces, torch.tensor([w for row in weights for w in row])
