"""Values as JSON and numbers in files, and back, without running anything that is read."""

# A value is a JSON value if JSON knows it (None, bool, int, finite float, str, list), else an
# object with one key that names its kind, such as `{"tuple": [1, 2]}`. Arrays go to a file of their
# own.

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt

from fewshot.errors import PersistenceError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Codec(NamedTuple):
    """The way one kind of value is written and read."""

    kind: str  # the key of its JSON object
    matches: Callable[[Any], bool]
    encode: Callable[[Any, Writer, str], Json]  # the last is the value's path, for messages
    decode: Callable[[Any, Reader], Any]
    is_shared: bool = False  # written once where it occurs twice, and one object when read


class Writer:
    """Encodes values, and collects the arrays, tensors and shared objects that they hold."""

    def __init__(self, folder: Path, codecs: Sequence[Codec]) -> None:
        self.folder = folder
        self.codecs = codecs  # the first that matches is used
        self.objects: list[Json] = []
        self.arrays: dict[str, npt.NDArray[Any]] = {}
        self.tensors: dict[str, Any] = {}  # of torch, which this module does not import
        self._places: dict[object, tuple[int | str, object]] = {}  # holds what ids are of

    def encode(self, value: Any, path: str) -> Json:
        """Return a value as JSON; refuse what cannot be written as plain data."""
        if type(value) in (type(None), bool, int, str):
            plain: Json = value
            return plain
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if type(value) is list:
            return [self.encode(item, f"{path}[{i}]") for i, item in enumerate(value)]
        for codec in self.codecs:
            if codec.matches(value):
                return (
                    self._share(codec, value, path)
                    if codec.is_shared
                    else self._node(codec, value, path)
                )
        raise PersistenceError(
            f"{path} is a {type(value).__module__}.{type(value).__qualname__}, which cannot be "
            "saved as plain data; replace it by numbers, texts, lists, dicts, arrays or estimators "
            "of fewshot"
        )

    def add_array(self, array: npt.NDArray[Any], path: str) -> str:
        """Keep an array for the file of arrays and return its name there."""
        name = _fresh(path, self.arrays)
        self.arrays[name] = array
        return name

    def add_tensor(self, tensor: Any, identity: object, path: str) -> str:
        """Keep a torch tensor for the file of tensors; equal identities share one entry."""
        if identity not in self._places:
            name = _fresh(path, self.tensors)
            self.tensors[name] = tensor
            self._places[identity] = name, tensor
        return str(self._places[identity][0])

    def new_folder(self, parent: str) -> Path:
        """Make and return a numbered subfolder."""
        number = len(list((self.folder / parent).glob("*")))
        made = self.folder / parent / str(number)
        made.mkdir(parents=True)
        return made

    def _share(self, codec: Codec, value: Any, path: str) -> Json:
        if id(value) not in self._places:
            node = self._node(codec, value, path)
            self._places[id(value)] = len(self.objects), value
            self.objects.append(node)
        return {"shared": self._places[id(value)][0]}

    def _node(self, codec: Codec, value: Any, path: str) -> Json:
        return {codec.kind: codec.encode(value, self, path)}


class Reader:
    """Decodes what a :class:`Writer` has encoded."""

    def __init__(
        self,
        folder: Path,
        codecs: Sequence[Codec],
        objects: list[Json],
        arrays: Mapping[str, npt.NDArray[Any]],
        tensors: Mapping[str, Any],
        files: Sequence[str],
    ) -> None:
        self.folder = folder
        self.objects = objects  # shared ones, as JSON
        self.arrays = arrays
        self.tensors = tensors
        self.files = files  # the files that were saved, by relative names
        self._decoders = {codec.kind: codec.decode for codec in codecs}
        self._made: dict[int, Any] = {}

    def decode(self, node: Json) -> Any:
        """Return the value of a JSON node."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        [(kind, content)] = node.items()
        if kind == "float":
            return float(str(content))
        if kind == "shared":
            return self._shared(int(str(content)))
        if kind not in self._decoders:
            raise PersistenceError(
                f"the saved estimator holds a value of the unknown kind {kind!r}; it was saved by "
                "another version of fewshot, load it with that one"
            )
        return self._decoders[kind](content, self)

    def subfolder(self, name: str) -> Path:
        """Return a subfolder for another library's loader; refuse files that were not saved."""
        folder = self.folder / name
        found = [file for file in folder.rglob("*") if file.is_file() and file.name[0] != "."]
        names = {file.relative_to(self.folder).as_posix() for file in found}
        others = sorted(names - set(self.files))
        if others:
            raise PersistenceError(
                f"{self.folder} holds {others[:3]}, which were not saved with the estimator but "
                "would be read with it; delete them"
            )
        return folder

    def _shared(self, index: int) -> Any:
        if index not in self._made:
            self._made[index] = self.decode(self.objects[index])
        return self._made[index]


def _fresh(path: str, taken: Mapping[str, object]) -> str:
    """Return a name for an entry of a file; such names are UTF-8, so no lone surrogates."""
    name = path.encode("ascii", "backslashreplace").decode("ascii")
    return name if name not in taken else f"{name}#{len(taken)}"
