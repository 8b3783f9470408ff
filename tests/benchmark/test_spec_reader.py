"""Reading specs: defaults filled in, values with their types, errors that name the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fewshot.benchmark.spec import MethodSpec
from fewshot.benchmark.spec_reader import load_spec
from fewshot.errors import BenchmarkError, FileError


def minimal(**changes: Any) -> dict[str, Any]:
    content = {"methods": ["majority"], "data_sets": ["bbc_news"], "shots": [8], "seeds": [0]}
    return content | changes


def write(folder: Path, text: str) -> Path:
    path = folder / "my spec.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_majority_tfidf_and_setfit_are_always_there_and_the_costly_one_comes_last() -> None:
    spec = load_spec(minimal(methods=[{"name": "P", "estimator": "prompt"}]))

    assert [method.name for method in spec.methods] == ["Majority", "TF-IDF", "P", "SetFit"]


def test_a_baseline_with_settings_takes_the_place_of_the_default_one() -> None:
    mine = {"name": "SetFit, 2 epochs", "estimator": "setfit", "settings": {"num_epochs": 2}}

    spec = load_spec(minimal(methods=[mine]))

    assert [method.name for method in spec.methods] == ["Majority", "TF-IDF", "SetFit, 2 epochs"]


def test_numbers_of_a_file_are_read_as_json_and_all_else_is_text(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
methods:
  - name: P
    estimator: prompt
    settings:
      tuning__learning_rate: 1e-4
      tuning__patience: null
      flag: true
      word: no
      one_word: [1, "a b", NaN]
      verbalizer: {a: [1, no], b: [true]}
      outer__template: 7
    grid: {tuning__num_epochs: [4, 8]}
data_sets: [bbc_news]
shots: [8]
seeds: [0]
""",
    )

    (method,) = [m for m in load_spec(path).methods if m.name == "P"]

    assert method.settings == {
        "tuning__learning_rate": 1e-4,
        "tuning__patience": None,
        "flag": True,
        "word": "no",
        "one_word": [1, "a b", "NaN"],
        "verbalizer": {"a": ["1", "no"], "b": ["true"]},
        "outer__template": "7",
    }
    assert method.grid == {"tuning__num_epochs": [4, 8]}


def test_a_file_without_a_name_has_that_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "methods: [majority]\ndata_sets: [bbc_news]\nshots: [8]\nseeds: [0]\n")

    assert load_spec(path).name == "my spec"


def test_a_file_and_a_mapping_with_the_same_content_have_the_same_hash(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "name: N\nmethods: [majority]\ndata_sets: [bbc_news]\nshots: [8]\nseeds: [0]\n",
    )

    assert load_spec(path).hash == load_spec(minimal(name="N")).hash
    assert load_spec(path).hash != load_spec(minimal(name="N", seeds=[1])).hash


def test_a_data_set_may_have_its_own_shots_seeds_and_size() -> None:
    own = {"shots": [10, 0], "seeds": [1], "test_size": "all", "metric": "ece"}
    entry = {"name": "list_rte", **own}

    first, second = load_spec(minimal(data_sets=[entry, "bbc_news"], test_size=50)).data_sets

    assert (first.shots, first.seeds, first.test_size, first.metric) == ((10, 0), (1,), None, "ece")
    assert (second.shots, second.seeds, second.test_size) == ((8,), (0,), 50)


def test_what_a_data_set_says_of_its_texts_is_kept_for_the_loader() -> None:
    entry = {"name": "mine", "train": "a.csv", "text": "t", "label": "l", "template": "{t} {mask}"}

    (data,) = load_spec(minimal(data_sets=[entry])).data_sets

    assert data.source == {"train": "a.csv", "text": "t", "label": "l"}
    assert data.template == "{t} {mask}"


