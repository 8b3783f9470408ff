"""Sources of label words, and verbalizers that are made in ``fit``."""

from __future__ import annotations

from fewshot.knowledge.candidates import Candidates, TermSource
from fewshot.knowledge.given import GivenTerms, Lookup, TermFile
from fewshot.knowledge.lmbff import LMBFFVerbalizer
from fewshot.knowledge.mining import CorpusTerms
from fewshot.knowledge.neighbours import ModelNeighbours, VocabularyWords
from fewshot.knowledge.petal import PetalVerbalizer
from fewshot.knowledge.sciprompt import SciPromptSoftVerbalizer, SciPromptVerbalizer
from fewshot.knowledge.similarity import CrossEncoderFilter
from fewshot.knowledge.soft import PrototypeVerbalizer, SoftVerbalizer
from fewshot.knowledge.wordnet import WordNet
from fewshot.scoring.learned_verbalizer import (
    LearnedVerbalizer,
    ResolvedPrototypes,
    ResolvedVerbalizer,
    VerbalizerTask,
)

__all__ = [
    "Candidates",
    "CorpusTerms",
    "CrossEncoderFilter",
    "GivenTerms",
    "LMBFFVerbalizer",
    "LearnedVerbalizer",
    "Lookup",
    "ModelNeighbours",
    "PetalVerbalizer",
    "PrototypeVerbalizer",
    "ResolvedPrototypes",
    "ResolvedVerbalizer",
    "SciPromptSoftVerbalizer",
    "SciPromptVerbalizer",
    "SoftVerbalizer",
    "TermFile",
    "TermSource",
    "VerbalizerTask",
    "VocabularyWords",
    "WordNet",
]
