"""The real data sets, where the folder of the project's shared data is there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from fewshot.benchmark import DataSet, load_data_set
from fewshot.benchmark.data_sets.splits import text_key
from fewshot.benchmark.data_sets.tables import read_table

SHARED = Path(__file__).parents[4] / "shared" / "data"
LIST = ("list_sst2", "list_subj", "list_rte")
NEWS = ("masakhanews_eng", "masakhanews_pcm", "masakhanews_swa")

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs {SHARED}")

_loaded: dict[str, DataSet] = {}


def load(name: str) -> DataSet:
    if name not in _loaded:
        _loaded[name] = load_data_set(name, SHARED)
    return _loaded[name]


# name: test texts, labels, shots of the protocol, seeds of the protocol
SIZES = {
    "ag_news": (1000, 4, None, None),
    "ag_news_official": (7600, 4, None, None),
    "masakhanews_eng": (948, 6, (5, 10, 20, 50), None),
    "masakhanews_pcm": (305, 5, (5, 10, 20, 50), None),
    "masakhanews_swa": (476, 7, (5, 10, 20, 50), None),
    "list_sst2": (872, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_subj": (2000, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_rte": (277, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_sst2_clue": (210, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_subj_clue": (210, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_rte_clue": (210, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "emerging_nlp": (420, 21, None, None),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_those_of_the_publications(name: str) -> None:
    data = load(name)

    assert (len(data.test), len(data.labels), data.shots, data.seeds) == SIZES[name]


@pytest.mark.parametrize("name", SIZES)
def test_training_test_and_unlabelled_texts_are_disjoint_and_shots_nested(name: str) -> None:
    data = load(name)
    seed = data.seeds[1] if data.seeds else 1
    tested = {text_key(text) for text in data.test.texts}
    smaller: set[str] = set()
    for k in (0, *(data.shots or (1, 4, 8))):
        split = data.split(k, seed)
        train = {text_key(text) for text in split.train_texts}
        unlabeled = {text_key(text) for text in split.unlabeled}

        assert smaller <= train
        assert not train & tested
        assert not unlabeled & (train | tested)
        assert split.test_texts == list(data.test.texts)
        smaller = train


@pytest.mark.parametrize("name", NEWS)
def test_masakhanews_files_hold_k_texts_a_class(name: str) -> None:
    data = load(name)
    folder = SHARED / "masakhanews" / name.removeprefix("masakhanews_")

    for k in data.shots or ():
        published = read_table(folder / str(k) / "train.tsv")
        counts = Counter(row.values["category"] for row in published)
        used = Counter(data.split(k, 0).train_labels)
        in_test = {"politics": 1} if name == "masakhanews_eng" else {}

        assert counts == dict.fromkeys(data.labels, k)
        assert used == counts - Counter(in_test)


def test_masakhanews_development_texts_are_used_nowhere() -> None:
    for name in NEWS:
        data = load(name)
        rows = read_table(SHARED / "masakhanews" / name[-3:] / "5" / "dev.tsv")
        assert len(rows) == 5 * len(data.labels)
        headlines = tuple(row.values["headline"] for row in rows)

        split = data.split(50, 0)

        assert not [t for t in split.train_texts + split.unlabeled if t.startswith(headlines)]


def test_masakhanews_english_loses_the_text_that_is_tested_on() -> None:
    assert load("masakhanews_eng").notes == (
        "left out of a training file since they are test texts: at most 1",
        "left out of the unlabeled pool since they are test texts: 1",
    )
    assert load("masakhanews_pcm").notes == load("masakhanews_swa").notes == ()


@pytest.mark.parametrize("name", LIST)
def test_list_gives_k_labels_in_total_for_each_seed(name: str) -> None:
    data = load(name)

    for k in (10, 20, 30):
        splits = [data.split(k, seed) for seed in (1, 2, 3, 4, 5)]
        assert [len(split.train_texts) for split in splits] == [k] * 5
        assert all(set(split.train_labels) == set(data.labels) for split in splits)
        assert len({json.dumps(split.train_texts) for split in splits}) == 5


@pytest.mark.parametrize(
    ("name", "n_pool"), [("list_sst2", 6219), ("list_subj", 7200), ("list_rte", 2238)]
)
def test_the_pool_of_list_holds_all_distinct_texts_without_labels(name: str, n_pool: int) -> None:
    data = load(name)

    assert len(data.split(0, 1).unlabeled) == n_pool
    assert n_pool - 30 <= len(data.split(30, 1).unlabeled) < n_pool


def test_quotes_of_rte_are_text() -> None:
    first = load("list_rte").split(10, 1).train_texts[0]

    assert first["sentence1"].startswith('"The Extraditables" have claimed')
    assert first["sentence2"].endswith("El Espectador.")


def test_ag_news_has_250_texts_a_class_on_both_sides() -> None:
    data = load("ag_news")

    assert Counter(data.training.pool.labels) == Counter(data.test.labels)
    assert set(Counter(data.test.labels).values()) == {250}
    assert data.notes == ()


def test_emerging_nlp_keeps_all_test_texts_and_loses_six_training_texts() -> None:
    data = load("emerging_nlp")

    assert set(Counter(data.test.labels).values()) == {20}
    assert Counter(Counter(data.training.pool.labels).values()) == {10: 15, 9: 6}
    assert data.notes == ("left out of the pool since they are test texts: 6",)


@pytest.mark.parametrize("name", ["list_rte", "masakhanews_swa", "emerging_nlp"])
def test_a_capped_test_is_stratified(name: str) -> None:
    data = load(name)
    everything = Counter(data.test.labels)
    seed = data.seeds[0] if data.seeds else 0

    capped = Counter(data.split(0, seed, test_size=105).test_labels)

    assert sum(capped.values()) == 105
    for label, count in everything.items():
        assert abs(capped[label] - 105 * count / len(data.test)) < 1


@pytest.mark.parametrize(
    ("name", "data_hash"),
    [
        ("ag_news", "f1f080cc"),
        ("masakhanews_swa", "a651682f"),
        ("list_rte", "5390b851"),
        ("emerging_nlp", "0d62a9e7"),
    ],
)
def test_the_hash_of_the_data_stays(name: str, data_hash: str) -> None:
    assert load(name).data_hash.startswith(data_hash)
