"""Similarity of terms to class names: a bi-encoder's cosine, a cross-encoder's score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fewshot.data.cache import BoundedCache
from fewshot.data.class_scores import check_finite
from fewshot.data.settings import check_settings, is_number, one_of
from fewshot.errors import ModelError, VerbalizerError
from fewshot.models.hub import load_by_name
from fewshot.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

    from fewshot.models.sentence_encoder import SentenceEncoder

Keep: TypeAlias = Literal["above", "below"]

_CACHE_TEXTS = 100_000


class TermEncoder:
    """A sentence encoder that caches its embeddings by content."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        self._known: BoundedCache[str, npt.NDArray[np.float32]] = BoundedCache(_CACHE_TEXTS)
        self.n_passes = 0
        self.n_texts = 0

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return embeddings of length 1, [n, hidden]; those not cached are computed in one pass."""
        return np.stack(self._known.fill(texts, self._unit))

    def _unit(self, texts: list[str]) -> list[npt.NDArray[np.float32]]:
        embeddings = self._encoder.unit(self._encoder.tokenize(texts))
        self.n_passes += 1
        self.n_texts += len(texts)
        return list(embeddings.astype(np.float32))


def term_encoder(model: str | Path | SentenceTransformer) -> TermEncoder:
    """Return the shared encoder of a name or folder, or a new one of a loaded model."""
    if isinstance(model, (str, Path)):
        return _shared_encoder(str(model))
    return _term_encoder(model)


@lru_cache(maxsize=2)
def _shared_encoder(name: str) -> TermEncoder:
    return _term_encoder(name)


def _term_encoder(model: str | Path | SentenceTransformer) -> TermEncoder:
    from fewshot.models.sentence_encoder import SentenceEncoder  # loads sentence-transformers

    return TermEncoder(SentenceEncoder.frozen(model, None))


def cosines(
    encoder: TermEncoder, terms: Sequence[str], names: Sequence[Sequence[str]]
) -> npt.NDArray[np.float64]:
    """Return cosines with each class's nearest name, [n_terms, n_classes], from one pass."""
    flat = [name for row in names for name in row]
    embedded = encoder.embed([*terms, *flat])
    products = embedded[: len(terms)] @ embedded[len(terms) :].T
    starts = np.cumsum([0, *map(len, names)])[:-1]
    best: npt.NDArray[np.float64] = np.maximum.reduceat(products, starts, axis=1).astype(np.float64)
    return best


@dataclass(eq=False, repr=False)
class CrossEncoderFilter(BaseEstimator):
    """Keep the terms that a cross-encoder scores well beside the class's name.

    A model that scores similarity needs ``keep="above"``. SciPrompt's own, tuned on SciNLI, scores
    contrast: ``keep="below"``. The direction is checked: class names paired with themselves and
    with one another must fall on the right sides.

    Parameters
    ----------
    model : CrossEncoder, str or Path
        With one output; loaded, or a folder or hub id.
    threshold : float, default=0.9
        Of the model's scores.
    keep : {"above", "below"}, default="above"
        The side of the threshold on which terms are kept.

    See Also
    --------
    SciPromptVerbalizer : Takes it as its ``cross_encoder``.

    References
    ----------
    You et al. (2024), SciPrompt, section 3.2.

    Examples
    --------
    >>> from fewshot.knowledge import CrossEncoderFilter
    >>> CrossEncoderFilter("cross-encoder/stsb-roberta-base", threshold=0.5)
    CrossEncoderFilter(model='cross-encoder/stsb-roberta-base', threshold=0.5)
    """

    model: CrossEncoder | str | Path
    _: KW_ONLY
    threshold: float = 0.9
    keep: Keep = "above"

    def score(self, pairs: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
        """Return the model's score of each pair of sentences.

        Parameters
        ----------
        pairs : sequence of (str, str)

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        ModelError
            If the model has several outputs or cannot be loaded, or scores are not finite.
        """
        model = _cross_encoder(self.model)
        if not len(pairs):
            return np.zeros(0)
        scores = np.asarray(model.predict(list(pairs), show_progress_bar=False), dtype=np.float64)
        if scores.ndim != 1:
            raise ModelError(
                f"the cross-encoder gives {scores.shape[-1]} scores per pair; use one with "
                "num_labels=1"
            )
        check_finite(scores[:, None], "the cross-encoder's scores")
        return scores

    def keeps(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Return whether scores are on the right side of the threshold, after a check of both."""
        limits = {
            "keep": one_of(self.keep, get_args(Keep)),
            "threshold": (is_number(self.threshold), "a number"),
        }
        check_settings(self, limits, VerbalizerError)
        return scores > self.threshold if self.keep == "above" else scores < self.threshold

    def check_convention(self, names: Sequence[str]) -> None:
        """Raise a VerbalizerError if the model scores different names the other way than `keep`."""
        self.keeps(np.zeros(0))
        same = self.score([(name, name) for name in names]).mean()
        shifted = [*names[1:], names[0]]
        other = self.score(list(zip(names, shifted, strict=True))).mean()
        if (same > other) != (self.keep == "above") and same != other:
            right = "above" if same > other else "below"
            raise VerbalizerError(
                f"keep={self.keep!r} does not fit this cross-encoder: class names score {same:.3g} "
                f"beside themselves and {other:.3g} beside one another; use keep={right!r}"
            )


def _cross_encoder(model: CrossEncoder | str | Path) -> CrossEncoder:
    if isinstance(model, (str, Path)):
        return _loaded(str(model))
    from sentence_transformers import CrossEncoder

    if not isinstance(model, CrossEncoder):
        raise ModelError(
            f"model is a CrossEncoder, a folder or a hub id, got {type(model).__name__}"
        )
    found: CrossEncoder = model
    return found


@lru_cache(maxsize=1)
def _loaded(name: str) -> CrossEncoder:
    from sentence_transformers import CrossEncoder

    with quiet_transformers():
        load = partial(CrossEncoder, trust_remote_code=False)
        found: CrossEncoder = load_by_name(name, "cross-encoder", load)
    return found
