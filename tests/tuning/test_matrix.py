"""Every strategy on every architecture: it changes the scores and learns, or says clearly no."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

from fewshot import PromptClassifier
from fewshot.errors import TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import STRATEGIES
from tests.tuning.tasks import TEXTS

NEW = ["a new player", "the law of the world and the vote", "football"]
LABELS = ["sports"] * 5 + ["politics"] * 5
NAMES = [name for name in STRATEGIES if name not in ("none", "head")]
# What a strategy cannot be used with, and words of the message that says so.
_RELATIVE = "use tuning='prompt', 'lora' or 'adapter'"
REFUSED = {
    ("bitfit", "modernbert"): "no biases to tune.*use tuning='norm', 'lora' or 'adapter'",
    ("last", "albert"): "use tuning='full', 'adapter' or 'lora'",
    ("prefix", "deberta"): _RELATIVE,
    ("prefix", "deberta_v2"): _RELATIVE,
    ("prefix", "deberta_v2_tied"): _RELATIVE,
    ("prefix", "mpnet"): _RELATIVE,
}
# The models' weights are large and random; so are the steps that they need.
RATES = {
    "contrastive": 1e-3,
    "full": 1e-3,
    "half": 2e-3,
    "last": 2e-3,
    "embeddings_head": 5e-3,
    "iapt": 0.01,
    "prefix": 0.1,
    "prompt": 0.3,
}


@pytest.fixture(scope="module")
def lm(tiny) -> MaskedLM:
    return MaskedLM(*tiny, device="cpu")


@pytest.fixture(scope="module")
def zero_shot(lm) -> np.ndarray:
    """Probabilities of the texts before any tuning."""
    return classifier(lm, "none").fit(TEXTS).predict_proba(TEXTS)


def classifier(lm: MaskedLM, tuning) -> PromptClassifier:
    words = {"politics": ["politics", "law"], "sports": ["sports", "game"]}
    return PromptClassifier(
        "{mask} news: {text}",
        words,
        model=lm,
        tuning=tuning,
        calibration="domain",
        random_state=0,
        verbose=0,
    )


def fingerprint(lm: MaskedLM, names) -> str:
    digest = hashlib.sha256()
    parameters = dict(lm.model.named_parameters())
    for name in sorted(names):
        digest.update(name.encode())
        digest.update(parameters[name].detach().numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_it_changes_the_scores_and_learns_or_is_refused(lm, family, zero_shot, name):
    strategy = STRATEGIES[name]().set_params(
        learning_rate=RATES.get(name, 0.02),
        num_epochs=8,
        batch_size=10,
        interpolation=1.0,
        C=1e-6,  # the regression adds nothing
        training__warmup_ratio=0.0,
    )
    clf = classifier(lm, strategy)
    if (name, family) in REFUSED:
        with pytest.raises(TuningError, match=REFUSED[name, family]):
            clf.fit(TEXTS, LABELS)
        return
    everything = {own for own, _ in lm.model.named_parameters()}
    before = fingerprint(lm, everything)

    clf.fit(TEXTS, LABELS)

    shared = {p.data_ptr() for p in lm.model.parameters()}
    frozen = {own for own, p in clf.model_.model.named_parameters() if p.data_ptr() in shared}
    assert fingerprint(lm, everything) == before
    assert fingerprint(clf.model_, frozen) == fingerprint(lm, frozen)
    assert clf.parameter_report_.n_tuned > 0
    losses = [row["loss"] for row in clf.history_]
    assert min(losses[1:]) < losses[0] - 0.02
    assert np.abs(clf.predict_proba(TEXTS) - zero_shot).max() > 0.01
    # Alone and beside others, by a copy that remembers no states: the same to the last bit.
    together, twin = clf.predict_proba(NEW), pickle.loads(pickle.dumps(clf))
    for row in (0, 2):
        assert np.array_equal(twin.predict_proba([NEW[row]]), together[[row]])


@pytest.mark.parametrize("name", ["none", "head"])
def test_without_gradients_the_model_is_shared(lm, name):
    clf = classifier(lm, name).fit(TEXTS, LABELS)

    assert clf.model_ is lm
    assert clf.parameter_report_.n_tuned == 0
