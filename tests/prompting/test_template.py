"""Templates: parsed with positions in errors, rendered to typed segments, never evaluated."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fewshot.errors import TemplateError
from fewshot.prompting.template import (
    Filled,
    Mask,
    Separator,
    Slot,
    Soft,
    Template,
    Text,
)

OPENPROMPT = Path(__file__).parents[3] / "shared" / "data" / "openprompt"
needs_openprompt = pytest.mark.skipif(
    not OPENPROMPT.is_dir(), reason="OpenPrompt's own files are not on this machine"
)


# ---- Parsing ----------------------------------------------------------------------------------


def test_a_template_is_parsed_to_typed_segments():
    template = Template("{text} It was {mask}.")

    assert template.segments == (Slot("text"), Text(" It was "), Mask(), Text("."))


def test_a_separator_is_a_segment_of_its_own():
    template = Template("{a}{sep}{mask}, {b}")

    assert template.segments == (Slot("a"), Separator(), Mask(), Text(", "), Slot("b"))


def test_doubled_brackets_stand_for_brackets():
    template = Template("{{{mask}}} {text} }}{{")

    assert template.segments == (
        Text("{"),
        Mask(),
        Text("} "),
        Slot("text"),
        Text(" }{"),
    )


def test_options_follow_a_colon():
    template = Template("{mask} {a:whole} {b:bare} {c:whole,bare}")

    assert template.slots == (
        Slot("a", whole=True),
        Slot("b", bare=True),
        Slot("c", whole=True, bare=True),
    )


def test_a_field_may_stand_twice():
    template = Template("{title} {text} {title:bare} is a {mask}.")

    assert template.fields == ("title", "text")
    assert [slot.field for slot in template.slots] == ["title", "text", "title"]


def test_the_order_of_fields_can_be_given():
    template = Template("{hypothesis}? {mask}, {premise}", fields=("premise", "hypothesis"))

    assert template.field_names == ("premise", "hypothesis")
    assert Template(template.text).fields == ("hypothesis", "premise")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{text} It was {mask", r"'\{' at position 14 .* is never closed; write '\{\{'"),
        ("It was } {text} {mask}", r"unmatched '\}' at position 7 .*write '\}\}'"),
        ("{text}} {mask}", r"unmatched '\}' at position 6"),
        ("{te xt} {mask}", r"\{te xt\} at position 0 .* is not a field name"),
        ("a {} {mask}", r"\{\} at position 2 .* is not a field name"),
        ("{0} {mask}", r"\{0\} at position 0 .* is not a field name"),
        ("{text.__class__} {mask}", r"position 0 .* is not a field name"),
        ("{text[0]} {mask}", r"position 0 .* is not a field name"),
        ("{text!r} {mask}", r"position 0 .* is not a field name"),
        ("{text:long} {mask}", r"position 0 .* unknown option 'long'; .*'whole', 'bare'"),
        ("{text} {mask:whole}", r"\{mask:whole\} at position 7 .* unknown option 'whole'"),
        ("{text} {sep:bare} {mask}", r"\{sep:bare\} at position 7 .* unknown option 'bare'"),
        ("{größe} {mask}", r"\{größe\} at position 0 .* is not a field name"),
        *(
            (f"{{text}} {{{soft}}} {{mask}}", rf"\{{{soft}\}} at position 7 .*no virtual token")
            for soft in ("soft:", "soft: ", "soft:0")
        ),
        ("{text} is good", r"exactly one \{mask\}, got 0 in '\{text\} is good'"),
        ("{mask} {text} {mask}", r"exactly one \{mask\}, got 2"),
        ("It was {mask}.", r"no field for the text; add \{text\}"),
        (["{text} {mask}"], r"a template is a string .* got list"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_position(text, message):
    with pytest.raises(TemplateError, match=message):
        Template(text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fields": ("a", "c")}, r"fields=\('a', 'c'\) differ .* \('a', 'b'\)"),
        ({"shorten": "middle"}, r"shorten is one of .*'chunk'.*, got 'middle'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(TemplateError, match=message):
        Template("{a} {mask} {b}", **settings)


# ---- As a value -------------------------------------------------------------------------------


def test_a_template_is_frozen_and_compares_by_value():
    template = Template("{text} {mask}")

    assert template == Template("{text} {mask}", ("text",))
    assert hash(template) == hash(Template("{text} {mask}"))
    assert template != Template("{text} {mask}", shorten="tail")
    with pytest.raises(AttributeError):
        template.text = "other"


def test_a_template_survives_pickling():
    template = Template("{a} {mask} {b:whole}", ("b", "a"), "tail")

    again = pickle.loads(pickle.dumps(template))

    assert again == template
    assert again.segments == template.segments


# ---- Rendering --------------------------------------------------------------------------------


def test_an_example_is_put_into_the_slots():
    template = Template("{text} It was {mask}.")

    rendered = template.render({"text": "A fine film."})

    assert rendered == (
        Filled(Slot("text"), "A fine film."),
        Text(" It was "),
        Mask(),
        Text("."),
    )


def test_a_mask_in_user_text_stays_text():
    template = Template("{text} {mask}")

    rendered = template.render({"text": "[MASK] {mask} <mask>"})

    assert rendered[0] == Filled(Slot("text"), "[MASK] {mask} <mask>")
    assert sum(isinstance(segment, Mask) for segment in rendered) == 1


def test_brackets_in_user_text_are_not_parsed_again():
    shown = Template("{a} {mask} {b}").preview({"a": "{b}", "b": "{a}}"})

    assert shown == "{b} [MASK] {a}}"


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("A fine film.", "A fine film"),
        ("Is it?!  ", "Is it"),
        ("one; two,", "one; two"),
        ("...", ""),
        ("", ""),
        ("no end (really)", "no end (really)"),
    ],
)
def test_a_bare_slot_loses_its_final_punctuation(text, bare):
    assert Template("{text:bare}? {mask}").preview({"text": text}) == f"{bare}? [MASK]"


def test_a_preview_reads_as_people_read_it():
    template = Template("{premise:bare}? {sep}{mask}, {hypothesis}")
    example = {"premise": "It rains.", "hypothesis": "It is wet."}

    assert template.preview(example) == "It rains? [SEP][MASK], It is wet."
    assert template.preview(example, "<mask>", "</s>") == "It rains? </s><mask>, It is wet."


def test_a_missing_field_is_named():
    with pytest.raises(TemplateError, match=r"needs the field 'b'; the example has \['a', 'c'\]"):
        Template("{a} {mask} {b}").render({"c": "x", "a": "y"})


def test_other_fields_of_an_example_are_ignored():
    assert Template("{a} {mask}").preview({"a": "x", "b": "y"}) == "x [MASK]"


# ---- OpenPrompt's format ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"placeholder": "text_a"} It was {"mask"} .', "{text_a} It was {mask} ."),
        (
            '{"meta": "title", "shortenable": False} {"text": "is:"} {"special": "<sep>"} {"mask"}',
            "{title:whole} is: {sep} {mask}",
        ),
        (
            '{"placeholder": "text_a", "post_processing": "lambda x:x.strip(\'.\')", '
            '"shortenable": False} is a {"mask"} .',
            "{text_a:whole,bare} is a {mask} .",
        ),
    ],
)
def test_openprompts_placeholders_meta_text_and_stripping_are_read(line, expected):
    assert Template.from_openprompt(line) == Template(expected)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"soft": "x"} {"mask"} {"meta": "a"}', "cannot read .*soft.*known keys"),
        ('{"placeholder": } {"mask"}', "cannot read"),
        ('{"shortenable": False} {"mask"}', "names no field"),
        ('{"special": "<eos>"} {"mask"}', "names no field"),
        ('{"placeholder": "text_a"}', r"exactly one \{mask\}"),
        (
            '{"placeholder": "text_a", "post_processing": "lambda x: exit(1)"} {"mask"}',
            r"cannot read .*exit.* code is not run",
        ),
    ],
)
def test_what_cannot_be_read_of_openprompt_is_named(line, message):
    with pytest.raises(TemplateError, match=message):
        Template.from_openprompt(line)


@needs_openprompt
def test_all_real_openprompt_templates_are_read():
    lines = [
        line
        for path in sorted(OPENPROMPT.glob("*/manual_template.txt"))
        for line in path.read_text().splitlines()
        if line.strip()
    ]

    templates = [Template.from_openprompt(line) for line in lines]

    assert len(templates) == 21
    assert templates[0] == Template("A {mask} news : {text_a} {text_b}")
    assert {name for template in templates for name in template.field_names} == {"text_a", "text_b"}


# ---- Virtual tokens ---------------------------------------------------------------------------


def test_virtual_tokens_have_words_or_a_number():
    template = Template("{soft} {text} {soft:It was} {mask} {soft:3}")

    assert template.soft == (Soft(), Soft(text="It was"), Soft(length=3))
    assert template.fields == ("text",)


def test_a_preview_shows_virtual_tokens_apart_from_words():
    template = Template("{text} {soft:It was} {mask}{soft:2}.")

    assert template.preview({"text": "Fine."}) == "Fine. [soft:It was] [MASK][soft:2]."