def test_a_spec_is_returned_as_it_is() -> None:
    spec = load_spec(minimal())

    assert load_spec(spec) is spec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": [0]}, "unknown key 'seed'.*did you mean 'seeds'"),
        ({"methods": []}, "methods: expected a list"),
        ({"methods": [3]}, "methods: expected 'key: value', got 3"),
        ({"methods": [{"name": "P"}]}, "the key 'estimator' is missing"),
        (
            {"methods": [{"name": "P", "estimator": "prompt", "setings": {}}]},
            "unknown key 'setings'.*did you mean 'settings'",
        ),
        ({"methods": ["prompt", "prompt"]}, "methods: 'prompt' is duplicated"),
        (
            {"methods": [{"name": "P", "estimator": "prompt", "grid": {"tuning": "head"}}]},
            "grid: tuning: expected a list",
        ),
        (
            {"methods": [{"name": "P", "estimator": "p", "settings": {"a__random_state": 1}}]},
            "random_state is the seed of a cell",
        ),
        (
            {"methods": [{"name": "P", "estimator": "p", "settings": {"a": object()}}]},
            "method 'P': settings have JSON's types",
        ),
        ({"data_sets": [{"shots": [1]}]}, "the key 'name' is missing"),
        ({"data_sets": ["bbc_news", "bbc_news"]}, "data_sets: 'bbc_news' is duplicated"),
        (
            {"data_sets": [{"name": "bbc_news", "metric": "acuracy"}]},
            "no metric 'acuracy'.*did you mean 'accuracy'",
        ),
        ({"data_sets": [{"name": "bbc_news", "verbalizer": ["a"]}]}, "verbalizer: expected 'key"),
        ({"shots": ["eight"]}, "shots: expected a whole number, 0 or more, got 'eight'"),
        ({"shots": [-1]}, "shots: expected a whole number, 0 or more, got -1"),
        ({"shots": [8, 8]}, "shots: '8' is duplicated"),
        ({"seeds": 5}, "seeds: expected a list"),
        ({"seeds": [True]}, "seeds: expected a whole number"),
        ({"test_size": 0}, "test_size: expected a whole number, 1 or more, got 0"),
        ({"validation_splits": 1.5}, "validation_splits: expected a whole number"),
        ({"name": " "}, "name: expected text"),
        (
            {"left_out": [{"method": "Setfit", "reason": "slow"}]},
            "no 'Setfit' in this spec.*did you mean",
        ),
        (
            {"left_out": [{"method": "SetFit", "reason": "slow", "data_sets": ["bbc_new"]}]},
            "no 'bbc_new' in this spec.*did you mean 'bbc_news'",
        ),
        ({"left_out": [{"method": "SetFit"}]}, "the key 'reason' is missing"),
        ({"left_out": "SetFit"}, "left_out: expected a list such as .*got 'SetFit'"),
        ({"left_out": None}, "left_out: expected a list such as .*got None"),
        ({"data_sets": [{"name": "bbc_news", "metric": ["ece"]}]}, r"no metric \['ece'\]"),
        ({"seeds": [0, 2**32]}, "seeds: 4294967296 is too large"),
        ({"unlabeled_texts": 0}, "unlabeled_texts: expected a whole number, 1 or more, got 0"),
    ],
)
def test_a_mistake_is_reported(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        load_spec(minimal(**changes))


@pytest.mark.parametrize("key", ["shots", "seeds"])
def test_shots_and_seeds_are_needed(key: str) -> None:
    content = minimal()
    del content[key]

    with pytest.raises(BenchmarkError, match=f"data set 'bbc_news': no {key}; add"):
        load_spec(content)


def test_a_file_that_is_no_yaml_or_missing_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.yaml cannot be read: there is no such file"):
        load_spec(tmp_path / "none.yaml")
    with pytest.raises(BenchmarkError, match="is duplicated"):
        load_spec(write(tmp_path, "name: a\nname: b\n"))


def test_the_specs_of_the_repository_are_read() -> None:
    folder = Path(__file__).parents[2] / "benchmarks" / "specs"

    names = {path.stem: load_spec(path) for path in folder.glob("*.yaml")}

    assert {"quick", "first", "full"} <= set(names)
    assert MethodSpec("SetFit", "setfit") in names["full"].methods


def test_the_spec_of_the_documentation_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "benchmark.md").read_text(
        encoding="utf-8"
    )

    spec = load_spec(write(tmp_path, text.split("```yaml\n")[1].split("```")[0]))

    methods = {method.name: method for method in spec.methods}
    assert methods["Prompt, full"].settings == {"tuning": "full", "tuning__num_epochs": 4}
    assert methods["Prompt, head"].grid == {"tuning__C": [1, 10], "aggregation": ["mean", "max"]}
    tickets = spec.data_sets[-1]
    assert tickets.verbalizer == {"billing": ["money", "invoices"], "no answer": ["nothing"]}
    assert [entry.reason for entry in spec.left_out] == ["half an hour per cell on our machine"]


@pytest.mark.parametrize("source", [5, None, ["spec.yaml"]])
def test_what_is_neither_a_file_nor_a_mapping_is_no_spec(source: Any) -> None:
    with pytest.raises(BenchmarkError, match="a spec is a YAML file or a mapping"):
        load_spec(source)
