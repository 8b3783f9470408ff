"""From templates and texts to token ids: the tokenizer's own, shortened in slots only."""

from __future__ import annotations

import pickle
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import normalizers

from fewshot.data.cache import BoundedCache
from fewshot.data.examples import Examples
from fewshot.errors import InputError, ModelError, TemplateError
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import Prompts, build_prompts, plan_batches, tokenize_slots
from fewshot.prompting.template import Shorten, Template
from tests import tiny_models
from tests.tiny_models import WORDS, noting, wordpiece_tokenizer

# Quantiles (in steps of 2.5 %) of the prompt lengths of AG News' test articles.
AG_NEWS_LENGTHS = [
    15, 29, 32, 34, 37, 38, 39, 39, 41, 42, 42, 43, 43, 45, 45, 46, 46, 47, 47, 49, 49,
    50, 50, 51, 51, 52, 52, 54, 55, 55, 56, 56, 58, 59, 60, 62, 63, 65, 68, 77, 184,
]  # fmt: skip


@pytest.fixture(scope="module")
def wordpiece():
    return wordpiece_tokenizer()


def build(tokenizer, template, columns, *, max_length=96, n_masks=1) -> Prompts:
    template = template if isinstance(template, Template) else Template(template)
    columns = columns if isinstance(columns, dict) else {template.fields[0]: columns}
    slots = tokenize_slots(tokenizer, [template], Examples(columns))
    return build_prompts(tokenizer, template, slots, max_length=max_length, n_masks=n_masks)


def shown(tokenizer, prompts: Prompts) -> list[str]:
    """The tokens of prompts without the special ones at the ends."""
    return [" ".join(tokenizer.convert_ids_to_tokens(ids)[1:-1]) for ids in prompts.ids]


# ---- Equal to the tokenizer's own ids ---------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "{text} It was {mask}.",
        "{mask} : {text}",
        "a {mask} film: {text}",
        "({text}) {mask}",
        "{mask}{text}",
        "{text}{sep} the topic is {mask} .",
        "{text}\n{mask}!",
    ],
)
@pytest.mark.parametrize(
    "text",
    ["great news", "Wonderful, it's 100 unhelpful dreadful films!", "x", "naïve 🎉 日本", ""],
)
@pytest.mark.parametrize("make", [wordpiece_tokenizer, tiny_models.byte_bpe_tokenizer])
def test_prompts_are_the_tokenizers_own_ids_of_the_whole_sentence(make, pattern, text):
    tokenizer = make()
    template = Template(pattern)
    sentence = template.preview({"text": text}, tokenizer.mask_token, tokenizer.sep_token)

    prompts = build(tokenizer, template, [text])

    expected = tokenizer(sentence)["input_ids"]
    if not text and pattern not in ("{text} It was {mask}.", "{text}{sep} the topic is {mask} ."):
        # For an empty text the space before the slot goes too.
        expected = tokenizer(sentence.replace(": ", ":"))["input_ids"]
    assert prompts.ids[0].tolist() == expected
    assert prompts.ids[0][prompts.mask_positions[0, 0]] == tokenizer.mask_token_id


@pytest.mark.parametrize("make", [wordpiece_tokenizer, tiny_models.byte_bpe_tokenizer])
def test_prompts_of_pairs_are_the_tokenizers_own_ids_too(make):
    tokenizer = make()
    template = Template("{premise:bare}? {mask}, {hypothesis}")
    example = {"premise": "the film was great.", "hypothesis": "it was not bad"}
    sentence = template.preview(example, tokenizer.mask_token)

    prompts = build(tokenizer, template, {name: [text] for name, text in example.items()})

    assert prompts.ids[0].tolist() == tokenizer(sentence)["input_ids"]


def test_several_masks_stand_side_by_side(wordpiece):
    prompts = build(wordpiece, "{text} it was {mask}.", ["great"], n_masks=3)

    assert shown(wordpiece, prompts) == ["great it was [MASK] [MASK] [MASK] ."]
    assert prompts.mask_positions.tolist() == [[4, 5, 6]]


