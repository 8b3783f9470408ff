"""The command line: its arguments, exit status, and errors on one line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from fewshot import __version__, cli
from fewshot.benchmark import demo
from fewshot.benchmark.results import read_results
from fewshot.cli.app import app
from fewshot.errors import MissingExtraError
from tests.benchmark.specs import write_texts

COMMANDS = get_command(app).commands


def capture_demo(monkeypatch: pytest.MonkeyPatch, status: int = 0) -> list[tuple[dict, Path]]:
    seen = []
    monkeypatch.setattr(
        demo, "run_demo", lambda spec, folder, _: seen.append((spec, folder)) or status
    )
    return seen


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["--help"])

    shown = capsys.readouterr().out
    assert status == 0
    for name in COMMANDS:
        assert f" {name} " in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_ends_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, "--help"]) == 0

    assert f"fewshot {command} " in capsys.readouterr().out.split("Examples:")[1]


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0

    assert capsys.readouterr().out == f"fewshot {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demos"], "No such command 'demos'. Did you mean 'demo'?"),
        (["demo", "--seeds", "0"], "Invalid value for '--seeds'"),
        (["demo", "--shots", "many"], "integer"),
        (["predict", "model", "in.csv", "out.csv", "--probs"], "--proba"),
    ],
)
def test_wrong_arguments_exit_with_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(arguments)

    assert status == 2
    assert message in re.sub(r"[│\s]+", " ", capsys.readouterr().err)  # without the box


def test_without_typer_the_error_has_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "typer.main", None)

    assert cli.main(["tasks"]) == 1
    assert 'pip install "fewshot[cli]"' in capsys.readouterr().err


def test_the_demo_has_the_settings_of_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = capture_demo(monkeypatch)

    cli.main(["demo"])
    cli.main(["demo", "--seeds", "2", "--shots", "4", "--test-size", "50", "--output", "my folder"])
    cli.main(["demo", "--compare"])

    assert seen == [
        (demo.demo_spec(3, 8, 300), Path("reports")),
        (demo.demo_spec(2, 4, 50), Path("my folder")),
        (demo.demo_spec(3, 8, 300, compare=True), Path("reports")),
    ]


def test_quick_is_one_seed_and_few_test_articles(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = capture_demo(monkeypatch)

    cli.main(["demo", "--quick"])

    assert seen == [(demo.demo_spec(1, 8, 100), Path("reports"))]


def test_the_status_of_the_demo_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    capture_demo(monkeypatch, status=1)

    assert cli.main(["demo"]) == 1


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MissingExtraError("install it"), 1, "fewshot: install it\n"),
        (KeyboardInterrupt(), 130, "\nfewshot: interrupted\n"),
    ],
)
def test_errors_of_ours_are_a_line_and_not_a_traceback(
    error: BaseException,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(demo, "run_demo", fail)

    assert cli.main(["demo"]) == status
    assert capsys.readouterr().err == message


def write_spec(folder: Path, method: str) -> Path:
    spec = folder / "my spec.yaml"
    spec.write_text(
        f"""
name: Small
methods:
  - {{name: M, estimator: "tests.benchmark.specs:{method}"}}
data_sets:
  - {{name: mine, train: "{write_texts(folder)}", text: text, label: label}}
shots: [2]
seeds: [0, 1]
left_out:
  - {{method: SetFit, reason: takes seconds}}
""",
        encoding="utf-8",
    )
    return spec


def test_a_benchmark_is_run_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = write_spec(tmp_path, "Slow")

    options = ["--allow-imports", "--report", "my report", "--quiet"]
    status = cli.main(["benchmark", str(spec), *options])

    shown = capsys.readouterr()
    assert status == 0
    assert shown.err == ""
    assert f"6 cells, 0 failed. Results: {tmp_path / 'my spec.jsonl'}\n" in shown.out
    assert f"Report: {tmp_path / 'my report' / 'report.html'}\n" in shown.out
    assert "SetFit" in (tmp_path / "my report" / "report.md").read_text(encoding="utf-8")
    assert len(read_results(tmp_path / "my spec.jsonl").cells) == 6


def test_the_status_of_a_benchmark_with_failed_cells_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.jsonl"

    status = cli.main(
        [
            *("benchmark", str(write_spec(tmp_path, "Failing"))),
            *("--allow-imports", "--results", str(results)),
        ]
    )

    assert status == 1
    assert "6 cells, 1 failed" in capsys.readouterr().out
    assert cli.main(["report", str(results), "--output", str(tmp_path / "report")]) == 0
    assert "out of" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def test_a_mistake_in_a_spec_is_a_line_and_not_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text("methods: [majority]\n", encoding="utf-8")

    status = cli.main(["benchmark", str(tmp_path / "a.yaml")])

    assert status == 1
    assert capsys.readouterr().err == (
        f"fewshot: {tmp_path / 'a.yaml'}: the key 'data_sets' is missing; add 'data_sets:'\n"
    )


def test_tasks_lists_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tasks"]) == 0

    lines = capsys.readouterr().out.splitlines()
    bbc = next(line for line in lines if line.startswith("bbc_news "))
    assert "  5 labels" in bbc
    assert "Topic of a BBC News article" in bbc


def test_help_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from fewshot.cli import main; main(['--help'])\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers')))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_python_m_fewshot_runs_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fewshot", "--version"], capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (0, f"fewshot {__version__}\n")
