"""PERFECT: classes without label words, texts without a written template."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewshot import PromptClassifier
from fewshot.data.examples import Examples
from fewshot.errors import LabelWordError, TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.scoring.prototypes import LabelEmbeddings
from fewshot.tuning import Perfect, SoftPrompt, Training
from tests.tuning.tasks import TEXTS

LABELS = ["sports"] * 5 + ["politics"] * 5


def classifier(tiny, tuning=None, **settings) -> PromptClassifier:
    tuning = Perfect(num_epochs=2, n_masks=2) if tuning is None else tuning
    lm = MaskedLM(*tiny, device="cpu")
    return PromptClassifier(model=lm, tuning=tuning, random_state=0, verbose=0, **settings)


def test_it_needs_neither_template_nor_label_words(tiny_bert):
    clf = classifier(tiny_bert).fit(TEXTS, LABELS)

    assert clf.template_.text == "{text} {mask}"
    assert clf.verbalizer_ is None
    assert clf.calibration_ == "none"
    assert clf.classes_.tolist() == ["politics", "sports"]
    proba = clf.predict_proba(TEXTS)
    assert proba.sum(1) == pytest.approx(np.ones(10))


def test_it_learns_a_toy_task(tiny_bert):
    tuning = Perfect(0.01, num_epochs=30, interpolation=1.0)

    clf = classifier(tiny_bert, tuning).fit(TEXTS, LABELS)

    scorer = clf.scorer_
    prototypes_only = scorer.class_scores(scorer.encode(scorer.views(Examples({"text": TEXTS}))))
    assert (clf.classes_[prototypes_only.argmax(1)] == LABELS).mean() >= 0.9
    assert clf.history_[-1]["loss"] < 0.5 * clf.history_[0]["loss"]


def test_the_loss_starts_at_the_margin(tiny_bert):
    tuning = Perfect(1e-9, label_learning_rate=1e-9, num_epochs=1)

    clf = classifier(tiny_bert, tuning).fit(TEXTS, LABELS)

    # Label embeddings of nothing: the hinge is (C - 1) / C.
    assert clf.history_[0]["loss"] == pytest.approx(0.5, abs=0.02)


def test_names_of_the_labels_play_no_part(tiny_bert):
    numbers = [0] * 5 + [7] * 5

    named = classifier(tiny_bert).fit(TEXTS, ["a sport"] * 5 + ["the politics"] * 5)
    numbered = classifier(tiny_bert).fit(TEXTS, numbers)

    assert numbered.classes_.tolist() == [0, 7]
    assert np.array_equal(named.predict_proba(TEXTS), numbered.predict_proba(TEXTS))


def test_of_a_verbalizer_only_the_labels_are_used(tiny_bert):
    words = {"politics": ["unknown日本"], "sports": ["game"]}

    with_words = classifier(tiny_bert, verbalizer=words).fit(TEXTS, LABELS)
    without = classifier(tiny_bert).fit(TEXTS, LABELS)

    assert np.array_equal(with_words.predict_proba(TEXTS), without.predict_proba(TEXTS))


def test_a_class_without_examples_keeps_its_column(tiny_bert):
    clf = classifier(tiny_bert, labels=["sports", "politics", "weather"]).fit(TEXTS, LABELS)

    proba = clf.predict_proba(TEXTS)

    assert clf.classes_.tolist() == ["politics", "sports", "weather"]
    assert np.isfinite(proba).all()
    assert (proba.argmax(1) != 2).all()


def test_adapters_norms_and_label_embeddings_are_what_is_tuned(tiny_bert):
    clf = classifier(tiny_bert).fit(TEXTS, LABELS)

    n_values = sum(p.numel() for p in clf.model_.added.parameters())
    # Two layers with a bottleneck of 8, and a vector for each of two classes and masks.
    assert n_values == 2 * (2 * 32 * 8 + 8 + 32) + 2 * 2 * 32
    before = dict(clf.model.model.named_parameters())
    changed = {
        name for name, p in clf.model_.model.named_parameters() if not torch.equal(p, before[name])
    }
    assert changed
    assert all("LayerNorm" in name for name in changed)


def test_prototypes_are_the_mean_states_of_the_classes(tiny_bert):
    clf = classifier(tiny_bert).fit(TEXTS, LABELS)
    scorer = clf.scorer_

    states = scorer.states_at_masks(scorer.encode(scorer.views(Examples({"text": TEXTS}))))

    assert isinstance(clf.label_words_, LabelEmbeddings)
    expected = torch.stack([states[5:].mean(0), states[:5].mean(0)]).float()
    torch.testing.assert_close(clf.label_words_.vectors, expected)
    # The encoder's own states, not those of the MLM head.
    ids = torch.from_numpy(scorer.views(Examples({"text": TEXTS}))[2].ids[0][None]).long()
    raw = clf.model_.model.base_model(input_ids=ids)[0][0]
    at = scorer.views(Examples({"text": TEXTS}))[2].mask_positions[0]
    torch.testing.assert_close(states[0].float(), raw[at], atol=1e-5, rtol=0)


def test_texts_keep_their_masks_when_they_are_cut(tiny_bert):
    clf = classifier(tiny_bert, Perfect(num_epochs=1, n_masks=3), max_length=12)

    with pytest.warns(UserWarning, match="shortened"):
        clf.fit([*TEXTS[:-1], "a vote " * 40], LABELS)

    views = clf.scorer_.views(Examples({"text": ["a goal " * 40, "", "[MASK] a goal"]}))
    mask = clf.model.tokenizer.mask_token_id
    assert [int((ids == mask).sum()) for ids in views[3].ids] == [3, 3, 3]


def test_a_template_of_ones_own_and_virtual_tokens_go_with_it(tiny_bert):
    clf = classifier(tiny_bert, template="{mask} {soft:news of} {text}").fit(TEXTS, LABELS)

    assert clf.template_.text == "{mask} {soft:news of} {text}"
    assert np.isfinite(clf.predict_proba(TEXTS)).all()


def test_label_words_cannot_be_scored_afterwards(tiny_bert):
    scorer = classifier(tiny_bert).fit(TEXTS, LABELS).scorer_

    with pytest.raises(LabelWordError, match="label embeddings in place of label words"):
        scorer.word_log_probs(scorer.encode(scorer.views(Examples({"text": TEXTS}))))


def test_other_strategies_have_no_label_embeddings(tiny_bert):
    with pytest.raises(TuningError, match="SoftPrompt scores label words"):
        SoftPrompt().label_embeddings(["a", "b"], MaskedLM(*tiny_bert, device="cpu"))


@pytest.mark.parametrize("tuning", ["none", "head", "prompt"])
def test_a_model_tuned_without_the_head_scores_no_words(tiny, tuning):
    tuned = classifier(tiny).fit(TEXTS, LABELS).model_
    words = {"politics": ["politics"], "sports": ["sports"]}

    with pytest.raises(LabelWordError, match=r"tuned with tuning='perfect'.*before tuning"):
        PromptClassifier("{mask} {text}", words, model=tuned, tuning=tuning).fit(TEXTS, LABELS)


def test_a_tuned_model_can_be_tuned_once_more_on_top(tiny):
    first = classifier(tiny).fit(TEXTS, LABELS)
    before = first.predict_proba(TEXTS)

    second = classifier(tiny).set_params(model=first.model_).fit(TEXTS, LABELS)

    assert second.predict_proba(TEXTS) == pytest.approx(before, abs=0.2)
    assert np.array_equal(first.predict_proba(TEXTS), before)


def test_label_smoothing_moves_the_targets_of_the_hinge(tiny_bert):
    def losses(label_smoothing):
        training = Training(label_smoothing=label_smoothing)
        strategy = Perfect(1e-9, num_epochs=4, n_masks=2, training=training)
        return [row["loss"] for row in classifier(tiny_bert, strategy).fit(TEXTS, LABELS).history_]

    hard, smooth = losses(0.0), losses(0.5)

    assert smooth[-1] > hard[-1] + 0.01