def test_each_prompt_belongs_to_its_example(wordpiece):
    prompts = build(wordpiece, "{text} {mask}", ["great", "bad news", ""])

    assert len(prompts) == prompts.n_examples == 3
    assert prompts.examples.tolist() == [0, 1, 2]
    assert prompts.lengths.tolist() == [4, 5, 3]
    assert prompts.mask_positions.tolist() == [[2], [3], [1]]
    taken = prompts.take([2, 1])
    assert taken.examples.tolist() == [2, 1]
    assert taken.lengths.tolist() == [3, 5]
    assert taken.mask_positions.tolist() == [[1], [3]]


# ---- "[MASK]" in user text --------------------------------------------------------------------

_TRICKS = ["[MASK]", "<mask>", "［ＭＡＳＫ］", "＜mask＞", "[SEP] </s>", "<s> [CLS]", "▁<mask>"]


@pytest.mark.parametrize("text", _TRICKS)
def test_special_tokens_in_user_text_stay_text(tiny, text):
    tokenizer = tiny[1]
    plain = build(tokenizer, "{text} it was {mask}.", ["great"])

    prompts = build(tokenizer, "{text} it was {mask}.", [text])

    for special in (tokenizer.mask_token_id, tokenizer.sep_token_id, tokenizer.cls_token_id):
        assert (prompts.ids[0] == special).sum() == (plain.ids[0] == special).sum()
    assert len(prompts.ids[0]) >= len(plain.ids[0])  # it is not dropped either
    assert prompts.ids[0][prompts.mask_positions[0, 0]] == tokenizer.mask_token_id


@pytest.mark.parametrize("text", _TRICKS)
@pytest.mark.parametrize("make", [tiny_models.unigram_tokenizer, wordpiece_tokenizer])
def test_full_width_letters_that_are_normalised_to_a_mask_stay_text(make, text):
    tokenizer = make()
    own = tokenizer.backend_tokenizer.normalizer
    steps = [normalizers.NFKC()] if own is None else [normalizers.NFKC(), own]
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(steps)

    prompts = build(tokenizer, "{text} it was {mask}.", [text])

    assert (prompts.ids[0] == tokenizer.mask_token_id).sum() == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (wordpiece_tokenizer, "[E1] team [/E1] win it was [MASK] ."),
        (tiny_models.byte_bpe_tokenizer, "[E1] Ġteam Ġ [/E1] Ġwin Ġit Ġwas <mask> ."),
        (tiny_models.unigram_tokenizer, "[E1] ▁team [/E1] ▁win ▁it ▁was <mask> ▁ ."),
    ],
    ids=["wordpiece", "byte_bpe", "unigram"],
)
def test_special_tokens_that_users_have_added_stay_special_and_no_others(make, words):
    tokenizer = make()
    before = build(tokenizer, "{text} it was {mask}.", ["[MASK] </s> team"]).ids[0]
    tokenizer.add_special_tokens({"additional_special_tokens": ["[E1]", "[/E1]"]})

    prompts = build(tokenizer, "{text} it was {mask}.", ["[E1] team [/E1] win", "[MASK] </s> team"])

    tokens = tokenizer.convert_ids_to_tokens(prompts.ids[0])
    assert tokens[1:-1] == words.split()
    np.testing.assert_array_equal(prompts.ids[1], before)


def test_a_mask_token_in_the_fixed_text_is_refused(wordpiece):
    with pytest.raises(TemplateError, match=r"holds the token '\[MASK\]'; write \{mask\}"):
        build(wordpiece, "[MASK] {text} {mask}", ["x"])


def test_a_tokenizer_without_mask_token_is_refused(tiny_causal):
    with pytest.raises(ModelError, match="has no mask token"):
        build(tiny_causal[1], "{text} {mask}", ["x"])


def test_a_separator_that_the_tokenizer_lacks_is_refused():
    tokenizer = wordpiece_tokenizer()
    tokenizer.sep_token = None

    with pytest.raises(TemplateError, match=r"\{sep\}"):
        build(tokenizer, "{text} {sep} {mask}", ["x"])


# ---- Tokenising once --------------------------------------------------------------------------


