"""Reading other wordings of a template."""

from __future__ import annotations

import pytest

from fewshot.errors import TemplateError
from fewshot.prompting.template import Template
from fewshot.prompting.wordings import read_wordings

PAIR = Template("{hypothesis}? {mask}, {premise}", fields=("premise", "hypothesis"), shorten="tail")


def test_strings_take_the_order_of_fields_and_the_shortening():
    (wording,) = read_wordings(["{hypothesis}! {mask}. {premise}"], PAIR)

    assert wording.field_names == ("premise", "hypothesis")
    assert wording.shorten == "tail"


def test_templates_stay_as_they_are():
    given = Template("{mask}: {premise} {hypothesis}", shorten="head")

    assert read_wordings([given], PAIR) == (given,)


def test_a_wording_may_leave_a_field_out():
    (wording,) = read_wordings(["{premise} {mask}"], PAIR)

    assert wording.field_names == ("premise",)


def test_each_wording_comes_once_in_the_given_order():
    wordings = read_wordings(
        ["{mask} {text}", "{text} {mask}", "{mask} {text}"], Template("{text} {mask}")
    )

    assert [w.text for w in wordings] == ["{mask} {text}", "{text} {mask}"]


def test_an_unknown_field_is_named():
    with pytest.raises(TemplateError, match=r"'title', which the template .*fields are .'text'"):
        read_wordings(["{title} {mask}"], Template("{text} {mask}"))


def test_one_template_is_no_sequence():
    with pytest.raises(TemplateError, match="sequence of templates"):
        read_wordings("{text} {mask}", Template("{text} {mask}"))
