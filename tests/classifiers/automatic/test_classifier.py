"""Classifier: what it tries, chooses, says and refuses."""

from __future__ import annotations

import re
import time
import warnings
from copy import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax
from sklearn.base import clone

import fewshot
from fewshot import (
    Classifier,
    EmbeddingClassifier,
    PETClassifier,
    PromptClassifier,
    TfidfClassifier,
    Unlabeled,
)
from fewshot.classifiers.automatic import offers
from fewshot.classifiers.automatic.distilling import (
    Change,
    Told,
    change_of,
    chosen_start,
    distilled,
    is_distilled,
    starts_of,
    student_of,
)
from fewshot.classifiers.automatic.pool import pooled
from fewshot.classifiers.automatic.report import in_seconds
from fewshot.classifiers.automatic.search import Tried, _is_most, _weighable, _why_left_out
from fewshot.classifiers.automatic.task import Clock, Task, read_classes
from fewshot.classifiers.automatic.voices import CHEAP, COSTLY, class_scores
from fewshot.data.examples import Examples
from fewshot.data.semi_supervised_data import SemiSupervisedData
from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.data.training_data import read_training_data
from fewshot.errors import (
    FewShotError,
    FewShotWarning,
    InputError,
    LabelWordWarning,
    LeakageWarning,
    TruncationWarning,
    UnlabeledWarning,
    VerbalizerError,
)
from fewshot.models.sentence_encoder import SentenceEncoder
from tests.tiny_estimators import POOL, WORDS, tiny_lm
from tests.tiny_estimators import X as TEXTS
from tests.tiny_estimators import Y as LABELS
from tests.tiny_models import tiny_bert
from tests.tiny_sentences import tiny_sentence_transformer

QUIET = {"random_state": 0, "verbose": 0}
NEW = ["the football player", "a law", "vote vote goal"]
MANY = [*POOL, *(f"the {text}" for text in POOL)]  # enough to learn from
SUBJECTS = ["The team", "A striker", "The party", "A minister"]
ENDS = [f"{verb} in {place}" for verb in ("spoke", "won", "lost") for place in range(2000, 2010)]
PLAYS = [f"{subject} {end}." for end in ENDS for subject in SUBJECTS]  # 120


@pytest.fixture(scope="module")
def lm():
    return tiny_lm()


@pytest.fixture(scope="module")
def fitted(lm):
    return Classifier(model=lm, time_budget="1h", **QUIET).fit(TEXTS, LABELS)


# ---- What it does -----------------------------------------------------------------------------


def test_the_scores_are_the_weighted_sum_of_those_of_the_voices(fitted):
    total = sum(
        weight * voice.predict_log_proba(NEW)
        for weight, voice in zip(fitted.weights_, fitted.voices_.values(), strict=True)
    )

    assert fitted.predict_log_proba(NEW) == pytest.approx(log_softmax(total, axis=1))
    assert list(fitted.classes_) == ["politics", "sports"]


def test_the_report_names_what_was_tried(fitted):
    names = [trial.name for trial in fitted.report_.trials]

    assert names == ["head", "tfidf", "contrastive", "full"]  # no encoder of sentences, no pool
    assert set(fitted.voices_) <= set(names)
    assert all(0 <= trial.accuracy <= 1 for trial in fitted.report_.trials)
    low, high = fitted.report_.interval
    assert 0 <= low < fitted.report_.expected_accuracy < high <= 1
    text = str(fitted.report_)
    assert text.startswith("voice        accuracy")
    assert "Expected accuracy on new texts: 0." in text
    assert fitted.report_._repr_html_().count("<tr>") == 5


def test_a_pool_of_texts_is_learned_from(lm):
    clf = Classifier(model=lm, time_budget="1h", **QUIET)
    clf.fit(TEXTS, LABELS, unlabeled=Unlabeled(MANY[:60]))

    assert [t.name for t in clf.report_.trials][-2:] == ["pet", "pcp"]


def test_without_labels_the_names_decide(lm):
    clf = Classifier(list(WORDS), model=lm, **QUIET)

    for given in ((), (TEXTS,), (TEXTS, [None] * len(TEXTS))):
        report = clf.fit(*given).report_
        assert list(clf.voices_) == ["zero-shot"]
        assert report.expected_accuracy is None
        assert "label a few texts of each class" in report.advice[0]


def test_without_labels_similarity_to_names_is_heard_where_there_are_texts(monkeypatch):
    clf = Classifier(["sports", "politics"], model="fewshot-mini", time_budget="1h", **QUIET)
    pool = PLAYS[:60]

    plan, report = clf.dry_run(pool), clf.fit(pool).report_

    assert plan.voices == tuple(clf.voices_) == ("zero-shot", "names")
    assert clf.weights_ == pytest.approx([0.3 / 1.8, 1.5 / 1.8])
    assert [trial.weight for trial in report.trials] == pytest.approx(clf.weights_)
    assert len(str(report).splitlines()[1].split()) == 3  # no accuracy
    total = sum(
        w * v.predict_log_proba(NEW)
        for w, v in zip(clf.weights_, clf.voices_.values(), strict=True)
    )
    assert clf.predict_log_proba(NEW) == pytest.approx(log_softmax(total, axis=1))
    names = EmbeddingClassifier(labels=["sports", "politics"]).fit(pool)
    assert np.array_equal(clf.voices_["names"].coef_, names.coef_)
    assert list(clf.fit(pool[:49]).voices_) == ["zero-shot"]
    assert list(clf.fit().voices_) == ["zero-shot"]
    # 0.6 of a minute is for two passes over 36 texts, so over 32: too few for names.
    paced(monkeypatch, 0.5)
    assert list(clf.set_params(time_budget="1min").fit(pool).voices_) == ["zero-shot"]


