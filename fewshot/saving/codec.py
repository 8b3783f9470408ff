"""Values as JSON and numbers in files, and back, without running anything that is read."""

# A value is a JSON value if JSON knows it (None, bool, int, finite float, str, list), else an
# object with one key that names its kind, such as `{"tuple": [1, 2]}`. Arrays go to a file of their
# own.

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias

import numpy.typing as npt

from fewshot.data.forms import Node, misfit
from fewshot.errors import PersistenceError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_DEEPEST = 100  # values in values
_SHARED = "shared"


class Codec(NamedTuple):
    """The way one kind of value is written and read."""

    kind: str  # the key of its JSON object
    form: Any  # of its content, as a type hint
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
        is_finite = type(value) is float and math.isfinite(value)
        if is_finite or type(value) in (type(None), bool, int, str):
            plain: Json = value
            return plain
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
        return {_SHARED: self._places[id(value)][0]}

    def _node(self, codec: Codec, value: Any, path: str) -> Json:
        return {codec.kind: codec.encode(value, self, path)}


class Reader:
    """Decodes what a :class:`Writer` has encoded."""

    def __init__(
        self,
        codecs: Sequence[Codec],
        objects: list[Json],
        arrays: Mapping[str, npt.NDArray[Any]],
        tensors: Mapping[str, Any],
        files: Mapping[str, bytes],
    ) -> None:
        self.objects = objects  # shared ones, as JSON
        self.arrays = arrays
        self.tensors = tensors
        self.files = files  # the contents of those that were saved, by relative names
        self._codecs = {codec.kind: codec for codec in codecs}
        self._made: dict[int, Any] = {}
        self._in_work: set[int] = set()

    def check(self, node: Json, place: str = "estimator") -> None:
        """Check the form of a node and of all shared objects, before anything is made of them."""
        roots = [(node, place), *((item, f"objects[{i}]") for i, item in enumerate(self.objects))]
        waiting: list[tuple[object, str, int]] = [(*root, 0) for root in roots]
        while waiting:
            value, where, depth = waiting.pop()
            parts: list[tuple[object, str]] = []
            try:
                problem = self._misfit(value, where, parts)
            except RecursionError:
                depth = _DEEPEST + 1
            if depth > _DEEPEST:
                problem = f"{where[:_DEEPEST]}...: more than {_DEEPEST} values in each other"
            if problem is not None:
                raise PersistenceError(
                    f"the saved estimator does not have the form of this version of fewshot: "
                    f"{problem}; it was saved by another version, or altered"
                )
            waiting += [(*part, depth + 1) for part in parts]

    def decode(self, node: Json) -> Any:
        """Return the value of a JSON node that was checked."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        [(kind, content)] = node.items()
        if kind == _SHARED:
            return self._shared(int(str(content)))
        return self._codecs[kind].decode(content, self)

    @contextmanager
    def subfolder(self, name: str) -> Iterator[Path]:
        """Yield a folder with copies of its saved files, and no others, for another library."""
        parts = {file: data for file, data in self.files.items() if file.startswith(f"{name}/")}
        if not parts:
            raise PersistenceError(f"the saved estimator has no files in {name!r}")
        with TemporaryDirectory(prefix="fewshot-") as folder:
            for file, data in parts.items():
                copied = Path(folder, file[len(name) + 1 :])
                copied.parent.mkdir(parents=True, exist_ok=True)
                copied.write_bytes(data)
            yield Path(folder)

    def _misfit(self, value: object, place: str, parts: list[tuple[object, str]]) -> str | None:
        if isinstance(value, list):
            return misfit(value, list[Node], place, parts)
        if not isinstance(value, dict):
            return misfit(value, bool | int | float | str | None, place, parts)
        if len(value) != 1:
            return f"{place}: expected an object with one key, got {len(value)}"
        [(kind, content)] = value.items()
        if kind == _SHARED:
            is_known = type(content) is int and 0 <= content < len(self.objects)
            return None if is_known else f"{place}: there is no shared object {content!r:.20}"
        if kind not in self._codecs:
            return f"{place}: a value of the unknown kind {kind[:_DEEPEST]!r}"
        return misfit(content, self._codecs[kind].form, place, parts)

    def _shared(self, index: int) -> Any:
        if index not in self._made:
            if index in self._in_work:
                raise PersistenceError(f"the saved object {index} holds itself; it was altered")
            self._in_work.add(index)
            self._made[index] = self.decode(self.objects[index])
        return self._made[index]


def _fresh(path: str, taken: Mapping[str, object]) -> str:
    """Return a name for an entry of a file; such names are UTF-8, so no lone surrogates."""
    name = path.encode("ascii", "backslashreplace").decode("ascii")
    return name if name not in taken else f"{name}#{len(taken)}"
