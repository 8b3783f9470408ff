"""The real data sets, where the folder of the project's shared data is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fewshot.benchmark import DataSet, load_data_set
from fewshot.benchmark.data_sets.splits import text_key

SHARED = Path(__file__).parents[4] / "shared" / "data"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs {SHARED}")

_loaded: dict[str, DataSet] = {}


def load(name: str) -> DataSet:
    if name not in _loaded:
        _loaded[name] = load_data_set(name, SHARED)
    return _loaded[name]


# name: hash of all texts and labels, test texts, labels, shots and seeds of the protocol
SIZES = {
    "ag_news": ("f1f080cc", 1000, 4, None, None),
    "ag_news_official": ("455015fc", 7600, 4, None, None),
    "masakhanews_eng": ("352b69ce", 948, 6, (5, 10, 20, 50), None),
    "masakhanews_pcm": ("bdd2c266", 305, 5, (5, 10, 20, 50), None),
    "masakhanews_swa": ("a651682f", 476, 7, (5, 10, 20, 50), None),
    "list_sst2": ("688de8af", 872, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_subj": ("c666f544", 2000, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_rte": ("5390b851", 277, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_sst2_clue": ("6e1d2f10", 210, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_subj_clue": ("7af996f5", 210, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "list_rte_clue": ("96654e36", 210, 2, (10, 20, 30), (1, 2, 3, 4, 5)),
    "emerging_nlp": ("0d62a9e7", 420, 21, None, None),
    "clinc150": ("c8504be7", 4500, 150, None, None),
    "clinc150_domains": ("901bfdd9", 4500, 10, None, None),
    "go_emotions": ("b1f25bae", 5427, 28, None, None),
    "go_emotions_10": ("912d6964", 2675, 10, None, None),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_data_are_those_of_the_publications(name: str) -> None:
    data = load(name)

    sizes = (len(data.test), len(data.labels), data.shots, data.seeds)
    assert (data.data_hash[:8], *sizes) == SIZES[name]


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


@pytest.mark.parametrize(
    ("name", "n_pool"), [("list_sst2", 6219), ("list_subj", 7200), ("list_rte", 2238)]
)
def test_the_pool_of_list_holds_all_distinct_texts_without_labels(name: str, n_pool: int) -> None:
    data = load(name)

    assert len(data.split(0, 1).unlabeled) == n_pool
    assert n_pool - 30 <= len(data.split(30, 1).unlabeled) < n_pool