def test_without_labels_one_classifier_learns_what_words_and_names_say():
    clf = Classifier(["sports", "politics"], model="fewshot-mini", time_budget="1h", **QUIET)

    plan, report = clf.dry_run(PLAYS), clf.fit(PLAYS).report_

    assert plan.n_distilled == 120
    assert isinstance(clf.estimator_, EmbeddingClassifier)
    assert report.trials[-1].note.startswith("predicts: learned from 120 texts without labels")
    assert report.reason.endswith("One classifier that has learned what they say predicts.")
    said = pooled(clf.weights_, [class_scores(voice, PLAYS) for voice in clf.voices_.values()])
    assert np.corrcoef(said[:, 0], class_scores(clf.estimator_, PLAYS)[:, 0])[0, 1] > 0.9
    with pytest.warns(LeakageWarning):
        clf.predict(PLAYS[:1])
    assert not hasattr(clf.fit(PLAYS[:99]), "estimator_")


def test_texts_without_labels_shape_the_space_of_embeddings():
    X, y = PLAYS[:4], ["sports", "sports", "politics", "politics"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(offers, "COSTLY", ())
        clf = Classifier(model="fewshot-mini", time_budget="1h", **QUIET)
        clf.fit(X, y, unlabeled=Unlabeled(PLAYS[4:70]))

        several = clone(clf)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UnlabeledWarning)  # the report's place, if any
            several.fit(X, [[label] for label in y], unlabeled=Unlabeled(PLAYS[4:70]))

    own = EmbeddingClassifier().fit([*X, *PLAYS[4:70]], [*y, *[None] * 66])
    assert several.voices_["embedding"].n_unlabeled_ == 0
    assert clf.voices_["embedding"].coef_ == pytest.approx(own.coef_)
    assert clf.voices_["embedding"].coef_.shape == clf.voices_["names"].coef_.shape


def test_descriptions_are_words_of_the_classes(lm):
    clf = Classifier(model=lm, descriptions={"sports": "a football match"}, labels=list(WORDS))

    voice = clf.set_params(**QUIET).fit().voices_["zero-shot"]
    assert voice.verbalizer_["sports"] == ("sports", "a football match")


def test_embeddings_learn_from_descriptions():
    rows = read_training_data(TEXTS, LABELS)
    data = SemiSupervisedData(rows, rows.examples.take([]))
    classes, _, verbalizer = read_classes(None, {"sports": "a football match"}, rows)
    (embedding,) = [voice for voice in CHEAP if voice.name == "embedding"]

    plain, told = (
        embedding.fit(Task(data, classes, words, None, "fewshot-mini", 0))
        for words in (None, verbalizer)
    )

    assert told.verbalizer["sports"] == ("sports", "a football match")
    assert np.abs(told.coef_ - plain.coef_).max() > 1e-3


@pytest.mark.parametrize(
    ("model", "classes", "labels", "is_heard"),
    [
        ("fewshot-mini", ["sports", "politics"], LABELS, True),
        ("fewshot-mini", [1, 2], [1 + (label == "sports") for label in LABELS], False),
        ("fewshot-mini", ["sports", "politics"], [[label] for label in LABELS], False),
        (None, ["sports", "politics"], LABELS, False),
    ],
)
def test_similarity_to_names_is_heard_of_single_labels_that_are_words(
    lm, model, classes, labels, is_heard
):
    rows = read_training_data(TEXTS, labels)
    data = SemiSupervisedData(rows, rows.examples.take([]))

    kind = rows.labels.kind
    task = Task(data, classes, None, None, model or lm, 0, kind)
    voices = [voice for voice in CHEAP if voice.name == "names" and voice.suits(task)]
    assert [voice.fit(task).head_ for voice in voices] == ["names"] * is_heard


def test_a_class_prior_moves_every_decision(lm):
    prior = {"politics": 0.9, "sports": 0.1}
    clf = Classifier(list(WORDS), model=lm, **QUIET).fit()
    moved = Classifier(list(WORDS), model=lm, class_prior=prior, **QUIET).fit()

    odds = moved.decision_function(NEW) - clf.decision_function(NEW)
    assert odds == pytest.approx(np.log(0.1 / 0.9))


def test_tables_are_read_by_the_names_of_their_columns(lm):
    table = pd.DataFrame({"title": TEXTS, "body": TEXTS[::-1]})
    clf = Classifier(model=lm, time_budget="1h", **QUIET).fit(table, LABELS)

    assert clf.fields_ == ["title", "body"]
    assert (clf.predict_proba(table) == clf.predict_proba(table[["body", "title"]])).all()


# ---- Time -------------------------------------------------------------------------------------


def test_what_does_not_fit_the_budget_is_not_begun(lm, monkeypatch):
    monkeypatch.setattr(offers, "_LITTLE", 10.0)  # seconds of TF-IDF, on a busy machine too
    clf = Classifier(model=lm, time_budget=1e-6, **QUIET)
    with pytest.warns(FewShotWarning, match="time_budget, 1e-06 s, is too short"):
        clf.fit(TEXTS, LABELS)

    assert list(clf.voices_) == ["zero-shot", "tfidf"]
    assert "the budget allows no regression" in clf.report_.reason
    assert "(without zero-shot, not cross-validated)" in clf.report_.reason
    notes = {trial.name: trial.note for trial in clf.report_.trials}
    assert notes["full"].startswith("not tried: needs about")


@pytest.mark.parametrize(("y", "loaded"), [(LABELS, ["encoder"]), (None, [])])
def test_the_budget_counts_from_when_the_models_are_loaded(monkeypatch, y, loaded):
    seen, frozen = [], SentenceEncoder.frozen
    monkeypatch.setattr(SentenceEncoder, "frozen", lambda *a: seen.append("encoder") or frozen(*a))
    monkeypatch.setattr(
        Clock, "of", classmethod(lambda cls, s: seen.append("clock") or cls(s, time.perf_counter()))
    )

    Classifier(["sports", "politics"], model="fewshot-mini", **QUIET).dry_run(TEXTS, y)

    assert seen[: seen.index("clock")] == loaded


