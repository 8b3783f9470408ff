"""Checks of estimators' settings, which scikit-learn leaves to ``fit``."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from fewshot.errors import InputError


def check_settings(
    estimator: BaseEstimator, limits: Mapping[str, tuple[bool, str]], owner: str | None = None
) -> None:
    """Check parameters of an estimator.

    Parameters
    ----------
    estimator : BaseEstimator
    limits : mapping of str to tuple of (bool, str)
        For each parameter whether it is good, and what is expected of it.
    owner : str, optional
        Whose parameters they are, for the message; for settings that are part of others.

    Raises
    ------
    InputError
        If one is not good.
    """
    of_owner = "" if owner is None else f" of {owner}"
    for name, (is_good, expected) in limits.items():
        if not is_good:
            raise InputError(f"{name}{of_owner} is {expected}, got {getattr(estimator, name)!r}")


def is_whole(value: Any, least: int) -> bool:
    """Tell whether a value is a whole number, and not below the least."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number."""
    return (
        not isinstance(value, bool) and isinstance(value, Real) and bool(np.isfinite(float(value)))
    )


def is_positive(value: Any) -> bool:
    """Tell whether a value is a finite number above 0."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < np.inf


def is_share(value: Any) -> bool:
    """Tell whether a value is a number from 0 to below 1."""
    return is_number(value) and 0 <= float(value) < 1


def new_rng(random_state: Any) -> np.random.Generator:
    """Return a generator that a ``random_state`` of scikit-learn decides.

    Raises
    ------
    InputError
        If it is no int, 0 or more, no RandomState and not None.
    """
    return np.random.default_rng(checked_state(random_state).randint(2**31))


def checked_state(random_state: Any) -> np.random.RandomState:
    """Return what a ``random_state`` of scikit-learn stands for; nothing is drawn from it.

    Raises
    ------
    InputError
        If it is no int, 0 or more, no RandomState and not None.
    """
    try:
        state: np.random.RandomState = check_random_state(random_state)
    except ValueError as error:
        raise InputError(
            f"random_state is an int, 0 or more, a RandomState or None, got {random_state!r}"
        ) from error
    return state
