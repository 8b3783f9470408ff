"""Codecs of objects of known classes: estimators and frozen dataclasses."""

# Known are the classes among the public names of `PACKAGES`, and those in `HELD`: a new public
# estimator, strategy or verbalizer can be saved without a change here.

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypedDict, TypeGuard, get_type_hints

from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from fewshot.data.examples import as_list
from fewshot.data.forms import Node, is_instance, is_simple
from fewshot.errors import PersistenceError
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.saving.codec import Codec, Json, Reader, Writer

# What fitted estimators hold besides, by its module, which is imported when it is needed.
HELD = {
    "ClassNames": "fewshot.scoring.names",
    "FitReport": "fewshot.classifiers.automatic.report",
    "LabelEmbeddings": "fewshot.scoring.prototypes",
    "LabelWords": "fewshot.scoring.label_words",
    "ParameterReport": "fewshot.classifiers.parameter_report",
    "StateHead": "fewshot.scoring.heads",
    "TaskKind": "fewshot.data.task_kind",
    "Trial": "fewshot.classifiers.automatic.report",
}
PACKAGES = ("fewshot", "fewshot.tuning", "fewshot.knowledge")  # in the order of their import times

_WRITTEN = (str, bytes, list, tuple, Mapping, Iterator, BaseEstimator)  # as they are
_ROUTING = "_metadata_request"  # what set_fit_request has set, as scikit-learn keeps it
_ROUTED = ("fit", "score")  # methods that take more than texts and labels


_Dataclass = TypedDict("_Dataclass", {"class": str, "values": dict[str, Node]})
_NewEstimator = TypedDict(
    "_NewEstimator", {"class": str, "params": dict[str, Node], "fitted": dict[str, Node]}
)


class _Estimator(_NewEstimator, total=False):
    """An estimator, perhaps with what ``set_fit_request`` has set."""

    requests: Node


def find_class(name: str) -> type[Any]:
    """Return the class that a folder names."""
    if name in HELD:
        held: type[Any] = getattr(import_module(HELD[name]), name)
        return held
    for package in PACKAGES:
        if name in import_module(package).__all__:
            found = getattr(import_module(package), name)
            if _can_be_saved(found):
                return found
    raise PersistenceError(
        f"the saved estimator names the unknown class {name!r}; known are {sorted(_known())}. "
        "If it was saved by a newer version, upgrade fewshot"
    )


def _can_be_saved(found: object) -> TypeGuard[type[Any]]:
    return isinstance(found, type) and (issubclass(found, BaseEstimator) or is_dataclass(found))


def _known() -> Iterator[str]:
    yield from HELD
    for package in map(import_module, PACKAGES):
        yield from (name for name in package.__all__ if _can_be_saved(getattr(package, name)))


def _is_known(value: object) -> bool:
    kind = type(value)
    try:
        return kind.__module__.startswith("fewshot.") and find_class(kind.__name__) is kind
    except PersistenceError:
        return False


def _is_known_dataclass(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, (type, BaseEstimator)) and _is_known(value)


def _encode_dataclass(value: Any, writer: Writer, path: str) -> Json:
    names = [field.name for field in fields(value) if field.init]
    values = {name: writer.encode(getattr(value, name), f"{path}.{name}") for name in names}
    return {"class": type(value).__name__, "values": values}


def _decode_dataclass(content: Any, reader: Reader) -> Any:
    return _make(content["class"], content["values"], reader)


def _encode_estimator(value: BaseEstimator, writer: Writer, path: str) -> Json:
    name = type(value).__name__
    if not _is_known(value):
        raise PersistenceError(
            f"{path} is a {type(value).__module__}.{name}, which is none of the classes that can "
            f"be saved: {sorted(_known())}"
        )
    params = _as_declared(name, value.get_params(deep=False))
    learned = {
        name: attribute
        for name, attribute in value.__getstate__().items()
        if name not in params and name != _ROUTING
    }
    node: dict[str, Json] = {
        "class": name,
        "params": {key: writer.encode(item, f"{path}.{key}") for key, item in params.items()},
        "fitted": {key: writer.encode(item, f"{path}.{key}") for key, item in learned.items()},
    }
    requests = _requests(value)
    if requests:
        node["requests"] = writer.encode(requests, f"requests of {path}")
    return node


