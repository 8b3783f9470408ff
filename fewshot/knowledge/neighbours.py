"""Words of the model's vocabulary, and those close to a class's name according to the model."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from fewshot.data.examples import Examples
from fewshot.data.settings import check_settings, one_of, whole
from fewshot.errors import SourceError
from fewshot.knowledge.candidates import Candidates, Names, TermSource
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.learned_verbalizer import VerbalizerTask

_SHORTEST = 3  # letters of a word; shorter tokens are mostly pieces
_SPACE_MARKS = ("Ġ", "▁")
_CONTINUATION = "##"


class VocabularyWords(TermSource):
    """All whole words of the model's vocabulary; their similarity to the names decides.

    There are some 20,000 such words. Each is a single token, so the model scores them best. They
    are embedded once per process.

    See Also
    --------
    CorpusTerms : Terms of your own texts; the other default source.
    ModelNeighbours : Only the words that the model relates to a name.

    Examples
    --------
    >>> from fewshot.knowledge import VocabularyWords
    >>> VocabularyWords()
    VocabularyWords()
    """

    name = "vocabulary"

    def find(self, names: Names, task: VerbalizerTask) -> Candidates:  # noqa: ARG002
        """Return the same words for all classes; see :meth:`TermSource.find`."""
        words = tuple(vocabulary_words(task.lm.tokenizer))
        return Candidates(words, np.ones((len(words), len(task.classes))), is_pool=True)


@dataclass(eq=False, repr=False)
class ModelNeighbours(TermSource):
    """Words that the masked language model itself relates to a name.

    Parameters
    ----------
    by : {"predictions", "embeddings"}, default="predictions"
        ``"predictions"``: what the model predicts at the mask of the template when the text is the
        name, divided by what it predicts for an empty text. ``"embeddings"``: the cosine of the
        decoder's rows.
    n_candidates : int, default=100
        Words per class; those that are not similar to the name are dropped later.

    See Also
    --------
    VocabularyWords : All words of the vocabulary.
    SciPromptVerbalizer : Collects, filters and weighs terms.

    Examples
    --------
    >>> from fewshot.knowledge import ModelNeighbours
    >>> ModelNeighbours(by="embeddings")
    ModelNeighbours(by='embeddings')
    """

    name = "model"

    _: KW_ONLY
    by: Literal["predictions", "embeddings"] = "predictions"
    n_candidates: int = 100

    def find(self, names: Names, task: VerbalizerTask) -> Candidates:
        """Return the nearest words of each name; see :meth:`TermSource.find`."""
        limits = {
            "by": one_of(self.by, ("predictions", "embeddings")),
            "n_candidates": whole(self.n_candidates),
        }
        check_settings(self, limits, SourceError, is_part=True)
        words = vocabulary_words(task.lm.tokenizer)
        tokens = torch.tensor(list(words.values()))
        near = _predicted if self.by == "predictions" else _embedded
        closeness = near(names, task, tokens)  # [words, classes]
        ranks = (-closeness).argsort(0, kind="stable").argsort(0, kind="stable")
        # From 1 for the nearest down: differences of logits and cosines have no common scale.
        scores = np.maximum(1.0 - ranks / self.n_candidates, 0.0)
        kept = np.flatnonzero(scores.sum(1))
        spelt = list(words)
        return Candidates(tuple(spelt[i] for i in kept), scores[kept])


def vocabulary_words(
    tokenizer: Any,  # transformers' tokenizers share no usable static type
    shortest: int = _SHORTEST,
) -> dict[str, int]:
    """Return the whole words of a vocabulary with their token ids, sorted."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    tokens = tokenizer.convert_ids_to_tokens(list(vocabulary.values()))
    marks = tuple(mark for mark in _SPACE_MARKS if any(mark in token for token in tokens))
    found: dict[str, int] = {}
    for token, index in vocabulary.items():
        is_start = token.startswith(marks) if marks else not token.startswith(_CONTINUATION)
        word = tokenizer.convert_tokens_to_string([token]).strip() if is_start else ""
        if len(word) >= shortest and word.isalpha():
            found.setdefault(word, index)
    return dict(sorted(found.items()))


def _predicted(names: Names, task: VerbalizerTask, tokens: torch.Tensor) -> npt.NDArray[np.float64]:
    tokenizer, fields = task.lm.tokenizer, task.template.field_names
    texts = [" ".join(words) for words in names.values()]
    examples = Examples({name: [*texts, ""] for name in fields})
    prompts = build_prompts(
        tokenizer,
        task.template,
        tokenize_slots(tokenizer, [task.template], examples),
        max_length=task.max_length,
    )
    states = torch.from_numpy(task.lm.states(prompts).mask[:, 0]).to(task.lm.device)
    with torch.inference_mode():
        logits = task.lm.mask_head.token_logits(states, tokens.to(task.lm.device))
    gain: npt.NDArray[np.float64] = (logits[:-1] - logits[-1]).double().cpu().numpy().T
    return gain


def _embedded(names: Names, task: VerbalizerTask, tokens: torch.Tensor) -> npt.NDArray[np.float64]:
    rows = task.lm.mask_head.decoder_rows(tokens)
    verbalizer = Verbalizer({label: list(words) for label, words in names.items()})
    words = LabelWords.resolve(verbalizer, task.classes, task.lm.tokenizer)
    pieces = task.lm.mask_head.decoder_rows(words.tokens)
    means = words.class_vectors(pieces)  # [classes, hidden]
    unit = torch.nn.functional.normalize
    cosines: npt.NDArray[np.float64] = (unit(rows) @ unit(means).T).double().cpu().numpy()
    return cosines
