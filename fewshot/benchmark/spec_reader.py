"""Read a spec from YAML or a mapping; errors name the place in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fewshot.benchmark.metrics import METRICS
from fewshot.benchmark.spec import (
    UNLABELED_TEXTS,
    VALIDATION_SPLITS,
    DataSetSpec,
    LeftOut,
    MethodSpec,
    Spec,
)
from fewshot.data.files import parse_json, user_path
from fewshot.errors import BenchmarkError, VerbalizerError, did_you_mean
from fewshot.prompting.yaml_files import check_keys, read_yaml

# Every benchmark has them: a number means little without them.
_BASELINES = {"majority": "Majority", "tfidf": "TF-IDF", "setfit": "SetFit"}
_RANKS, _OTHER_RANK = {"majority": 0, "tfidf": 1, "setfit": 3}, 2  # cheap methods run first
_OPTIONAL_KEYS = (
    "name", "shots", "seeds", "test_size", "left_out", "validation_splits", "unlabeled_texts",
)  # fmt: skip
# The keys of a data set that do not describe the source of its texts.
_PROTOCOL_KEYS = (
    "name", "shots", "seeds", "test_size", "unlabeled_texts", "metric", "template", "verbalizer",
)  # fmt: skip
_WORDS = ("template", "verbalizer")  # settings of text, in which a number is a word
_LARGEST_SEED = 2**32 - 1  # of numpy and scikit-learn


def load_spec(source: str | Path | Mapping[str, Any] | Spec) -> Spec:
    """Read the spec of a benchmark, and check it.

    Parameters
    ----------
    source : str, Path, mapping or Spec
        A YAML file, or a mapping with the same keys; see docs/reference/benchmark.md. In a file,
        values of ``settings`` and ``grid`` that are JSON numbers, ``true``, ``false`` or ``null``
        are read as such, except in templates and verbalizers; everything else is text, so that
        ``no`` is a word.

    Returns
    -------
    Spec

    Raises
    ------
    BenchmarkError
        If something in it is unknown, missing or out of range.

    See Also
    --------
    run : Run a spec.

    Examples
    --------
    >>> spec = load_spec({
    ...     "methods": [{"name": "Prompt", "estimator": "prompt"}],
    ...     "data_sets": ["bbc_news"], "shots": [8], "seeds": [0, 1],
    ... })
    >>> [method.name for method in spec.methods]
    ['Majority', 'TF-IDF', 'Prompt', 'SetFit']
    """
    if isinstance(source, Spec):
        return source
    if isinstance(source, Mapping):
        return _read_spec(source, "the spec")
    if not isinstance(source, (str, Path)):
        raise BenchmarkError(f"a spec is a YAML file or a mapping, got {source!r}")
    path = user_path(source)
    try:
        content = read_yaml(path)
    except VerbalizerError as error:
        raise BenchmarkError(str(error)) from error
    return _read_spec({"name": path.stem} | _typed(content), str(path))


def _typed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Read numbers in the settings and grids of methods: the values of the file are text."""
    methods = content.get("methods")
    if not isinstance(methods, list):
        return dict(content)
    typed = [
        {key: _scalars(item) if key in ("settings", "grid") else item for key, item in m.items()}
        if isinstance(m, Mapping)
        else m
        for m in methods
    ]
    return dict(content) | {"methods": typed}


