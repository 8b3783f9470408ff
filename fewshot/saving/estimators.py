"""Saved estimators: a folder of JSON and safetensors that is whole and unaltered, or refused."""

# `config.json` names the estimator's class, its parameters, what it has learned, the versions of
# the libraries, and size and SHA-256 of every other file. Nothing in a folder is ever run.

from __future__ import annotations

import hashlib
import json
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file
from sklearn.base import BaseEstimator

from fewshot import __version__
from fewshot.errors import PersistenceError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.reproducible import plain_torch
from fewshot.saving.classes import CLASS_CODECS
from fewshot.saving.codec import Codec, Reader, Writer
from fewshot.saving.folders import check_files, left_aside, list_files, written_aside
from fewshot.saving.language_models import GivenBackbone
from fewshot.saving.models import MODEL_CODECS
from fewshot.saving.tensors import TENSOR_CODEC, read_tensors, write_tensors
from fewshot.saving.values import VALUE_CODECS

_FORMAT, _FORMAT_VERSION = "fewshot estimator", 1
_CONFIG, _ARRAYS, _TENSORS = "config.json", "arrays.safetensors", "tensors.safetensors"
_LIBRARIES = ("numpy", "safetensors", "scikit-learn", "torch", "transformers")


def save_estimator(
    estimator: BaseEstimator, folder: Path, backbone: str | Path | MaskedLM | None = None
) -> None:
    """Save an estimator, fitted or not, to a folder that appears whole or not at all."""
    # What was there before stays until then. Of a model like `backbone` only what differs from it
    # is written, and a fingerprint of the rest.
    target = folder.resolve()
    if target in (Path.cwd(), *Path.cwd().parents):
        raise PersistenceError(
            f"{str(folder)!r} is the working folder or above it, and saving replaces a folder; "
            "name a folder in it"
        )
    _check_replaceable(target)
    given = GivenBackbone(backbone)
    with written_aside(target) as aside:
        _write(estimator, aside, given)


@plain_torch()
def load_estimator(folder: str | Path, model: str | Path | MaskedLM | None = None) -> Any:
    """Load a saved estimator, offline and without running anything that the folder holds.

    The folder is checked first: each file has the size and SHA-256 that it was saved with. What
    is loaded predicts the same as what was saved.

    Parameters
    ----------
    folder : str or Path
        Written by the ``save`` of an estimator.
    model : str, Path or MaskedLM, optional
        The backbone, if the folder was saved without it; by default it is loaded by its name. All
        estimators that are loaded with one model share its tensors, and none changes it.

    Returns
    -------
    estimator
        Of the class that was saved.

    Raises
    ------
    PersistenceError
        If the folder is missing, truncated, altered, or of a newer version of the package; or if
        the estimator was tuned from another model.

    See Also
    --------
    PromptClassifier.save : writes such a folder, as do all estimators of the package.
    MaskedLM : a backbone that several estimators may share.

    Examples
    --------
    >>> import fewshot
    >>> fewshot.load("news-model").predict(["Shares fell."])  # doctest: +SKIP
    array(['business'], dtype=object)
    >>> clf.save("news-delta", backbone="roberta-base")  # doctest: +SKIP
    >>> fewshot.load("news-delta", model="roberta-base")  # doctest: +SKIP
    """
    path = Path(folder)
    config = _read_config(path)
    check_files(path, config["files"])
    given = GivenBackbone(model)
    reader = Reader(
        path,
        _codecs(given),
        config["objects"],
        load_file(path / _ARRAYS) if _ARRAYS in config["files"] else {},
        read_tensors(path / _TENSORS) if _TENSORS in config["files"] else {},
        list(config["files"]),
    )
    estimator = reader.decode(config["estimator"])
    given.check_used(f"{path} was not saved without a model, so none can be given; leave model out")
    return estimator


def saved_fingerprint(folder: Path) -> str:
    """Return a digest of a saved estimator, which differs if any of its files does."""
    return _content_sha256(_read_config(folder))


def _codecs(given: GivenBackbone) -> tuple[Codec, ...]:
    return (*VALUE_CODECS, *CLASS_CODECS, TENSOR_CODEC, given.codec, *MODEL_CODECS)


def _write(estimator: BaseEstimator, folder: Path, given: GivenBackbone) -> None:
    writer = Writer(folder, _codecs(given))
    name = type(estimator).__name__
    tree = writer.encode(estimator, name)
    given.check_used(
        f"backbone is the model that this {name} was tuned from, so that it can be left out; this "
        f"{name} has no model of the same architecture and vocabulary"
    )
    if writer.arrays:
        save_file(writer.arrays, folder / _ARRAYS)
    if writer.tensors:
        write_tensors(writer.tensors, folder / _TENSORS)
    content = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "class": name,
        "versions": _versions(),
        "files": list_files(folder),
        "estimator": tree,
        "objects": writer.objects,
    }
    signed = {**content, "sha256": _content_sha256(content)}
    text = json.dumps(signed, indent=1, allow_nan=False)
    (folder / _CONFIG).write_text(text, encoding="utf-8")


def _versions() -> dict[str, str]:
    own = {"fewshot": __version__, "python": platform.python_version()}
    return own | {library: version(library) for library in _LIBRARIES}


def _content_sha256(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _check_replaceable(target: Path) -> None:
    """Refuse to overwrite anything but a saved estimator."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not target.is_dir():
        raise PersistenceError(f"{target} is a file; give the name of a folder")
    content: Any = None
    with suppress(OSError, ValueError):
        content = json.loads((target / _CONFIG).read_text(encoding="utf-8"))
    if not (isinstance(content, dict) and content.get("format") == _FORMAT):
        raise PersistenceError(
            f"{target} holds something other than a saved estimator and is not overwritten; "
            "give another folder, or delete it yourself"
        )
    known = {_CONFIG, *content.get("files", ())}
    others = sorted(
        file.relative_to(target).as_posix() for file in target.rglob("*") if file.is_file()
    )
    others = [name for name in others if name not in known]
    if others:
        raise PersistenceError(
            f"{target} holds a saved estimator, but also {others[:3]}, which would be lost; "
            "move that, or give another folder"
        )


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        left = left_aside(folder.resolve())
        hint = f", but an interrupted save left {left[-1]}: rename that" if left else ""
        raise PersistenceError(
            f"there is no folder {str(folder)!r}{hint}; give the folder that was passed to save"
        )
    try:
        text = (folder / _CONFIG).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PersistenceError(
            f"{folder} has no {_CONFIG}: it holds no saved estimator, or not all of it; give the "
            "folder that was passed to save"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PersistenceError(
            f"{folder / _CONFIG} cannot be read ({error}); copy the folder again from an intact one"
        ) from error
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise PersistenceError(
            f"{folder / _CONFIG} is truncated or damaged ({error}); save the estimator again, or "
            "copy the folder again from an intact one"
        ) from error
    return _checked(content, folder)


def _checked(content: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise PersistenceError(
            f"{folder} holds no estimator saved by fewshot; a model of transformers is loaded "
            "with model= instead"
        )
    number = content.get("format_version")
    if not isinstance(number, int) or number > _FORMAT_VERSION:
        raise PersistenceError(
            f"{folder} was saved in format {number} by a newer fewshot "
            f"({content.get('versions')}); this one reads format {_FORMAT_VERSION}. "
            "Upgrade: pip install --upgrade fewshot"
        )
    expected = content.pop("sha256", None)
    if _content_sha256(content) != expected:
        raise PersistenceError(
            f"{folder / _CONFIG} was altered after it was saved; save the estimator again, or copy "
            "the folder again from an intact one"
        )
    return content
