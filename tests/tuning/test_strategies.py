"""Tuning strategies by name, and as estimators that hold settings only."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from fewshot import PromptClassifier
from fewshot.errors import FewShotError, TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import (
    EPT,
    IAPT,
    Adapter,
    BitFit,
    DePT,
    Full,
    Half,
    Head,
    LastLayers,
    LoRA,
    NoTuning,
    Perfect,
    Prefix,
    SoftPrompt,
    Training,
    resolve_tuning,
)
from tests.tiny_models import tiny_albert, tiny_deberta, tiny_deberta_v2_tied, tiny_modernbert
from tests.tuning.tasks import TEXTS

LABELS = ["sports"] * 5 + ["politics"] * 5


def finer(**settings) -> Full:
    return Full(training=Training(**settings))


@pytest.mark.parametrize(
    ("name", "kind"), [("none", NoTuning), ("head", Head), ("bitfit", BitFit), ("full", Full)]
)
def test_a_name_gives_the_strategy_with_its_defaults(name, kind):
    strategy = resolve_tuning(name)

    assert type(strategy) is kind
    assert strategy.get_params() == kind().get_params()


def test_an_object_is_taken_as_it_is():
    strategy = Full(learning_rate=1e-5)

    assert resolve_tuning(strategy) is strategy


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        ("heads", r"tuning is one of \['none', .* got 'heads' \(did you mean 'head'\?"),
        ("FULL", "got 'FULL'"),
        (None, "got None"),
        (3, "got 3"),
        (Full, "got <class"),
    ],
)
def test_what_is_no_strategy_is_refused(tuning, message):
    with pytest.raises(TuningError, match=message):
        resolve_tuning(tuning)


def test_the_error_is_ours_and_a_value_error():
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the type is what is tested
        resolve_tuning("lora?")

    assert isinstance(caught.value, FewShotError)


@pytest.mark.parametrize(
    "strategy",
    [
        NoTuning(),
        Head(C=2.5),
        BitFit(0.01, num_epochs=3, training=Training(schedule="cosine", patience=2)),
        Full(0.01, embeddings="tuned", training=Training(label_smoothing=0.1)),
    ],
)
def test_strategies_are_cloned_with_all_their_settings(strategy):
    twin = clone(strategy)

    assert twin is not strategy
    assert repr(twin) == repr(strategy)
    training = strategy.get_params().get("training")
    assert training is None or twin.training is not training


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Head(C=0), "C of Head is positive, or None, got 0"),
        (Head(C=float("nan")), "C of Head is positive, or None, got nan"),
        (Full(learning_rate=0), "learning_rate of Full is positive, got 0"),
        (Full(learning_rate=float("nan")), "learning_rate of Full is positive, got nan"),
        (Full(learning_rate=float("inf")), "learning_rate of Full is positive, got inf"),
        (Full(learning_rate="1e-3"), "learning_rate of Full is positive, got '1e-3'"),
        (Full(num_epochs=0), "num_epochs of Full is a whole number, at least 1, got 0"),
        (Full(num_epochs=2.5), "num_epochs of Full is a whole number, at least 1, got 2.5"),
        (BitFit(batch_size=0), "batch_size of BitFit is a whole number, at least 1, got 0"),
        (BitFit(interpolation=0), "interpolation of BitFit is above 0 and up to 1, or None, got 0"),
        (Full(interpolation=1.5), "interpolation of Full is above 0 and up to 1, or None, got 1.5"),
        (Full(C=0), "C of Full is positive, or None, got 0"),
        (
            Full(embeddings="some"),
            "embeddings of Full is one of .*'tuned'.*got 'some'",
        ),
        (Full(training="fgm"), "training of Full is a Training or None, got 'fgm'"),
        (LastLayers(0), "n_layers of LastLayers is a whole number from 1 to 2, .*, got 0"),
        (LastLayers(3), "n_layers of LastLayers is a whole number from 1 to 2, .*, got 3"),
        (LastLayers(1.5), "n_layers of LastLayers is a whole number from 1 to 2, .*, got 1.5"),
        (Half(ratio=1.5), "ratio of Half is from 0 to 1, got 1.5"),
        (Half(ratio=-0.1), "ratio of Half is from 0 to 1, got -0.1"),
        (Half(granularity="tensor"), "granularity of Half is one of .*'category'.*got 'tensor'"),
        (Half(embeddings="half"), "embeddings of Half is one of .*'frozen'.*got 'half'"),
        (Half(stage=-1), "stage of Half is a whole number, at least 0, got -1"),
        (LoRA(rank=0), "rank of LoRA is a whole number, at least 1, got 0"),
        (LoRA(rank=33), "rank of LoRA is at most 32 for the matrices of BertForMaskedLM, got 33"),
        (LoRA(alpha=-1), "alpha of LoRA is positive, got -1"),
        (LoRA(dropout=1.0), "dropout of LoRA is from 0 to below 1, got 1.0"),
        (LoRA(targets="query"), r"targets of LoRA are some of \['query', .*got 'query'"),
        (LoRA(targets=["q"]), r"targets of LoRA are some of .*got \['q'\]"),
        (LoRA(targets=None), "targets of LoRA are some of .*got None"),
        (
            LoRA(targets=["query", ["key"]]),
            r"targets of LoRA are some of .*\['key'\]",
        ),
        (LoRA(targets=[]), r"targets of LoRA are some of .*got \[\]"),
        (Adapter(reduction=0), "reduction of Adapter is a whole number, at least 1, got 0"),
        (Adapter(reduction=64), "reduction of Adapter is at most 32, the width of .*, got 64"),
        (Adapter(scaling=0), "scaling of Adapter is positive, got 0"),
        (Adapter(placement="inside"), r"placement of Adapter is one of \['pfeiffer'.*'inside'"),
        (Adapter(activation="tanh"), "activation of Adapter is one of .*got 'tanh'"),
        (Adapter(embeddings="tuned"), r"embeddings of Adapter is one of \['none', 'invertible'\]"),
        (Adapter(also_tuned="all"), "also_tuned of Adapter is one of .*got 'all'"),
        (Prefix(length=0), "length of Prefix is a whole number from 1 to 512, got 0"),
        (Prefix(length=2.5), "length of Prefix is a whole number from 1 to 512, got 2.5"),
        (Prefix(init="zero"), r"init of Prefix is one of \['text', 'random'\], got 'zero'"),
        (
            SoftPrompt(length=0),
            "length of SoftPrompt is a whole number, .*, or None, got 0",
        ),
        (SoftPrompt(length=2.5), "length of SoftPrompt is a whole number, .*, or None, got 2.5"),
        (SoftPrompt(initial="word"), "initial of SoftPrompt is one of .*got 'word'"),
        (DePT(rank=-1), "rank of DePT is a whole number, at least 0, got -1"),
        (DePT(rank=33), "rank of DePT is at most 32, the width of the word embeddings.*got 33"),
        (DePT(length=-1), "length of DePT is a whole number, at least 0, or None, got -1"),
        (DePT(length=0, rank=0), "length and rank of DePT are both 0"),
        (DePT(offset_learning_rate=0), "offset_learning_rate of DePT is positive, got 0"),
        (EPT(n_spaces=0), "n_spaces of EPT is a whole number, at least 1, got 0"),
        (EPT(length=0), "length of EPT is a whole number, at least 1, or None, got 0"),
        (IAPT(bottleneck=0), "bottleneck of IAPT is a whole number, at least 1, got 0"),
        (IAPT(bottleneck=33), "bottleneck of IAPT is at most 32 .* got 33"),
        (IAPT(share_every=0), "share_every of IAPT is a whole number, at least 1, got 0"),
        (IAPT(length=0), "length of IAPT is a whole number, at least 1, or None, got 0"),
        (Perfect(n_masks=0), "n_masks of Perfect is a whole number, at least 1, got 0"),
        (Perfect(reduction=0), "reduction of Perfect is a whole number, at least 1, got 0"),
        (Perfect(label_learning_rate=0), "label_learning_rate of Perfect is positive, got 0"),
        (Perfect(training=Training(r_drop=1.0)), "Perfect has a loss of its own"),
        (finer(weight_decay=-0.1), "weight_decay of Training is 0 or more, got -0.1"),
        (finer(warmup_ratio=1.5), "warmup_ratio of Training is from 0 to 1, got 1.5"),
        (finer(label_smoothing=1.0), "label_smoothing of Training is from 0 to below 1, got 1.0"),
        (finer(validation_fraction=1.0), "validation_fraction of Training is from 0 to below 1"),
        (finer(patience=0), "patience of Training is a whole number, at least 1, or None, got 0"),
        (finer(schedule="steps"), "schedule of Training is one of .*'cosine'.*got 'steps'"),
        (finer(r_drop=-1), "r_drop of Training is 0 or more, got -1"),
    ],
)
def test_a_setting_out_of_range_is_refused_before_any_text_is_encoded(tiny_bert, strategy, message):
    lm = MaskedLM(*tiny_bert, device="cpu")
    clf = PromptClassifier(model=lm, tuning=strategy, verbose=0)

    with pytest.raises(TuningError, match=message):
        clf.fit(TEXTS, LABELS)

    assert lm.counts.prompts == 0
    assert not hasattr(clf, "classes_")


@pytest.mark.parametrize(
    ("make", "strategy", "message"),
    [
        (tiny_deberta, Prefix(), "a prefix cannot be put into the attention of Deberta"),
        (tiny_deberta_v2_tied, Adapter(embeddings="invertible"), "needs an MLM head"),
        (tiny_albert, LastLayers(1), "layers of Albert.* share their weights"),
        (tiny_modernbert, BitFit(), "encoder of ModernBert.* has no biases"),
    ],
)
def test_a_model_that_lacks_what_is_tuned_is_refused_before_any_text_is_encoded(
    make, strategy, message
):
    lm = MaskedLM(*make(), device="cpu")

    with pytest.raises(TuningError, match=message):
        PromptClassifier(model=lm, tuning=strategy, verbose=0).fit(TEXTS, LABELS)

    assert lm.counts.prompts == 0


def test_settings_can_be_changed_by_name():
    assert Full().set_params(num_epochs=3, embeddings="tuned").num_epochs == 3


def test_finer_settings_can_be_changed_by_name_where_none_were_given():
    default = Full()

    changed = Full().set_params(training__schedule="cosine", num_epochs=3)

    assert repr(changed) == "Full(num_epochs=3, training=Training(schedule='cosine'))"
    assert default.training is None
    assert changed.set_params(training__patience=2).training.schedule == "cosine"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("adversarial__epsilon", "adversarial of Training is None.*such as adversarial='fgm'"),
        ("consistency__weight", "consistency of Training is None.*TemplateConsistency"),
    ],
)
def test_settings_of_a_switch_that_is_off_are_refused(setting, message):
    with pytest.raises(TuningError, match=message):
        Full().set_params(**{f"training__{setting}": 2.0})


def test_a_misspelt_setting_fails_at_the_call():
    with pytest.raises(TypeError, match="learning_rat"):
        Full(learning_rat=1e-5)


@pytest.mark.parametrize(
    ("strategy", "n_a_class", "steps", "passes"),
    [
        (NoTuning(), 8, 0, 0.0),
        (Head(), 8, 0, 0.0),
        (Full(num_epochs=3, batch_size=8), 9, 9, 10.0),
        (Full(num_epochs=3, training=Training(validation_fraction=0.5)), 8, 3, 10.0),
        # Of five a class two are held out (1.5 rounds to even), three are left.
        (Full(num_epochs=2, batch_size=2, training=Training(validation_fraction=0.3)), 5, 6, 7.0),
        (BitFit(num_epochs=2, batch_size=18), 9, 2, 7.0),
    ],
)
def test_the_cost_of_a_strategy_is_known_beforehand(strategy, n_a_class, steps, passes):
    assert strategy.steps(np.repeat([0, 1], n_a_class)) == steps
    assert strategy.passes() == passes
