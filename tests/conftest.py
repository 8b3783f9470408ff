"""Fixtures shared by all tests, and guards: no network, no stray files, few threads."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.tiny_models import Tiny

# What tools and libraries, not tests, leave in the checkout and in the home folder.
_TOOL_FILES = (  # noqa: SIM905
    ".pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage "
    "__pycache__ build dist htmlcov .cache .config"
).split()
_FAMILIES = (  # noqa: SIM905
    "bert roberta distilbert albert electra xlm_roberta camembert deberta deberta_v2 "
    "deberta_v2_tied modernbert mpnet"
).split()
_socket_checked = pytest.StashKey[bool]()
_listing = pytest.StashKey[dict[Path, set[str]]]()
_stray = pytest.StashKey[list[Path]]()


def pytest_collection_finish() -> None:
    """Leave what was imported out of all collections, which accelerate and we ask for."""
    gc.freeze()  # to visit it took a third of a second each


# ---- Tiny models ------------------------------------------------------------------------------


@pytest.fixture(scope="session", params=_FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """Name each supported architecture in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def tiny(family: str) -> Tiny:
    """Give the tiny model and tokenizer of each supported architecture in turn."""
    from tests.tiny_models import FAMILIES

    return FAMILIES[family]()


@pytest.fixture(scope="session")
def tiny_bert() -> Tiny:
    """WordPiece."""
    from tests import tiny_models

    return tiny_models.tiny_bert()


@pytest.fixture(scope="session")
def tiny_roberta() -> Tiny:
    """Byte-level BPE."""
    from tests import tiny_models

    return tiny_models.tiny_roberta()


@pytest.fixture(scope="session")
def tiny_xlm_roberta() -> Tiny:
    """Unigram."""
    from tests import tiny_models

    return tiny_models.tiny_xlm_roberta()


@pytest.fixture(scope="session")
def tiny_causal() -> Tiny:
    """No mask token."""
    from tests import tiny_models

    return tiny_models.tiny_causal()


@pytest.fixture(scope="session")
def tiny_numeric() -> Tiny:
    """Words for numbers, for `tests.numeric.NumericAdapter`."""
    from tests import tiny_models

    return tiny_models.tiny_numeric_model()


# ---- Guards -----------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    # Before the hub's client is imported: the tests neither read nor write the user's caches.
    if "HF_HOME" not in os.environ:
        folder = tempfile.mkdtemp(prefix="fewshot-tests-hf-")
        os.environ["HF_HOME"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Let each xdist worker, and what it starts, use one thread; they share the cores."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        import torch

        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _warnings_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a test does to the warning filters, and forget what was shown before."""
    monkeypatch.setattr("fewshot.errors._SHOWN", set())
    with warnings.catch_warnings():
        yield


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> None:
    """Check once that sockets are blocked, at the first test that does not ask for them."""
    node, stash = request.node, request.config.stash
    asks = any(node.get_closest_marker(name) for name in ("hub", "enable_socket", "allow_hosts"))
    forced = request.config.getoption("force_enable_socket", default=False)
    if asks or forced or stash.get(_socket_checked, False):
        return
    stash[_socket_checked] = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytest-socket also warns.
            socket.create_connection(("127.0.0.1", 9), timeout=0.2).close()
    except OSError as error:
        pytest.fail(f"a socket was opened ({error}): run pytest with --disable-socket")
    except RuntimeError:  # pytest-socket's SocketBlockedError
        return
    pytest.fail("a connection was made: run pytest with --disable-socket")


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_listing] = {
            folder: _names(folder) for folder in (session.config.rootpath, Path.home())
        }


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run when tests leave files beside the package or in the home folder."""
    before = session.config.stash.get(_listing, {})
    stray = [
        folder / name
        for folder, names in before.items()
        for name in sorted(_names(folder) - names)
        if name not in _TOOL_FILES and not name.startswith(".coverage.")
    ]
    session.config.stash[_stray] = stray
    if stray and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for path in config.stash.get(_stray, []):
        terminalreporter.write_line(f"left behind during the tests: {path}", red=True)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()
