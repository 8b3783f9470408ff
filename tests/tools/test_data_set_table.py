"""The table of data sets in the documentation."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from fewshot.benchmark import list_data_sets
from tools.data_set_table import data_set_table

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "data_sets.md"


def test_the_table_of_the_documentation_is_up_to_date() -> None:
    assert data_set_table() in DOCS.read_text(encoding="utf-8")


def test_each_name_is_in_the_table_and_in_the_list_of_protocols() -> None:
    named = Counter(re.findall(r"`(\w+)`", data_set_table()))

    assert named == dict.fromkeys(list_data_sets(), 2)
