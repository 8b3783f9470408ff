"""Saved estimators: a folder of JSON and safetensors that is whole and unaltered, or refused."""

# `config.json` names the estimator's class, its parameters, what it has learned, the versions of
# the libraries, and size and SHA-256 of every other file. Nothing in a folder is ever run.

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from safetensors.numpy import load, save_file
from sklearn.base import BaseEstimator

from fewshot.data.files import content_sha256, user_path
from fewshot.data.forms import Node
from fewshot.errors import FewShotError, PersistenceError
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.reproducible import plain_torch
from fewshot.saving.classes import CLASS_CODECS
from fewshot.saving.codec import Codec, Reader, Writer
from fewshot.saving.folders import FileEntry, read_files, settled, written_aside
from fewshot.saving.language_models import GivenBackbone
from fewshot.saving.models import MODEL_CODECS
from fewshot.saving.signed import SignedFolder
from fewshot.saving.tensors import TENSOR_CODEC, read_tensors, write_tensors
from fewshot.saving.values import VALUE_CODECS

_ARRAYS, _TENSORS = "arrays.safetensors", "tensors.safetensors"
_LIBRARIES = ("numpy", "safetensors", "scikit-learn", "torch", "transformers")

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
FOLDER = SignedFolder(
    format="fewshot estimator",
    version=1,
    file="config.json",
    form=_Config,
    noun="saved estimator",
    verb="save",
    again="save the estimator again",
    foreign="holds no estimator saved by fewshot; a model of transformers is loaded with model= "
    "instead",
    most_bytes=2**30,  # it holds the vocabulary of a TfidfClassifier
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
    target = FOLDER.replaceable(folder)
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
    return content_sha256(FOLDER.read(folder))


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
    FOLDER.sign(folder, {"class": name, "estimator": tree, "objects": writer.objects}, _LIBRARIES)


def _read(folder: Path) -> _Saved:
    """Read all that a folder holds, checked against its digests."""
    config = FOLDER.read(folder)
    return _Saved(config, read_files(folder, config["files"]))
