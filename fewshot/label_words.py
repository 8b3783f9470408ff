"""Label words on one tokenizer: their token ids, and how their scores make class scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from fewshot.errors import LabelWordError, LabelWordWarning, warn_user
from fewshot.inputs import Label
from fewshot.verbalizer import Verbalizer

__all__ = ["Aggregation", "LabelWords", "MultiToken", "aggregate", "word_log_probs"]

Aggregation: TypeAlias = Literal["mean", "max", "logsumexp", "weighted"]
MultiToken: TypeAlias = Literal["first", "mean", "masks"]

_SPACE_PIECES = frozenset({"▁", "Ġ"})
_WORDS_SHOWN = 5


@dataclass(frozen=True)
class LabelWords:
    """A verbalizer resolved against one tokenizer.

    Parameters
    ----------
    classes : tuple of str or int
        The labels, in the order of the first axis below.
    words : tuple of tuple of str
        The words of each class.
    tokens : Tensor of shape (n_tokens,), int64
        The distinct token ids of all words.
    index : Tensor of shape (n_classes, n_words, n_pieces), int64
        Where in `tokens` the pieces of each word are; padding points anywhere.
    n_pieces : Tensor of shape (n_classes, n_words), int64
        Pieces of each word; 0 marks padding.
    weights : Tensor of shape (n_classes, n_words), float32
        Weights of the words; 0 for padding.
    multi_token : {"first", "mean", "masks"}
        How a word of several pieces is scored: by its first piece at one mask, by the mean over
        its pieces at one mask, or with a mask for each piece.
    """

    classes: tuple[Label, ...]
    words: tuple[tuple[str, ...], ...]
    tokens: Tensor
    index: Tensor
    n_pieces: Tensor
    weights: Tensor
    multi_token: MultiToken = "mean"

    @classmethod
    def resolve(
        cls,
        verbalizer: Verbalizer,
        classes: Sequence[Label],
        tokenizer: Any,  # transformers' tokenizers share no usable static type
        multi_token: MultiToken = "mean",
    ) -> LabelWords:
        """Look up the token ids of all label words.

        Parameters
        ----------
        verbalizer : Verbalizer
        classes : sequence of str or int
            The labels wanted, in the order wanted.
        tokenizer : PreTrainedTokenizerBase
        multi_token : {"first", "mean", "masks"}, default="mean"

        Returns
        -------
        LabelWords

        Raises
        ------
        LabelWordError
            If a word is unknown to the tokenizer, or the words of two classes become the same
            tokens.
        """
        if multi_token not in get_args(MultiToken):
            raise LabelWordError(
                f"multi_token is one of {list(get_args(MultiToken))}, got {multi_token!r}"
            )
        words = tuple(tuple(verbalizer.label_words[label]) for label in classes)
        pieces = [
            [_word_ids(word, label, tokenizer) for word in row]
            for label, row in zip(classes, words, strict=True)
        ]
        scored = [[ids[:1] if multi_token == "first" else ids for ids in row] for row in pieces]
        _check_distinct(classes, words, scored)
        if multi_token != "masks":
            _warn_split(words, pieces, multi_token)
        weights = [list(verbalizer.weights[label]) for label in classes]
        return cls(tuple(classes), words, *_tensors(scored, weights), multi_token)

    @property
    def mask_counts(self) -> tuple[int, ...]:
        """The numbers of masks for which prompts are needed."""
        if self.multi_token != "masks":
            return (1,)
        return tuple(sorted(set(self.n_pieces[self.n_pieces > 0].tolist())))

    @property
    def is_word(self) -> Tensor:
        """Which places hold a word: bool, of shape (n_classes, n_words)."""
        return self.n_pieces > 0

    def scores_at_one_mask(self, logits: Tensor) -> Tensor:
        """Return the logits of words from those of their pieces at one mask.

        Parameters
        ----------
        logits : Tensor of shape (n, n_tokens)
            Logits of :attr:`tokens`.

        Returns
        -------
        Tensor of shape (n, n_classes, n_words)
        """
        pieces = logits[:, self.index]  # [n, classes, words, pieces]
        is_piece = torch.arange(self.index.shape[-1]) < self.n_pieces[..., None]
        total = torch.where(is_piece, pieces, 0.0).sum(-1)
        return total / self.n_pieces.clamp(min=1)

    def scores_at_masks(self, log_probs: dict[int, Tensor]) -> Tensor:
        """Return the log-probabilities of words, summed over one mask for each piece.

        Parameters
        ----------
        log_probs : dict of int to Tensor of shape (n, n_masks, n_tokens)
            Log-probabilities over the vocabulary of :attr:`tokens`, by the number of masks.

        Returns
        -------
        Tensor of shape (n, n_classes, n_words)
        """
        n_examples = len(next(iter(log_probs.values())))
        scores = torch.zeros(n_examples, *self.n_pieces.shape)
        for n_masks, at_masks in log_probs.items():
            masks = torch.arange(n_masks)
            pieces = at_masks[:, masks, self.index[..., :n_masks]]  # [n, classes, words, masks]
            scores = torch.where(self.n_pieces == n_masks, pieces.sum(-1), scores)
        return scores


def word_log_probs(scores: Tensor, is_word: Tensor, prior: Tensor | None = None) -> Tensor:
    """Normalise word scores over all label words, divided by a prior if there is one.

    Parameters
    ----------
    scores : Tensor of shape (n, n_classes, n_words)
        Logits or log-probabilities; a constant for each text changes nothing.
    is_word : Tensor of shape (n_classes, n_words), bool
    prior : Tensor of shape (n_classes, n_words), optional
        Log-probabilities of the words without regard to the text.

    Returns
    -------
    Tensor of shape (n, n_classes, n_words)
        Log-probabilities; 0 for padding.

    References
    ----------
    Hu et al. (2022), Knowledgeable Prompt-tuning, section 3.3 (contextualized calibration).
    """
    ratio = scores if prior is None else scores - prior
    masked = ratio.masked_fill(~is_word, -torch.inf)
    return torch.where(is_word, masked.flatten(1).log_softmax(-1).view_as(scores), 0.0)


def aggregate(
    word_scores: Tensor, mask: Tensor, how: Aggregation = "mean", weights: Tensor | None = None
) -> Tensor:
    """Make class scores of word scores.

    Parameters
    ----------
    word_scores : Tensor of shape (n, n_classes, n_words)
        Log-probabilities or logits of the label words.
    mask : Tensor of shape (n_classes, n_words), bool
        Which places hold a word; each class has one at least.
    how : {"mean", "max", "logsumexp", "weighted"}, default="mean"
        ``"mean"``: the mean, as in PET (up to a constant also OpenPrompt's).
        ``"max"``: the best word. ``"logsumexp"``: log of the summed probability.
        ``"weighted"``: the mean with `weights`, made to sum to 1 for each class.
    weights : Tensor of shape (n_classes, n_words), optional
        Needed for ``"weighted"``.

    Returns
    -------
    Tensor of shape (n, n_classes)

    Raises
    ------
    LabelWordError
        If `how` is unknown, or weights are missing.

    Examples
    --------
    >>> import torch
    >>> scores = torch.tensor([[[1.0, 2.0], [3.0, 0.0]]])
    >>> mask = torch.tensor([[True, True], [True, False]])
    >>> aggregate(scores, mask).softmax(-1)
    tensor([[0.1824, 0.8176]])
    """
    if how == "max":
        return word_scores.masked_fill(~mask, -torch.inf).amax(-1)
    if how == "logsumexp":
        return word_scores.masked_fill(~mask, -torch.inf).logsumexp(-1)
    if how == "mean":
        weights = mask.to(word_scores.dtype)
    elif how != "weighted":
        raise LabelWordError(f"aggregation is one of {list(get_args(Aggregation))}, got {how!r}")
    elif weights is None:
        raise LabelWordError("aggregation 'weighted' needs weights, got None")
    share = torch.where(mask, weights, 0.0)
    return (word_scores * (share / share.sum(-1, keepdim=True))).sum(-1)


def _word_ids(word: str, label: Label, tokenizer: Any) -> list[int]:
    # A label word follows a space in the template: RoBERTa's "good" and " good" differ.
    ids: list[int] = tokenizer(" " + word, add_special_tokens=False, split_special_tokens=True)[
        "input_ids"
    ]
    if len(ids) > 1 and tokenizer.convert_ids_to_tokens(ids[0]) in _SPACE_PIECES:
        ids = ids[1:]
    if not ids or tokenizer.unk_token_id in ids:
        raise LabelWordError(
            f"the label word {word!r} of label {label!r} is unknown to the tokenizer "
            f"{type(tokenizer).__name__}; choose a word of its language, in its script"
        )
    return ids


def _check_distinct(
    classes: Sequence[Label], words: Sequence[Sequence[str]], pieces: list[list[list[int]]]
) -> None:
    seen: dict[tuple[int, ...], tuple[Label, str]] = {}
    for label, row, row_ids in zip(classes, words, pieces, strict=True):
        for word, ids in zip(row, row_ids, strict=True):
            other, other_word = seen.setdefault(tuple(ids), (label, word))
            if other != label:
                raise LabelWordError(
                    f"the label words {other_word!r} of {other!r} and {word!r} of {label!r} are "
                    "the same tokens, so these classes cannot be told apart by them; change one, "
                    "or use multi_token='mean' or 'masks' if only their first pieces are equal"
                )


def _warn_split(
    words: Sequence[Sequence[str]], pieces: list[list[list[int]]], multi_token: str
) -> None:
    split = [
        word
        for row, row_ids in zip(words, pieces, strict=True)
        for word, ids in zip(row, row_ids, strict=True)
        if len(ids) > 1
    ]
    if split:
        shown = ", ".join(map(repr, split[:_WORDS_SHOWN]))
        more = f" and {len(split) - _WORDS_SHOWN} more" if len(split) > _WORDS_SHOWN else ""
        warn_user(
            f"the tokenizer splits the label words {shown}{more} into pieces; they are scored "
            f"with multi_token={multi_token!r}. multi_token='masks' gives each piece a mask, words "
            "in one piece are best",
            LabelWordWarning,
        )


def _tensors(
    pieces: list[list[list[int]]], weights: list[list[float]]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    tokens = sorted({token for row in pieces for ids in row for token in ids})
    place = {token: i for i, token in enumerate(tokens)}
    n_classes, n_words = len(pieces), max(map(len, pieces))
    longest = max(len(ids) for row in pieces for ids in row)
    index = torch.zeros(n_classes, n_words, longest, dtype=torch.int64)
    n_pieces = torch.zeros(n_classes, n_words, dtype=torch.int64)
    padded_weights = torch.zeros(n_classes, n_words)
    for c, row in enumerate(pieces):
        for w, ids in enumerate(row):
            index[c, w, : len(ids)] = torch.tensor([place[token] for token in ids])
            n_pieces[c, w] = len(ids)
            padded_weights[c, w] = weights[c][w]
    return torch.tensor(tokens), index, n_pieces, padded_weights
