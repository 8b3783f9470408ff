"""Consistency over wordings of the template, through the classifier."""

from __future__ import annotations

import numpy as np
import pytest

import fewshot
from fewshot import PromptClassifier, template_sensitivity
from fewshot.errors import TemplateError, TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import Full, SoftPrompt, TemplateConsistency, Training
from tests.tiny_models import noting
from tests.tuning.tasks import TEXTS, make_task

TEMPLATE = "{mask} news: {text}"
OTHERS = ["{text} This is {mask}.", "A {mask} text: {text}"]
WORDS = {"politics": ["politics", "law"], "sports": ["sports", "game"]}
LABELS = ["sports"] * 5 + ["politics"] * 5
UNSEEN = ["a player", "the vote", "a new team", "world law", "the election", "game and goal"]


def classifier(tiny, consistency=None, *, seed=0, **settings) -> PromptClassifier:
    settings = {"learning_rate": 2e-3, "num_epochs": 8, "interpolation": 1.0} | settings
    return PromptClassifier(
        TEMPLATE,
        WORDS,
        model=MaskedLM(*tiny, device="cpu"),
        tuning=Full(**settings, training=Training(consistency=consistency)),
        calibration="contextual",
        name_weight=0,
        random_state=seed,
        verbose=0,
    )


def test_training_on_several_wordings_changes_what_is_learned(tiny_bert):
    plain = classifier(tiny_bert).fit(TEXTS, LABELS).predict_proba(UNSEEN)
    several = classifier(tiny_bert, TemplateConsistency(OTHERS, weight=0.0)).fit(TEXTS, LABELS)
    agreeing = classifier(tiny_bert, TemplateConsistency(OTHERS)).fit(TEXTS, LABELS)

    assert not np.array_equal(plain, several.predict_proba(UNSEEN))
    assert not np.array_equal(several.predict_proba(UNSEEN), agreeing.predict_proba(UNSEEN))


@pytest.mark.parametrize("divergence", ["jensen-shannon", "reference"])
def test_wordings_agree_more_on_unseen_texts_than_without_the_term(tiny_bert, divergence):
    divergences = []
    for weight in (0.0, 5.0):
        consistency = TemplateConsistency(OTHERS, weight=weight, divergence=divergence)
        reports = [
            template_sensitivity(
                classifier(tiny_bert, consistency, seed=seed).fit(TEXTS, LABELS), UNSEEN, OTHERS
            )
            for seed in range(3)
        ]
        divergences.append(np.mean([report.divergence for report in reports]))

    assert divergences[1] < 0.7 * divergences[0]


def test_unlabelled_texts_serve_the_consistency_only(tiny_bert):
    X, y = [*TEXTS, *UNSEEN], [*LABELS, *[None] * len(UNSEEN)]

    for weight, is_equal in ((0.0, True), (1.0, False)):
        consistency = TemplateConsistency(OTHERS, weight=weight)
        without = classifier(tiny_bert, consistency).fit(TEXTS, LABELS).predict_proba(UNSEEN)
        with_them = classifier(tiny_bert, consistency).fit(X, y).predict_proba(UNSEEN)

        assert np.array_equal(without, with_them) == is_equal


def test_unlabelled_texts_of_weight_zero_are_left_out(tiny_bert):
    X, y = [*TEXTS, *UNSEEN], [*LABELS, *[None] * len(UNSEEN)]
    weights = [1.0] * len(TEXTS) + [0.0] * len(UNSEEN)

    without = classifier(tiny_bert, TemplateConsistency(OTHERS)).fit(TEXTS, LABELS)
    with_them = classifier(tiny_bert, TemplateConsistency(OTHERS)).fit(X, y, sample_weight=weights)

    assert np.array_equal(without.predict_proba(UNSEEN), with_them.predict_proba(UNSEEN))


def test_texts_are_tokenised_once_for_all_wordings(tiny_bert):
    tokenizer, seen = noting(tiny_bert[1])

    classifier((tiny_bert[0], tokenizer), TemplateConsistency(OTHERS)).fit(TEXTS, LABELS)

    assert sorted(text for text in seen if text in TEXTS) == sorted(TEXTS)


def test_it_is_saved_and_loaded(tiny_bert, tmp_path):
    clf = classifier(tiny_bert, TemplateConsistency(OTHERS, weight=2.0)).fit(TEXTS, LABELS)

    clf.save(tmp_path / "model")
    loaded = fewshot.load(tmp_path / "model")

    assert loaded.tuning.training.consistency.get_params() == {
        "templates": OTHERS, "weight": 2.0, "divergence": "jensen-shannon",
    }  # fmt: skip
    assert np.array_equal(loaded.predict_proba(UNSEEN), clf.predict_proba(UNSEEN))


# ---- Wrong settings ---------------------------------------------------------------------------


@pytest.mark.parametrize("tuning", [Full, SoftPrompt])
@pytest.mark.parametrize(
    ("template", "wording", "message"),
    [
        ("{mask} {soft:2} {text}", "{soft:3} {mask} {text}", "has 3 virtual tokens, .* has 2: "),
        ("{mask} {text}", "{mask} {soft:2} {text}", "has 2 virtual tokens, .* has 0: "),
    ],
)
def test_a_wording_with_other_virtual_tokens_is_refused_before_any_text_is_encoded(
    tuning, template, wording, message, tiny_bert
):
    training = Training(consistency=TemplateConsistency([wording]))
    clf = classifier(tiny_bert).set_params(template=template, tuning=tuning(training=training))

    with pytest.raises(TemplateError, match=message):
        clf.fit(TEXTS, LABELS)

    assert clf.model.counts.prompts == 0


@pytest.mark.parametrize("wording", ["{soft:2} {mask} {text}", "A {mask} text: {text}"])
def test_a_wording_shares_the_virtual_tokens_of_the_template_or_has_none(wording, tiny_bert):
    training = Training(consistency=TemplateConsistency([wording]))
    clf = classifier(tiny_bert).set_params(
        template="{mask} {soft:2} {text}", tuning=SoftPrompt(num_epochs=1, training=training)
    )

    clf.fit(TEXTS, LABELS)

    assert sum(p.numel() for p in clf.model_.added.parameters()) == 2 * 32


def test_a_task_without_the_wordings_is_an_error(tiny_bert):
    strategy = Full(training=Training(consistency=TemplateConsistency(OTHERS)))

    with pytest.raises(TuningError, match="needs the texts in other wordings"):
        strategy.tune(make_task(tiny_bert))
