"""How often rows are repeated before a product."""

from __future__ import annotations

import pytest

from fewshot.models.reproducible import n_copies


@pytest.mark.parametrize(("n_rows", "expected"), [(1, 16), (5, 4), (15, 2), (16, 1), (200, 1)])
def test_there_are_sixteen_rows_at_least(n_rows, expected):
    assert n_copies(n_rows) == expected
