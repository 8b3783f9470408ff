"""Errors and warnings: ours, and the builtin ones too."""

from __future__ import annotations

import warnings

import pytest
from sklearn.model_selection import GridSearchCV, KFold

from fewshot import TfidfClassifier, errors
from fewshot.errors import (
    FewShotError,
    FewShotWarning,
    TruncationWarning,
    UnlabeledWarning,
    warn_user,
)

_ERRORS = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, FewShotError)
]
_WARNINGS = [
    kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, Warning)
]


@pytest.mark.parametrize("kind", [kind for kind in _ERRORS if kind is not FewShotError])
def test_every_error_is_ours_and_a_builtin_one(kind):
    assert issubclass(kind, (ValueError, OSError, ImportError))


@pytest.mark.parametrize("kind", _WARNINGS)
def test_every_warning_is_ours_and_a_user_warning(kind):
    assert issubclass(kind, FewShotWarning)
    assert issubclass(kind, UserWarning)


def test_a_warning_points_to_the_line_that_calls_the_package():
    with pytest.warns(TruncationWarning, match="cut") as found:
        warn_user("cut", TruncationWarning)

    assert found[0].filename == __file__


def test_a_search_warns_once_at_the_line_of_the_user():
    texts, labels = ["a", "b", "a", "b", "c", "c"] * 2, [0, 1, 0, 1, -1, -1, 0, 1, 0, 1, 0, -1]
    search = GridSearchCV(TfidfClassifier(), {"C": [1.0, 2.0, 3.0]}, cv=KFold(2), refit=False)

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        search.fit(texts, labels)  # six fits, each with one row of -1, or two

    [shown] = [warning for warning in found if warning.category is UnlabeledWarning]
    assert "1 rows of y with -1" in str(shown.message)
    assert shown.filename == __file__


def test_a_call_of_the_user_warns_each_time():
    for _ in range(2):
        with pytest.warns(UnlabeledWarning, match="1 rows of y"):
            TfidfClassifier().fit(["a", "b", "c"], [0, 1, -1])
