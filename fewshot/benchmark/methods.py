"""The methods of a benchmark as estimators: by a short name or an import path, and a seed."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

import fewshot
from fewshot.benchmark.data_sets.data_set import DataSetInfo
from fewshot.benchmark.measures import Estimator
from fewshot.benchmark.selection import candidates
from fewshot.benchmark.spec import MethodSpec, Spec
from fewshot.classifiers.base import TextClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.errors import BenchmarkError, did_you_mean
from fewshot.prompting.template import Template
from fewshot.tuning import resolve_tuning

_SUFFIX = "Classifier"
_OTHER_NAMES = {"finetune": "fine-tune", "": "auto"}  # "auto": Classifier


def _short_name(class_name: str) -> str:
    stem = class_name.removesuffix(_SUFFIX).lower()
    return _OTHER_NAMES.get(stem, stem)


# Import paths: of the classifiers that the package exports, of the majority, and of the nearest
# class name.
SHORT_NAMES: dict[str, str] = {
    "majority": "sklearn.dummy:DummyClassifier",
    "names": "fewshot:EmbeddingClassifier",
    **{_short_name(n): f"fewshot:{n}" for n in fewshot.__all__ if n.endswith(_SUFFIX)},
}
# Not "most_frequent", whose probabilities are 0 and 1: these are the shares of the classes.
_OWN_SETTINGS: dict[str, dict[str, Any]] = {
    "majority": {"strategy": "prior"},
    "names": {"head": "names"},
}
_NESTED_KEYS = {"estimator", "settings"}
_TRUSTED = ("fewshot", "sklearn")  # packages whose classes a spec may name by itself
_N_TEMPLATES = 4  # of an ensemble: each member costs a fit


def build_method(method: MethodSpec, data: DataSetInfo, seed: int) -> Estimator:
    """Build the estimator of a method, not fitted."""
    # The parameters `random_state` become the seed, also of nested estimators, and `verbose` is
    # off. `template`, `verbalizer`, `labels`, `descriptions` and `templates` that are None are
    # those of the data set.
    estimator = _construct(method.estimator, method.settings, f"method {method.name!r}")
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise BenchmarkError(
            f"method {method.name!r}: {method.estimator!r} gives a {type(estimator).__name__}, "
            "which has no fit and predict; name a classifier"
        )
    if hasattr(estimator, "get_params"):
        estimator.set_params(**_filled_in(estimator.get_params(deep=True), data, seed))
    _check_settings(estimator, method)
    return estimator


def needs_labels(estimator: Estimator) -> bool:
    """Return whether an estimator cannot be fitted without labels."""
    if isinstance(estimator, Pipeline):
        return needs_labels(estimator[-1])
    # The tags of other estimators, such as a grid search, do not cover the estimator inside.
    if not (isinstance(estimator, ClassifierMixin) and isinstance(estimator, BaseEstimator)):
        return True
    return bool(get_tags(estimator).target_tags.required)


def uses_labels(estimator: Estimator) -> bool:
    """Return whether an estimator learns from labels where there are any."""
    if isinstance(estimator, Pipeline):
        return uses_labels(estimator[-1])
    return not isinstance(estimator, TextClassifier) or estimator._uses_labels()


def takes_unlabeled(estimator: Estimator) -> bool:
    """Return whether ``fit`` takes further texts without labels, as ``unlabeled``."""
    return "unlabeled" in inspect.signature(estimator.fit).parameters


def load_models(estimator: Estimator) -> None:
    """Load the models that an estimator of this package names, so that ``fit`` need not."""
    # A process loads a model once, but no cell reuses what an earlier cell has encoded or learned.
    for part in parts(estimator):
        if isinstance(part, TextClassifier):
            part._load_models()


def parts(estimator: Estimator) -> Iterator[BaseEstimator]:
    """Yield an estimator and those nested in it."""
    if isinstance(estimator, BaseEstimator):
        yield estimator
        for value in estimator.get_params(deep=True).values():
            if isinstance(value, BaseEstimator):
                yield value


def _construct(path: str, settings: Mapping[str, Any], place: str) -> Estimator:
    target = _import(path, place)
    values = _OWN_SETTINGS.get(path, {}) | {
        name: _with_estimators(value, f"{place}: {name}") for name, value in settings.items()
    }
    arguments = {name: value for name, value in values.items() if "__" not in name}
    _check_arguments(target, arguments, place)
    try:
        estimator = target(**arguments)
        if isinstance(estimator, TextClassifier) and getattr(estimator, "estimator", 0) is None:
            # The default inside, for the data set and the spec to fill in.
            estimator.set_params(estimator=PromptClassifier())
        nested = {name: value for name, value in values.items() if "__" in name}
        return estimator.set_params(**nested) if nested else estimator
    except Exception as error:  # of the user's own code, perhaps
        raise BenchmarkError(f"{place}: {path!r} cannot be built: {error}") from error


def _import(path: str, place: str) -> Any:  # a class or a function
    module_name, _, name = SHORT_NAMES.get(path, path).partition(":")
    if not name or not module_name or module_name.startswith("."):
        raise BenchmarkError(
            f"{place}: no estimator {path!r}{did_you_mean(path, SHORT_NAMES)}; the short names are "
            f"{list(SHORT_NAMES)}, and import paths look like 'sklearn.svm:LinearSVC'"
        )
    try:
        module = import_module(module_name)
    except Exception as error:  # a module may raise anything
        raise BenchmarkError(f"{place}: {module_name!r} cannot be imported: {error}") from error
    target = getattr(module, name, None)
    if not callable(target):
        raise BenchmarkError(
            f"{place}: {module_name!r} has no class or function "
            f"{name!r}{did_you_mean(name, dir(module))}"
        )
    is_class = hasattr(target, "get_params") or is_dataclass(target)
    if _is_trusted(path) and not (inspect.isclass(target) and is_class):
        raise BenchmarkError(
            f"{place}: {path!r} is no class of an estimator; functions can only be named in "
            "modules of your own"
        )
    return target


def check_imports(spec: Spec) -> None:
    """Refuse import paths outside scikit-learn and this package, before anything is imported."""
    for method in spec.methods:
        for path in _paths({"estimator": method.estimator, "settings": method.settings}):
            if not _is_trusted(path):
                raise BenchmarkError(
                    f"method {method.name!r}: {path!r} is code of neither scikit-learn nor "
                    "fewshot, which a spec runs only if you allow it: allow_imports=True, or "
                    "--allow-imports on the command line"
                )


def _paths(value: Any) -> Iterator[str]:
    """Yield the paths of an estimator's description and of those nested in it."""
    if isinstance(value, Mapping):
        if isinstance(value.get("estimator"), str) and set(value) <= _NESTED_KEYS:
            yield value["estimator"]
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item)