def test_nothing_is_expected_of_a_voice_that_was_not_cross_validated(lm):
    other = [f"word{i}" for i in range(8)]
    clf = Classifier(model=lm, time_budget=1e-6, **QUIET)
    with pytest.warns(FewShotWarning, match="is too short"):
        report = clf.fit(other, [*WORDS] * 4).report_

    zero_shot, tfidf = report.trials[:2]
    assert tfidf.accuracy is not None
    assert tfidf.weight < zero_shot.weight
    assert report.expected_accuracy is None
    assert report.interval is None
    assert "since most of the weight is that of zero-shot, which could not be" in report.reason
    assert not any("held-out" in line for line in report.advice)


def test_several_labels_without_time_have_the_thresholds_of_names(lm):
    y = [[label] for label in LABELS]
    with pytest.warns(FewShotWarning, match="is too short"):
        clf = Classifier(model=lm, time_budget=1e-6, **QUIET).fit(TEXTS, y)

    assert list(clf.voices_) == ["zero-shot"]
    assert "Uses the names of the classes" in clf.report_.reason
    assert clf.thresholds_.tolist() == clf.voices_["zero-shot"].thresholds_.tolist()


def paced(monkeypatch, seconds):
    """Let each text seem to take some seconds."""
    for module in ("offers", "search"):  # of the plan, and of the fit
        monkeypatch.setattr(
            f"fewshot.classifiers.automatic.{module}.seconds_of_texts",
            lambda task: np.full(task.n_labeled + len(task.data.pool), seconds),
        )


MORE = [f"{text} {i}" for i in range(40) for text in POOL[:5]]  # 200 texts


@pytest.mark.parametrize(
    ("seconds", "n", "note"),
    [
        # 0.6 of a minute is 36 s: texts for that, rounded down to a power of two.
        (0.1, 200, ""),
        (0.3, 64, "calibrated on 64 of 200 texts"),
        (1.0, 32, "calibrated on 32 of 200 texts"),
        (1.2, 0, "calibrated on sentences of many kinds, not on the 200 texts: no time"),
    ],
)
def test_names_are_calibrated_on_the_texts_that_there_is_time_for(
    lm, monkeypatch, seconds, n, note
):
    paced(monkeypatch, seconds)
    clf = Classifier(list(WORDS), model=lm, time_budget="1min", **QUIET)

    plan = clf.dry_run(MORE)
    report = clf.fit(MORE).report_

    assert plan.n_texts == n
    assert plan.seconds == pytest.approx(n * seconds, abs=1.0)
    assert str(plan).endswith(" of 60 s")
    assert [trial.note for trial in report.trials] == [note]
    assert clf.voices_["zero-shot"].calibration_ == ("domain" if n else "generic")


def test_a_pool_that_takes_too_long_leaves_regressions_their_time(lm, monkeypatch):
    paced(monkeypatch, 0.25)  # 0.15 of what ten labels leave of a minute, 57.5 s: 34 texts
    clf = Classifier(model=lm, time_budget="1min", **QUIET)
    clf.fit(TEXTS, LABELS, unlabeled=Unlabeled(MORE))

    head = clf.report_.trials[0]
    assert (head.name, head.note) == ("head", "calibrated on 32 of 200 texts without labels")


def test_the_pace_is_measured_on_few_texts(lm, monkeypatch):
    read = []
    dry_run = PromptClassifier.dry_run
    monkeypatch.setattr(
        PromptClassifier,
        "dry_run",
        lambda self, X=None, y=None: read.append(0 if X is None else len(X)) or dry_run(self, X, y),
    )
    long = [f"{i} {'vote ' * 100}" for i in range(100)]
    Classifier(list(WORDS), model=lm, **QUIET).dry_run(long)

    assert max(read) == 2  # of 500 characters each


def test_labelled_texts_that_take_too_long_calibrate_names(lm, monkeypatch):
    paced(monkeypatch, 0.1)  # 200 take 20 s
    clf = Classifier(model=lm, time_budget="10s", **QUIET)
    with pytest.warns(FewShotWarning, match="is too short"):
        clf.fit(MORE, [list(WORDS)[i % 2] for i in range(len(MORE))])

    assert clf.report_.trials[0].note == "calibrated on 32 of 200 texts"


def test_words_of_too_many_texts_are_not_counted(lm, monkeypatch):
    paced(monkeypatch, 10.0)  # a pass over 200 takes 2000 s; TF-IDF a hundredth of that
    clf = Classifier(model=lm, time_budget="10s", **QUIET)
    with pytest.warns(FewShotWarning, match="is too short"):
        clf.fit(MORE, [list(WORDS)[i % 2] for i in range(len(MORE))])

    notes = {trial.name: trial.note for trial in clf.report_.trials}
    assert notes["tfidf"].startswith("not tried: needs about 20 s, ")


def test_most_of_the_weight_is_cross_validated_or_nothing_is_expected():
    asked = np.array([True, False])

    assert _is_most(np.array([0.5, 0.5]), asked)
    assert not _is_most(np.array([0.4, 0.6]), asked)


def test_of_several_labels_no_voice_is_begun_that_cannot_be_weighed(lm, monkeypatch):
    paced(monkeypatch, 0.02)  # a pass takes 0.2 s; full takes more than forty
    y = [[label] for label in LABELS]
    passes = next(voice for voice in COSTLY if voice.name == "full").passes[0]
    clf = Classifier(model=lm, time_budget=0.2 * passes * 2, **QUIET).fit(TEXTS, y)

    notes = {trial.name: trial.note for trial in clf.report_.trials}
    assert notes["full"].startswith(f"not tried: needs about {0.4 * passes:.2g} s with two folds")


@pytest.mark.parametrize(
    ("name", "left", "n_folds"),
    [
        ("head", 8.0, 5),  # four fits' worth: each fold leaves a fifth of the texts out
        ("contrastive", 4.0, 3),
        ("contrastive", 3.9, 2),
        ("contrastive", 1.9, 0),
        ("pcp", 4.0, 2),  # it reads all texts without labels for each fold
        ("pcp", 3.9, 0),
    ],
)
def test_half_of_the_time_that_is_left_may_go_into_folds(name, left, n_folds):
    [voice] = [voice for voice in (*CHEAP, *COSTLY) if voice.name == name]

    assert offers.affordable_folds(voice, 1.0, left) == n_folds


