"""The scores of a :class:`~fewshot.scoring.scorer.PromptScorer` as a module of states."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from fewshot.models.mask_head import MaskHead
from fewshot.scoring.aggregation import word_log_probs
from fewshot.scoring.heads import StateHead
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.names import ClassNames
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.scoring.scorer import PromptScorer

_FAR = -1e30  # the score of a word that a class lacks, beside those that it has


class ScorerVoices(nn.Module):
    """From states at masks and mean states to class scores, as ``PromptScorer.scores``."""

    def __init__(self, scorer: PromptScorer) -> None:
        super().__init__()
        embedded = scorer.words if isinstance(scorer.words, LabelEmbeddings) else None
        self.words = _WordScores(scorer) if embedded is None else _NearestLabels(embedded)
        self.names = None if scorer.names is None else _NameScores(scorer.names)
        self.head, self.base = scorer.head, scorer.base
        self.has_several = scorer.kind.has_several
        self.mean = None if scorer.head is None else _Regression(scorer.head)
        self.mask = None
        if scorer.head is not None and scorer.head.mask is not None and scorer.head.mask_share:
            self.mask = _Regression(scorer.head.mask)
        self.weights = (
            (1.0, 0.0) if scorer.names is None else (scorer.names.word_weight, scorer.names.weight)
        )

    def forward(self, mask: Tensor, mean: Tensor) -> Tensor:
        """Return scores [n, n_classes] of states [n, n_masks, width] and means [n, hidden]."""
        words: Tensor = self.words(mask, mean)
        names: Tensor | None = None if self.names is None else self.names(mean)
        if self.head is None or self.mean is None:
            of_words, of_names = self.weights
            return (words if names is None else of_words * words + of_names * names) + self.base
        total = self.head.prompt_share * self._normalized(words)
        total = total + self._normalized(self.mean(mean))
        if names is not None:
            total = total + self.head.name_share * names
        if self.mask is not None:
            total = total + self.head.mask_share * self._normalized(self.mask(mask[:, 0]))
        return total / self.head.temperature

    def _normalized(self, scores: Tensor) -> Tensor:
        return scores if self.has_several else scores.log_softmax(-1)


class _WordScores(nn.Module):
    """Calibrated log-probabilities of label words at one mask, aggregated by class."""

    tokens: Tensor
    share: Tensor
    rows: Tensor
    bias: Tensor
    prior: Tensor
    places: Tensor
    lacking: Tensor
    of_class: Tensor

    def __init__(self, scorer: PromptScorer) -> None:
        super().__init__()
        words = scorer.label_words
        self.head = scorer.lm.mask_head
        self.register_buffer("tokens", words.tokens)
        self.is_product = words.vectors is not None or self.head.has_rows
        share = _piece_shares(words)  # [n_tokens, n_words]
        if self.is_product:
            rows, bias = _rows_of(words, self.head)
            self.register_buffer("rows", (rows.double().T @ share).float())  # [width, n_words]
            self.register_buffer("bias", (bias.double() @ share).float())
        else:
            self.register_buffer("share", share.float())
        prior = torch.zeros(share.shape[1]) if scorer.prior is None else scorer.prior
        self.register_buffer("prior", prior.float())
        self.how, self.kind = scorer.aggregation, scorer.kind
        counts = torch.tensor([len(row) for row in words.words])
        self.register_buffer("places", _places(counts))
        self.register_buffer("lacking", (_places(counts) < 0).float() * _FAR)
        weights = words.weights if self.how == "weighted" else torch.ones(len(words.weights))
        self.register_buffer("of_class", _class_shares(words.class_index, weights))

    def forward(self, mask: Tensor, mean: Tensor) -> Tensor:
        del mean
        if self.is_product:
            scores = mask[:, 0] @ self.rows + self.bias
        else:
            logits = self.head.run(mask[:, :1])[:, 0]  # [n, vocabulary]
            scores = logits[:, self.tokens] @ self.share
        log_probs = word_log_probs(scores, self.prior, self.kind)
        if self.how in ("mean", "weighted"):
            return log_probs @ self.of_class
        # [n, n_classes, most words of a class]
        spread = log_probs[:, self.places.clamp(min=0)] + self.lacking
        return {"max": spread.amax, "logsumexp": spread.logsumexp}[self.how](-1)


class _NearestLabels(nn.Module):
    """Log-probabilities by the nearest label embedding."""

    def __init__(self, labels: LabelEmbeddings) -> None:
        super().__init__()
        self.labels = labels

    def forward(self, mask: Tensor, mean: Tensor) -> Tensor:
        return self.labels.scores(mask if self.labels.states == "mask" else mean[:, None])


class _NameScores(nn.Module):
    """Calibrated cosines to the names of the classes."""

    vectors: Tensor
    center: Tensor
    prior: Tensor

    def __init__(self, names: ClassNames) -> None:
        super().__init__()
        self.register_buffer("vectors", _tensor(names.vectors.T))
        self.register_buffer("center", _tensor(names.center))
        self.register_buffer("prior", _tensor(names.prior))

    def forward(self, mean: Tensor) -> Tensor:
        return nn.functional.normalize(mean - self.center, dim=-1) @ self.vectors - self.prior


class _Regression(nn.Module):
    """Scores of a regression on states."""

    coef: Tensor
    center: Tensor
    bias: Tensor

    def __init__(self, head: StateHead) -> None:
        super().__init__()
        coef = head.coef / head.scale
        self.register_buffer("coef", _tensor(coef))
        self.register_buffer("center", _tensor(head.center))
        bias = np.zeros(coef.shape[1]) if head.intercept is None else head.intercept
        self.register_buffer("bias", _tensor(bias))

    def forward(self, states: Tensor) -> Tensor:
        return (states - self.center) @ self.coef + self.bias


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()


def _piece_shares(words: LabelWords) -> Tensor:
    """Return how much each token counts in each word, [n_tokens, n_words], in float64."""
    n_tokens, n_words = len(words.tokens), len(words.n_pieces)
    of_word = torch.repeat_interleave(words.n_pieces)
    share = torch.zeros(n_tokens, n_words, dtype=torch.float64)
    values = 1.0 / words.n_pieces.double()[of_word]
    return share.index_put((words.index, of_word), values, accumulate=True)


def _rows_of(words: LabelWords, head: MaskHead) -> tuple[Tensor, Tensor]:
    """Return the vectors and biases of tokens, [n_tokens, width] and [n_tokens]."""
    if words.vectors is not None:
        return words.vectors.detach().cpu(), torch.zeros(len(words.vectors))
    return head.decoder_rows(words.tokens).cpu(), head.decoder_biases(words.tokens).cpu()


def _places(counts: Tensor) -> Tensor:
    """Return the numbers of each class's words, [n_classes, most], -1 where it has fewer."""
    numbers = torch.arange(int(counts.max())).expand(len(counts), -1)
    starts = (counts.cumsum(0) - counts)[:, None]
    return torch.where(numbers < counts[:, None], starts + numbers, torch.tensor(-1))


def _class_shares(class_index: Tensor, weights: Tensor) -> Tensor:
    """Return the share of each word in the mean of its class, [n_words, n_classes]."""
    one_hot = nn.functional.one_hot(class_index).double() * weights.double()[:, None]
    return (one_hot / one_hot.sum(0)).float()
