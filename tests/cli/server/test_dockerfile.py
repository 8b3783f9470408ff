"""The Dockerfile names files, extras and options that exist; no test builds it."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pytest
from typer.main import get_command

from fewshot.cli.app import app
from tests.docs.blocks import ROOT, run_command

pytestmark = pytest.mark.skipif(not (ROOT / "Dockerfile").is_file(), reason="needs the checkout")


def instructions(name: str) -> list[str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


def test_what_is_copied_is_there_and_not_ignored():
    copied = [source for line in instructions("COPY") for source in line.split()[:-1]]
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert [name for name in copied if f"!{name}" not in kept] == []
    assert any(fnmatch("fewshot/__pycache__", pattern) for pattern in kept)


def test_the_extras_that_it_installs_are_ours():
    lines = [line for line in instructions("RUN") if line.startswith("pip install")]

    for line in lines:
        run_command(line)
    assert "[serve,mini]" in lines[-1]


def test_it_starts_a_command_that_exists_with_options_that_exist():
    [line] = instructions("ENTRYPOINT")
    program, command, *options = re.findall(r'"([^"]+)"', line)

    known = get_command(app).commands[command]
    names = [name for option in known.params for name in option.opts]
    assert program == "fewshot"
    assert [name for name in options if name.startswith("-") and name not in names] == []
