"""What a fit is going to do: checked without encoding a text, and weighed as its labels allow."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot import PromptClassifier
from fewshot.classifiers.prompt_plan import plan_fit, resolve_template
from fewshot.errors import InputError, TemplateError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.scoring.pool_calibration import calibrate_by_pool
from fewshot.tuning import Full, NoTuning
from fewshot.tuning.task import TuningResult
from tests.tiny_models import tiny_bert as make_tiny_bert

VERBALIZER = {"sports": ["game", "football"], "politics": ["law", "government"]}
TEXTS = ["a football match", "the law", "an election", "government of the people"]
LABELS = ["sports", "politics", "politics", "politics"]


@pytest.fixture(scope="module")
def lm() -> MaskedLM:
    return MaskedLM(*make_tiny_bert(), device="cpu")


def make(lm, **changes) -> PromptClassifier:
    settings = {"template": "{mask} news: {text}", "verbalizer": VERBALIZER, "model": lm}
    return PromptClassifier(**(settings | {"verbose": 0} | changes))


class Noted(Full):
    """Keeps what it is given to learn from, and learns nothing."""

    def tune(self, task):
        type(self).task = task
        return TuningResult(task.scorer)


def test_a_plan_knows_the_work_without_encoding_a_text(lm):
    before = lm.counts.tokens

    plan = plan_fit(make(lm, max_length=16), [*TEXTS, "word " * 50], [*LABELS, None], None)

    assert plan.classes == ["politics", "sports"]
    assert (plan.n_texts, plan.n_truncated) == (5, 1)
    assert lm.counts.tokens == before


def test_without_texts_there_are_no_prompts(lm):
    plan = plan_fit(make(lm, tuning="none"), None, None, None)

    assert (plan.n_texts, plan.n_truncated, plan.views) == (0, 0, {})
    assert isinstance(plan.tuning, NoTuning)


@pytest.mark.parametrize("X", [None, TEXTS])
def test_a_mask_token_in_the_template_is_refused_with_and_without_texts(lm, X):
    clf = make(lm, template="{text} [MASK] {mask}", tuning="none", calibration="none")

    with pytest.raises(TemplateError, match=r"holds the token '\[MASK\]'; write \{mask\}"):
        clf.fit(X)


@pytest.mark.parametrize(
    ("settings", "expected"),
    {
        "a string": ({"template": "{text} : {mask}"}, "{text} : {mask}"),
        "an object": ({"template": Template("{mask} {text}")}, "{mask} {text}"),
        "the library's": ({"template": None}, "A {mask} text: {text}"),
    }.values(),
    ids=["a string", "an object", "the library's"],
)
def test_the_template_is_the_users_or_a_default(lm, settings, expected):
    assert resolve_template(make(lm, **settings)).text == expected


def test_the_default_template_of_a_tuning_comes_before_the_librarys(lm):
    class Own(Full):
        default_template = "{text} Topic: {mask}."

    assert resolve_template(make(lm, template=None, tuning=Own())).text == "{text} Topic: {mask}."


def test_classes_of_labelled_texts_count_alike_in_the_calibration(lm):
    # One text of sports and three of politics: weights 1 and 1/3.
    plan = plan_fit(make(lm, calibration="domain"), TEXTS, LABELS, None)

    scorer, name, shares = plan.calibrate()

    encoded = plan.scorer.encode(plan.views)
    expected = plan.scorer.calibrate("domain", encoded, np.array([1, 1 / 3, 1 / 3, 1 / 3]))
    np.testing.assert_allclose(scorer.prior, expected.prior, atol=1e-6)
    assert (name, shares) == ("domain", None)


@pytest.mark.parametrize("n_labelled", [4, 8])
def test_texts_without_a_label_move_the_calibration_of_the_others(lm, n_labelled):
    # Fewer than 8 labelled texts say more about themselves than about the words.
    texts = [*TEXTS * (n_labelled // 4), "a new text"]
    clf = make(lm).set_params(name_weight=0)
    plan = plan_fit(clf, texts, [*LABELS * (n_labelled // 4), None], None)

    scorer, name, shares = plan.calibrate()

    encoded = plan.scorer.encode(plan.views)
    start = plan.scorer.calibrate("generic", {}, np.ones(0))
    if n_labelled == 8:
        weights = np.array([*[1, 1 / 3, 1 / 3, 1 / 3] * 2, 0])
        start = plan.scorer.calibrate("domain", encoded, weights)
    pool = np.array([0.0] * n_labelled + [1.0])
    origin = "labels" if n_labelled == 8 else "texts"
    expected, found = calibrate_by_pool(start, encoded, pool, start=origin)
    np.testing.assert_allclose(scorer.prior, expected.prior, atol=1e-6)
    np.testing.assert_allclose(shares, found)
    assert name == "domain"


def test_known_shares_are_those_of_the_pool(lm):
    known = {"politics": 0.8, "sports": 0.2}
    plan = plan_fit(make(lm, tuning="none", class_prior=known), TEXTS, None, None)

    assert plan.calibrate().shares.tolist() == pytest.approx([0.8, 0.2])


def test_a_tuned_model_is_calibrated_again_by_texts_without_a_label(lm):
    texts = [*TEXTS, "one", "two", "weighs nothing"]

    make(lm, tuning=Noted()).fit(
        texts, [*LABELS, None, None, None], sample_weight=[1, 1, 1, 1, 1, 1, 0]
    )

    assert Noted.task.unlabeled.tolist() == [4, 5]
    assert Noted.task.calibration_weight.tolist() == [0, 0, 0, 0, 1, 1, 0]


def test_texts_of_weight_0_are_nothing_to_learn_from(lm):
    with pytest.raises(InputError, match=r"no row of y has a label \(and a weight above 0\)"):
        plan_fit(make(lm, tuning=Full()), [*TEXTS, "unlabelled"], [*LABELS, None], [0, 0, 0, 0, 1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"random_state": "x"},
            "random_state is an int, 0 or more, .* got 'x'",
        ),
        ({"verbose": "x"}, r"verbose is one of \[0, 1\], got 'x'"),
    ],
)
def test_a_dry_run_refuses_what_fit_refuses(lm, settings, message):
    with pytest.raises(InputError, match=message):
        make(lm, **settings).dry_run(TEXTS, LABELS)


def test_a_plan_draws_nothing_from_a_random_state(lm):
    state = np.random.RandomState(3)

    plan_fit(make(lm, random_state=state), TEXTS, LABELS, None)

    assert state.randint(2**31) == np.random.RandomState(3).randint(2**31)


def test_many_texts_of_one_class_do_not_calibrate(lm):
    plan = plan_fit(make(lm), [*TEXTS * 2], ["politics"] * 8, None)

    scorer, name, _ = plan.calibrate()

    assert name == "generic"
    expected = plan.scorer.calibrate("generic", {}, np.ones(0))
    np.testing.assert_allclose(scorer.prior, expected.prior, atol=1e-6)
