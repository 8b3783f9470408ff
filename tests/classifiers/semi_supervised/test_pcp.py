"""PCP: what the lines hold, what the model learns from them, and when it is learned again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import fewshot
import fewshot.classifiers.semi_supervised.pcp as module
from fewshot import (
    PCPClassifier,
    PETClassifier,
    PromptClassifier,
    Template,
    Unlabeled,
)
from fewshot.classifiers.prompt_plan import PromptPlan, resolve_template
from fewshot.classifiers.semi_supervised import ensembles
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.errors import (
    CheckpointError,
    InputError,
    TruncationWarning,
    VerbalizerError,
)
from fewshot.knowledge import Lookup, SciPromptVerbalizer, SoftVerbalizer, TermFile
from fewshot.models.masked_lm import MaskedLM
from fewshot.training import rounds
from fewshot.tuning import Full, Head, Perfect
from tests import tiny_estimators
from tests.tiny_estimators import FEW_POOL as POOL
from tests.tiny_estimators import FEW_X as X
from tests.tiny_estimators import FEW_Y as Y
from tests.tiny_estimators import QUIET, WORDS
from tests.tiny_models import FAMILIES, tiny_roberta

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


@pytest.fixture(autouse=True)
def _nothing_remembered():
    module.forget_pretraining()


def prompt(model=None, **settings) -> PromptClassifier:
    settings = {"template": "{text} It was {mask} .", "verbalizer": WORDS} | settings
    model = {} if model is None else {"model": MaskedLM(*model, device="cpu")}
    return tiny_estimators.prompt(**settings | model)


def pcp(estimator=None, **settings) -> PCPClassifier:
    # All texts make lines, unless a test says otherwise.
    settings = {"pretraining": Pretraining(num_epochs=1), "min_confidence": 0.0} | QUIET | settings
    return PCPClassifier(prompt() if estimator is None else estimator, **settings)


def fit(clf, pool=POOL) -> PCPClassifier:
    return clf.fit(X, Y, unlabeled=Unlabeled(pool))


def lines_of(clf, monkeypatch, pool=POOL, X=X, Y=Y) -> list[str]:
    """Fit, and return the lines that the model was trained on, as text."""
    seen = []

    def noted(lm, ids, pretraining, seed, rounds):
        seen.extend(ids)
        return lm, []

    monkeypatch.setattr(module, "pretrain", noted)
    clf.fit(X, Y, unlabeled=Unlabeled(pool))
    tokenizer = clf.model_.tokenizer
    return [tokenizer.decode(ids, skip_special_tokens=True) for ids in seen]


class Fixed(PromptClassifier):
    """Labels all texts as one class."""

    label = 0

    def _class_scores(self, X):
        return np.eye(len(self.classes_))[[self.label] * len(X)] * 20.0


# ---- Lines ------------------------------------------------------------------------------------


def test_lines_hold_the_text_and_the_predicted_word(monkeypatch):
    predictor = Fixed(**prompt().get_params(deep=False))

    lines = lines_of(pcp(predictor=predictor), monkeypatch)

    assert lines == [f"{text} it was politics." for text in POOL]


class Scored(PromptClassifier):
    """Scores all texts alike."""

    scores = (0.0, 1.0)

    def _class_scores(self, X):
        return np.array([self.scores] * len(X))


def test_a_scale_gets_the_word_of_its_nearer_end(monkeypatch):  # pcp.md, E5
    # STS-B as two classes, the ends of its scale: the score is the expected label.
    ends = {0: "bad", 5: "great"}
    base = prompt(verbalizer=ends, template="{a} {mask} , {b}")
    predictor = Scored(**base.get_params(deep=False))
    pairs, labels = [("football", "team"), ("law", "vote")], [0, 5]

    lines = lines_of(pcp(base, predictor=predictor), monkeypatch, [("a", "b")], pairs, labels)

    fitted = clone(predictor).fit(pairs, labels)
    score = fitted.predict_proba([("a", "b")]) @ fitted.classes_
    assert score.tolist() == pytest.approx([3.655293], abs=1e-6)
    assert lines == ["a great, b"]


class Leaning(PromptClassifier):
    """Is sure of the first class, but for the last text, for which the second is a little ahead."""

    def _class_scores(self, X):
        scores = np.array([[5.0, 0.0]] * len(X))
        scores[-1] = [0.0, 0.5]
        return scores


@pytest.mark.parametrize(("prior", "word"), [(None, "politics"), ("uniform", "sports")])
def test_lines_follow_the_shares_of_the_pool_unless_they_are_known(monkeypatch, prior, word):
    predictor = Leaning(**prompt(class_prior=prior).get_params(deep=False))

    lines = lines_of(pcp(predictor=predictor), monkeypatch)

    assert lines[0] == f"{POOL[0]} it was politics."
    assert lines[-1] == f"{POOL[-1]} it was {word}."


def test_labelled_texts_may_get_their_gold_word(monkeypatch):
    predictor = Fixed(**prompt().get_params(deep=False))

    lines = lines_of(pcp(predictor=predictor, label_source="gold"), monkeypatch)

    assert lines[:4] == [f"{text} it was sports." for text in X[:4]]
    assert lines[8:] == [f"{text} it was politics." for text in POOL]


def test_gold_words_need_no_unlabelled_texts():
    clf = pcp(label_source="gold").fit(X, Y)

    assert (clf.n_lines_, clf.n_unlabeled_) == (8, 0)


def test_the_soft_pattern_of_pairs(monkeypatch):
    base = prompt(template="{a} . {mask} , I think that {b}")
    predictor = Fixed(**base.get_params(deep=False))

    pairs = [(text, "win") for text in X]
    lines = lines_of(
        pcp(base, predictor=predictor, pattern="soft"), monkeypatch, [("a", "team")], pairs, Y
    )

    assert lines == ["a politics, team"]


def test_a_predictor_may_have_the_fields_in_another_order(monkeypatch):
    seen = []

    class Noted(Fixed):
        def _class_scores(self, X):
            pairs = zip(X.columns["a"], X.columns["b"], strict=True)
            seen.extend(resolve_template(self).preview({"a": a, "b": b}) for a, b in pairs)
            return super()._class_scores(X)

    base = prompt(template="{a} {mask} , {b}")
    predictor = Noted(**base.get_params(deep=False)).set_params(template="{b} . {mask} {a}")
    pairs = [(text, "win") for text in X]

    lines_of(pcp(base, predictor=predictor), monkeypatch, [("a", "team")], pairs, Y)

    assert seen == ["team . [MASK] a"]


def test_bare_texts_are_the_baseline(monkeypatch):
    lines = lines_of(pcp(objective="mlm"), monkeypatch)

    assert lines == [*X, *POOL]


@pytest.mark.parametrize(
    "settings",
    [{"verbalizer": SoftVerbalizer(WORDS)}, {"tuning": Perfect(num_epochs=1), "verbalizer": None}],
    ids=["vectors", "no words"],
)
def test_bare_texts_need_no_label_words(settings):
    given = {"tuning": Full(num_epochs=1)} | settings

    assert fit(pcp(prompt(**given), objective="mlm")).n_lines_ == 13
    with pytest.raises(VerbalizerError, match="writes label words into texts"):
        fit(pcp(prompt(**given)))


@pytest.mark.parametrize(
    ("settings", "n_lines"), [({"objective": "mlm"}, 13), ({"pattern": "soft"}, 5)], ids=str
)
def test_lines_that_are_cut_warn_where_prompts_are_whole(settings, n_lines):
    whole = Template("{text} It was {mask} .", shorten="chunk")
    base = prompt(template=whole, max_length=16)

    cut = rf"1 of {n_lines} texts .* 16 tokens; lines to pre-train"
    with pytest.warns(TruncationWarning, match=cut):
        fit(pcp(base, **settings), [*POOL[:4], "goal " * 40])


@pytest.mark.parametrize("name", list(FAMILIES))
def test_the_word_at_its_slot_is_the_token_that_is_scored(name, monkeypatch):
    base = prompt(FAMILIES[name](), template="{mask} : {text}")
    seen = []
    monkeypatch.setattr(module, "pretrain", lambda lm, ids, *_: (seen.extend(ids), (lm, []))[1])

    clf = fit(pcp(base))

    words = clf.estimator_.label_words_.tokens.tolist()
    assert len(seen) == len(POOL)
    assert all(sum(token in words for token in ids.tolist()) == 1 for ids in seen)


def test_a_line_of_a_mask_like_text_has_no_mask(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "pretrain", lambda lm, ids, *_: (seen.extend(ids), (lm, []))[1])

    clf = fit(pcp(), [*POOL, "what [MASK] is this"])

    mask = clf.model_.tokenizer.mask_token_id
    assert not any(mask in ids for ids in seen)


def test_the_confidence_filter_leaves_lines_out():
    predictor = prompt(tuning=Head(C=10.0), class_prior="uniform")
    fitted = clone(predictor).fit([*X, *POOL], [*Y, *[None] * len(POOL)])
    confidence = np.sort(fitted.predict_proba(POOL).max(1))
    cut = float((confidence[1] + confidence[2]) / 2)

    assert fit(pcp(predictor=predictor)).n_lines_ == 5
    assert fit(pcp(predictor=predictor, min_confidence=cut)).n_lines_ == 3


def test_by_default_the_surer_half_makes_lines(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "pretrain", lambda lm, ids, *_: (seen.extend(ids), (lm, []))[1])
    predictor = prompt(tuning=Head(C=10.0), class_prior="uniform")
    fitted = clone(predictor).fit([*X, *POOL], [*Y, *[None] * len(POOL)])
    surest = np.argsort(-fitted.predict_proba(POOL).max(1))[:3]  # the third of five is the median

    clf = fit(pcp(predictor=predictor, min_confidence=None))

    assert clf.n_lines_ == 3
    lines = clf.model_.tokenizer.batch_decode(seen)
    found = [any(text.lower() in line for line in lines) for text in POOL]
    assert np.flatnonzero(found).tolist() == sorted(surest.tolist())


def test_a_confidence_that_leaves_no_line_can_be_lowered_for_the_next_fit(tmp_path):
    settings = {"predictor": prompt(tuning="none"), "checkpoint_dir": tmp_path}
    with pytest.raises(InputError, match=r"a probability of 0.999999.*Lower min_confidence"):
        fit(pcp(min_confidence=0.999999, **settings))

    assert fit(pcp(**settings)).n_lines_ == 5


def test_gold_lines_pass_the_confidence_filter():
    clf = fit(pcp(predictor=prompt(tuning="none"), label_source="gold", min_confidence=0.999999))

    assert clf.n_lines_ == 8


# ---- The model --------------------------------------------------------------------------------


def test_the_adapted_model_finds_what_it_was_trained_on():
    settings = Pretraining(3e-3, 30, batch_size=4)
    base = prompt(tuning="none", calibration="none").set_params(name_weight=0)
    clf = fit(pcp(base, predictor=Fixed(**prompt().get_params(deep=False)), pretraining=settings))

    before = base.fit().predict_proba(POOL)[:, 0].mean()
    after = base.set_params(model=clf.model_).fit().predict_proba(POOL)[:, 0].mean()

    assert after > before + 0.1


def test_without_a_step_it_is_the_estimator_alone_bit_for_bit():
    base = prompt(tuning=Full(num_epochs=1))

    clf = fit(pcp(base, pretraining=Pretraining(num_epochs=0)))

    alone = clone(base).fit([*X, *POOL], [*Y, *[None] * len(POOL)])
    assert np.array_equal(clf.predict_proba(X), alone.predict_proba(X))
    assert clf.model_ is base.model


def test_the_adapted_model_goes_into_any_other_estimator():
    lm = fit(pcp()).model_

    for other in (PromptClassifier(model=lm, tuning="head"), fewshot.FineTuneClassifier(lm)):
        other.set_params(verbose=0).fit(X, Y).predict(POOL)


def test_soft_words_and_patterns_start_from_the_adapted_model():  # pcp.md, E6
    settings = Pretraining(1e-2, 2, embeddings="tuned")
    clf = fit(pcp(prompt(tuning="none"), pretraining=settings))

    soft = prompt(
        template="{text} {soft:it was} {mask} .", verbalizer=SoftVerbalizer(WORDS), tuning="none"
    ).set_params(model=clf.model_, labels=["politics", "sports"], calibration="none")
    hard = prompt(tuning="none", calibration="none").set_params(model=clf.model_)

    given, adapted = (lm.model.get_output_embeddings() for lm in (clf.estimator.model, clf.model_))
    ids = clf.model_.tokenizer.convert_tokens_to_ids(["politics", "sports"])
    vectors = soft.fit().label_words_.vectors
    assert torch.equal(vectors, adapted.weight[ids])
    assert not torch.isclose(vectors, given.weight[ids]).all(1).any()
    # The words of the pattern are those of the adapted model too; only the biases are missing.
    gap = soft.predict_log_proba(POOL) - hard.fit().predict_log_proba(POOL)
    bias = adapted.bias[ids].detach().numpy()
    np.testing.assert_allclose(gap[:, 0] - gap[:, 1], bias[1] - bias[0], atol=1e-5)


def test_other_texts_have_another_hash():
    assert fit(pcp()).data_hash_ != fit(pcp(), POOL[1:]).data_hash_


# ---- Trained once -----------------------------------------------------------------------------


class Counted:
    def __init__(self, monkeypatch):
        self.n = 0
        plain = module.pretrain

        def counted(*args):
            self.n += 1
            return plain(*args)

        monkeypatch.setattr(module, "pretrain", counted)


def test_a_grid_over_later_stages_trains_once_a_fold(monkeypatch):
    counted = Counted(monkeypatch)
    clf = pcp(prompt(), predictor=prompt(), label_source="gold")

    search = GridSearchCV(clf, {"estimator__tuning__C": [0.1, 1.0, 10.0]}, cv=2)
    search.fit(X, Y, unlabeled=Unlabeled(POOL))

    assert counted.n == 2 + 1  # two folds, and the fit on all in the end


def test_one_that_is_fitted_again_is_trained_once(monkeypatch):
    counted = Counted(monkeypatch)

    one, other = fit(pcp()), fit(pcp())

    assert counted.n == 1
    assert one.model_ is other.model_


@pytest.mark.parametrize(
    "change",
    [
        {"pretraining__num_epochs": 2},
        {"random_state": 1},
        {"objective": "mlm"},
        {"pattern": "soft"},
        {"estimator__model": MaskedLM(*tiny_roberta(), device="cpu")},
    ],
    ids=str,
)
def test_another_setting_trains_anew(monkeypatch, change):
    counted = Counted(monkeypatch)

    fit(pcp())
    fit(pcp().set_params(**change))

    assert counted.n == 2


def test_another_random_state_of_the_predictor_labels_anew(monkeypatch):
    fits, plain = [], PromptPlan.calibrate
    monkeypatch.setattr(PromptPlan, "calibrate", lambda plan: fits.append(1) or plain(plan))
    tuning = Full(num_epochs=1, learning_rate=1e-2)
    fits = [fit(pcp(predictor=prompt(tuning=tuning, random_state=s))) for s in (0, 1, 0)]

    assert [clf.predictor.model.counts.prompts > 0 for clf in fits] == [True, True, False]


# ---- Composition ------------------------------------------------------------------------------


def test_pet_starts_from_the_adapted_model():
    pet = PETClassifier(prompt(), templates=["{text} {mask}", "{mask} : {text}"])

    clf = fit(pcp(pet))

    assert isinstance(clf.estimator_, PETClassifier)
    assert clf.estimator_.estimator.model is clf.model_
    assert clf.estimator_.n_unlabeled_ == 5


def test_both_methods_of_a_composition_may_have_one_checkpoint_folder(tmp_path):
    def nested(folder):
        return pcp(PETClassifier(prompt(), checkpoint_dir=folder), checkpoint_dir=folder)

    beside = fit(nested(tmp_path))

    assert np.array_equal(beside.predict_proba(X), fit(nested(None)).predict_proba(X))
    assert list(tmp_path.iterdir()) == []


def test_without_labels_words_are_predicted_zero_shot():
    clf = pcp().fit(unlabeled=Unlabeled(POOL))

    assert clf.n_lines_ == 5
    assert clf.estimator_.get_params()["tuning"] == "none"


# ---- Interruptions ----------------------------------------------------------------------------


def interrupt(*_):
    raise KeyboardInterrupt


def test_an_estimator_with_a_folder_of_its_own_keeps_its_rounds_there(tmp_path, monkeypatch):
    own = tmp_path / "own"
    clf = pcp(PETClassifier(prompt(), checkpoint_dir=own), checkpoint_dir=tmp_path / "outer")
    monkeypatch.setattr(ensembles, "train_member", interrupt)

    with pytest.raises(KeyboardInterrupt):
        fit(clf)

    assert [path.name for path in own.glob("*/*.json")] == ["checkpoint.json"]
    assert not list((tmp_path / "outer").glob("*/estimator"))


def test_the_folder_of_the_estimator_is_checked_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "notes.txt").touch()
    monkeypatch.setattr(PromptPlan, "calibrate", interrupt)

    with pytest.raises(CheckpointError, match=r"holds \['notes.txt'\], which are not checkpoints"):
        fit(pcp(pcp(PETClassifier(prompt(), checkpoint_dir=tmp_path))))


def test_a_folder_that_no_later_fit_would_find_its_rounds_in_is_refused(tmp_path):
    nested = pcp(pcp(PETClassifier(prompt(), checkpoint_dir=tmp_path)), random_state=None)

    with pytest.raises(CheckpointError, match=r"PETClassifier has checkpoint_dir=.* around it has"):
        fit(nested)


@pytest.mark.parametrize("is_known", [False, True])
def test_the_bar_counts_scores_epochs_and_the_final_classifier(capfd, monkeypatch, is_known):
    monkeypatch.setattr(rounds, "_BAR_DELAY", 0)
    clf = pcp(pretraining=Pretraining(num_epochs=3, batch_size=4), verbose=1)
    if is_known:  # the model of this fit is that of another
        fit(clone(clf).set_params(verbose=0, estimator__tuning=Head(C=7)))

    fit(clf)

    assert "5/5" in capfd.readouterr().err


# ---- Words that are found elsewhere -----------------------------------------------------------


def finding(source) -> PCPClassifier:
    return pcp(prompt(verbalizer=SciPromptVerbalizer([source], encoder=None)))


def test_a_file_of_terms_that_has_changed_is_read_again(tmp_path):
    file, found = tmp_path / "terms.txt", []

    for terms in ("sports,football\npolitics,vote\n", "sports,goal\npolitics,law\n"):
        file.write_text(terms)
        seen = fit(finding(TermFile(file))).predict_proba(X)
        module.forget_pretraining()
        assert np.array_equal(seen, fit(finding(TermFile(file))).predict_proba(X))
        found.append(seen)

    assert not np.array_equal(*found)


def test_words_that_a_function_finds_are_asked_for_in_every_fit(tmp_path):
    asked = []
    source = Lookup(lambda name: asked.append(name) or ["game"] if name == "sports" else ["law"])

    fit(finding(source))
    n_asked = len(asked)
    fit(finding(source))

    assert len(asked) == 2 * n_asked > 0
    with pytest.raises(InputError, match="there is no fingerprint of a function among them"):
        fit(finding(source).set_params(checkpoint_dir=tmp_path))
