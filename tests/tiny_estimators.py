"""Small estimators of every kind, the texts that they learn, and how they are fitted."""

from __future__ import annotations

from fewshot import (
    Classifier,
    EmbeddingClassifier,
    FineTuneClassifier,
    LiSTClassifier,
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    SciPromptVerbalizer,
    SetFitClassifier,
    TfidfClassifier,
    Unlabeled,
)
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier
from fewshot.classifiers.semi_supervised.meta_weights import MetaWeights
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.knowledge import GivenTerms, SoftVerbalizer, VocabularyWords
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import BitFit, Contrastive, Full, Head, LoRA
from tests.tiny_models import tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

X = [
    "football team", "player goal", "football match", "team win goal", "player of the team",
    "government", "election vote", "law of the world", "vote and law", "election government",
]  # fmt: skip
Y = ["sports"] * 5 + ["politics"] * 5
POOL = [
    f"{a} {b}"
    for a in ("goal", "vote", "team", "law", "player", "government")
    for b in ("match", "world", "election", "win", "of the day", "football")
]
WORDS = {"politics": "politics", "sports": "sports"}
# Four texts of each class and five without a label, for what takes longer.
FEW_X, FEW_Y = [*X[:4], *X[5:9]], [*Y[:4], *Y[5:9]]
FEW_POOL = ["goal and match", "the vote of the world", "a team", "law and government", "player win"]


def tiny_lm(make=tiny_bert) -> MaskedLM:
    return MaskedLM(*make(), device="cpu")


def prompt(tuning=None, **settings) -> PromptClassifier:
    """Make a prompt classifier on a tiny model of its own; it tunes a head by default."""
    settings = {"calibration": "domain", "random_state": 0, "verbose": 0} | settings
    tuning = Head() if tuning is None else tuning
    return PromptClassifier(**({"model": tiny_lm(), "tuning": tuning} | settings))


def fit(clf, X, y, **params):
    """Fit any estimator; those that need unlabelled texts get some."""
    return clf.fit(X, y, **(more_texts(clf) | params))


def more_texts(clf) -> dict[str, Unlabeled]:
    """Return the unlabelled texts for the estimators that need some."""
    return {"unlabeled": Unlabeled(POOL[::3])} if is_meta(clf) else {}


def is_meta(clf) -> bool:
    return isinstance(clf, SemiSupervisedClassifier)


def has_words(clf) -> bool:
    """Tell whether an estimator is a PromptClassifier, or made of one."""
    return isinstance(clf, PromptClassifier) or is_meta(clf)


def with_settings(clf, **params):
    """Set parameters where they are declared: in the estimator that a meta-estimator clones."""
    return clf.set_params(
        **{f"estimator__{n}" if is_meta(clf) else n: v for n, v in params.items()}
    )


QUIET = {"random_state": 0, "verbose": 0}
ESTIMATORS = {
    "prompt-none": lambda: prompt("none"),
    "prompt-head": lambda: prompt(),
    "prompt-bitfit": lambda: prompt(BitFit(num_epochs=2)),
    "prompt-sciprompt": lambda: prompt(
        verbalizer=SciPromptVerbalizer(
            [GivenTerms({"sports": {"football team": 0.5}}), VocabularyWords()],
            3,
            encoder=tiny_sentence_transformer(tiny_bert()),
            min_similarity=-1.0,
        )
    ),
    "prompt-full": lambda: prompt(Full(num_epochs=2, learning_rate=1e-3)),
    "prompt-contrastive": lambda: prompt(Contrastive(num_epochs=2, learning_rate=1e-3)),
    "prompt-lora": lambda: prompt(LoRA(2, num_epochs=2)),
    "prompt-soft": lambda: prompt(BitFit(num_epochs=2), verbalizer=SoftVerbalizer()),
    "tfidf": TfidfClassifier,
    "classifier": lambda: Classifier(model=tiny_lm(), time_budget="1h", **QUIET),
    "embedding": lambda: EmbeddingClassifier(tiny_sentence_transformer(tiny_bert())),
    "setfit": lambda: SetFitClassifier(
        tiny_sentence_transformer(tiny_bert()), learning_rate=1e-3, max_pairs=32, **QUIET
    ),
    "fine-tune": lambda: FineTuneClassifier(tiny_lm(), num_epochs=2, **QUIET),
    "pet": lambda: PETClassifier(prompt(), **QUIET),
    "list": lambda: LiSTClassifier(
        prompt(),
        tuning=BitFit(num_epochs=1),
        n_sessions=1,
        n_steps=3,
        weights=MetaWeights(batch_size=2),
        **QUIET,
    ),
    "pcp": lambda: PCPClassifier(prompt(), pretraining=Pretraining(num_epochs=1), **QUIET),
}
