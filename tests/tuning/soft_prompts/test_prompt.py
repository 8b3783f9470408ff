"""Prompt tuning: where virtual tokens stand, what they start from, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

from fewshot import PromptClassifier
from fewshot.errors import ModelError, TemplateError, TuningError
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import DePT, SoftPrompt
from fewshot.tuning.soft_tokens import soft_tokens_of
from tests.tiny_models import FAMILIES
from tests.tuning.tasks import TEXTS, make_task

LABELS = ["sports"] * 5 + ["politics"] * 5
WORDS = {"politics": ["politics", "law"], "sports": ["sports", "game"]}


def classifier(tiny, tuning, template="{mask} news: {text}", **settings) -> PromptClassifier:
    lm = tiny if isinstance(tiny, MaskedLM) else MaskedLM(*tiny, device="cpu")
    return PromptClassifier(
        template, WORDS, model=lm, tuning=tuning, random_state=0, verbose=0, **settings
    )


def scores_of(result, views):
    return result.scorer.class_scores(result.scorer.encode(views))


# ---- Placement --------------------------------------------------------------------------------


def test_a_prompt_of_words_is_as_these_words_after_the_first_token(tiny):
    task = make_task(tiny)
    lm, prompts = task.scorer.lm, task.views[1]
    words = lm.tokenizer(" text review", add_special_tokens=False)["input_ids"]

    prepared = SoftPrompt(length=len(words), words=" text review").prepare(task)

    ids = [np.concatenate([row[:1], words, row[1:]]).astype(np.int32) for row in prompts.ids]
    written = replace(prompts, ids=ids, mask_positions=prompts.mask_positions + len(words))
    ours, theirs = prepared.scorer.lm.states(prompts), lm.states(written)
    np.testing.assert_allclose(ours.mask, theirs.mask, atol=1e-5)


def test_only_the_prompt_is_tuned(tiny_bert):
    task = make_task(tiny_bert)
    own = SoftPrompt(length=5).prepare(task)
    start = own.scorer.lm.added.prompt.detach().clone()

    result = SoftPrompt(length=5, num_epochs=2).tune(task)

    added = result.scorer.lm.added
    assert sum(p.numel() for p in added.parameters()) == 5 * 32
    assert not torch.equal(added.prompt, start)
    ours = dict(task.scorer.lm.model.named_parameters())
    for name, parameter in result.scorer.lm.model.named_parameters():
        assert parameter.data_ptr() == ours[name].data_ptr()


# ---- What it starts from ----------------------------------------------------------------------


@pytest.mark.parametrize("initial", ["words", "vocabulary", "random", "bayes", "mlm"])
def test_each_start_learns_and_the_seed_decides(tiny_bert, initial):
    strategy = SoftPrompt(0.1, length=4, initial=initial, num_epochs=15, interpolation=1.0)

    results = [strategy.tune(make_task(tiny_bert, seed=seed)) for seed in (0, 1)]

    first, other = (r.scorer.lm.added.prompt for r in results)
    assert not torch.equal(first, other)
    losses = [row["loss"] for row in results[0].history]
    assert losses[-1] < losses[0]


def test_a_prompt_starts_calibrated_as_the_model_without_it(tiny_bert):
    task = make_task(tiny_bert)

    own = SoftPrompt(length=6, initial="random").prepare(task)

    # The scorer was calibrated over these texts: the mean log-probabilities of its words are even.
    before = task.scorer.word_log_probs(task.scorer.encode(task.views)).mean(0)
    after = own.scorer.word_log_probs(own.scorer.encode(own.views)).mean(0)
    ours, theirs = after - own.scorer.prior, before - task.scorer.prior
    torch.testing.assert_close(ours - ours.mean(), theirs - theirs.mean(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["prompt", "dept", "ept"])
def test_the_prompt_of_another_classifier_is_a_start(tiny_bert, name):
    first = classifier(tiny_bert, name).set_params(tuning__num_epochs=2, tuning__length=3)
    strategy = SoftPrompt(initial=first.fit(TEXTS, LABELS).model_)

    prompt = strategy.prepare(make_task(tiny_bert)).scorer.lm.added.prompt

    [part] = soft_tokens_of(first.model_.added)
    assert torch.equal(prompt, part.vectors)
    assert clone(strategy).initial is first.model_


def test_a_tuned_model_is_tuned_on_with_a_second_prompt(tiny_bert):
    first = classifier(tiny_bert, SoftPrompt(length=3, num_epochs=1)).fit(TEXTS, LABELS)

    second = classifier(first.model_, SoftPrompt(length=2, num_epochs=1)).fit(TEXTS, LABELS)

    assert second.model_.added.n_inserted == 5
    assert second.max_length_ == first.max_length_ - 2
    assert [len(part.vectors) for part in soft_tokens_of(second.model_.added)] == [2, 3]


# ---- Room -------------------------------------------------------------------------------------


def test_the_text_leaves_room_for_the_prompt(tiny):
    clf = classifier(tiny, SoftPrompt(length=7, num_epochs=1), max_length=30)

    with pytest.warns(UserWarning, match="shortened to fit 23 tokens"):
        clf.fit([text * 20 for text in TEXTS], LABELS)

    with pytest.warns(UserWarning, match="shortened to fit 23 tokens"):
        assert np.isfinite(clf.predict_proba(["a goal " * 60])).all()


def test_a_prompt_fills_the_model_to_its_last_position(tiny):
    clf = classifier(tiny, SoftPrompt(length=20, num_epochs=1))

    with pytest.warns(UserWarning, match="shortened"):
        clf.fit(["the team " * 80] * 5 + ["a vote " * 80] * 5, LABELS)

    assert clf.max_length_ == clf.model.max_length - 20


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (30, "30 virtual tokens before the text, and a prompt has 30 at most"),
        (26, r"SoftPrompt\(length=26\) puts 26 virtual tokens .* leaves no room for the text"),
    ],
)
def test_a_length_out_of_range_is_refused_and_nothing_changes(tiny_bert, length, message):
    clf = classifier(tiny_bert, SoftPrompt(length=length), max_length=30)

    with pytest.raises(TuningError, match=message):
        clf.fit(TEXTS, LABELS)

    assert not hasattr(clf, "classes_")


# ---- Starts that are refused ------------------------------------------------------------------


def test_words_that_the_tokenizer_does_not_know_are_refused(tiny_bert):
    with pytest.raises(TuningError, match=r"words that BertTokenizer knows, such as .*got '日本'"):
        SoftPrompt(words="日本").prepare(make_task(tiny_bert))
    with pytest.raises(TuningError, match="got 3"):
        SoftPrompt(words=3).prepare(make_task(tiny_bert))


@pytest.mark.parametrize(
    ("family", "tuning", "length", "message"),
    [
        ("roberta", SoftPrompt(length=3, num_epochs=1), None, "means nothing there; tune it on th"),
        ("bert", SoftPrompt(length=3, num_epochs=1), 4, r"length=4 .* has 3 virtual tokens; leave"),
        ("bert", "head", None, "has no virtual tokens to start from"),
    ],
    ids=["another backbone", "another length", "no prompt"],
)
def test_a_start_that_does_not_fit_is_refused(tiny_bert, family, tuning, length, message):
    other = classifier(FAMILIES[family](), tuning).fit(TEXTS, LABELS)

    clf = classifier(tiny_bert, SoftPrompt(length=length, initial=other.model_))
    with pytest.raises(TuningError, match=message):
        clf.fit(TEXTS, LABELS)


# ---- As an estimator --------------------------------------------------------------------------


def test_unlabelled_texts_help_only_the_starts_that_read_them(tiny_bert):
    more = [*TEXTS, *["an election law"] * 4, *["a game"] * 4]
    labels = [*LABELS, *[None] * 8]
    starts = {}
    for initial in ("bayes", "mlm", "words"):
        strategy = SoftPrompt(1e-6, length=3, initial=initial, num_epochs=1, interpolation=1.0)
        few = classifier(tiny_bert, strategy).fit(TEXTS, LABELS)
        many = classifier(tiny_bert, strategy).fit(more, labels)
        difference = few.model_.added.prompt - many.model_.added.prompt
        starts[initial] = float(difference.detach().abs().max())

    assert starts["words"] < 1e-4
    assert starts["bayes"] > 1e-3
    assert starts["mlm"] > 1e-3


# ---- Templates with virtual tokens ------------------------------------------------------------


def test_frozen_virtual_tokens_are_their_words(tiny):
    soft = classifier(tiny, "none", "{text} {soft:It was} {mask}.").fit(TEXTS)
    plain = classifier(tiny, "none", "{text} It was {mask}.").fit(TEXTS)

    assert np.array_equal(soft.predict_proba(TEXTS), plain.predict_proba(TEXTS))


@pytest.mark.parametrize("length", [None, 3])
def test_a_length_adds_tokens_before_the_text_to_those_of_a_template(tiny_bert, length):
    strategy = SoftPrompt(length=length, num_epochs=2)

    clf = classifier(tiny_bert, strategy, "{mask} {soft:news of} {text}").fit(TEXTS, LABELS)

    n_inserted = length or 0
    assert sum(p.numel() for p in clf.model_.added.parameters()) == (2 + n_inserted) * 32
    assert clf.model_.added.n_inserted == n_inserted
    assert clf.max_length_ == clf.model.max_length - n_inserted


@pytest.mark.parametrize("tuning", ["full", "bitfit", "lora", DePT(length=2)])
def test_any_strategy_tunes_the_virtual_tokens_of_a_template(tiny_bert, tuning):
    template = "{mask} {soft:news of} {text}"

    clf = classifier(tiny_bert, tuning, template).set_params(tuning__num_epochs=2)
    clf.fit(TEXTS, LABELS)

    *_, tokens = [part for part in soft_tokens_of(clf.model_.added) if hasattr(part, "tokens")]
    table = clf.model.model.get_input_embeddings().weight
    words = clf.model.tokenizer.convert_tokens_to_ids(["news", "of"])
    assert not torch.isclose(tokens.tokens, table[words]).all(1).any()
    assert np.isfinite(clf.predict_proba(TEXTS)).all()


def test_virtual_tokens_without_words_are_refused_where_nothing_tunes_them(tiny_bert):
    for tuning in ("none", "head"):
        with pytest.raises(
            TemplateError, match=r"\[soft:2\] .* drawn at random, which nothing tunes"
        ):
            classifier(tiny_bert, tuning, "{mask} {soft:2} {text}").fit(TEXTS, LABELS)


def test_a_model_tuned_with_virtual_tokens_serves_the_same_template_again(tiny_bert):
    template = "{mask} {soft:2} {text}"
    first = classifier(tiny_bert, "prompt", template).fit(TEXTS, LABELS)

    again = classifier(first.model_, "none", template, calibration="none").fit()
    on = classifier(first.model_, SoftPrompt(1e-9, num_epochs=1), template).fit(TEXTS, LABELS)

    assert np.isfinite(again.predict_proba(TEXTS)).all()
    torch.testing.assert_close(on.model_.added.upper.tokens, first.model_.added.tokens)


@pytest.mark.parametrize("tuning", ["none", "prompt"])
def test_a_model_tuned_with_other_virtual_tokens_is_refused_before_it_reads(tiny_bert, tuning):
    model = classifier(tiny_bert, "prompt", "{mask} {soft:2} {text}").fit(TEXTS, LABELS).model_
    n_before = model.counts.prompts

    other = PromptClassifier("{mask} {soft:news} {text}", WORDS, model=model, tuning=tuning)
    with pytest.raises(ModelError, match=r"tuned with 2 virtual tokens .* this template has 1"):
        other.fit(["a new text", *TEXTS], ["sports", *LABELS])

    assert model.counts.prompts == n_before


def test_a_start_from_a_model_gives_a_template_its_virtual_tokens(tiny_bert):
    template = "{mask} {soft:2} {text}"
    first = classifier(tiny_bert, "prompt", template).fit(TEXTS, LABELS)
    strategy = SoftPrompt(1e-9, num_epochs=1, initial=first.model_)

    second = classifier(tiny_bert, strategy, template).fit(TEXTS, LABELS)

    torch.testing.assert_close(second.model_.added.tokens, first.model_.added.tokens)
    other = classifier(tiny_bert, strategy, "{mask} {soft:3} {text}")
    with pytest.raises(TuningError, match="has 3 virtual tokens, the model to start from has 2"):
        other.fit(TEXTS, LABELS)
    assert other.model.counts.prompts == 0


def test_random_values_are_for_virtual_tokens_without_words(tiny_bert):
    strategy = SoftPrompt(1e-9, initial="random", num_epochs=1)

    clf = classifier(tiny_bert, strategy, "{mask} {soft:news} {soft:2} {text}").fit(TEXTS, LABELS)

    table = clf.model.model.get_input_embeddings().weight
    news = table[clf.model.tokenizer.convert_tokens_to_ids("news")]
    tokens = clf.model_.added.tokens
    torch.testing.assert_close(tokens[0], news)
    assert torch.cdist(tokens[1:], table).min() > 0.1
