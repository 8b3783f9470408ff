"""Saved estimators: a folder of JSON and safetensors that is whole and unaltered, or refused."""

# `config.json` names the estimator's class, its parameters, what it has learned, the versions of
# the libraries, and size and SHA-256 of every other file. Nothing in a folder is ever run.

from __future__ import annotations

import json
import platform
from errno import ENOENT
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from safetensors.numpy import load, save_file
from sklearn.base import BaseEstimator

from fewshot import __version__
from fewshot.data.files import (
    content_sha256,
    is_junk,
    left_aside,
    parse_json,
    read_bytes,
    user_path,
)
from fewshot.data.forms import Node, misfit
from fewshot.errors import FewShotError, FileError, PersistenceError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.reproducible import plain_torch
from fewshot.saving.classes import CLASS_CODECS
from fewshot.saving.codec import Codec, Reader, Writer
from fewshot.saving.folders import (
    FileEntry,
    list_files,
    other_files,
    read_files,
    settled,
    written_aside,
)
from fewshot.saving.language_models import GivenBackbone
from fewshot.saving.models import MODEL_CODECS
from fewshot.saving.tensors import TENSOR_CODEC, read_tensors, write_tensors
from fewshot.saving.values import VALUE_CODECS

_FORMAT, _FORMAT_VERSION = "fewshot estimator", 1
_CONFIG, _ARRAYS, _TENSORS = "config.json", "arrays.safetensors", "tensors.safetensors"
_LIBRARIES = ("numpy", "safetensors", "scikit-learn", "torch", "transformers")
_NO_VERSION = 1000
_MOST_BYTES = 2**30  # of config.json, which holds the vocabulary of a TfidfClassifier

_Config = TypedDict(
    "_Config",
    {
        "format": str,
        "format_version": int,
        "class": str,
        "versions": dict[str, str],
        "files": dict[str, FileEntry],
        "estimator": Node,
        "objects": list[Node],
    },
)


class _Saved(NamedTuple):
    """What a folder holds, read in one go."""

    config: dict[str, Any]
    files: dict[str, bytes]


def save_estimator(
    estimator: BaseEstimator, folder: str | Path, backbone: str | Path | MaskedLM | None = None
) -> None:
    """Save an estimator, fitted or not, to a folder that appears whole or not at all."""
    # What was there before stays until then. Of a model like `backbone` only what differs from it
    # is written, and a fingerprint of the rest.
    target = user_path(folder).resolve()
    if target in (Path.cwd(), *Path.cwd().parents):
        raise PersistenceError(
            f"{str(target)!r} is the working folder or above it, and saving replaces a folder; "
            "name a folder in it"
        )
    settled(target, _check_replaceable)
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
    path = user_path(folder).resolve()
    config, files = settled(path, _read)
    given = GivenBackbone(model)
    try:
        estimator = _decode(config, files, given)
    except FewShotError:
        raise
    except Exception as error:  # of whichever library reads its part of the folder
        raise PersistenceError(
            f"{path} holds parts that do not fit together ({type(error).__name__}: "
            f"{str(error)[:200]}); it was altered, or saved with other versions: "
            f"{config['versions']}"
        ) from error
    given.check_used(f"{path} was not saved without a model, so none can be given; leave model out")
    return estimator


def _decode(config: dict[str, Any], files: dict[str, bytes], given: GivenBackbone) -> Any:
    arrays, tensors = files.pop(_ARRAYS, None), files.pop(_TENSORS, None)
    reader = Reader(
        _codecs(given),
        config["objects"],
        {} if arrays is None else load(arrays),
        {} if tensors is None else read_tensors(tensors),
        files,
    )
    reader.check(config["estimator"])
    estimator = reader.decode(config["estimator"])
    if not isinstance(estimator, BaseEstimator) or type(estimator).__name__ != config["class"]:
        raise PersistenceError(
            f"the folder holds a {type(estimator).__name__}, and names a {config['class'][:60]!r}; "
            "it was altered"
        )
    return estimator


def saved_fingerprint(folder: Path) -> str:
    """Return a digest of a saved estimator, which differs if any of its files does."""
    return content_sha256(_read_config(folder))


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
    signed = {**content, "sha256": content_sha256(content)}
    text = json.dumps(signed, indent=1, allow_nan=False)
    (folder / _CONFIG).write_text(text, encoding="utf-8")


def _versions() -> dict[str, str]:
    own = {"fewshot": __version__, "python": platform.python_version()}
    return own | {library: version(library) for library in _LIBRARIES}


def _check_replaceable(target: Path) -> None:
    """Refuse to overwrite anything but a saved estimator."""
    if not target.exists():
        return
    if not target.is_dir():
        raise PersistenceError(f"{target} is a file; give the name of a folder")
    if all(is_junk(path.name) for path in target.iterdir()):
        return
    try:
        content = parse_json(read_bytes(target / _CONFIG, _MOST_BYTES))
    except (OSError, ValueError):
        content = None
    if not (isinstance(content, dict) and content.get("format") == _FORMAT):
        raise PersistenceError(
            f"{target} holds something other than a saved estimator and is not overwritten; "
            "give another folder, or delete it yourself"
        )
    others = other_files(target, {_CONFIG, *content.get("files", ())})
    if others:
        raise PersistenceError(
            f"{target} holds a saved estimator, but also {others[:3]}, which would be lost; "
            "move that, or give another folder"
        )


def _read(folder: Path) -> _Saved:
    """Read all that a folder holds, checked against its digests."""
    config = _read_config(folder)
    return _Saved(config, read_files(folder, config["files"]))


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        left = left_aside(folder)
        hint = f", but an interrupted save left {left[-1]}: rename that" if left else ""
        raise PersistenceError(
            f"there is no folder {str(folder)!r}{hint}; give the folder that was passed to save"
        )
    file = folder / _CONFIG
    advice = "copy the folder again from an intact one"
    try:
        content = parse_json(read_bytes(file, _MOST_BYTES))
        return _checked(content, folder)
    except PersistenceError:
        raise
    except FileError as error:
        problem = f"{error}, or {advice}"
        if error.errno == ENOENT:
            problem = (
                f"{folder} has no {_CONFIG}: it holds no saved estimator, or not all of it; give "
                "the folder that was passed to save"
            )
        raise PersistenceError(problem) from error
    except ValueError as error:
        raise PersistenceError(
            f"{file} is truncated or damaged ({error}); save the estimator again, or {advice}"
        ) from error


def _checked(content: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise PersistenceError(
            f"{folder} holds no estimator saved by fewshot; a model of transformers is loaded "
            "with model= instead"
        )
    number = content.get("format_version")
    if type(number) is int and _FORMAT_VERSION < number < _NO_VERSION:
        raise PersistenceError(
            f"{folder} was saved in format {number} by a newer fewshot "
            f"({str(content.get('versions'))[:200]}); this one reads format {_FORMAT_VERSION}. "
            "Upgrade: pip install --upgrade fewshot"
        )
    expected = content.pop("sha256", None)
    problem = misfit(content, _Config, _CONFIG, [])
    if content_sha256(content) != expected:
        problem = "its content is not what was signed"
    elif type(number) is not int or number != _FORMAT_VERSION:
        problem = f"format_version is {number!r:.20}, expected {_FORMAT_VERSION}"
    if problem is not None:
        raise PersistenceError(
            f"{folder / _CONFIG} was altered after it was saved ({problem}); save the estimator "
            "again, or copy the folder again from an intact one"
        )
    return content