def test_a_text_is_tokenized_once_for_several_templates_and_fits(wordpiece):
    tokenizer, seen = noting(wordpiece)
    cache = BoundedCache(10)
    templates = [Template("{text} {mask}"), Template("a {mask} film: {text}")]

    slots = tokenize_slots(tokenizer, templates, Examples({"text": ["film", "goal"]}), cache)
    other = [Template("{mask}: {other}")]
    tokenize_slots(tokenizer, other, Examples({"other": ["goal", "bad", "bad"]}), cache)

    assert len(slots) == 1
    assert [text for text in seen if text in ("film", "goal", "bad")] == ["film", "goal", "bad"]


def test_places_that_are_tokenized_otherwise_are_told_apart():
    tokenizer, seen = noting(tiny_models.byte_bpe_tokenizer())
    cache = BoundedCache(10)

    for pattern in ("{text} {mask}", "{text:bare} {mask}", "{mask}: {text}"):
        tokenize_slots(tokenizer, [Template(pattern)], Examples({"text": ["film"]}), cache)

    assert [text for text in seen if "film" in text] == ["film", "film", " film"]


def test_byte_bpe_tokenises_a_text_with_and_without_a_space_in_front(tiny_roberta):
    templates = [Template("{text} {mask}"), Template("{mask}: {text}")]

    slots = tokenize_slots(tiny_roberta[1], templates, Examples({"text": ["great"]}))

    assert sorted(tiny_roberta[1].convert_ids_to_tokens(ids[0])[0] for ids in slots.values()) == [
        "great",
        "Ġgreat",
    ]


def test_many_texts_are_tokenised_in_order(wordpiece):
    texts = [WORDS[i % len(WORDS)] for i in range(2500)]

    prompts = build(wordpiece, "{text} {mask}", texts)

    assert [wordpiece.convert_ids_to_tokens(int(ids[1])) for ids in prompts.ids] == texts


# ---- Shortening -------------------------------------------------------------------------------

# "{a} it {b} is {mask}." takes [CLS] it is [MASK] . [SEP]: 6 tokens.
PAIR = "{a} it {b} is {mask}."
LONG = {"a": ["a b c d e f g h"], "b": ["1 2 3 4"]}


@pytest.mark.parametrize(
    ("shorten", "max_length", "expected"),
    [
        ("longest", 18, "a b c d e f g h it 1 2 3 4 is [MASK] ."),
        ("longest", 16, "a b c d e f it 1 2 3 4 is [MASK] ."),
        ("longest", 12, "a b c it 1 2 3 is [MASK] ."),
        ("longest", 11, "a b c it 1 2 is [MASK] ."),
        ("longest", 8, "a it 1 is [MASK] ."),
        ("tail", 16, "a b c d e f g h it 1 2 is [MASK] ."),
        ("tail", 12, "a b c d e f it is [MASK] ."),
        ("head", 16, "c d e f g h it 1 2 3 4 is [MASK] ."),
        ("head", 12, "g h it 1 2 3 4 is [MASK] ."),
        ("head", 9, "it 2 3 4 is [MASK] ."),
    ],
)
def test_slots_are_shortened_and_nothing_else(wordpiece, shorten, max_length, expected):
    prompts = build(wordpiece, Template(PAIR, shorten=shorten), LONG, max_length=max_length)

    assert shown(wordpiece, prompts) == [expected]
    assert prompts.n_truncated == (max_length < 18)


@pytest.mark.parametrize(
    ("pattern", "columns", "max_length", "expected"),
    [
        (PAIR, {"a": LONG["b"], "b": LONG["a"]}, 14, "1 2 3 4 it a b c d is [MASK] ."),
        ("{a} it {b:whole} is {mask}.", LONG, 11, "a it 1 2 3 4 is [MASK] ."),
    ],
    ids=["the longest is the last", "whole"],
)
def test_the_longest_slot_that_may_be_cut_gives_way(
    wordpiece, pattern, columns, max_length, expected
):
    prompts = build(wordpiece, pattern, columns, max_length=max_length)

    assert shown(wordpiece, prompts) == [expected]


