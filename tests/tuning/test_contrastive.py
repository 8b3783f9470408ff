"""Contrastive tuning: texts are drawn to those of their class, and to its name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import fewshot
from fewshot import LiSTClassifier, PCPClassifier, PETClassifier
from fewshot.data.examples import Examples
from fewshot.errors import InputError
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.training.losses import contrastive_losses
from fewshot.tuning import Contrastive
from tests.tiny_estimators import FEW_X, FEW_Y, QUIET, X, Y, fit, prompt

pytestmark = pytest.mark.filterwarnings("ignore::fewshot.errors.FewShotWarning")


def test_the_loss_is_the_mean_of_ranking_and_supervised_contrast():
    states, names = torch.eye(2), 2 * torch.eye(2)

    apart = contrastive_losses(states, names, torch.eye(2), 1.0)
    together = contrastive_losses(states, names, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), 1.0)

    # Cosines are 1 with the name on the same axis, else 0. Apart: ln(1 + 1/e) = 0.3133 among the
    # names; among all others, of which only the own name is of the class, ln(e + 2) - 1 = 0.5514.
    assert apart.tolist() == pytest.approx([0.43235, 0.43235], abs=1e-5)
    # Both of class 0: the first text is at its name, 0.3133, and the second at the other, 1.3133.
    # Positive are the other text, at 0, and the name: ln(e + 2) less the mean of 0 and 1, or of 0s.
    assert together.tolist() == pytest.approx([0.68235, 1.43235], abs=1e-5)


def test_the_temperature_divides_cosines_and_lengths_do_not_count():
    states, names = torch.tensor([[3.0, 0.0]]), torch.eye(2)

    loss = contrastive_losses(states, names, torch.tensor([[1.0, 0.0]]), 0.5)

    assert loss.tolist() == pytest.approx([np.log1p(np.exp(-2))])  # one text: both parts are equal


def test_a_soft_target_is_the_mean_of_hard_ones_where_texts_are_alone():
    states, names = torch.tensor([[1.0, 2.0]]), torch.eye(2)

    soft, first, second = (
        contrastive_losses(states, names, torch.tensor([target]), 1.0).item()
        for target in ([0.25, 0.75], [1.0, 0.0], [0.0, 1.0])
    )

    assert soft == pytest.approx(0.25 * first + 0.75 * second)


@pytest.mark.parametrize("states", ["mean", "mask"])
def test_texts_are_classified_by_the_cosine_to_the_names_as_they_are_after_tuning(states):
    clf = prompt(Contrastive(1e-3, states=states, num_epochs=2)).fit(X, Y)
    scorer = clf.scorer_

    def states_of(texts):
        encoded = scorer.encode(scorer.views(Examples({"text": texts})))
        found = scorer.mask_states(encoded) if states == "mask" else scorer.mean_states(encoded)
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    assert isinstance(clf.label_words_, LabelEmbeddings)
    cosines = states_of(["a goal", "the law"]) @ states_of(["politics", "sports"]).T
    expected = np.exp(cosines / 0.1) / np.exp(cosines / 0.1).sum(1, keepdims=True)
    encoded = scorer.encode(scorer.views(Examples({"text": ["a goal", "the law"]})))
    assert np.exp(scorer.class_scores(encoded)) == pytest.approx(expected, abs=0.002)
    assert (clf.calibration_, clf.head_.temperature) == ("none", 1.5)


def test_it_learns_and_leaves_the_embeddings_and_the_given_model():
    clf = prompt(Contrastive(3e-3, num_epochs=20, interpolation=1.0)).fit(X, Y)

    assert clf.score(X, Y) == 1.0
    assert clf.history_[-1]["loss"] < clf.history_[0]["loss"] - 0.5
    before = clf.model.model.get_input_embeddings().weight
    assert clf.model_.model.get_input_embeddings().weight.data_ptr() == before.data_ptr()


def test_names_are_the_first_words_or_the_labels():
    words = {0: ["law", "vote"], 1: ["a description of football and of games"]}

    given = prompt(Contrastive(num_epochs=1), verbalizer=words).fit(X, [0, 1] * 5)
    default = prompt(Contrastive(num_epochs=1)).fit(X, ["FootballTeam", "law/vote"] * 5)

    assert given.label_words_.names == ("law", "a description of football and of games")
    assert default.label_words_.names == ("football team", "law vote")
    with pytest.warns(fewshot.errors.LabelWordWarning, match=r"labels \[0, 1\] are not words"):
        numbered = prompt(Contrastive(num_epochs=1)).fit(X, [0, 1] * 5)
    assert numbered.label_words_.names == ("0", "1")


def test_a_name_takes_the_place_of_the_first_of_several_fields():
    pairs = [(text, "news") for text in X]

    clf = prompt(Contrastive(num_epochs=1), template="{a} {mask} {b}").fit(pairs, Y)

    assert np.isfinite(clf.predict_proba(pairs)).all()


def test_a_batch_holds_the_names_of_its_classes_only(monkeypatch):
    seen = []
    forward = MaskedLM.forward

    def watched(lm, prompts):
        seen.append((prompts, torch.is_grad_enabled()))
        return forward(lm, prompts)

    monkeypatch.setattr(MaskedLM, "forward", watched)
    labels = [f"class {letter}" for letter in "abcdefghij"]

    prompt(Contrastive(num_epochs=1, batch_size=5)).fit(X, labels)

    trained = [len(prompts) for prompts, needs_gradient in seen if needs_gradient]
    assert trained == [5, 5] * 2  # texts and names, in two steps


def test_it_is_saved_with_its_names(tmp_path):
    clf = prompt(Contrastive(1e-3, num_epochs=1)).fit(X, Y)
    clf.save(tmp_path / "model")

    again = fewshot.load(tmp_path / "model")

    assert again.label_words_.names == ("politics", "sports")
    assert np.array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(
    "make",
    [
        lambda clf: PETClassifier(clf, templates=["{text} {mask}", "{mask}: {text}"], **QUIET),
        lambda clf: PETClassifier(prompt(model=clf.model), final_estimator=clf, **QUIET),
        lambda clf: PCPClassifier(clf, objective="mlm", pretraining=None, **QUIET),
        lambda clf: LiSTClassifier(clf, n_sessions=1, n_steps=2, **QUIET),  # teaches adapters
    ],
    ids=["PET", "PET, final", "PCP", "LiST"],
)
def test_it_works_within_what_learns_from_unlabelled_texts(make):
    clf = make(prompt(Contrastive(1e-3, num_epochs=1)))

    fit(clf, FEW_X, FEW_Y)

    assert clf.predict_proba(X).sum(1) == pytest.approx(np.ones(10))


def test_a_weight_of_names_that_would_have_no_effect_is_refused():
    clf = prompt("contrastive")

    with pytest.raises(InputError, match=r"name_weight=3.0 has no effect with Contrastive"):
        clf.set_params(name_weight=3.0).fit(X, Y)
