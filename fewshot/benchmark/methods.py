"""Methods as estimators: by a short name or an import path, with settings and a seed."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

import fewshot
from fewshot.benchmark.selection import candidates
from fewshot.benchmark.spec import MethodSpec
from fewshot.classifiers.fine_tune import FineTuneClassifier
from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.base import SemiSupervisedClassifier
from fewshot.classifiers.semi_supervised.pcp import (
    PCPClassifier,
    forget_pretraining,
)
from fewshot.classifiers.setfit import SetFitClassifier
from fewshot.errors import BenchmarkError, did_you_mean
from fewshot.models.loading import load_masked_lm
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.tuning import resolve_tuning

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_SUFFIX = "Classifier"
_WITH_HYPHEN = {"finetune": "fine-tune"}


def _short_name(class_name: str) -> str:
    stem = class_name.removesuffix(_SUFFIX).lower()
    return _WITH_HYPHEN.get(stem, stem)


# Import paths: of the classifiers that the package exports, and of the majority.
SHORT_NAMES: dict[str, str] = {
    "majority": "sklearn.dummy:DummyClassifier",
    **{_short_name(n): f"fewshot:{n}" for n in fewshot.__all__ if n.endswith(_SUFFIX)},
}
# Not "most_frequent", whose probabilities are 0 and 1: this one's are the classes' shares.
_OWN_SETTINGS: dict[str, dict[str, Any]] = {"majority": {"strategy": "prior"}}
_NESTED_KEYS = {"estimator", "settings"}
_N_PATTERNS = 4  # of an ensemble: members cost a fit each
_ENCODERS_KEPT = 2

# Any: an estimator, for which scikit-learn has no type; it need not be a BaseEstimator.
Estimator = Any


@dataclass(frozen=True)
class Defaults:
    """What a data set gives to estimators that take it and were not given their own.

    Parameters
    ----------
    templates : tuple of Template
        The default one first.
    verbalizer : Verbalizer
    labels : tuple of str
    """

    templates: tuple[Template, ...]
    verbalizer: Verbalizer
    labels: tuple[str, ...]


def build_method(method: MethodSpec, defaults: Defaults, seed: int) -> Estimator:
    """Build the estimator of a method, not fitted.

    Its parameters ``random_state``, those of nested estimators too, are the seed; ``verbose`` is
    off; ``template``, ``verbalizer`` and ``labels`` that are None are those of the data set, and so
    are ``templates`` (the first four) of a set that has several.

    Parameters
    ----------
    method : MethodSpec
    defaults : Defaults
    seed : int

    Returns
    -------
    estimator

    Raises
    ------
    BenchmarkError
        If there is no such estimator, or a setting that it does not have.
    """
    estimator = _construct(method.estimator, method.settings, f"method {method.name!r}")
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict")):
        raise BenchmarkError(
            f"method {method.name!r}: {method.estimator!r} gives a {type(estimator).__name__}, "
            "which has no fit and predict; name a classifier"
        )
    if hasattr(estimator, "get_params"):
        estimator.set_params(**_filled_in(estimator.get_params(deep=True), defaults, seed))
    _check_settings(estimator, method)
    return estimator


def needs_labels(estimator: Estimator) -> bool:
    """Tell whether an estimator cannot be fitted without labels."""
    if isinstance(estimator, SemiSupervisedClassifier):
        return False
    if isinstance(estimator, Pipeline):
        return needs_labels(estimator[-1])
    # The tags of others, such as a grid search, do not tell what the estimator inside needs.
    if not (isinstance(estimator, ClassifierMixin) and isinstance(estimator, BaseEstimator)):
        return True
    return bool(get_tags(estimator).target_tags.required)


def takes_unlabeled(estimator: Estimator) -> bool:
    """Tell whether ``fit`` takes texts without labels besides the others, as ``unlabeled``."""
    return "unlabeled" in inspect.signature(estimator.fit).parameters


def load_models(estimator: Estimator) -> None:
    """Load the models that an estimator of this package names, so that ``fit`` need not.

    A process loads a model once. What was learned or encoded before is not shared: each call
    gives a masked language model that has encoded nothing yet, and forgets pre-trained ones.
    """
    for part in parts(estimator):
        if isinstance(part, PCPClassifier):
            forget_pretraining()
        if isinstance(part, (PromptClassifier, FineTuneClassifier)):
            gc.collect()  # what an earlier fit has left would count as memory of this one
            lm = load_masked_lm(part.model)
            part.set_params(model=MaskedLM(lm.model, lm.tokenizer, name=lm.name))
        elif isinstance(part, SetFitClassifier):
            gc.collect()
            import_module("fewshot.classifiers.pair_training")  # loads setfit, which takes seconds
            part.set_params(model=_load_sentence_encoder(str(part.model)))


def parts(estimator: Estimator) -> Iterator[BaseEstimator]:
    """Yield an estimator and those nested in it."""
    if isinstance(estimator, BaseEstimator):
        yield estimator
        for value in estimator.get_params(deep=True).values():
            if isinstance(value, BaseEstimator):
                yield value


@lru_cache(maxsize=_ENCODERS_KEPT)
def _load_sentence_encoder(name: str) -> SentenceTransformer:
    from fewshot.models.sentence_encoder import SentenceEncoder  # loads sentence-transformers

    return SentenceEncoder.load(name, None).transformer


def _construct(path: str, settings: Mapping[str, Any], where: str) -> Estimator:
    target = _import(path, where)
    values = _own_settings(path, target) | {
        name: _with_estimators(value, f"{where}: {name}") for name, value in settings.items()
    }
    arguments = {name: value for name, value in values.items() if "__" not in name}
    _check_arguments(target, arguments, where)
    try:
        estimator = target(**arguments)
        nested = {name: value for name, value in values.items() if "__" in name}
        return estimator.set_params(**nested) if nested else estimator
    except Exception as error:  # of the user's own code, perhaps
        raise BenchmarkError(f"{where}: {path!r} cannot be built: {error}") from error


def _own_settings(path: str, target: Any) -> dict[str, Any]:
    if isinstance(target, type) and issubclass(target, SemiSupervisedClassifier):
        return {"estimator": PromptClassifier()}  # gets what the data set and the spec say
    return _OWN_SETTINGS.get(path, {})


def _import(path: str, where: str) -> Any:  # a class or a function
    module_name, _, name = SHORT_NAMES.get(path, path).partition(":")
    if not name or not module_name or module_name.startswith("."):
        raise BenchmarkError(
            f"{where}: no estimator {path!r}{did_you_mean(path, SHORT_NAMES)}; the short names are "
            f"{list(SHORT_NAMES)}, an import path is such as 'sklearn.svm:LinearSVC'"
        )
    try:
        module = import_module(module_name)
    except Exception as error:  # a module may raise anything
        raise BenchmarkError(f"{where}: {module_name!r} cannot be imported: {error}") from error
    target = getattr(module, name, None)
    if not callable(target):
        raise BenchmarkError(
            f"{where}: {module_name!r} has no class or function "
            f"{name!r}{did_you_mean(name, dir(module))}"
        )
    return target


def _with_estimators(value: Any, where: str) -> Any:
    """Replace mappings that describe an estimator by the estimator, in lists too."""
    if isinstance(value, Mapping) and "estimator" in value and set(value) <= _NESTED_KEYS:
        return _construct(value["estimator"], value.get("settings", {}), where)
    if isinstance(value, list):
        return [_with_estimators(item, where) for item in value]
    return value


def _check_arguments(target: Any, arguments: Mapping[str, Any], where: str) -> None:
    try:
        signature = inspect.signature(target)
    except ValueError:  # a class written in C; the call itself will tell
        return
    known = list(signature.parameters)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for name in arguments:
        if name not in known and not takes_any:
            raise BenchmarkError(
                f"{where}: {target.__name__} has no setting {name!r}{did_you_mean(name, known)}; "
                f"its settings are {known}"
            )


def _filled_in(parameters: Mapping[str, Any], defaults: Defaults, seed: int) -> dict[str, Any]:
    by_name = {
        "template": defaults.templates[0],
        "verbalizer": defaults.verbalizer,
        "labels": list(defaults.labels),
    }
    values: dict[str, Any] = {}
    for path, value in parameters.items():
        name = path.rsplit("__", 1)[-1]
        if name == "random_state":
            values[path] = seed
        elif name == "verbose":
            values[path] = False if isinstance(value, bool) else 0  # Pipeline takes no int
        elif name in by_name and value is None:
            values[path] = by_name[name]
        elif name == "templates" and value is None:
            own = parameters.get(path.removesuffix(name) + "estimator__template")
            values[path] = _patterns(own, defaults)
    return values


def _patterns(own: str | Template | None, defaults: Defaults) -> list[str | Template] | None:
    """Return the patterns of an ensemble: that of its estimator first, then the data set's."""
    text = own.text if isinstance(own, Template) else own
    first: list[str | Template] = [] if own is None else [own]
    patterns = [*first, *(t for t in defaults.templates if t.text != text)][:_N_PATTERNS]
    return patterns if len(patterns) > 1 else None


def _check_settings(estimator: Estimator, method: MethodSpec) -> None:
    """Raise if a candidate of the grid cannot be set, or a prompt has no such tuning."""
    for candidate in [{}, *candidates(method.grid)]:
        try:
            changed = clone(estimator).set_params(**candidate) if candidate else estimator
            for part in parts(changed):
                if isinstance(part, PromptClassifier):
                    resolve_tuning(part.tuning)
        except (TypeError, ValueError, AttributeError) as error:
            place = f"grid: {candidate} cannot be set" if candidate else "wrong setting"
            raise BenchmarkError(f"method {method.name!r}: {place}: {error}") from error
