"""Checks of estimators' settings, which scikit-learn leaves to ``fit``."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np

from fewshot.data.examples import shorten
from fewshot.errors import FewShotError, InputError

_LARGEST = 2**63 - 1  # an int that arrays and tensors hold

# Whether a value is good, and what is expected of it.
Limit: TypeAlias = "tuple[bool, str]"


def check_settings(
    settings: object,
    limits: Mapping[str, Limit],
    error: type[FewShotError] = InputError,
    *,
    is_part: bool = False,  # of other settings, so that a message has to name the class
) -> None:
    """Raise an error at the first attribute that is not good."""
    of_class = f" of {type(settings).__name__}" if is_part else ""
    for name, (is_good, expected) in limits.items():
        if not is_good:
            raise error(f"{name}{of_class} is {expected}, got {shorten(getattr(settings, name))}")


def whole(value: Any, least: int = 1) -> Limit:
    """Limit a value to whole numbers."""
    return is_whole(value, least), f"a whole number, at least {least}"


def positive(value: Any) -> Limit:
    """Limit a value to finite numbers above 0."""
    return is_positive(value), "positive"


def not_negative(value: Any) -> Limit:
    """Limit a value to finite numbers, 0 or more."""
    return is_number(value) and value >= 0, "0 or more"


def share(value: Any) -> Limit:
    """Limit a value to 0 and up to below 1."""
    return is_share(value), "from 0 to below 1"


def proportion(value: Any) -> Limit:
    """Limit a value to 0 up to 1."""
    return is_number(value) and 0 <= value <= 1, "from 0 to 1"


def one_of(value: Any, known: Sequence[object]) -> Limit:
    """Limit a value to a few names."""
    # An array is not hashable, and compares to several bools.
    return isinstance(value, Hashable) and value in known, f"one of {list(known)}"


def or_none(value: Any, limit: Callable[[Any], Limit]) -> Limit:
    """Allow None beside what a limit allows."""
    is_good, expected = limit(value)
    return value is None or is_good, f"{expected}, or None"


def is_whole(value: Any, least: int) -> bool:
    """Return whether a value is a whole number, and not below the least."""
    is_int = not isinstance(value, bool) and isinstance(value, Integral)
    return is_int and least <= int(value) <= _LARGEST


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return not isinstance(value, bool) and isinstance(value, Real) and _is_finite(value)


def is_positive(value: Any) -> bool:
    """Return whether a value is a finite number above 0."""
    return is_number(value) and float(value) > 0


def _is_finite(value: Real) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except OverflowError:  # an int that no float is as large as
        return False


def is_share(value: Any) -> bool:
    """Return whether a value is a number from 0 to below 1."""
    return is_number(value) and 0 <= float(value) < 1


def new_rng(random_state: Any) -> np.random.Generator:
    """Return a generator that a ``random_state`` of scikit-learn decides."""
    return np.random.default_rng(checked_state(random_state).randint(2**31))


def checked_state(random_state: Any) -> np.random.RandomState:
    """Return what a ``random_state`` of scikit-learn stands for; nothing is drawn from it."""
    from sklearn.utils import check_random_state  # which exported classifiers run without

    try:
        if isinstance(random_state, (bool, np.bool_)):
            raise ValueError("a bool is no seed")
        state: np.random.RandomState = check_random_state(random_state)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"random_state is an int, 0 or more, a RandomState or None, got {random_state!r}"
        ) from error
    return state
