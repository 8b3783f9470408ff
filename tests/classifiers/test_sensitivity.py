"""How predictions move with the wording of the template."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import fewshot
from fewshot import PromptClassifier, TemplateSensitivity, TfidfClassifier, template_sensitivity
from fewshot.errors import InputError, ModelError, TemplateError
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.calibration import OWN_TEXTS
from tests.tiny_models import noting
from tests.tuning.tasks import TEXTS

TEMPLATE = "{mask} news: {text}"
OTHERS = ["{text} This is {mask}.", "A {mask} text: {text}"]
WORDS = {"politics": ["politics", "law"], "sports": ["sports", "game"]}
LABELS = ["sports"] * 5 + ["politics"] * 5


def fitted(tiny, *, template=TEMPLATE, tuning="none", calibration="domain") -> PromptClassifier:
    return PromptClassifier(
        template,
        WORDS,
        model=MaskedLM(*tiny, device="cpu"),
        tuning=tuning,
        calibration=calibration,
        random_state=0,
        verbose=0,
    ).fit(TEXTS, LABELS)


# ---- Numbers by hand --------------------------------------------------------------------------


def test_accuracies_are_summarized_with_the_worst():
    report = TemplateSensitivity(("a", "b", "c"), (0.0, 0.1, 0.2), (0.9, 0.7, 0.8), 0.8, 0.01)

    assert report.mean == pytest.approx(0.8)
    assert report.deviation == pytest.approx(0.08165, abs=1e-5)
    assert report.spread == pytest.approx(0.2)
    assert report.worst == 0.7


# ---- Fitted classifiers -----------------------------------------------------------------------


@pytest.mark.parametrize("calibration", ["none", *OWN_TEXTS])
def test_each_template_is_scored_as_if_the_classifier_had_been_fitted_with_it(
    calibration, tiny_bert
):
    clf = fitted(tiny_bert, calibration=calibration)
    others = [fitted(tiny_bert, template=t, calibration=calibration) for t in OTHERS]

    report = template_sensitivity(clf, TEXTS, OTHERS, LABELS)

    predicted = np.array([each.predict(TEXTS) for each in (clf, *others)])
    assert report.templates == (TEMPLATE, *OTHERS)
    assert report.changed == tuple((predicted != predicted[0]).mean(1))
    assert report.accuracies == tuple((predicted == np.array(LABELS)).mean(1))
    assert report.agreement == (predicted == predicted[0]).all(0).mean()
    # Jensen-Shannon over the pairs of templates and the texts, by hand.
    proba = [each.predict_proba(TEXTS) for each in (clf, *others)]
    divergences = []
    for p, q in itertools.combinations(proba, 2):
        middle = (p + q) / 2
        divergences.append(0.5 * (p * np.log(p / middle) + q * np.log(q / middle)).sum(1).mean())
    assert report.divergence == pytest.approx(np.mean(divergences), rel=1e-4)


@pytest.mark.parametrize("tuning", ["none", "head", "bitfit"])
def test_any_strategy_is_reported_without_fitting_anew(tuning, tiny_bert):
    clf = fitted(tiny_bert, tuning=tuning)
    before = clf.predict_proba(TEXTS)
    settings = dict(vars(clf))

    report = template_sensitivity(clf, TEXTS, OTHERS)

    assert np.array_equal(clf.predict_proba(TEXTS), before)
    assert vars(clf) == settings
    assert 0 < report.divergence <= math.log(2)


def test_it_works_on_each_architecture(tiny):
    report = template_sensitivity(fitted(tiny), TEXTS, OTHERS, LABELS)

    assert len(report.accuracies) == 3
    assert np.isfinite([report.divergence, report.agreement, report.worst]).all()


def test_a_loaded_classifier_gives_the_same_report(tiny_bert, tmp_path):
    clf = fitted(tiny_bert, tuning="head")
    clf.save(tmp_path / "model")

    assert template_sensitivity(fewshot.load(tmp_path / "model"), TEXTS, OTHERS) == (
        template_sensitivity(clf, TEXTS, OTHERS)
    )


def test_the_order_of_templates_changes_no_summary(tiny_bert):
    clf = fitted(tiny_bert)

    one, two = (template_sensitivity(clf, TEXTS, order) for order in (OTHERS, OTHERS[::-1]))

    assert one.divergence == pytest.approx(two.divergence)
    assert one.agreement == two.agreement
    assert one.changed[1:] == two.changed[:0:-1]


def test_own_and_repeated_templates_count_once(tiny_bert):
    report = template_sensitivity(fitted(tiny_bert), TEXTS, [TEMPLATE, OTHERS[0], OTHERS[0]])

    assert report.templates == (TEMPLATE, OTHERS[0])


def test_texts_are_tokenized_once(tiny_bert):
    tokenizer, seen = noting(tiny_bert[1])
    clf = fitted((tiny_bert[0], tokenizer))
    new = [f"{text} again" for text in TEXTS]

    template_sensitivity(clf, new, OTHERS)

    assert sorted(text for text in seen if text in new) == sorted(new)


def test_rows_without_a_label_count_in_changes_but_not_in_accuracy(tiny_bert):
    clf = fitted(tiny_bert)
    report = template_sensitivity(clf, TEXTS, OTHERS, [*LABELS[:1], *[None] * 9])

    assert report.accuracies[0] == float(clf.predict(TEXTS)[0] == LABELS[0])
    assert report.changed == template_sensitivity(clf, TEXTS, OTHERS).changed


def test_weights_of_classes_count_as_in_predict(tiny_bert):
    weighted = fitted(tiny_bert).set_params(class_weight={"sports": 1e9}).fit(TEXTS, LABELS)

    report = template_sensitivity(weighted, TEXTS, OTHERS, LABELS)

    assert report.accuracies == (0.5,) * 3  # all are sports, with each template
    assert report.accuracies[0] == weighted.score(TEXTS, LABELS)


def test_int_labels_are_compared_as_ints(tiny_bert):
    words = {0: ["politics", "law"], 1: ["sports", "game"]}
    clf = PromptClassifier(
        TEMPLATE, words, model=MaskedLM(*tiny_bert, device="cpu"), tuning="none", verbose=0
    ).fit(TEXTS)
    labels = clf.predict(TEXTS).tolist()

    assert template_sensitivity(clf, TEXTS, OTHERS, labels).accuracies[0] == 1.0


# ---- The report -------------------------------------------------------------------------------


def test_the_report_is_readable():
    report = TemplateSensitivity(("{text} {mask}", "b"), (0.0, 0.125), (0.9, 0.7), 0.875, 0.0123)

    assert repr(report).splitlines() == [
        "87.5% of the texts get one class from all 2 templates; mean divergence 0.0123; "
        "accuracy 0.800 ± 0.100, worst 0.700",
        "{text} {mask}    0.0% changed  accuracy 0.900",
        "b               12.5% changed  accuracy 0.700",
    ]


def test_the_report_is_a_frame():
    pytest.importorskip("pandas")
    report = TemplateSensitivity(("a", "b"), (0.0, 0.125), (0.9, 0.7), 0.875, 0.0123)

    frame = report.to_frame()

    assert frame.columns.tolist() == ["template", "changed", "accuracy"]
    assert frame.accuracy.tolist() == [0.9, 0.7]
    without = TemplateSensitivity(("a", "b"), (0.0, 0.125), None, 0.875, 0.0123)
    assert without.to_frame().columns.tolist() == ["template", "changed"]


# ---- Wrong input ------------------------------------------------------------------------------


def test_an_unfitted_classifier_is_an_error():
    with pytest.raises(NotFittedError):
        template_sensitivity(PromptClassifier(TEMPLATE, WORDS), TEXTS, OTHERS)


@pytest.mark.parametrize(
    ("templates", "y", "error", "message"),
    [
        ([], None, InputError, "no wording other than the classifier's own"),
        ([TEMPLATE], None, InputError, "no wording other than the classifier's own"),
        ("{text} {mask}", None, TemplateError, "a sequence of templates"),
        (["{text} {maks}"], None, TemplateError, "mask"),
        (["{title} {mask}"], None, TemplateError, "'title', which the template"),
        (OTHERS, LABELS[:3], InputError, "differ in length"),
        (OTHERS, [None] * 10, InputError, "no row of y has a label"),
    ],
)
def test_wrong_input_is_an_error(templates, y, error, message, tiny_bert):
    with pytest.raises(error, match=message):
        template_sensitivity(fitted(tiny_bert), TEXTS, templates, y)


def test_a_wording_whose_virtual_tokens_nothing_has_tuned_is_refused(tiny_bert):
    plain = fitted(tiny_bert)
    tuned = fitted(tiny_bert, template="{mask} {soft:2} {text}", tuning="prompt")
    n_before = tuned.model_.counts.prompts

    with pytest.raises(TemplateError, match=r"\[soft:2\] .* starts as words drawn at random"):
        template_sensitivity(plain, TEXTS, ["{text} {soft:2} {mask}"])
    with pytest.raises(ModelError, match=r"tuned with 2 virtual tokens .* this template has 3"):
        template_sensitivity(tuned, ["a new text"], ["{text} {soft:3} {mask}"])
    assert tuned.model_.counts.prompts == n_before
    assert len(template_sensitivity(tuned, TEXTS, ["{text} {soft:2} {mask}"]).changed) == 2


def test_only_prompt_classifiers_have_templates():
    with pytest.raises(InputError, match="a fitted PromptClassifier, got TfidfClassifier"):
        template_sensitivity(TfidfClassifier().fit(TEXTS, LABELS), TEXTS, OTHERS)
