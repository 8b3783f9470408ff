"""SciPrompt: label words and phrases found for the names of classes, filtered and weighed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch

from fewshot.data.labels import Label, read_label_set
from fewshot.data.settings import check_settings, is_number, one_of, or_none, positive, share, whole
from fewshot.data.training_data import read_training_data
from fewshot.errors import CoverageWarning, VerbalizerError, warn_user
from fewshot.knowledge.candidates import Names, TermSource, class_names
from fewshot.knowledge.filters import Relevance, Weighting, term_weights
from fewshot.knowledge.mining import CorpusTerms
from fewshot.knowledge.neighbours import VocabularyWords
from fewshot.knowledge.refinement import drop_irrelevant, drop_rare
from fewshot.knowledge.retrieval import Found, contrasted, kept, known_to, retrieve
from fewshot.knowledge.similarity import CrossEncoderFilter, term_encoder
from fewshot.knowledge.weights import learn_weights
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.found_terms import FoundTerm
from fewshot.prompting.template import DEFAULT_TEMPLATE, Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import LabelWords, word_ids
from fewshot.scoring.learned_verbalizer import LearnedVerbalizer, ResolvedVerbalizer, VerbalizerTask

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_NAME = "name"  # the source of a class's own name
_FULL_SCORE = 1.0
_SHOWN_LABELS = 10


@dataclass(eq=False, repr=False)
class SciPromptVerbalizer(LearnedVerbalizer):
    """Find label words and phrases for classes that have nothing but a name.

    Give it to a classifier as its ``verbalizer``: in ``fit`` it collects terms from its sources,
    compares them with the names, keeps the best of each class and weighs them. The result is a
    plain :class:`~fewshot.Verbalizer`, the classifier's ``verbalizer_``: look at it, edit it, save
    it, use it again. A class always keeps its name.

    Parameters
    ----------
    sources : sequence of TermSource, optional
        Sources of terms; see :mod:`fewshot.knowledge`. By default the texts passed to ``fit``
        (:class:`~fewshot.knowledge.CorpusTerms`) and the model's vocabulary
        (:class:`~fewshot.knowledge.VocabularyWords`).
    n_terms : int or None, default=10
        The most terms per class and source; None for all.
    names : mapping of label to str or sequence of str, optional
        Names of the classes; by default the labels themselves, cleaned.
    sentence : str, default="{term}"
        Terms and names are put into it before they are compared.
    encoder : str, Path, SentenceTransformer or None, default="fewshot-mini"
        The bi-encoder. None: the sources' own scores count.
    cross_encoder : CrossEncoderFilter, optional
        A second filter.
    min_similarity : float, default=0.2
        Terms whose cosine is not above it are dropped. SciPrompt uses 0.5, for its own encoder.
    frequency_cut : float, default=0.0
        Terms with a token among this share of the vocabulary, predicted least over the texts
        passed to ``fit``, are dropped. 0.5 in KPT and SciPrompt.
    relevance : {"none", "cut", "ratio"}, default="none"
        KPT's relevance refinement over these texts: as its code does it, or as its paper says.
    weights : {"score", "softmax", "uniform", "learnable"}, default="score"
        Weights of words in the mean of their log-probabilities: their similarity (a name weighs
        1), its softmax (SciPrompt), all equal (KPT), or learned from the labels passed to ``fit``
        (KPT's few-shot weights).
    temperature : float, default=1.0
        Of the softmax.

    See Also
    --------
    SciPromptSoftVerbalizer : The same words as one vector per class.
    PetalVerbalizer, LMBFFVerbalizer : Searches by labelled texts.
    PromptClassifier : Takes it as its ``verbalizer``.

    References
    ----------
    You et al. (2024), SciPrompt: Knowledge-augmented Prompting for Fine-grained Categorization of
    Scientific Topics. Hu et al. (2022), Knowledgeable Prompt-tuning, section 3.

    Examples
    --------
    >>> from fewshot import SciPromptVerbalizer
    >>> from fewshot.knowledge import GivenTerms
    >>> terms = {"law": ["court", "legal document"], "sport": ["football"]}
    >>> found = SciPromptVerbalizer([GivenTerms(terms)], encoder=None, weights="uniform")
    >>> found.resolve(["law", "sport"]).label_words
    {'law': ('law', 'court', 'legal document'), 'sport': ('sport', 'football')}
    """

    sources: Sequence[TermSource] | None = None
    n_terms: int | None = 10
    _: KW_ONLY
    names: Mapping[Any, str | Sequence[str]] | None = None
    sentence: str = "{term}"
    encoder: str | Path | SentenceTransformer | None = "fewshot-mini"
    cross_encoder: CrossEncoderFilter | None = None
    min_similarity: float = 0.2
    frequency_cut: float = 0.0
    relevance: Relevance = "none"
    weights: Weighting = "score"
    temperature: float = 1.0

    def resolve(
        self,
        labels: Sequence[Label],
        texts: Any = None,
        *,
        model: str | Path | MaskedLM = "fewshot-mini",
        template: str | Template = DEFAULT_TEMPLATE,
    ) -> Verbalizer:
        """Find label words without a classifier.

        Parameters
        ----------
        labels : sequence of str or int
            All classes.
        texts : sequence of str, of tuple or of mapping; DataFrame; optional
            Texts without labels, as for a classifier's ``fit``.
        model : str, Path or MaskedLM, default="fewshot-mini"
            A name, folder or loaded model.
        template : str or Template, default="A {mask} text: {text}"

        Returns
        -------
        Verbalizer

        Raises
        ------
        InputError
            If `texts` cannot be used.
        SourceError
            If the data of a source is missing.
        VerbalizerError
            If `labels` or a setting cannot be used.
        """
        classes = read_label_set(labels)
        parsed = template if isinstance(template, Template) else Template(template)
        data = None if texts is None else read_training_data(texts, None, None, parsed.field_names)
        return self._find_words(VerbalizerTask.of(classes, load_masked_lm(model), parsed, data))

    def resolve_words(self, task: VerbalizerTask) -> ResolvedVerbalizer:
        """Find the words of all classes; see :meth:`LearnedVerbalizer.resolve_words`."""
        return ResolvedVerbalizer(self._find_words(task))

    def _find_words(self, task: VerbalizerTask) -> Verbalizer:
        self._check(task)
        names = class_names(task.classes, self.names)
        found = self._find(names, task)
        verbalizer = self._weigh(names, found)
        if self.weights == "learnable" and task.sample_weight.any():
            verbalizer = learn_weights(verbalizer, task)
        _warn_uncovered(names, found)
        return verbalizer

    def _find(self, names: Names, task: VerbalizerTask) -> Found:
        found = retrieve(
            [CorpusTerms(), VocabularyWords()] if self.sources is None else self.sources,
            names,
            task,
            None if self.encoder is None else term_encoder(self.encoder),
            sentence=self.sentence,
            min_similarity=self.min_similarity,
            n_terms=self.n_terms,
        )
        if self.cross_encoder is not None:
            found = contrasted(found, names, self.cross_encoder, self.sentence)
        found = known_to(found, names, lambda term: word_ids(term, task.lm.tokenizer))
        if self.frequency_cut > 0:
            found = drop_rare(found, task, self.frequency_cut)
        if self.relevance != "none":
            found = drop_irrelevant(found, names, task, self.relevance)
        return found

    def _weigh(self, names: Names, found: Found) -> Verbalizer:
        words: dict[Label, dict[str, float]] = {}
        notes: list[FoundTerm] = []
        for label, row in found.items():
            terms = [row[i] for i in kept(row)]
            scores = np.array([_FULL_SCORE] * len(names[label]) + [_score(term) for term in terms])
            weights = scores
            if self.weights != "score":
                shares = term_weights(scores, self.weights, self.temperature)
                weights = shares * len(shares)
            spelt = [*names[label], *(term.term for term in terms)]
            words[label] = dict(zip(spelt, weights.tolist(), strict=True))
            notes += [FoundTerm(label, name, _NAME) for name in names[label]] + row
        return Verbalizer(words, provenance=notes)

    def _check(self, task: VerbalizerTask) -> None:
        has_texts = task.examples is not None
        sentence: object = self.sentence
        limits = {
            "n_terms": or_none(self.n_terms, whole),
            "sentence": (
                isinstance(sentence, str) and "{term}" in sentence,
                "a str with '{term}' in it",
            ),
            "min_similarity": (is_number(self.min_similarity), "a number, such as 0.2"),
            "temperature": positive(self.temperature),
            "weights": one_of(self.weights, get_args(Weighting)),
            "relevance": one_of(self.relevance, get_args(Relevance)),
            "frequency_cut": share(self.frequency_cut),
        }
        check_settings(self, limits, VerbalizerError)
        if (self.frequency_cut > 0 or self.relevance != "none") and not has_texts:
            raise VerbalizerError(
                "frequency_cut and relevance ask the model about texts: pass some in fit (labels "
                "may be left out), or leave both as they are by default"
            )
        self._check_sources()

    def _check_sources(self) -> None:
        sources: Any = self.sources  # may be anything
        is_list = sources is None or (isinstance(sources, Sequence) and len(sources) > 0)
        if not is_list or not all(isinstance(source, TermSource) for source in sources or ()):
            raise VerbalizerError(
                "sources is None, or a list of one or more of fewshot.knowledge, such as "
                "[WordNet(), TermFile(path), GivenTerms(mapping), Lookup(function)], got "
                f"{sources!r}"
            )
        used = [VocabularyWords()] if sources is None else sources
        if self.encoder is None and any(isinstance(source, VocabularyWords) for source in used):
            raise VerbalizerError(
                "VocabularyWords, one of the default sources, needs an encoder to choose words, "
                "and encoder is None; give an encoder or other sources"
            )


class SciPromptSoftVerbalizer(SciPromptVerbalizer):
    """Find label words, and make them one vector per class.

    The vector is the weighted mean of the decoder's rows of the words; the state at the mask is
    multiplied with it. A score costs the same however many words there are. Words and parameters
    are those of :class:`SciPromptVerbalizer`. With ``weights="score"`` the vector of a class whose
    words score low is short, as in SciPrompt; all other weights sum to 1 in each class.

    See Also
    --------
    SciPromptVerbalizer : Describes the parameters.
    SoftVerbalizer : Learns the vectors.

    References
    ----------
    You et al. (2024), SciPrompt, section 3.3 (SciPrompt_soft).

    Examples
    --------
    >>> from fewshot.knowledge import SciPromptSoftVerbalizer
    >>> SciPromptSoftVerbalizer(n_terms=20)
    SciPromptSoftVerbalizer(n_terms=20)
    """

    def resolve_words(self, task: VerbalizerTask) -> ResolvedVerbalizer:
        """Find words and make vectors; see :meth:`LearnedVerbalizer.resolve_words`."""
        verbalizer = self._find_words(task)
        words = LabelWords.resolve(verbalizer, task.classes, task.lm.tokenizer)
        rows = task.lm.mask_head.decoder_rows(words.tokens).cpu()
        with torch.inference_mode():
            vectors = words.class_vectors(rows)
        return ResolvedVerbalizer(
            verbalizer, LabelWords.from_vectors(task.classes, vectors.clone())
        )


def _score(term: FoundTerm) -> float:
    value = term.source_score if term.similarity is None else term.similarity
    return _FULL_SCORE if value is None else min(max(value, 0.0), _FULL_SCORE)


def _warn_uncovered(names: Names, found: Found) -> None:
    unknown = [label for label in names if not found[label]]
    bare = [label for label in names if found[label] and not kept(found[label])]
    parts = []
    if unknown:
        parts.append(f"no source has a term for {_shown(unknown)}")
    if bare:
        reason = found[bare[0]][0].dropped
        parts.append(f"all terms of {_shown(bare)} were dropped (of the first: {reason})")
    if parts:
        warn_user(
            f"{'; '.join(parts)}: these classes are left with their names. Add sources, lower "
            "min_similarity, or give words of your own with GivenTerms",
            CoverageWarning,
        )


def _shown(labels: Sequence[Label]) -> str:
    more = f" and {len(labels) - _SHOWN_LABELS} more" * (len(labels) > _SHOWN_LABELS)
    return f"{list(labels[:_SHOWN_LABELS])}{more}"
