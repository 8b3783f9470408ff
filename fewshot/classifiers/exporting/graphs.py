"""Fitted classifiers as modules from token ids to class scores, and what their texts become."""

# Each repeats in float32, on tensors alone, what its classifier computes in `_decision_scores`; the
# check of every export compares the two.

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.embedding import EmbeddingClassifier
from fewshot.classifiers.exporting.scores import ScorerVoices
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.sentence_classifier import SentenceClassifier
from fewshot.data.task_kind import TaskKind
from fewshot.errors import ModelError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.tokens import count_soft, ordinary_tokens
from fewshot.runtime.manifest import PromptInput, TextInput
from fewshot.scoring.heads import LEAST_LOG_PROBABILITY

Offset: TypeAlias = npt.NDArray[np.float64]  # [n_classes], or [1]

_ERROR_OF_BF16 = 0.1
_PROBE = (2, 12)  # prompts and tokens of the inputs that a graph is traced with


@dataclass(frozen=True)
class Graph:
    """A module from inputs to scores and probabilities, [n, n_classes], and its texts."""

    module: nn.Module
    inputs: dict[str, Tensor]  # by name, for the trace
    tokenizer: Any  # of transformers
    input: PromptInput | TextInput
    max_length: int
    error: float = 1e-3  # of a probability in float32; more is a graph of something else


def graph_of(classifier: Any) -> Graph:
    """Return the graph of a fitted classifier."""
    if isinstance(classifier, TextClassifier):
        check_is_fitted(classifier)
        offset = classifier._offset
    while isinstance(classifier, TextClassifier) and hasattr(classifier, "estimator_"):
        classifier = classifier.estimator_
    if isinstance(classifier, PromptClassifier):
        return _prompt_graph(classifier, offset)
    if isinstance(classifier, FineTuneClassifier):
        return _sequence_graph(classifier, offset)
    if isinstance(classifier, SentenceClassifier):
        return _sentence_graph(classifier, offset)
    name = type(classifier).__name__
    advice = _ADVICE.get(name, "export a PromptClassifier, or another with an encoder")
    raise ModelError(f"{name} has no graph: {advice}")


_ADVICE = {
    "Classifier": "it pools several classifiers; export clf.distill(texts) (on the "
    "command line: --distill), or one of its voices_",
    "TfidfClassifier": "it counts words and runs no model; save it with clf.save(folder)",
    "GridSearchCV": "export its best_estimator_",
    "Pipeline": "export its last step, if that is a classifier of fewshot",
}


class _Scored(nn.Module):
    """Adds what is known of the classes to scores, and makes probabilities of them."""

    offset: Tensor

    def __init__(self, encoder: nn.Module, offset: Offset, kind: TaskKind) -> None:
        super().__init__()
        self.encoder, self.has_several = encoder, kind.has_several
        self.register_buffer("offset", torch.from_numpy(offset).float())

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.encoder(*inputs) + self.offset
        return scores, scores.sigmoid() if self.has_several else scores.softmax(-1)


