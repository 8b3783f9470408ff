"""The command line: ``python -m fewshot``, or ``fewshot`` once it is installed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from fewshot.errors import FewShotError, FewShotWarning, MissingExtraError

_FAILED, _INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 after an error, 2 if arguments are wrong, 130 if interrupted."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            _run(arguments)
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else 0
            if status == _INTERRUPTED:
                sys.stderr.write("\nfewshot: interrupted\n")
            return status
        except FewShotError as error:
            sys.stderr.write(f"fewshot: {error}\n")
        except OSError as error:  # such as a full disk
            sys.stderr.write(f"fewshot: {error}; what was done is kept: repeat the command\n")
    return _FAILED


def _run(arguments: Sequence[str] | None) -> None:
    try:
        from typer.main import get_command
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            'the command line needs typer and rich; install them: pip install "fewshot[cli]"'
        ) from error
    from fewshot.cli.app import app

    get_command(app)(None if arguments is None else list(arguments), prog_name="fewshot")


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show our warnings in a line; those of libraries are of no use to whoever types commands."""
    del filename, lineno, file, line
    if issubclass(category, FewShotWarning):
        sys.stderr.write(f"fewshot: warning: {message}\n")