def _is_trusted(path: str) -> bool:
    module = path.partition(":")[0]
    return ":" not in path or module.partition(".")[0] in _TRUSTED


def _with_estimators(value: Any, place: str) -> Any:
    """Replace mappings that describe an estimator by the estimator, also in lists."""
    if isinstance(value, Mapping) and "estimator" in value and set(value) <= _NESTED_KEYS:
        return _construct(value["estimator"], value.get("settings", {}), place)
    if isinstance(value, list):
        return [_with_estimators(item, place) for item in value]
    return value


def _check_arguments(target: Any, arguments: Mapping[str, Any], place: str) -> None:
    try:
        signature = inspect.signature(target)
    except ValueError:  # a class written in C; the call itself will fail
        return
    known = list(signature.parameters)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for name in arguments:
        if name not in known and not takes_any:
            raise BenchmarkError(
                f"{place}: {target.__name__} has no setting {name!r}{did_you_mean(name, known)}; "
                f"its settings are {known}"
            )


def _filled_in(parameters: Mapping[str, Any], data: DataSetInfo, seed: int) -> dict[str, Any]:
    by_name = {
        "template": data.templates[0],
        "verbalizer": data.verbalizer,
        "labels": list(data.labels),
        "descriptions": None if data.verbalizer is None else dict(data.verbalizer.label_words),
    }
    values: dict[str, Any] = {}
    for path, value in parameters.items():
        name = path.rsplit("__", 1)[-1]
        if name == "random_state":
            values[path] = seed
        elif name == "verbose":
            values[path] = False if isinstance(value, bool) else 0  # Pipeline takes no int
        elif name == "threshold" and value is None and data.has_several:
            values[path] = "auto"  # says that a text may have several labels, also without any
        elif name in by_name and value is None:
            values[path] = by_name[name]
        elif name == "templates" and value is None:
            own = parameters.get(path.removesuffix(name) + "estimator__template")
            values[path] = _templates(own, data)
    return values


def _templates(own: str | Template | None, data: DataSetInfo) -> list[str | Template] | None:
    """Return the templates of an ensemble: that of its estimator, then the data set's."""
    text = own.text if isinstance(own, Template) else own
    first: list[str | Template] = [] if own is None else [own]
    templates = [*first, *(t for t in data.templates if t.text != text)][:_N_TEMPLATES]
    return templates if len(templates) > 1 else None


def _check_settings(estimator: Estimator, method: MethodSpec) -> None:
    """Raise if a candidate of the grid cannot be set, or there is no such tuning strategy."""
    for candidate in [{}, *candidates(method.grid)]:
        try:
            changed = clone(estimator).set_params(**candidate) if candidate else estimator
            for part in parts(changed):
                if isinstance(part, PromptClassifier):
                    resolve_tuning(part.tuning)
        except (TypeError, ValueError, AttributeError) as error:
            problem = f"grid: {candidate} cannot be set" if candidate else "wrong setting"
            raise BenchmarkError(f"method {method.name!r}: {problem}: {error}") from error
