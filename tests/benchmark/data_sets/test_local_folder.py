"""Data sets read from a local folder, here one written by hand with the same layout."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from fewshot.benchmark import DataSet, load_data_set
from fewshot.errors import InputError
from tests.benchmark.data_sets import data_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data_folder.write_masakhanews(tmp_path)
    data_folder.write_list(tmp_path)
    data_folder.write_ag_news(tmp_path)
    return tmp_path


def assert_clean(data: DataSet, shots: list[int], seeds: list[int]) -> None:
    """Check what holds for each data set."""
    tested = {json.dumps(text) for text in data.test.texts}
    for seed in seeds:
        splits = [data.split(k, seed) for k in shots]
        assert splits == [data.split(k, seed) for k in shots]
        for split in splits:
            train = {json.dumps(text) for text in split.train_texts}
            unlabeled = {json.dumps(text) for text in split.unlabeled}
            assert not train & tested
            assert not unlabeled & (train | tested)
            assert len(unlabeled) == len(split.unlabeled)
            assert split.test_texts == list(data.test.texts)
        for fewer, more in pairwise(splits):
            assert {json.dumps(t) for t in fewer.train_texts} < {
                json.dumps(t) for t in more.train_texts
            }


# ---- MasakhaNEWS ------------------------------------------------------------------------------


def test_masakhanews_joins_headline_and_text_and_reads_quoted_line_ends(folder: Path) -> None:
    data = load_data_set("masakhanews_swa", folder)

    assert data.test.texts[0] == 'business test 0 Body "0",\n\nwith lines\tand tabs.'
    assert len(data.test) == 12
    assert data.labels == data_folder.NEWS_LABELS
    assert (data.metric, data.shots, data.shots_kind) == ("weighted_f1", (2, 4), "per class")


def test_masakhanews_takes_label_words_of_the_languages_labels_only(folder: Path) -> None:
    words = load_data_set("masakhanews_swa", folder).verbalizer

    assert words.labels == data_folder.NEWS_LABELS
    assert words["health"][0] == "health"


def test_masakhanews_leaves_out_training_texts_that_are_tested_on(folder: Path) -> None:
    data = load_data_set("masakhanews_swa", folder)

    assert len(data.split(4, 0).train_texts) == 12
    assert data.notes == (
        "left out of a training file since they are test texts: at most 1",
        "left out of the unlabeled pool since they are test texts: 1",
    )
    assert_clean(data, [0, 2, 4], [0, 1])


def test_masakhanews_texts_without_labels_are_those_of_the_largest_file(folder: Path) -> None:
    data = load_data_set("masakhanews_swa", folder)

    assert [len(data.split(k, 0).unlabeled) for k in (0, 2, 4)] == [12, 6, 0]


def test_masakhanews_with_a_label_that_is_not_listed_is_an_error(folder: Path) -> None:
    (folder / "masakhanews/swa/labels.txt").write_text("business\nhealth\n")

    with pytest.raises(InputError, match=r"the part 'train 2' has the label 'sports'"):
        load_data_set("masakhanews_swa", folder)


def test_masakhanews_labels_that_nobody_knows_are_an_error(folder: Path) -> None:
    (folder / "masakhanews/swa/labels.txt").write_text("business\nweather\n")

    with pytest.raises(InputError, match=r"labels\.txt: expected one label .* got .*'weather'"):
        load_data_set("masakhanews_swa", folder)


# ---- LiST -------------------------------------------------------------------------------------


def test_list_reads_files_with_and_without_header_and_quotes(folder: Path) -> None:
    sst2, subj, rte = (load_data_set(f"list_{t}", folder) for t in ("sst2", "subj", "rte"))

    assert sst2.split(2, 1).train_texts == ["sst 10", "sst 11"]
    assert sst2.split(2, 1).train_labels == ["0", "1"]
    assert sst2.test.texts[0] == "sst 100 ."
    assert subj.split(2, 2).train_texts == ['subj 20, so "it" is', 'subj 21, so "it" is']
    assert rte.split(2, 1).train_texts[0] == {"sentence1": '"Rte" 10', "sentence2": "first 10"}
    assert [len(data.test) for data in (sst2, subj, rte)] == [6, 6, 6]


def test_list_counts_shots_in_total_and_has_its_own_seeds(folder: Path) -> None:
    data = load_data_set("list_rte", folder)

    assert (data.shots, data.seeds, data.shots_kind) == ((2, 4), (1, 2), "in total")
    with pytest.raises(InputError, match=r"list_rte: .* for the seeds \[1, 2\], got 0"):
        data.check([2], [0, 1])


@pytest.mark.parametrize("task", ["sst2", "subj", "rte"])
def test_list_leaves_labelled_and_tested_texts_out_of_the_pool(folder: Path, task: str) -> None:
    data = load_data_set(f"list_{task}", folder)

    assert_clean(data, [0, 2, 4], [1, 2])
    # The pool holds 30 texts that are not tested on; the labelled texts of subj are others.
    assert len(data.split(4, 1).unlabeled) == (30 if task == "subj" else 26)


def test_list_never_reads_the_labels_of_the_pool(folder: Path) -> None:
    pool = folder / "list/SST-2/unlabeled.jsonl"
    before = load_data_set("list_sst2", folder)
    rows = [json.loads(line) for line in pool.read_text().splitlines()]

    data_folder.write_json_lines(pool, [{"text": row["text"], "label": []} for row in rows])
    poisoned = load_data_set("list_sst2", folder)
    data_folder.write_json_lines(pool, [{"text": row["text"]} for row in rows])
    without = load_data_set("list_sst2", folder)

    assert poisoned.data_hash == without.data_hash == before.data_hash
    assert poisoned.split(2, 1) == without.split(2, 1) == before.split(2, 1)


def test_list_has_a_small_test_part(folder: Path) -> None:
    data = load_data_set("list_sst2_clue", folder)

    assert data.test.texts == ("sst 10 .", "sst 11 .")
    assert data.test.labels == ("0", "1")


def test_pairs_fit_the_template_of_the_data_set(folder: Path) -> None:
    data = load_data_set("list_rte", folder)
    text = data.split(2, 1).train_texts[0]

    assert data.template.preview(text) == '"Rte" 10? [MASK], first 10'


def test_labels_that_are_numbers_are_text_and_keep_their_words(folder: Path) -> None:
    data = load_data_set("list_sst2", folder)

    assert data.labels == ("0", "1")
    assert data.verbalizer["1"][0] == "great"


def test_a_file_with_other_columns_is_an_error(folder: Path) -> None:
    (folder / "list/SST-2/2-1/train.tsv").write_text("1\ta\tb\n")

    with pytest.raises(InputError, match=r"2-1/train\.tsv: expected rows of text, label"):
        load_data_set("list_sst2", folder)


# ---- AG News and Emerging NLP -----------------------------------------------------------------


def test_ag_news_draws_from_texts_that_are_neither_tested_on_nor_ambiguous(folder: Path) -> None:
    data = load_data_set("ag_news", folder)

    assert len(data.training.pool) == 21
    assert len(data.test) == 8
    assert_clean(data, [0, 1, 4], [0, 1])
    assert sorted(note.rpartition(": ")[2] for note in data.notes) == ["1", "1", "2"]


def test_ag_news_can_be_tested_on_the_whole_official_part(folder: Path) -> None:
    data = load_data_set("ag_news_official", folder)

    assert len(data.test) == 12
    assert data.test.texts[0] == "Title: test World 0"
    assert data.labels == ("World", "Sports", "Business", "Sci/Tech")


def test_emerging_nlp_draws_from_its_training_file(tmp_path: Path) -> None:
    from fewshot.prompting.library import load_task

    labels = load_task("emerging_nlp").labels
    for part, n in (("train", 3), ("test", 2)):
        data_folder.write_json_lines(
            tmp_path / "emerging_nlp" / f"{part}.jsonl",
            [{"text": f"{part} {label} {i}", "label": label} for label in labels for i in range(n)],
        )

    data = load_data_set("emerging_nlp", tmp_path)

    assert (len(data.training.pool), len(data.test), len(data.labels)) == (63, 42, 21)
    assert_clean(data, [0, 1, 3], [0])
    with pytest.raises(InputError, match="has 3 training texts, fewer than 4 shots"):
        data.check([4], [0])


# ---- CLINC150 and GoEmotions -------------------------------------------------------------------


def test_clinc150_has_intents_and_domains_in_plain_words(tmp_path: Path) -> None:
    data_folder.write_clinc150(tmp_path)

    intents = load_data_set("clinc150", tmp_path)
    domains = load_data_set("clinc150_domains", tmp_path)

    assert (len(intents.labels), len(intents.training.pool), len(intents.test)) == (150, 300, 150)
    assert (len(domains.labels), len(domains.training.pool), len(domains.test)) == (10, 300, 150)
    assert "credit limit" in intents.labels
    assert "kitchen and dining" in domains.labels
    assert_clean(intents, [0, 1, 2], [0])
    assert len(domains.split(2, 0).train_texts) == 20


def test_go_emotions_has_all_labels_of_a_text(tmp_path: Path) -> None:
    data_folder.write_go_emotions(tmp_path)

    data = load_data_set("go_emotions", tmp_path)

    assert data.metric == "macro_f1"
    assert len(data.labels) == 28
    assert data.test.labels[0] == ("admiration",)
    assert data.test.labels[-1] == ("admiration", "joy")
    assert data.notes == ("left out of the pool since they are test texts: 1",)
    assert_clean(data, [0, 1, 2], [0, 1])


def test_go_emotions_10_leaves_out_neutral_and_texts_of_rare_emotions(tmp_path: Path) -> None:
    data_folder.write_go_emotions(tmp_path)

    data = load_data_set("go_emotions_10", tmp_path)

    # neutral is the most frequent label of all; the others occur equally often, the first ones win
    assert data.labels == (
        *("admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion"),
        *("curiosity", "desire", "joy"),
    )
    assert len(data.test) == 11
    assert "test joy 0" in data.test.texts
    assert "test fear 0" not in data.test.texts


def test_a_sample_of_several_labels_has_at_least_k_of_each(tmp_path: Path) -> None:
    data_folder.write_go_emotions(tmp_path)

    split = load_data_set("go_emotions", tmp_path).split(2, 0, test_size=28)

    counts = Counter(name for labels in split.train_labels for name in labels)
    assert len(counts) == 28
    assert min(counts.values()) == 2
    assert len(split.test_texts) == 28
    with pytest.raises(InputError, match="the label 'amusement' has 2 training texts, fewer"):
        load_data_set("go_emotions", tmp_path).check([3], [0])


# ---- What may be missing ----------------------------------------------------------------------


def test_without_a_data_folder_the_error_tells_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FEWSHOT_DATA", raising=False)

    with pytest.raises(
        InputError,
        match=r"'ag_news' is read from ag_news/ in a data folder, and no data folder is given: "
        r".*data_dir= or --data-dir, or set FEWSHOT_DATA; the texts come from "
        r"github\.com/ZhengxiangShi/PowerfulPromptFT.*docs/reference/data_sets\.md",
    ):
        load_data_set("ag_news")


def test_the_environment_names_the_data_folder_and_the_argument_wins(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWSHOT_DATA", str(folder))

    assert len(load_data_set("ag_news").test) == 8
    with pytest.raises(InputError, match=r"there is no data folder .*absent"):
        load_data_set("ag_news", tmp_path / "absent")


def test_a_language_that_is_not_there_is_an_error_that_tells_which_are(folder: Path) -> None:
    with pytest.raises(InputError, match=r"has no folder masakhanews/hau/, only \['swa'\]"):
        load_data_set("masakhanews_hau", folder)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("masakhanews_swa", "masakhanews/swa/test.tsv"),
        ("masakhanews_swa", "masakhanews/swa/labels.txt"),
        ("masakhanews_swa", "masakhanews/swa/2/train.tsv"),
        ("list_subj", "list/subj/4-2/train.csv"),
        ("list_subj", "list/subj/unlabeled.jsonl"),
        ("ag_news", "ag_news/dev.jsonl"),
    ],
)
def test_a_file_that_is_missing_is_named(folder: Path, name: str, path: str) -> None:
    (folder / path).unlink()

    with pytest.raises(InputError, match=rf"{path}: the file cannot be read: No such file"):
        load_data_set(name, folder)


def test_a_folder_without_training_files_is_an_error(folder: Path) -> None:
    for path in (folder / "list/SST-2").glob("*-*"):
        shutil.rmtree(path)

    with pytest.raises(InputError, match=r"SST-2: no folders with training files; .* as 10-1"):
        load_data_set("list_sst2", folder)


def test_a_part_that_lacks_a_label_is_an_error(folder: Path) -> None:
    data_folder.write_json_lines(folder / "ag_news/test.jsonl", [{"text": "a", "label": "World"}])

    with pytest.raises(InputError, match=r"the part 'test' lacks the label 'Business'"):
        load_data_set("ag_news", folder)
