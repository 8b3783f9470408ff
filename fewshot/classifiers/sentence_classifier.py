"""Base of classifiers that are linear in the embeddings of a sentence encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fewshot.classifiers.base import DryRun
from fewshot.classifiers.supervised import SupervisedClassifier
from fewshot.data.class_scores import score_in_parts, warn_truncated
from fewshot.data.classes import label_array
from fewshot.data.examples import Examples, read_examples
from fewshot.data.labels import Label
from fewshot.scoring.heads import LinearHead
from fewshot.training.history import Epoch

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from fewshot.models.sentence_encoder import SentenceEncoder, TokenizedTexts


class EncodedTexts(NamedTuple):
    """The texts of a fit, tokenised for their encoder; fields are joined."""

    encoder: SentenceEncoder
    texts: list[str]
    tokens: TokenizedTexts
    fields: tuple[str, ...]

    @classmethod
    def of(cls, encoder: SentenceEncoder, examples: Examples) -> EncodedTexts:
        """Tokenise texts."""
        texts = examples.joined()
        return cls(encoder, texts, encoder.tokenize(texts), examples.fields)

    def cost(self, training_passes: float, n_steps: int) -> DryRun:
        """Estimate the cost of embedding the texts, and of training by so many forward passes."""
        n_tokens = int(self.tokens.lengths.sum())
        return DryRun(
            n_texts=len(self.texts),
            n_tokens=n_tokens,
            n_truncated=self.tokens.n_truncated,
            n_steps=n_steps,
            seconds=(1 + training_passes) * n_tokens / self.encoder.tokens_per_second(self.tokens),
        )


class SentenceClassifier(SupervisedClassifier):
    """Base of classifiers that score the embeddings of ``encoder_`` by linear functions."""

    encoder_: SentenceTransformer
    max_length_: int
    coef_: npt.NDArray[np.float64]
    intercept_: npt.NDArray[np.float64]

    def _embed(self, encoder: SentenceEncoder, tokens: TokenizedTexts) -> npt.NDArray[np.float64]:
        """Return what the linear functions are of, [n, hidden]."""
        return encoder.embed(tokens)

    def _set_learned(
        self,
        classes: Sequence[Label],
        encoded: EncodedTexts,
        head: LinearHead,
        history: list[Epoch],
        thresholds: npt.NDArray[np.float64] | None,
    ) -> None:
        tokens, most = encoded.tokens, encoded.encoder.max_length
        warn_truncated(tokens.n_truncated, len(encoded.texts), most, self._read_more)
        self.classes_ = label_array(classes)
        self.encoder_ = encoded.encoder.transformer
        self.max_length_ = encoded.encoder.max_length
        self.coef_, self.intercept_ = head.coef, head.intercept
        self.task_kind_, self.thresholds_ = head.kind, thresholds
        self.fields_ = list(encoded.fields)
        self.history_ = history
        self.n_truncated_ = encoded.tokens.n_truncated

    def _scores(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Score what was embedded, [n, n_classes]."""
        return LinearHead(self.coef_, self.intercept_, self.task_kind_).scores(features)

    @property
    def _fitted_encoder(self) -> SentenceEncoder:
        from fewshot.models.sentence_encoder import SentenceEncoder  # loads sentence-transformers

        # Estimators that were saved before have no length: their encoders know it.
        return SentenceEncoder(self.encoder_, getattr(self, "max_length_", None))

    def _n_tokens(self, X: Any) -> int | None:
        # Each text is embedded once, besides training.
        lengths = self._fitted_encoder.tokenize(read_examples(X, self.fields_).joined()).lengths
        return sum(int(epoch["tokens"]) for epoch in self.history_) + int(lengths.sum())

    def _class_scores(self, X: Any) -> npt.NDArray[np.float64]:
        encoder = self._fitted_encoder

        def score(part: Examples) -> tuple[npt.NDArray[np.float64], int]:
            tokens = encoder.tokenize(part.joined())
            return self._scores(self._embed(encoder, tokens)), tokens.n_truncated

        examples = read_examples(X, self.fields_)
        return score_in_parts(examples, score, encoder.max_length, self._read_more)

    @property
    def _read_more(self) -> str:
        """What to do about long texts, also where this is one of several voices."""
        return f"raise max_length of {type(self).__name__}"