def _as_declared(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters, with lists in place of indexes, arrays and sets of other libraries."""
    hints = _annotations(name)
    found = dict(params)
    for key, value in params.items():
        if key in hints and isinstance(value, Iterable) and not isinstance(value, _WRITTEN):
            listed = [getattr(item, "item", lambda item=item: item)() for item in as_list(value)]
            if is_instance(listed, hints[key]) and not is_instance(object(), hints[key]):
                found[key] = listed
    return found


def _decode_estimator(content: Any, reader: Reader) -> BaseEstimator:
    estimator = _make(content["class"], content["params"], reader)
    fitted = {name: reader.decode(node) for name, node in content["fitted"].items()}
    methods = (name for name in fitted if callable(getattr(type(estimator), name, None)))
    taken = [name[:60] for name in (*methods, *filter(_is_special, fitted))]
    check_types(type(estimator), fitted, _annotations(content["class"]))
    if taken or not isinstance(estimator, BaseEstimator):
        raise PersistenceError(
            f"the saved {content['class'][:60]!r} has learned {taken[:3]}, which is part of its "
            "class, or is no estimator; the folder was altered"
        )
    estimator.__setstate__(fitted)
    if fitted and isinstance(estimator, ClassifierMixin):
        check_is_fitted(estimator, "classes_")  # whatever else was learned refers to them
    if "requests" in content:
        _set_requests(estimator, reader.decode(content["requests"]))
    return estimator


def check_types(kind: type[Any], values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuse values of other types than those that are known."""
    for name, value in values.items():
        if name in known and not is_instance(value, known[name]):
            raise PersistenceError(
                f"the saved {kind.__name__} has a {type(value).__name__} as {name[:60]!r}; it was "
                "altered, or saved by another version of fewshot"
            )


def simple_parameters(kind: type[Any]) -> dict[str, Any]:
    """Return the types of the parameters that are numbers, text or flags."""
    with suppress(NameError):
        hints = get_type_hints(kind.__init__)
        return {name: hint for name, hint in hints.items() if is_simple(hint)}
    return {}


@cache
def _annotations(name: str) -> dict[str, Any]:
    """Return the annotations of a class and of its properties."""
    kind = find_class(name)
    properties = inspect.getmembers(kind, lambda member: isinstance(member, property))
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for attribute, hint in vars(base).get("__annotations__", {}).items():
            if attribute == "_":  # KW_ONLY, which Python 3.10 refuses as a type
                continue
            alone = type("Alone", (), {"__annotations__": {attribute: hint}})
            with suppress(NameError):  # of names that are imported for type checkers only
                found |= get_type_hints(alone, vars(import_module(base.__module__)))
    for attribute, made in properties:
        with suppress(NameError, TypeError):  # TypeError: of properties without an annotation
            found[attribute] = get_type_hints(made.fget).get("return", Any)
    return found


def _is_special(name: str) -> bool:
    return name.startswith("__")


def _requests(estimator: BaseEstimator) -> dict[str, dict[str, Any]]:
    """Return what ``set_fit_request`` and ``set_score_request`` have set, by method."""
    if _ROUTING not in vars(estimator):
        return {}
    routing = estimator.get_metadata_routing()
    found = {
        method: {
            name: wanted
            for name, wanted in getattr(routing, method).requests.items()
            if wanted is not None  # neither requested nor refused
        }
        for method in _ROUTED
    }
    return {method: requests for method, requests in found.items() if requests}


def _set_requests(estimator: BaseEstimator, requests: dict[str, dict[str, Any]]) -> None:
    try:
        with config_context(enable_metadata_routing=True):
            for method, wanted in requests.items():
                getattr(estimator, f"set_{method}_request")(**wanted)
    except (TypeError, ValueError, AttributeError) as error:
        raise PersistenceError(
            f"the installed {type(estimator).__name__} does not take the saved settings for "
            f"pipelines ({error}); load the folder with the versions that saved it, which its "
            "config.json names"
        ) from error


def _make(name: str, values: dict[str, Json], reader: Reader) -> Any:
    found = find_class(name)
    decoded = {key: reader.decode(node) for key, node in values.items()}
    if is_dataclass(found):
        check_types(found, decoded, _annotations(name))
    else:  # what fit checks, prediction takes for granted
        check_types(found, decoded, simple_parameters(found))
    try:
        return found(**decoded)
    except TypeError as error:
        raise PersistenceError(
            f"the installed {name} does not take the saved parameters ({error}); load the folder "
            "with the versions that saved it, which its config.json names"
        ) from error


CLASS_CODECS: tuple[Codec, ...] = (
    Codec(
        "verbalizer",
        Node,
        lambda value: type(value) is Verbalizer,
        lambda value, writer, path: writer.encode(value.to_dict(), path),
        lambda content, reader: Verbalizer.from_dict(reader.decode(content)),
    ),
    Codec("dataclass", _Dataclass, _is_known_dataclass, _encode_dataclass, _decode_dataclass),
    Codec(
        "estimator",
        _Estimator,
        lambda value: isinstance(value, BaseEstimator),
        _encode_estimator,
        _decode_estimator,
    ),
)
