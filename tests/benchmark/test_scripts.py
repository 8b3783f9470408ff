"""The scripts that measure: nothing else runs most of them."""

from importlib import import_module
from pkgutil import iter_modules

import benchmarks


def test_every_script_can_be_imported():
    names = [module.name for module in iter_modules(benchmarks.__path__, "benchmarks.")]
    assert "benchmarks.exported" in names

    for name in names:
        if name != "benchmarks.__main__":
            import_module(name)