@pytest.mark.parametrize(
    ("name", "seconds"), [("head", 1.0), ("contrastive", 1.0), ("pet", 2.0), ("pcp", 2.0)]
)
def test_the_smallest_cross_validation_of_a_voice(name, seconds):
    [voice] = [voice for voice in (*CHEAP, *COSTLY) if voice.name == name]

    assert offers.least_seconds_of_folds(voice, 1.0) == seconds


@pytest.mark.parametrize(
    ("budget", "seconds", "expected"),
    # A fit, and one less than there are folds: five, three, none.
    [(2.0, 0.2, 1.0), (100.0, 1.0, 5.0), (1.1, 0.2, 0.6), (0.5, 0.25, 0.25)],
)
def test_the_plan_counts_a_fit_less_than_there_are_folds(
    lm, monkeypatch, budget, seconds, expected
):
    [head] = [voice for voice in CHEAP if voice.name == "head"]
    monkeypatch.setattr("fewshot.classifiers.automatic.offers.CHEAP", (head,))
    monkeypatch.setattr("fewshot.classifiers.automatic.offers.COSTLY", ())
    paced(monkeypatch, seconds / 10)  # a pass over ten texts
    plan = Classifier(list(WORDS), model=lm, time_budget=budget, **QUIET).dry_run(
        TEXTS[:10], LABELS[:10]
    )

    assert plan.seconds == pytest.approx(expected, abs=0.05)


def test_of_several_labels_a_dominating_voice_that_was_not_held_out_stays():
    several, scores = TaskKind("lists"), np.zeros((4, 2))
    head, tfidf = CHEAP[0], CHEAP[-1]
    voices = [Tried(head, None, 1.0, None), Tried(tfidf, None, 0.1, scores)]

    assert _weighable(voices, several) == [None, None]
    assert _weighable(voices, ONE_LABEL)[1] is scores


@pytest.mark.parametrize(
    ("held_out", "why"), [(None, "no time to cross-validate"), (np.zeros((1, 2)), "adds nothing")]
)
def test_a_voice_without_weight_has_a_note(held_out, why):
    assert why in _why_left_out(Tried(CHEAP[0], None, 1.0, held_out))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": list(WORDS)}, "the names of the classes"),
        ({"descriptions": {"politics": "law", "sports": "goal"}}, "names and descriptions of the"),
        ({"descriptions": {0: "law", 1: "goal"}}, "the descriptions of the classes"),
    ],
)
def test_the_report_says_what_stands_for_the_classes(lm, settings, words):
    assert words in Classifier(model=lm, **settings, **QUIET).fit().report_.reason


def test_a_dry_run_tells_the_plan_and_learns_nothing(lm):
    clf = Classifier(model=lm, time_budget="1h", **QUIET)
    plan = clf.dry_run(TEXTS, LABELS)

    assert plan.voices == ("head", "tfidf", "contrastive", "full")
    assert plan.time_budget == 3600
    assert 0 < plan.seconds < 60
    assert not hasattr(clf, "classes_")
    assert str(plan).startswith("head, tfidf, contrastive, full on")


def test_interruption_leaves_the_estimator_as_it_was(lm, monkeypatch):
    clf = Classifier(list(WORDS), model=lm, time_budget="1h", **QUIET).fit()
    before = clf.predict_proba(NEW)

    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("fewshot.tuning.contrastive.contrastive_losses", interrupt)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(TEXTS, LABELS)
    assert (clf.predict_proba(NEW) == before).all()
    report = clf.fit(TEXTS, LABELS, on_interrupt="keep").report_
    assert list(clf.voices_) == ["head", "tfidf"]
    assert [t.note for t in report.trials] == ["", "", "interrupted", "interrupted"]


# ---- Few, wrong and odd labels ----------------------------------------------------------------


_LONG = {"X": [f"{text} {'word ' * 200}" for text in TEXTS], "y": LABELS}
_DESCRIBED = r"\(Classifier takes descriptions= instead\)"


@pytest.mark.parametrize(
    ("settings", "data", "advice"),
    [
        (
            {},
            _LONG,
            r"PromptClassifier\(Template\(.* whole; or raise its max_length",
        ),
        ({"labels": list(WORDS)}, {"X": _LONG["X"]}, r"PromptClassifier\(.* reads them whole"),
        ({"labels": ["a " * 300, "b " * 300]}, {}, "use fewer words, or shorter descriptions"),
        ({}, {"X": TEXTS, "y": [0, 1] * 5}, _DESCRIBED),
        ({"labels": [0, 1]}, {}, _DESCRIBED),
        ({"labels": ["law", "LAW"]}, {}, "'LAW' and 'law' are the same words; .*" + _DESCRIBED),
        (
            {"labels": ["law", "vote"]},
            {"X": TEXTS, "y": LABELS},
            r"name the others \(labels=, ",
        ),
    ],
)
def test_advice_is_true_for_a_classifier(lm, settings, data, advice):
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        try:
            Classifier(model=lm, **settings, **QUIET).fit(**data).predict(data.get("X", NEW))
            messages = {str(warning.message) for warning in shown}
        except FewShotError as error:
            messages = {str(error)}

    assert messages
    for message in messages:
        assert re.search(advice, message), message


def test_one_label_per_class_is_learned_from_without_cross_validation(lm):
    clf = Classifier(model=lm, time_budget="1h", **QUIET).fit(TEXTS[4:6], LABELS[4:6])

    assert clf.report_.expected_accuracy is None
    assert "nothing could be cross-validated" in clf.report_.reason
    assert any("second text of each class" in line for line in clf.report_.advice)


def test_equal_texts_with_different_labels_are_named(lm):
    with pytest.warns(FewShotWarning, match=r"'football team' is labelled 'sports' and 'politics'"):
        Classifier(model=lm, **QUIET).fit([*TEXTS, "football team"], [*LABELS, "politics"])


