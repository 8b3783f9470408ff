"""Errors and warnings of the package.

Every error is a :class:`FewShotError` and also the builtin error that fits, so that both
``except FewShotError`` and ``except ValueError`` catch it.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from types import FrameType

__all__ = [
    "BenchmarkError",
    "CheckpointError",
    "CheckpointWarning",
    "CollapseWarning",
    "CoverageWarning",
    "FewShotError",
    "FewShotWarning",
    "FileError",
    "HubError",
    "InputError",
    "LabelWordError",
    "LabelWordWarning",
    "LeakageWarning",
    "MissingExtraError",
    "ModelError",
    "PersistenceError",
    "ServerError",
    "SourceError",
    "TemplateError",
    "TruncationWarning",
    "TuningError",
    "UnlabeledWarning",
    "VerbalizerError",
]

_NOT_OF_THE_USER = {"fewshot", "sklearn", "joblib", "contextlib"}
_COUNT = re.compile(r"\d+(?= of\b| rows\b| texts\b| predictions\b)")
_SHOWN: set[tuple[object, ...]] = set()  # warnings of this process


class FewShotError(Exception):
    """Base class of all errors that the package raises on purpose."""


class TemplateError(FewShotError, ValueError):
    """A template cannot be parsed, or does not fit the examples."""


class VerbalizerError(FewShotError, ValueError):
    """A verbalizer misses a label, shares a word between labels, or cannot be read."""


class LabelWordError(FewShotError, ValueError):
    """A label word cannot be scored with the model's vocabulary."""


class InputError(FewShotError, ValueError):
    """The texts or labels passed to an estimator are not usable."""


class ModelError(FewShotError, ValueError):
    """A model or tokenizer cannot score prompts, for example because it has no mask token."""


class TuningError(FewShotError, ValueError):
    """A tuning strategy is unknown, or one of its settings is out of range."""


class HubError(FewShotError, OSError):
    """A model is neither on disk nor reachable on the hub."""


class FileError(FewShotError, OSError, ValueError):
    """A file is missing or cannot be read or written: a full disk, a read-only folder."""


class PersistenceError(FileError):
    """A saved folder is missing, truncated, altered or of a newer version, or cannot be written."""


class BenchmarkError(FewShotError, ValueError):
    """A benchmark's spec, data or results file is not usable."""


class CheckpointError(FileError):
    """A checkpoint folder belongs to another fit, holds other files, is damaged or not writable."""


class MissingExtraError(FewShotError, ImportError):
    """An optional dependency is missing; the message gives the line that installs it."""


class ServerError(FewShotError, OSError):
    """A server cannot be started: its port is in use, or not for this user."""


class SourceError(FewShotError, OSError):
    """The data of a source of label words is missing; the message says how to get it."""


class FewShotWarning(UserWarning):
    """Base class of the warnings of the package."""


class TruncationWarning(FewShotWarning):
    """Texts were shortened to fit the model."""


class CheckpointWarning(FewShotWarning):
    """A fit starts anew in a folder that holds interrupted ones."""


class CollapseWarning(FewShotWarning):
    """One class takes nearly all predictions."""


class CoverageWarning(FewShotWarning):
    """Classes are left with no word but their name."""


class LabelWordWarning(FewShotWarning):
    """Classes have no label words, numbers stand for them, or weights of words are not used."""


class LeakageWarning(FewShotWarning):
    """Texts that are predicted were among the unlabelled texts of ``fit``."""


class UnlabeledWarning(FewShotWarning):
    """Rows count as unlabelled and are not used, or cross-validation would slice such texts."""


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the user's line that led here; once for all fits of a search."""
    frame, level, packages = inspect.currentframe(), 1, set()
    while frame is not None and (name := _package(frame)) in _NOT_OF_THE_USER:
        packages.add(name)
        frame, level = frame.f_back, level + 1
    kind = _COUNT.sub("", message)  # in which folds differ
    place = (kind, category, frame and (frame.f_code.co_filename, frame.f_lineno))
    # scikit-learn makes warnings filters anew for each fit, so Python repeats what it has shown.
    if packages & {"sklearn", "joblib"} and place in _SHOWN:
        return
    warnings.warn(message, category, stacklevel=level)
    _SHOWN.add(place)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` with the nearest known names, or nothing."""
    near = get_close_matches(str(name).lower(), list(known))
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
