"""Settings that all classifiers check alike."""

from __future__ import annotations

import numpy as np
import pytest

from fewshot.data.settings import (
    check_settings,
    is_positive,
    is_share,
    is_whole,
    new_rng,
    one_of,
    or_none,
    whole,
)
from fewshot.errors import InputError, TuningError

# ---- Messages ---------------------------------------------------------------------------------


class Settings:
    size = 0


def test_a_message_names_the_setting_and_what_is_expected():
    with pytest.raises(InputError, match=r"^size is a whole number, at least 1, got 0$"):
        check_settings(Settings(), {"size": whole(0)})


def test_a_message_about_a_part_names_its_class_too():
    limits = {"size": or_none(0, whole)}

    with pytest.raises(TuningError, match=r"^size of Settings is a whole number, .*, or None, got"):
        check_settings(Settings(), limits, TuningError, is_part=True)


def test_settings_within_their_limits_pass():
    check_settings(Settings(), {"size": whole(0, 0), "other": or_none(None, whole)})


@pytest.mark.parametrize(
    ("value", "expected"), [("a", True), (np.str_("b"), True), ("c", False), (["a"], False)]
)
def test_a_choice_is_one_of_the_names(value, expected):
    assert one_of(value, ("a", "b")) == (expected, "one of ['a', 'b']")


def test_an_array_is_none_of_the_names():
    assert not one_of(np.array(["a", "b"]), ("a", "b"))[0]


# ---- Random states ----------------------------------------------------------------------------


def test_a_random_state_decides_the_generator():
    draws = [new_rng(state).random() for state in (3, 3, np.random.RandomState(3), 4)]

    assert draws[0] == draws[1] == draws[2] != draws[3]


@pytest.mark.parametrize(
    "state",
    ["x", -1, 1.5, np.random.default_rng(0)],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_random_state_is_refused(state):
    with pytest.raises(InputError, match="random_state is an int, 0 or more, a RandomState or"):
        new_rng(state)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, True), (0, False), (2.0, False), (True, False), ("1", False)]
)
def test_a_whole_number_is_no_bool_and_no_float(value, expected):
    assert is_whole(value, 1) is expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.5, True), (3, True), (0, False), (float("nan"), False), ("x", False)]
)
def test_a_positive_number_is_above_zero(value, expected):
    assert is_positive(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, True), (0.99, True), (1, False), (-0.1, False), (False, False), (None, False)],
)
def test_a_share_is_from_zero_to_below_one(value, expected):
    assert is_share(value) is expected
