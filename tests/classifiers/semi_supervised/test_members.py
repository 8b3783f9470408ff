"""Members of an ensemble, and templates that do not fit together."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.special import softmax

from fewshot import (
    EmbeddingClassifier,
    FineTuneClassifier,
    PETClassifier,
    PromptClassifier,
    Template,
    Unlabeled,
)
from fewshot.classifiers.prompt_plan import resolve_template
from fewshot.classifiers.semi_supervised.members import read_members, shared_fields
from fewshot.errors import InputError, LeakageWarning
from fewshot.models.masked_lm import MaskedLM
from tests.tiny_models import tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

X, Y = ["football team", "election vote"], ["sports", "politics"]
WORDS = {"politics": "politics", "sports": "sports"}
TEMPLATES = ["{text} {mask}", "{mask} : {text}"]


def prompt(**settings) -> PromptClassifier:
    lm = MaskedLM(*tiny_bert(), device="cpu")
    return PromptClassifier(model=lm, verbalizer=WORDS, verbose=0, **settings)


def texts_of(members) -> list[str]:
    return [resolve_template(member.estimator).text for member in members]


def test_a_field_of_another_name_is_put_into_the_general_templates():
    members = read_members(None, prompt(template="{body} is {mask}"), 1)

    assert texts_of(members) == [
        "{body} is {mask}", "{body} ({mask})", "[ Category: {mask} ] {body}", "{mask}: {body}",
    ]  # fmt: skip


def test_members_are_numbered_by_template_then_by_repetition():
    members = read_members(TEMPLATES, prompt(), 2)

    numbers = [(member.template, member.repetition) for member in members]
    assert numbers == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert texts_of(members) == [TEMPLATES[0]] * 2 + [TEMPLATES[1]] * 2


def test_a_pair_brings_words_of_its_own():
    words = {"politics": "law", "sports": "game"}

    plain, own = read_members([TEMPLATES[0], (Template(TEMPLATES[1]), words)], prompt(), 1)

    assert (plain.estimator.verbalizer, own.estimator.verbalizer) == (WORDS, words)


def test_fields_may_be_in_another_order():
    members = read_members(["{a} {mask} {b}", "{b} {mask} {a}"], prompt(), 1)

    assert shared_fields(members) == ("a", "b")


@pytest.mark.parametrize("as_tuples", [True, False])
def test_each_field_gets_its_text_whatever_its_place_in_a_template(as_tuples):
    both = ["{a} ? {mask} , {b}", "{b} . {mask} {a}"]
    rows = [{"a": f"football {i}", "b": f"the law {i}"} for i in range(9)]
    given = [(row["a"], row["b"]) for row in rows] if as_tuples else rows

    clf = PETClassifier(prompt(tuning="head"), templates=both, random_state=0, verbose=0)
    clf.fit(unlabeled=Unlabeled(given))

    alone = [prompt(template=text, tuning="none").fit(rows)._class_scores(rows) for text in both]
    expected = softmax(np.mean(alone, axis=0), axis=1)
    np.testing.assert_allclose(clf.soft_labels_, expected, atol=1e-6)


def test_a_final_classifier_may_have_the_fields_in_another_order():
    final = prompt(template="{b} . {mask} {a}", tuning="head")
    linear = FineTuneClassifier(final.model, num_epochs=1, verbose=0)
    rows = [("football team", "the law"), ("election", "a vote"), ("goal", "player")] * 3
    named = [dict(zip("ab", row, strict=True)) for row in rows]

    embedding = EmbeddingClassifier(tiny_sentence_transformer(tiny_bert()))
    for estimator in (final, linear, embedding):
        clf = PETClassifier(
            prompt(tuning="head"),
            templates=["{a} ? {mask} , {b}", "{b} {mask} {a}"],
            final_estimator=estimator,
            random_state=0,
            verbose=0,
        ).fit(unlabeled=Unlabeled(rows))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LeakageWarning)
            ours = clf.predict_proba(rows)
        assert np.array_equal(ours, clf.estimator_.predict_proba(named))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"politics": "politics", "sports": "game", "animal": "animal"},
            "all templates need the same labels, but '{text} {mask}' has .*'sports'.* and "
            "'{mask} : {text}' has .*'animal'.*mend the verbalizers",
        ),
        (
            {"politics": "politics", "sport": "sports"},
            r"the template '{mask} : {text}': y holds the labels \['sports'\], which are unknown; "
            r"known are \['politics', 'sport'\]",
        ),
    ],
)
def test_templates_that_disagree_on_labels_are_named_before_any_text_is_encoded(words, message):
    base = prompt()
    clf = PETClassifier(base, templates=[TEMPLATES[0], (TEMPLATES[1], words)], verbose=0)

    with pytest.raises(InputError, match=message):
        clf.fit(X, Y, unlabeled=Unlabeled(["law and government"]))

    assert base.model.counts.prompts == 0
