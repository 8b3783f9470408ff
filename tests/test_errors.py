"""Errors and warnings: ours, and the builtin ones too."""

from __future__ import annotations

import pytest

from fewshot import errors
from fewshot.errors import FewShotError, FewShotWarning, TruncationWarning, warn_user

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