@pytest.mark.parametrize("shorten", get_args(Shorten))
def test_a_whole_slot_that_does_not_fit_is_refused_with_its_row(wordpiece, shorten):
    template = Template("{a} it {b:whole} is {mask}.", shorten=shorten)
    columns = {"a": ["x", *LONG["a"]], "b": ["1", *LONG["b"]]}

    with pytest.raises(InputError, match=r"row 1: .* take 4 tokens and leave no room"):
        build(wordpiece, template, columns, max_length=10)


def test_a_template_that_leaves_no_room_is_refused(wordpiece):
    with pytest.raises(TemplateError, match="takes 6 of max_length=7 tokens and leaves no room"):
        build(wordpiece, PAIR, LONG, max_length=7)


def test_shortened_examples_are_counted_once(wordpiece):
    columns = {"text": ["a b c d", "a", "a b c d e", ""]}

    assert build(wordpiece, "{text} {mask}", columns, max_length=6).n_truncated == 2


def test_empty_texts_leave_the_template_alone(wordpiece, tiny_roberta, tiny_xlm_roberta):
    for tokenizer in (wordpiece, tiny_roberta[1], tiny_xlm_roberta[1]):
        prompts = build(tokenizer, "{mask} : {text}", ["", " ", "\n"])

        own = tokenizer(f"{tokenizer.mask_token} :")["input_ids"]
        assert prompts.ids[0].tolist() == own
        assert prompts.lengths.max() <= len(own) + 1


# ---- Chunks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "columns", "max_length", "expected", "n_truncated"),
    [
        (
            "{text} {mask}",
            ["a b c d e f g", "x y"],
            6,
            ["a b c [MASK]", "d e [MASK]", "f g [MASK]", "x y [MASK]"],
            0,
        ),
        (PAIR, LONG, 14, ["a b c d it 1 2 3 4 is [MASK] .", "e f g h it 1 2 3 4 is [MASK] ."], 0),
        (PAIR, LONG, 10, [f"{a} it 1 2 is [MASK] ." for a in ("a b", "c d", "e f", "g h")], 1),
        (
            "{a} it {b:whole} is {mask}.",
            LONG,
            14,
            ["a b c d it 1 2 3 4 is [MASK] .", "e f g h it 1 2 3 4 is [MASK] ."],
            0,
        ),
    ],
    ids=["windows of equal size", "a shorter slot is whole", "half the room each", "whole"],
)
def test_a_long_text_is_spread_over_windows(
    wordpiece, pattern, columns, max_length, expected, n_truncated
):
    template = Template(pattern, shorten="chunk")

    prompts = build(wordpiece, template, columns, max_length=max_length)

    assert shown(wordpiece, prompts) == expected
    assert prompts.examples.tolist() == [int(row.startswith("x")) for row in expected]
    assert prompts.n_truncated == n_truncated


# ---- Properties -------------------------------------------------------------------------------

_TEXTS = st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(
    a=_TEXTS,
    b=_TEXTS,
    shorten=st.sampled_from(get_args(Shorten)),
    max_length=st.integers(10, 60),
    n_masks=st.integers(1, 3),
)
def test_any_prompt_fits_and_keeps_masks_and_fixed_text(a, b, shorten, max_length, n_masks):
    tokenizer = wordpiece_tokenizer()
    template = Template(PAIR, shorten=shorten)

    prompts = build(
        tokenizer, template, {"a": [a], "b": [b]}, max_length=max_length, n_masks=n_masks
    )

    mask_id = tokenizer.mask_token_id
    for ids, positions in zip(prompts.ids, prompts.mask_positions, strict=True):
        assert len(ids) <= max_length
        assert np.flatnonzero(ids == mask_id).tolist() == positions.tolist()
        assert (np.diff(positions) == 1).all()
        words = tokenizer.convert_ids_to_tokens(ids)
        assert (words[0], words[-2:]) == ("[CLS]", [".", "[SEP]"])
    fits = 5 + n_masks + len(a.split()) + len(b.split()) <= max_length
    assert prompts.n_truncated == (not fits) or shorten == "chunk"
    assert len(prompts) == 1 or not fits