def _scalars(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: item if str(key).rsplit("__", 1)[-1] in _WORDS else _scalars(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_scalars(item) for item in value]
    try:
        return parse_json(value, parse_constant=str)  # NaN and Infinity stay words
    except ValueError:
        return value


def _read_spec(content: Mapping[str, Any], source: str) -> Spec:
    check_keys(content, ("methods", "data_sets"), _OPTIONAL_KEYS, source, BenchmarkError)
    methods = [_method(item, source) for item in _list(content["methods"], f"{source}: methods")]
    data_sets = tuple(
        _data_set(item, content, source)
        for item in _list(content["data_sets"], f"{source}: data_sets")
    )
    spec = Spec(
        name=_text(content.get("name", "Benchmark"), f"{source}: name"),
        methods=_with_baselines(methods),
        data_sets=data_sets,
        validation_splits=_whole(
            content.get("validation_splits", VALIDATION_SPLITS), 1, f"{source}: validation_splits"
        ),
        unlabeled_texts=_whole(
            content.get("unlabeled_texts", UNLABELED_TEXTS), 1, f"{source}: unlabeled_texts"
        ),
    )
    _check_distinct([method.name for method in spec.methods], f"{source}: methods")
    _check_distinct([data.name for data in spec.data_sets], f"{source}: data_sets")
    _check_json(spec, source)
    if "left_out" not in content or content["left_out"] == []:
        return spec
    entries = _list(content["left_out"], f"{source}: left_out")
    return replace(spec, left_out=tuple(_left_out(item, spec, source) for item in entries))


def _with_baselines(methods: Sequence[MethodSpec]) -> tuple[MethodSpec, ...]:
    """Add the missing baselines, and put cheap methods first."""
    given = {method.estimator for method in methods}
    missing = [MethodSpec(name, kind) for kind, name in _BASELINES.items() if kind not in given]
    # The order of those of one rank stays.
    return tuple(sorted([*methods, *missing], key=lambda m: _RANKS.get(m.estimator, _OTHER_RANK)))


def _method(item: object, source: str) -> MethodSpec:
    is_name = isinstance(item, str)
    entry = {"name": _BASELINES.get(str(item), item), "estimator": item} if is_name else item
    entry = _mapping(entry, f"{source}: methods")
    required, place = ("name", "estimator"), f"{source}: methods"
    check_keys(entry, required, ("settings", "grid"), place, BenchmarkError)
    name = _text(entry["name"], f"{source}: methods: name")
    place = f"{source}: method {name!r}"
    settings = {
        str(key): value
        for key, value in _mapping(entry.get("settings", {}), f"{place}: settings").items()
    }
    grid = {
        str(key): list(_list(values, f"{place}: grid: {key}"))
        for key, values in _mapping(entry.get("grid", {}), f"{place}: grid").items()
    }
    if any(key.rsplit("__", 1)[-1] == "random_state" for key in [*settings, *grid]):
        raise BenchmarkError(f"{place}: random_state is the seed of a cell; list 'seeds' instead")
    return MethodSpec(name, _text(entry["estimator"], f"{place}: estimator"), settings, grid)


def _data_set(item: object, defaults: Mapping[str, Any], source: str) -> DataSetSpec:
    given = {"name": item} if isinstance(item, str) else item
    entry = dict(_mapping(given, f"{source}: data_sets"))
    if "name" not in entry:
        raise BenchmarkError(f"{source}: data_sets: the key 'name' is missing in {entry}")
    name = _text(entry["name"], f"{source}: data_sets: name")
    place = f"{source}: data set {name!r}"
    used = {key: defaults[key] for key in ("shots", "seeds", "test_size") if key in defaults}
    entry = used | entry
    for key in ("shots", "seeds"):
        if key not in entry:
            raise BenchmarkError(
                f"{place}: no {key}; add '{key}: [...]' to it or for all data sets"
            )
    metric = entry.get("metric")
    if metric is not None and metric not in list(METRICS):  # a list, since it may be anything
        raise BenchmarkError(
            f"{place}: no metric {metric!r}{did_you_mean(str(metric), METRICS)}; "
            f"the metrics are {list(METRICS)}"
        )
    test_size, verbalizer = entry.get("test_size"), entry.get("verbalizer")
    is_capped = test_size not in (None, "all")
    return DataSetSpec(
        name=name,
        shots=_counts(entry["shots"], f"{place}: shots"),
        seeds=_seeds(entry["seeds"], f"{place}: seeds"),
        test_size=_whole(test_size, 1, f"{place}: test_size") if is_capped else None,
        metric=metric,
        template=entry.get("template"),
        verbalizer=None
        if verbalizer is None
        else dict(_mapping(verbalizer, f"{place}: verbalizer")),
        source={key: value for key, value in entry.items() if key not in _PROTOCOL_KEYS},
        unlabeled_texts=_whole(entry["unlabeled_texts"], 1, f"{place}: unlabeled_texts")
        if "unlabeled_texts" in entry
        else None,
    )


def _left_out(item: object, spec: Spec, source: str) -> LeftOut:
    place = f"{source}: left_out"
    entry = _mapping(item, place)
    check_keys(entry, ("method", "reason"), ("data_sets",), place, BenchmarkError)
    data_sets = tuple(_list(entry["data_sets"], place)) if "data_sets" in entry else ()
    known_methods = [method.name for method in spec.methods]
    known_data_sets = [data.name for data in spec.data_sets]
    for name, known in [(entry["method"], known_methods)] + [
        (data_set, known_data_sets) for data_set in data_sets
    ]:
        if name not in known:
            raise BenchmarkError(
                f"{place}: no {name!r} in this spec{did_you_mean(str(name), known)}; "
                f"there are {known}"
            )
    return LeftOut(entry["method"], _text(entry["reason"], f"{place}: reason"), data_sets)


def _check_distinct(names: Sequence[str], place: str) -> None:
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise BenchmarkError(f"{place}: {twice[0]!r} is duplicated; leave one out or rename it")


def _check_json(spec: Spec, place: str) -> None:
    for method in spec.methods:
        try:
            json.dumps([method.settings, method.grid], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise BenchmarkError(
                f"{place}: method {method.name!r}: settings have JSON's types ({error}); "
                "write an estimator as {'estimator': import path, 'settings': {...}}"
            ) from error


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BenchmarkError(f"{place}: expected 'key: value', got {value!r}")
    return value


def _list(value: object, place: str) -> list[Any]:
    if not isinstance(value, (list, tuple)) or not value:
        raise BenchmarkError(f"{place}: expected a list such as [value, ...], got {value!r}")
    return list(value)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BenchmarkError(f"{place}: expected text, got {value!r}")
    return value


def _whole(value: object, least: int, place: str) -> int:
    try:
        number = -1 if isinstance(value, (bool, float)) else int(str(value))
    except ValueError:
        number = -1
    if number < least:
        raise BenchmarkError(f"{place}: expected a whole number, {least} or more, got {value!r}")
    return number


def _counts(value: object, place: str) -> tuple[int, ...]:
    counts = tuple(_whole(item, 0, place) for item in _list(value, place))
    _check_distinct([str(count) for count in counts], place)
    return counts


def _seeds(value: object, place: str) -> tuple[int, ...]:
    seeds = _counts(value, place)
    if max(seeds) > _LARGEST_SEED:
        raise BenchmarkError(f"{place}: {max(seeds)} is too large; seeds go to {_LARGEST_SEED}")
    return seeds
