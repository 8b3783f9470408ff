"""A small tuning task on a tiny model."""

from __future__ import annotations

import numpy as np

from fewshot.data.examples import Examples
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.scoring.label_words import LabelWords
from fewshot.scoring.scorer import PromptScorer
from fewshot.tuning.task import TuningTask

TEXTS = [
    "the football team", "a new player", "the match was good", "a goal", "team and player win",
    "the government", "an election vote", "the law of the world", "a vote", "election news",
]  # fmt: skip


def make_task(tiny, *, texts=TEXTS, targets=None, weights=None, seed=0) -> TuningTask:
    """Two classes, the first half of the texts against the second, calibrated over them."""
    lm = MaskedLM(*tiny, device="cpu")
    verbalizer = Verbalizer({"politics": ["politics", "law"], "sports": ["sports", "game"]})
    words = LabelWords.resolve(verbalizer, verbalizer.labels, lm.tokenizer)
    scorer = PromptScorer(lm, Template("{mask} news: {text}"), words, "mean", lm.max_length)
    views = scorer.views(Examples({"text": list(texts)}))
    scorer = scorer.calibrated(scorer.encode(views), np.ones(len(texts)))
    if targets is None:
        targets = np.eye(2)[(np.arange(len(texts)) < len(texts) // 2).astype(int)]
    weights = np.ones(len(texts)) if weights is None else np.asarray(weights, dtype=float)
    return TuningTask(scorer, views, np.asarray(targets), weights, np.random.default_rng(seed))
