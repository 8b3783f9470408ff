"""Fingerprints follow content and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from fewshot import PETClassifier, PromptClassifier, Template, Verbalizer
from fewshot.data.examples import Examples
from fewshot.knowledge import TermFile
from fewshot.models.fingerprint import fingerprint, model_fingerprint, settings_of
from fewshot.models.masked_lm import MaskedLM
from fewshot.tuning import Head
from fewshot.tuning.soft_tokens import InsertedPrompt
from tests.tiny_models import tiny_bert

VALUES = [
    None,
    True,
    1,
    1.0,
    "1",
    Path("1"),
    ["1"],
    [["1"]],
    ["1", "1"],
    ["11"],
    {"a": 1},
    {"b": 1},
    np.array([1.0, 2.0]),
    np.array([1, 2]),
    np.array([[1.0, 2.0]]),
    np.array(["a", None], dtype=object),
    Examples({"text": ["a"]}),
    Examples({"other": ["a"]}),
    Template("{text} {mask}"),
    Template("{text} {mask}", shorten="head"),
    Verbalizer({"a": "x", "b": "y"}),
    Verbalizer({"a": "y", "b": "x"}),
    Head(),
    Head(C=1.0),
    np.random.RandomState(0),
    np.random.RandomState(1),
]


def test_different_values_have_different_fingerprints():
    digests = [fingerprint(value) for value in VALUES]

    assert len(set(digests)) == len(VALUES)


def test_equal_values_have_equal_fingerprints():
    assert fingerprint(("a", 1)) == fingerprint(["a", 1])
    assert fingerprint(np.array([1.0])) == fingerprint(torch.tensor([1.0], dtype=torch.float64))
    assert fingerprint(Head(C=2.0)) == fingerprint(clone(Head(C=2.0)))


@pytest.mark.parametrize("kind", [pd.Series, pd.Index])
def test_a_column_of_pandas_has_that_of_its_values(kind):
    values = np.array(["a", "b"], dtype=object)

    assert fingerprint(kind(["a", "b"], dtype=object)) == fingerprint(values)
    assert len(fingerprint(kind(["a", "b"]))) == 32


def test_other_kinds_have_none():
    with pytest.raises(TypeError, match="no fingerprint of a object"):
        fingerprint(object())


def test_settings_are_told_by_name_and_leave_out_what_has_no_effect():
    estimator = PETClassifier(PromptClassifier(tuning=Head(C=2.0), verbose=0), checkpoint_dir="x")

    settings = settings_of(estimator)

    assert settings["estimator__tuning__C"] == "2.0"
    assert settings["estimator__class"] == "PromptClassifier"
    assert not any(name.endswith(("verbose", "checkpoint_dir")) for name in settings)


def test_a_file_that_a_setting_names_is_known_by_what_it_holds(tmp_path, monkeypatch):
    file = tmp_path / "terms.txt"
    found = []

    for content in ("sports,football", "sports,team", "sports,football"):
        file.write_text(content)
        found += [settings_of(TermFile(path)) for path in (file, str(file))]

    (tmp_path / "none").write_text("no setting")
    monkeypatch.chdir(tmp_path)

    assert settings_of(PromptClassifier(tuning="none"))["tuning"] == "'none'"
    assert found[:2] == found[4:]
    assert found[0]["path"] != found[2]["path"]
    assert found[1]["path"] != found[3]["path"]


# ---- Models -----------------------------------------------------------------------------------


def test_models_with_the_same_weights_are_the_same():
    one, other = (MaskedLM(*tiny_bert(), device="cpu") for _ in range(2))

    assert model_fingerprint(one) == model_fingerprint(other)


def test_a_changed_weight_changes_the_fingerprint():
    lm = MaskedLM(*tiny_bert(), device="cpu").copy(lambda name: True)
    before = model_fingerprint(lm)

    with torch.no_grad():
        lm.tuned_parameters()[min(lm.tuned_parameters())].add_(1.0)

    assert model_fingerprint(lm) != before


def test_modules_beside_the_model_change_the_fingerprint():
    lm = MaskedLM(*tiny_bert(), device="cpu")

    twin = lm.copy(lambda name: False, InsertedPrompt(lm.model, length=2))

    assert model_fingerprint(twin) != model_fingerprint(lm)
    assert model_fingerprint(twin.without_added()) == model_fingerprint(lm)
