"""Codecs of objects of known classes: estimators and frozen dataclasses.

A class that may be made at load is a line of `CLASSES`; that is all that a new one needs.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

from sklearn import config_context
from sklearn.base import BaseEstimator

from fewshot.errors import PersistenceError
from fewshot.prompting.verbalizer import Verbalizer
from fewshot.saving.codec import Codec, Json, Reader, Writer

# Every class that a saved folder may name, and its module, which is imported when it is needed.
CLASSES: dict[str, str] = {
    "Adapter": "fewshot.tuning",
    "BitFit": "fewshot.tuning",
    "CorpusTerms": "fewshot.knowledge",
    "CrossEncoderFilter": "fewshot.knowledge",
    "DePT": "fewshot.tuning",
    "EPT": "fewshot.tuning",
    "EmbeddingsHead": "fewshot.tuning",
    "FGM": "fewshot.tuning",
    "FineTuneClassifier": "fewshot.classifiers.fine_tune",
    "Full": "fewshot.tuning",
    "GivenTerms": "fewshot.knowledge",
    "Half": "fewshot.tuning",
    "Head": "fewshot.tuning",
    "IAPT": "fewshot.tuning",
    "LMBFFVerbalizer": "fewshot.knowledge",
    "LabelEmbeddings": "fewshot.scoring.prototypes",
    "LabelWords": "fewshot.scoring.label_words",
    "LastLayers": "fewshot.tuning",
    "LayerNorm": "fewshot.tuning",
    "LiSTClassifier": "fewshot.classifiers.semi_supervised.list",
    "LoRA": "fewshot.tuning",
    "Lookup": "fewshot.knowledge",
    "MetaWeights": "fewshot.classifiers.semi_supervised.meta_weights",
    "ModelNeighbours": "fewshot.knowledge",
    "NoTuning": "fewshot.tuning",
    "PCPClassifier": "fewshot.classifiers.semi_supervised.pcp",
    "PETClassifier": "fewshot.classifiers.semi_supervised.pet",
    "ParameterReport": "fewshot.classifiers.parameter_report",
    "Perfect": "fewshot.tuning",
    "PetalVerbalizer": "fewshot.knowledge",
    "Prefix": "fewshot.tuning",
    "Pretraining": "fewshot.classifiers.semi_supervised.pretraining",
    "PromptClassifier": "fewshot.classifiers.prompt",
    "PrototypeVerbalizer": "fewshot.knowledge",
    "SMART": "fewshot.tuning",
    "SciPromptSoftVerbalizer": "fewshot.knowledge",
    "SciPromptVerbalizer": "fewshot.knowledge",
    "SetFitClassifier": "fewshot.classifiers.setfit",
    "SoftPrompt": "fewshot.tuning",
    "SoftVerbalizer": "fewshot.knowledge",
    "StateHead": "fewshot.tuning.task",
    "Template": "fewshot.prompting.template",
    "TemplateConsistency": "fewshot.tuning",
    "TermFile": "fewshot.knowledge",
    "TfidfClassifier": "fewshot.classifiers.tfidf",
    "Training": "fewshot.tuning",
    "VocabularyWords": "fewshot.knowledge",
    "WordNet": "fewshot.knowledge",
}

_ROUTING = "_metadata_request"  # scikit-learn's note of what set_fit_request was told
_ROUTED = ("fit", "score")  # methods that take more than texts and labels


def _find_class(name: str) -> type[Any]:
    if name not in CLASSES:
        raise PersistenceError(
            f"the saved estimator names the unknown class {name!r}; known are {sorted(CLASSES)}. "
            "If it was saved by a newer version, upgrade fewshot"
        )
    found: type[Any] = getattr(import_module(CLASSES[name]), name)
    return found


def _is_known(value: object) -> bool:
    name = type(value).__name__
    return name in CLASSES and _find_class(name) is type(value)


def _is_known_dataclass(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, (type, BaseEstimator)) and _is_known(value)


def _encode_dataclass(value: Any, writer: Writer, where: str) -> Json:
    names = [field.name for field in fields(value) if field.init]
    values = {name: writer.encode(getattr(value, name), f"{where}.{name}") for name in names}
    return {"class": type(value).__name__, "values": values}


def _decode_dataclass(content: Any, reader: Reader) -> Any:
    return _make(content["class"], content["values"], reader)


def _encode_estimator(value: BaseEstimator, writer: Writer, where: str) -> Json:
    name = type(value).__name__
    if not _is_known(value):
        raise PersistenceError(
            f"{where} is a {type(value).__module__}.{name}, which is none of the classes that can "
            f"be saved: {sorted(CLASSES)}"
        )
    params = value.get_params(deep=False)
    learned = {
        name: attribute
        for name, attribute in value.__getstate__().items()
        if name not in params and name != _ROUTING
    }
    node: dict[str, Json] = {
        "class": name,
        "params": {key: writer.encode(item, f"{where}.{key}") for key, item in params.items()},
        "fitted": {key: writer.encode(item, f"{where}.{key}") for key, item in learned.items()},
    }
    requests = _requests(value)
    if requests:
        node["requests"] = writer.encode(requests, f"requests of {where}")
    return node


def _decode_estimator(content: Any, reader: Reader) -> BaseEstimator:
    estimator = _make(content["class"], content["params"], reader)
    fitted = {name: reader.decode(node) for name, node in content["fitted"].items()}
    estimator.__setstate__(fitted)
    if "requests" in content:
        _set_requests(estimator, reader.decode(content["requests"]))
    return estimator


def _requests(estimator: BaseEstimator) -> dict[str, dict[str, Any]]:
    """Return what was set by ``set_fit_request`` and its kin, by method."""
    if _ROUTING not in vars(estimator):
        return {}
    routing = estimator.get_metadata_routing()
    found = {
        method: {
            name: wanted
            for name, wanted in getattr(routing, method).requests.items()
            if wanted is not None  # what is not asked for either way
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
    found = _find_class(name)
    decoded = {key: reader.decode(node) for key, node in values.items()}
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
        lambda value: type(value) is Verbalizer,
        lambda value, writer, where: writer.encode(value.to_dict(), where),
        lambda content, reader: Verbalizer.from_dict(reader.decode(content)),
    ),
    Codec("dataclass", _is_known_dataclass, _encode_dataclass, _decode_dataclass),
    Codec(
        "estimator",
        lambda value: isinstance(value, BaseEstimator),
        _encode_estimator,
        _decode_estimator,
    ),
)