@pytest.mark.parametrize(
    ("settings", "data", "error", "message"),
    [
        ({}, (), VerbalizerError, "neither labelled texts nor names of classes"),
        ({}, (TEXTS, ["sports"] * 10), InputError, "2 classes at least"),
        ({"time_budget": "soon"}, (TEXTS, LABELS), InputError, "time_budget is a number"),
        ({"class_prior": {"law": 1.0}}, (TEXTS, LABELS), InputError, "unknown labels"),
        (
            {},
            (pd.DataFrame({"text": TEXTS, "label": LABELS}), LABELS),
            InputError,
            "the column 'label' of X equals y",
        ),
        (
            {"descriptions": {"sport": "games"}},
            (TEXTS, LABELS),
            VerbalizerError,
            "'sport'.*labels=",
        ),
        ({"labels": list(WORDS)}, (None, LABELS), InputError, "y was passed without X"),
    ],
)
def test_what_cannot_be_used_is_refused(lm, settings, data, error, message):
    with pytest.raises(error, match=message):
        Classifier(model=lm, **QUIET).set_params(**settings).fit(*data)


def test_what_is_saved_says_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = fewshot.load(tmp_path / "model")

    assert (loaded.predict_proba(NEW) == fitted.predict_proba(NEW)).all()
    assert loaded.report_ == fitted.report_


def test_an_unknown_reaction_to_interruption_is_refused(lm):
    with pytest.raises(InputError, match=r"on_interrupt is one of \['raise', 'keep'\], got 'stop'"):
        Classifier(model=lm).fit(TEXTS, LABELS, on_interrupt="stop")


def test_several_labels_are_learned_and_come_back_as_they_were_given(lm, tmp_path):
    y = [["sports"] if label == "sports" else ["politics"] for label in LABELS]
    y[0], y[-1] = ["sports", "politics"], []
    clf = Classifier(model=lm, time_budget="1h", **QUIET).fit(TEXTS, y)

    proba = clf.predict_proba(NEW)
    assert [{*row} <= {"sports", "politics"} for row in clf.predict(NEW)] == [True] * 3
    assert proba.shape == (3, 2)
    total = sum(
        weight * voice.predict_log_proba(NEW) - weight * np.log1p(-voice.predict_proba(NEW))
        for weight, voice in zip(clf.weights_, clf.voices_.values(), strict=True)
    )
    assert proba == pytest.approx(1 / (1 + np.exp(-total)))
    clf.save(tmp_path / "model")
    assert (fewshot.load(tmp_path / "model").predict_proba(NEW) == proba).all()


def test_numbers_that_stand_for_names_learn_what_the_names_would(lm):
    names, settings = ["politics", "sports"], {"model": lm, "time_budget": "1h", **QUIET}
    numbers = [names.index(label) for label in LABELS]
    weights = {"politics": 1.0, "sports": 3.0}

    by_name = Classifier(names, class_weight=weights, **settings).fit(TEXTS, LABELS)
    by_number = Classifier(names, class_weight={0: 1.0, 1: 3.0}, **settings)
    with pytest.warns(FewShotWarning, match="0 to 1 stand for"):
        by_number.fit(TEXTS, numbers)

    assert by_number.classes_.tolist() == [0, 1]
    np.testing.assert_array_equal(by_number.predict_proba(NEW), by_name.predict_proba(NEW))


def test_a_class_whose_texts_weigh_nothing_stays_a_class(lm):
    weights = [1.0 if label == "sports" else 0.0 for label in LABELS]
    more, labels = [*TEXTS, "a new song"], [*LABELS, "music"]
    settings = {"model": lm, "time_budget": "1h", **QUIET}

    clf = Classifier(**settings).fit(more, labels, sample_weight=[*weights, 1.0])

    assert clf.classes_.tolist() == ["music", "politics", "sports"]