class _LanguageModel(nn.Module):
    """Encodes prompts of one length to states at their masks and mean states."""

    def __init__(self, lm: MaskedLM) -> None:
        super().__init__()
        self.model, self.added = lm.model, lm.added  # parameters, for the device and the trace
        self._lm = [lm]

    def forward(
        self, ids: Tensor, positions: Tensor, soft: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return self._lm[0].run(ids, positions, soft)


class _PromptModule(nn.Module):
    def __init__(self, classifier: PromptClassifier) -> None:
        super().__init__()
        self.lm = _LanguageModel(classifier.model_)
        self.voices = ScorerVoices(classifier.scorer_)

    def forward(self, ids: Tensor, positions: Tensor, soft: Tensor | None = None) -> Tensor:
        scores: Tensor = self.voices(*self.lm(ids, positions, soft))
        return scores


class _SequenceModule(nn.Module):
    coef: Tensor
    intercept: Tensor

    def __init__(self, classifier: FineTuneClassifier) -> None:
        super().__init__()
        self.lm = _LanguageModel(classifier.model_)
        self.pooling = classifier.pooling_
        self.register_buffer("coef", torch.from_numpy(classifier.coef_).float())
        self.register_buffer("intercept", torch.from_numpy(classifier.intercept_).float())

    def forward(self, ids: Tensor) -> Tensor:
        first = torch.zeros_like(ids[:, :1])
        mask, mean = self.lm(ids, first)
        pooled = mean if self.pooling == "mean" else mask[:, 0]
        scores: Tensor = pooled @ self.coef + self.intercept
        return scores


class _SentenceModule(nn.Module):
    coef: Tensor
    intercept: Tensor
    is_absent: Tensor

    def __init__(self, classifier: SentenceClassifier) -> None:
        from fewshot.models.sentence_encoder import reader_of  # loads sentence-transformers

        super().__init__()
        self.transformer = classifier.encoder_
        self.is_unit = isinstance(classifier, EmbeddingClassifier)
        reads_middle = getattr(classifier, "reads_middle_", False)
        self.reader = reader_of(self.transformer) if reads_middle else None
        self.has_several = classifier.task_kind_.has_several
        is_absent = np.isneginf(classifier.intercept_)
        self.register_buffer("coef", torch.from_numpy(classifier.coef_).float())
        intercept = np.where(is_absent, -1e30, classifier.intercept_)
        self.register_buffer("intercept", torch.from_numpy(intercept).float())
        self.register_buffer("is_absent", torch.from_numpy(is_absent))

    def forward(self, ids: Tensor) -> Tensor:
        from fewshot.models.sentence_encoder import embed_ids

        vectors = embed_ids(self.transformer, ids, self.reader)
        if self.is_unit:
            vectors = nn.functional.normalize(vectors, dim=-1)
        scores = vectors @ self.coef + self.intercept
        scores = scores if self.has_several else scores.log_softmax(-1)
        known: Tensor = scores.masked_fill(self.is_absent, LEAST_LOG_PROBABILITY)
        return known


def _prompt_graph(classifier: PromptClassifier, offset: Offset) -> Graph:
    scorer, template = classifier.scorer_, classifier.template_
    several_masks = scorer.kind.has_several and classifier.multi_token == "masks"
    if len(scorer.words.mask_counts) > 1 or several_masks:
        raise ModelError(
            "multi_token='masks' reads a text once for each number of pieces, which one graph does "
            "not: fit with multi_token='mean' (or, for one label a text, words of equally many "
            "pieces)"
        )
    (n_masks,) = scorer.words.mask_counts
    if template.shorten == "chunk":
        raise ModelError(
            "a template with shorten='chunk' reads a text in several prompts, which one graph "
            "does not: fit with another, such as shorten='longest'"
        )
    ids = _probe_ids(scorer.lm.tokenizer, scorer.lm.device)
    places = torch.arange(1, 1 + n_masks, device=ids.device).expand(len(ids), -1)
    inputs = {"input_ids": ids, "mask_positions": places}
    if template.soft:
        n_soft = count_soft(scorer.lm.tokenizer, template)
        inputs["soft_positions"] = torch.arange(2, 2 + n_soft, device=ids.device).expand(
            len(ids), -1
        )
    given: PromptInput = {
        "kind": "prompt",
        "template": template.text,
        "shorten": template.shorten,
        "n_masks": n_masks,
    }
    module = _Scored(_PromptModule(classifier), offset, classifier.task_kind_)
    error = _error(scorer.lm)
    return Graph(module, inputs, scorer.lm.tokenizer, given, scorer.max_length, error)


def _sequence_graph(classifier: FineTuneClassifier, offset: Offset) -> Graph:
    lm = classifier.model_
    module = _Scored(_SequenceModule(classifier), offset, classifier.task_kind_)
    graph = _text_graph(classifier, module, lm.tokenizer, lm.device, is_pair=True)
    return replace(graph, error=_error(lm))


def _sentence_graph(classifier: SentenceClassifier, offset: Offset) -> Graph:
    encoder = classifier.encoder_
    module = _Scored(_SentenceModule(classifier), offset, classifier.task_kind_)
    return _text_graph(classifier, module, encoder.tokenizer, encoder.device, is_pair=False)


def _text_graph(
    classifier: Any, module: nn.Module, tokenizer: Any, device: torch.device, *, is_pair: bool
) -> Graph:
    inputs = {"input_ids": _probe_ids(tokenizer, device)}
    given: TextInput = {"kind": "text", "fields": list(classifier.fields_), "is_pair": is_pair}
    return Graph(module, inputs, tokenizer, given, classifier.max_length_)


def _error(lm: MaskedLM) -> float:
    """Return how far the graph in float32 may be from what the model predicts, perhaps in bf16."""
    return _ERROR_OF_BF16 if lm.uses_bf16(tunes=False) else Graph.error


def _probe_ids(tokenizer: Any, device: torch.device) -> Tensor:
    """Return ids of any tokens, none of which is special."""
    n, length = _PROBE
    ordinary = torch.from_numpy(ordinary_tokens(tokenizer, n * length).astype(np.int64))
    return ordinary[torch.arange(n * length) % len(ordinary)].view(n, length).to(device)