@settings(max_examples=100, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=80), size=st.integers(4, 20))
def test_windows_cover_the_text_exactly(words, size):
    tokenizer = wordpiece_tokenizer()

    prompts = build(
        tokenizer, Template("{text} {mask}", shorten="chunk"), [" ".join(words)], max_length=size
    )

    windows = [tokenizer.convert_ids_to_tokens(ids)[1:-2] for ids in prompts.ids]
    assert [word for window in windows for word in window] == words
    assert len(windows) == -(-len(words) // (size - 3))
    assert max(map(len, windows)) - min(map(len, windows)) <= 1


# ---- Batches ----------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 100), max_size=60),
    batch_tokens=st.integers(1, 300),
    padding=st.sampled_from(["none", "batch"]),
)
def test_batches_cover_each_row_once_and_keep_to_the_budget(lengths, batch_tokens, padding):
    lengths = np.array(lengths, dtype=np.int64)

    batches = list(plan_batches(lengths, batch_tokens, padding))

    rows = [row for batch in batches for row in batch.tolist()]
    assert sorted(rows) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= batch_tokens
        if padding == "none":
            assert len(set(lengths[batch])) == 1
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_batches_are_planned_by_hand():
    lengths = np.array([2, 5, 3, 5, 2])

    assert [b.tolist() for b in plan_batches(lengths, 10)] == [[1, 3], [2, 0, 4]]
    assert [b.tolist() for b in plan_batches(lengths, 10, "none")] == [[1, 3], [2], [0, 4]]
    assert [b.tolist() for b in plan_batches(lengths, 4)] == [[1], [3], [2], [0, 4]]


@pytest.mark.parametrize("batch_tokens", [1024, 16384])
def test_padding_costs_at_most_a_fifth_on_lengths_of_real_texts(batch_tokens):
    rng = np.random.default_rng(0)
    lengths = np.interp(rng.random(2000), np.linspace(0, 1, 41), AG_NEWS_LENGTHS).astype(np.int64)

    padded = sum(len(b) * int(lengths[b].max()) for b in plan_batches(lengths, batch_tokens))

    assert padded <= 1.2 * lengths.sum()


# ---- Virtual tokens ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soft", "plain", "positions"),
    [
        ("{text} {soft:It was} {mask}.", "{text} It was {mask}.", [4, 5]),
        ("{soft:This is} {mask}: {text}", "This is {mask}: {text}", [1, 2]),
        ("{text} it {soft:was} {mask} {soft:movie}", "{text} it was {mask} movie", [5, 7]),
    ],
)
def test_virtual_tokens_start_as_their_words_in_the_place_of_these(tiny, soft, plain, positions):
    tokenizer = tiny[1]

    ours = build(tokenizer, soft, ["the football team", "a goal"])
    theirs = build(tokenizer, plain, ["the football team", "a goal"])

    assert [ids.tolist() for ids in ours.ids] == [ids.tolist() for ids in theirs.ids]
    assert ours.mask_positions.tolist() == theirs.mask_positions.tolist()
    assert ours.soft_positions[0].tolist() == positions
    assert theirs.soft_positions is None


def test_shortening_cuts_no_virtual_token(wordpiece):
    prompts = build(wordpiece, "{soft:It was} {text} {mask} {soft:2}", ["a " * 50], max_length=12)

    assert len(prompts.ids[0]) == 12
    assert prompts.soft_positions[0].tolist() == [1, 2, 9, 10]
    assert prompts.n_truncated == 1


def test_taken_rows_keep_the_places_of_virtual_tokens(wordpiece):
    prompts = build(wordpiece, "{text} {soft:It was} {mask}", ["a", "a goal"])

    assert prompts.take([1]).soft_positions.tolist() == [[3, 4]]


def test_a_model_and_its_copies_remember_together(tiny_bert):
    lm = MaskedLM(*tiny_bert, device="cpu")

    assert lm.copy(lambda name: False).tokens is lm.tokens
    assert pickle.loads(pickle.dumps(lm)).tokens is not lm.tokens