def test_the_expected_accuracy_counts_weights_and_shares_of_classes(lm):
    labels = ["sports", "sports", "politics", "sports"] * (len(MANY) // 4)  # not learnable
    always = {"model": lm, "time_budget": "1h", "class_weight": {"sports": 1e9}, **QUIET}
    texts, n = MANY[: len(labels)], len(labels) / 2

    clf = Classifier(**always).fit(texts, labels)
    rare = Classifier(class_prior={"sports": 0.2, "politics": 0.8}, **always).fit(texts, labels)

    assert set(clf.predict(texts)) == {"sports"}
    assert clf.report_.expected_accuracy == pytest.approx((0.75 * n + 3) / (n + 4))
    # Texts weigh 4/15 and 16/5: few of them decide.
    n = n * 1 / (0.75 * (4 / 15) ** 2 + 0.25 * (16 / 5) ** 2)
    assert rare.report_.expected_accuracy == pytest.approx((0.2 * n + 3) / (n + 4))


def test_balanced_classes_are_expected_as_frequent_as_among_the_labels(lm):
    labels = ["sports", "sports", "politics", "sports"]
    task, _, _ = Classifier(model=lm, class_weight="balanced", **QUIET)._plan(
        PLAYS[:4], labels, None, None
    )

    decided = task.verdict(np.log([[0.1, 0.9]] * 4))  # all for sports

    assert task.truth()[1].tolist() == pytest.approx([2 / 3, 2 / 3, 2, 2 / 3])
    assert decided.accuracy[0] == 0.75


def test_repeated_texts_without_labels_teach_nothing_more(lm):
    pool = PLAYS[:20]
    clf = Classifier(list(WORDS), model="fewshot-mini", time_budget="1h", **QUIET)

    with pytest.warns(UnlabeledWarning, match="20 different ones are too few") as found:
        EmbeddingClassifier(labels=list(WORDS)).fit(pool * 10)
    once, often = (clone(clf).fit(texts) for texts in (pool, pool * 10))

    assert len(found) == 1
    assert list(often.voices_) == list(once.voices_) == ["zero-shot"]
    assert not hasattr(often, "estimator_")


def test_voices_decide_by_the_same_weights_and_thresholds(lm):
    weights = {"sports": 3.0}
    clf = Classifier(model=lm, time_budget="1h", class_weight=weights, **QUIET).fit(TEXTS, LABELS)

    assert {name: voice.class_weight for name, voice in clf.voices_.items()} == dict.fromkeys(
        clf.voices_, weights
    )


# ---- Distilling --------------------------------------------------------------------------------


PAIRS = [f"{first} {second}" for first in POOL for second in POOL]
MIXED = PAIRS[:150]


def test_one_classifier_learns_what_the_pool_says(fitted, tmp_path):
    student = fitted.distill(MIXED)

    assert list(student.classes_) == ["politics", "sports"]
    assert set(fitted.predict(MIXED)) == {"politics", "sports"}
    assert (student.predict(MIXED) == fitted.predict(MIXED)).mean() > 0.8  # a random model
    change = student.predict_proba(MIXED)[:, 0] - fitted.predict_proba(MIXED)[:, 0]
    assert abs(change.mean()) < 0.01  # the intercept is that of the least cross-entropy
    student.save(tmp_path / "student")
    loaded = fewshot.load(tmp_path / "student")
    assert (loaded.predict_proba(NEW) == student.predict_proba(NEW)).all()


def test_a_distilled_classifier_decides_with_the_same_prior(lm, monkeypatch):
    prior = {"politics": 0.6, "sports": 0.4}
    clf = Classifier(list(WORDS), model=lm, class_prior=prior, **QUIET).fit()

    monkeypatch.setattr("fewshot.classifiers.automatic.distilling._MOST_CHANGED", 0.0)
    with pytest.warns(
        FewShotWarning, match=r"puts 6.67 % of held-out texts into another class than"
    ):
        student = clf.distill(MIXED)

    change = student.predict_proba(MIXED)[:, 0] - clf.predict_proba(MIXED)[:, 0]
    assert abs(change.mean()) < 0.01
    assert clone(student).fit(TEXTS, LABELS).class_offset_ == pytest.approx(np.log([1.2, 0.8]))


@pytest.mark.filterwarnings(
    "error", "ignore::fewshot.errors.CollapseWarning", "ignore:what is distilled"
)
def test_numbers_that_stand_for_names_stay_numbers(lm):
    y = [["politics", "sports"].index(label) for label in LABELS]
    clf = Classifier(list(WORDS), model=lm, time_budget="1h", **QUIET)
    with pytest.warns(LabelWordWarning, match="stand for"):
        clf.fit(TEXTS, y)
    of_one = [text for text, n in zip(PAIRS, clf.predict(PAIRS), strict=True) if n == 0][:120]

    student = clf.distill(of_one)  # which do not show that there is another class

    assert len(of_one) == 120
    assert student.classes_.tolist() == [0, 1]
    assert (student.predict(of_one) == 0).mean() > 0.8  # a random model


def test_the_student_starts_from_embeddings_or_the_prompt_that_weighs_most(lm):
    head = PromptClassifier(model=lm, tuning="head", verbose=0).fit(TEXTS, LABELS)
    pet = PETClassifier(head, random_state=0, verbose=0)
    pet.fit(TEXTS, LABELS, unlabeled=Unlabeled(MANY[:40]))
    tfidf, embedding = TfidfClassifier().fit(TEXTS, LABELS), EmbeddingClassifier()
    voices = {"head": head, "pet": pet, "tfidf": tfidf}

    assert starts_of(voices, np.array([0.5, 0.4, 0.9])) == [head]
    assert starts_of(voices, np.array([0.4, 0.5, 0.9])) == [pet.estimator_]
    assert starts_of({"head": head, "own": embedding}, np.array([0.9, 0.1])) == [embedding, head]
    assert starts_of({"tfidf": tfidf}, np.ones(1)) == []


@pytest.mark.parametrize(
    ("shares", "chosen"), [([0.15, 0.0], 0), ([0.16, 0.15], 1), ([0.3, 0.2], 1), ([0.2, 0.3], 0)]
)
def test_the_first_start_that_agrees_is_chosen_or_the_best(monkeypatch, shares, chosen):
    starts = [EmbeddingClassifier(), PromptClassifier()]
    module = "fewshot.classifiers.automatic.distilling"
    changes = [Change(share) for share in shares]
    monkeypatch.setattr(f"{module}.change_of", lambda start, _: changes[starts.index(start)])

    assert chosen_start(starts, None) == (starts[chosen], changes[chosen])


def test_a_student_is_that_of_the_start_that_was_chosen(lm, monkeypatch):
    own = EmbeddingClassifier(tiny_sentence_transformer(tiny_bert()), max_length=4)
    head = PromptClassifier(model=lm, tuning="head", verbose=0).fit(TEXTS, LABELS)
    with pytest.warns(TruncationWarning):
        voices = {"embedding": own.fit(TEXTS, LABELS), "head": head}
    clf = Classifier(model=lm, **QUIET)
    task, _, _ = clf._plan(TEXTS, LABELS, None, Unlabeled(MIXED))
    clf = clf.fit(TEXTS, LABELS)
    clf.voices_, clf.weights_ = voices, np.ones(2)
    told = Told(Examples({"text": MIXED}), np.full((150, 2), 0.5), np.ones(150))
    module = "fewshot.classifiers.automatic.distilling"

    with warnings.catch_warnings():
        warnings.simplefilter("error", FewShotWarning)
        assert change_of(own, told).share <= 1
    with pytest.warns(TruncationWarning, match="150 of 150"):
        student = distilled(own, told)
    monkeypatch.setattr(f"{module}.change_of", lambda start, _: Change(0.5 * (start is own)))
    later = clf.distill(MIXED)
    found, _ = student_of(task, np.ones(len(TEXTS) + 150), 1e3, voices, np.ones(2))

    assert (student.model, student.max_length) == (own.model, 4)
    assert student.predict_proba(MIXED) == pytest.approx(np.full((150, 2), 0.5), abs=1e-3)
    assert isinstance(later, PromptClassifier)
    assert isinstance(found, PromptClassifier)


def test_a_student_on_embeddings_learns_by_weights_and_keeps_the_words():
    start = EmbeddingClassifier(
        tiny_sentence_transformer(tiny_bert()), {"no": ["a law"], "yes": ["a team"]}
    ).fit(TEXTS, ["no", "yes"] * (len(TEXTS) // 2))
    soft_labels = np.array([[0.9, 0.1], [0.3, 0.7]])

    told = Told(Examples({"text": ["a law", "a law"]}), soft_labels, np.array([1.0, 2.0]))
    student = distilled(start, told)

    # (0.9 + 2 * 0.3) / 3
    assert student.predict_proba(["a law"]) == pytest.approx(np.full((1, 2), 0.5), abs=1e-3)
    assert student.verbalizer == start.verbalizer


def test_texts_in_any_order_are_held_out(monkeypatch):
    examples = Examples({"text": [*TEXTS, *MIXED]})
    soft_labels = np.tile([1.0, 0.0], (len(examples), 1))
    seen = []

    def student(_, told):
        seen.append(told)
        return SimpleNamespace(_class_scores=lambda texts: np.tile([1.0, 0.0], (len(texts), 1)))

    monkeypatch.setattr("fewshot.classifiers.automatic.distilling.distilled", student)
    n = len(TEXTS)
    told = Told(examples, soft_labels, np.ones(len(examples)), n)

    assert change_of(None, told).share == 0
    [part] = seen
    kept = list(part.examples.columns["text"])
    assert kept[:n] == list(TEXTS)
    assert len(kept) == n + 120
    places = np.array([MIXED.index(text) for text in set(MIXED) - set(kept)])
    assert set(places % 5) == set(range(5))


def test_a_fit_of_an_embedded_model_ends_with_embeddings(monkeypatch, tmp_path):
    monkeypatch.setattr(offers, "COSTLY", ())
    labels, weights = ["sports", "sports", "politics", "politics"], {"sports": 2.0}
    clf = Classifier(model="fewshot-mini", time_budget="1h", class_weight=weights, **QUIET)

    clf.fit(PLAYS[:4], labels, unlabeled=Unlabeled(PLAYS[4:]))
    later = clf.distill(PLAYS)

    new = ["The players trained.", "The government resigned."]
    assert clf.predict(new).tolist() == ["sports", "politics"]
    assert isinstance(clf.estimator_, EmbeddingClassifier)
    assert clf.estimator_.reads_middle_
    assert clf.report_.trials[-1].note.startswith("predicts: learned from 116 texts")
    said = pooled(clf.weights_, [class_scores(v, PLAYS[4:]) for v in clf.voices_.values()])
    own = class_scores(clf.estimator_, PLAYS[4:])
    assert np.corrcoef(said[:, 0], own[:, 0])[0, 1] > 0.9
    assert isinstance(later, EmbeddingClassifier)
    assert (later.class_weight, later.class_offset_.tolist()) == (weights, [0.0, np.log(2.0)])
    later.save(tmp_path / "student")
    assert fewshot.load(tmp_path / "student").predict(new).tolist() == ["sports", "politics"]


@pytest.fixture(scope="module")
def learned(lm):
    clf = Classifier(model=lm, time_budget="1h", class_prior={"politics": 0.6, "sports": 0.4})
    with pytest.MonkeyPatch.context() as patch:  # TF-IDF counts most beside a random model
        patch.setattr(offers, "CHEAP", [voice for voice in CHEAP if voice.name == "head"])
        patch.setattr(offers, "COSTLY", [voice for voice in COSTLY if voice.name == "full"])
        patch.setattr("fewshot.classifiers.automatic.distilling._MOST_CHANGED", 1.0)
        return clf.set_params(**QUIET).fit(TEXTS, LABELS, unlabeled=Unlabeled(MIXED))


def test_a_fit_with_many_texts_without_labels_ends_with_one_classifier(learned, tmp_path):
    offset = np.log([1.2, 0.8])
    own = learned.estimator_.predict_log_proba(MIXED)
    said = pooled(learned.weights_, [class_scores(v, MIXED) for v in learned.voices_.values()])
    of_pool = log_softmax(said + offset, axis=1)

    with pytest.warns(LeakageWarning, match="150 of 150 texts were among the unlabelled"):
        found = learned.predict_log_proba(MIXED)

    assert learned.class_offset_ == pytest.approx(offset)
    assert found == pytest.approx(log_softmax(own + offset, axis=1))
    assert learned.estimator_.classes_ is learned.classes_
    assert np.corrcoef(found[:, 0], of_pool[:, 0])[0, 1] > 0.6  # a random model
    learned.save(tmp_path / "model")
    loaded = fewshot.load(tmp_path / "model")
    assert (loaded.predict_proba(NEW) == learned.predict_proba(NEW)).all()


def test_the_report_says_that_one_classifier_predicts(learned, lm):
    trial, reason = learned.report_.trials[-1], learned.report_.reason

    assert (trial.name, trial.weight) == ("distilled", 0.0)
    assert trial.note == "predicts: learned from 150 texts without labels what the others say"
    assert reason.endswith(
        " One classifier that has learned what they say predicts; the figures are theirs."
    )
    assert learned.report_.seconds >= sum(trial.seconds for trial in learned.report_.trials)
    plan = Classifier(model=lm, time_budget="1h", **QUIET).dry_run(TEXTS, LABELS, unlabeled=MIXED)
    assert plan.n_distilled == 150
    assert ", distilled with up to 150 texts: about" in str(plan)


def test_a_later_fit_without_such_texts_has_no_such_classifier(learned):
    again = clone(learned).set_params(labels=list(WORDS))
    again.estimator_, again.pool_keys_ = learned.estimator_, learned.pool_keys_

    again.fit()

    assert not hasattr(again, "estimator_")
    assert not hasattr(again, "pool_keys_")


def test_a_later_distilling_learns_from_the_voices(learned, monkeypatch):
    seen = []
    module = "fewshot.classifiers.automatic.classifier"

    def student(*given, **_):
        seen.append(given)
        return copy(learned.estimator_)

    monkeypatch.setattr(f"{module}.distilled", student)

    learned.distill(MIXED)

    scores = [class_scores(voice, MIXED) for voice in learned.voices_.values()]
    assert seen[-1][1].soft_labels == pytest.approx(np.exp(pooled(learned.weights_, scores)))


def test_the_student_learns_labels_and_what_the_pool_says(lm, monkeypatch):
    weights = np.arange(1.0, len(TEXTS) + 1)
    clf = Classifier(model=lm, **QUIET)
    task, _, _ = clf._plan(TEXTS, LABELS, weights, Unlabeled(MIXED))
    voices = {
        "tfidf": TfidfClassifier().fit(TEXTS, LABELS),
        "head": PromptClassifier(model=lm, tuning="head", verbose=0).fit(TEXTS, LABELS),
    }
    seen, sign = [], [1.0]

    def student(*given, **_):
        seen.append(given)
        head = voices["head"]
        return SimpleNamespace(_class_scores=lambda texts: sign[0] * head._class_scores(texts))

    monkeypatch.setattr("fewshot.classifiers.automatic.distilling.distilled", student)
    of_texts, factors = np.ones(len(TEXTS) + len(MIXED)), np.array([0.001, 1.0])

    # One pass over 127 texts in 0.8 of the time, which make 64.
    short, counted = (159.0, voices, factors), (161.0, {"tfidf": voices["tfidf"]}, np.ones(1))
    assert student_of(task, of_texts, *short) == (None, "not tried: no time for 100 texts")
    assert student_of(task, of_texts, *counted)[1] == "not tried: no voice runs a model"
    assert not seen
    # Of two voices the second pass over 60 is done: 60 + 2 * 68 texts in 0.8 of the time.
    both = {**voices, "full": voices["head"]}, np.ones(3)
    assert student_of(task, of_texts, 244.0, *both, 60)[1] == "not tried: no time for 100 texts"
    assert student_of(task, of_texts, 246.0, *both, 60)[1] != "not tried: no time for 100 texts"
    seen.clear()
    note = student_of(task, of_texts, 161.0, voices, factors)[1]
    assert note == "predicts: learned from 128 texts without labels what the others say"
    sign[0] = -1.0
    other = student_of(task, of_texts, 161.0, voices, factors)
    assert other == (None, "left out: puts 100 % of held-out texts into another class")
    of_part, whole = seen[:2]
    assert len(of_part[1].examples) == 138 - 25  # a fifth of 128
    voice, (examples, soft_labels, sample_weight, _) = whole
    found = list(examples.columns["text"])
    n, drawn = len(TEXTS), found[len(TEXTS) :]
    scores = [class_scores(clf, drawn) for clf in voices.values()]
    assert voice is voices["head"]
    assert found[:n] == list(TEXTS)
    assert set(drawn) < set(MIXED)
    assert soft_labels[:n, 0].tolist() == [float(label == "politics") for label in LABELS]
    assert soft_labels[n:] == pytest.approx(np.exp(pooled(factors, scores)))
    assert sample_weight[:n] == pytest.approx(weights / weights.mean())
    assert (sample_weight[n:] == 1).all()


def test_few_texts_missing_classes_and_several_labels_are_not_distilled(lm):
    def is_distilled_of(y, n_texts=100, labels=None):
        clf = Classifier(labels, model=lm, **QUIET)
        return is_distilled(clf._plan(TEXTS, y, None, Unlabeled(MIXED[:n_texts]))[0])

    assert is_distilled_of(LABELS)
    assert not is_distilled_of(LABELS, 99)
    assert not is_distilled_of(LABELS, labels=[*WORDS, "culture"])
    assert not is_distilled_of([[label] for label in LABELS])
    assert is_distilled_of([None] * len(TEXTS), labels=list(WORDS))


def test_the_plan_counts_the_seconds_of_the_student(lm, monkeypatch):
    paced(monkeypatch, 0.01)
    clf = Classifier(model=lm, time_budget="1h", **QUIET)

    plan = clf.dry_run(TEXTS, LABELS, unlabeled=Unlabeled(MIXED))
    monkeypatch.setattr(offers, "is_distilled", lambda _: False)
    without = clf.dry_run(TEXTS, LABELS, unlabeled=Unlabeled(MIXED))

    assert plan.voices == without.voices == ("head", "tfidf", "contrastive", "full", "pet", "pcp")
    assert (plan.n_distilled, without.n_distilled) == (150, 0)
    # The fits have read all of them; one pass is left.
    assert plan.seconds - without.seconds == pytest.approx(150 * 0.01, abs=0.1)
    assert "distilled" not in str(without)


def test_an_interruption_may_keep_what_was_tried_before_the_student(lm, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("fewshot.classifiers.automatic.search.student_of", interrupt)
    monkeypatch.setattr(offers, "COSTLY", ())
    clf = Classifier(model=lm, time_budget="1h", **QUIET)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(TEXTS, LABELS, unlabeled=Unlabeled(MIXED))

    clf.fit(TEXTS, LABELS, unlabeled=Unlabeled(MIXED), on_interrupt="keep")

    shown = [(trial.name, trial.note) for trial in clf.report_.trials]
    assert shown == [("head", ""), ("tfidf", ""), ("distilled", "interrupted")]
    assert not hasattr(clf, "estimator_")


def test_seconds_have_two_digits_or_are_whole():
    assert [in_seconds(s) for s in (0.0123, 9.96, 99.4)] == ["0.012 s", "10 s", "99 s"]
    assert in_seconds(1181.2) == "1181 s"


def test_what_cannot_be_distilled_is_refused(fitted, lm):
    several = Classifier(model=lm, time_budget="1h", **QUIET)
    several.fit(TEXTS, [[label] for label in LABELS])

    with pytest.raises(InputError, match=r"100 different texts or more, got 3; they need no"):
        fitted.distill(NEW * 40)
    with pytest.raises(InputError, match="one label for each text, and these have several"):
        several.distill(MIXED)
    counted = Classifier(model=lm, time_budget="1h", **QUIET).fit(TEXTS, LABELS)
    counted.voices_ = {"tfidf": TfidfClassifier().fit(TEXTS, LABELS)}
    counted.weights_ = np.ones(1)
    with pytest.raises(InputError, match=r"of \['tfidf'\] none does; save the"):
        counted.distill(MIXED)
