"""The user's own data sets: files, and data sets that `datasets` can load."""

from __future__ import annotations

import json
import socket
from collections import Counter
from pathlib import Path

import pytest

from fewshot.benchmark import load_data_set
from fewshot.errors import HubError, InputError, TemplateError, VerbalizerError
from fewshot.prompting.library import load_task
from tests.benchmark.data_sets.data_folder import write, write_json_lines, write_list

OWN = {"name": "tickets", "text": "body", "label": "team"}
LABELS = ("billing", "shipping")


def rows(part: str, n: int) -> list[dict[str, object]]:
    return [
        {"title": f"{part} {i}", "body": f"{part} {team} {i}", "team": team}
        for i in range(n)
        for team in LABELS
    ]


@pytest.fixture
def train(tmp_path: Path) -> str:
    lines = [f"{row['title']},{row['body']},{row['team']}\n" for row in rows("train", 4)]
    return str(write(tmp_path / "train.csv", "title,body,team\n" + "".join(lines)))


@pytest.fixture
def test(tmp_path: Path) -> str:
    return str(write_json_lines(tmp_path / "test.jsonl", rows("test", 3)))


def test_a_file_for_training_and_one_for_testing(train: str, test: str) -> None:
    data = load_data_set(OWN | {"train": train, "test": test})

    assert (data.name, data.title, data.metric) == ("tickets", "tickets", "accuracy")
    assert data.labels == LABELS
    assert Counter(data.split(4, 0).train_labels) == {"billing": 4, "shipping": 4}
    assert data.test.texts[:2] == ("test billing 0", "test shipping 0")
    assert (data.shots, data.seeds, data.shots_kind) == (None, None, "per class")


def test_without_a_test_file_half_of_each_class_is_the_test(train: str) -> None:
    data = load_data_set(OWN | {"train": train, "title": "Tickets"})

    assert data.title == "Tickets"
    assert Counter(data.test.labels) == {"billing": 2, "shipping": 2}
    with pytest.raises(InputError, match=r"'\w+' has 2 training texts, fewer than 3 shots"):
        data.check([2, 3], [0])


def test_the_default_prompt_is_made_of_the_label_names(train: str) -> None:
    data = load_data_set(OWN | {"train": train})

    assert data.template.preview({"text": "Where?"}) == "A [MASK] text: Where?"
    assert data.verbalizer.label_words == {"billing": ("billing",), "shipping": ("shipping",)}


def test_template_and_verbalizer_may_be_given(train: str) -> None:
    words = {"shipping": ["parcel", "post"], "billing": ["money"]}
    data = load_data_set(OWN | {"train": train, "template": "{text} ({mask})", "verbalizer": words})

    assert [template.text for template in data.templates] == ["{text} ({mask})"]
    assert data.verbalizer.label_words == {"billing": ("money",), "shipping": ("parcel", "post")}


def test_several_columns_are_the_fields_of_the_template(train: str) -> None:
    data = load_data_set(OWN | {"train": train, "text": ["title", "body"]})

    assert data.test.texts[0].keys() == {"title", "body"}
    assert data.template.preview({"title": "A", "body": "b"}) == "A [MASK] text: A b"


def test_labels_that_are_numbers_need_words(tmp_path: Path) -> None:
    file = write_json_lines(
        tmp_path / "n.jsonl", [{"body": f"t {i}", "team": i % 2} for i in range(8)]
    )
    own = OWN | {"train": str(file)}

    with pytest.raises(
        VerbalizerError, match=r"labels \['0', '1'\] give no label words; add 'verbalizer'"
    ):
        load_data_set(own)
    data = load_data_set(own | {"verbalizer": {"0": "no", "1": "yes"}})

    assert data.labels == ("0", "1")
    assert set(data.test.labels) == {"0", "1"}


def test_training_texts_that_are_tested_on_are_left_out(tmp_path: Path, test: str) -> None:
    own = rows("train", 2) + rows("test", 1)
    train = write_json_lines(tmp_path / "train.jsonl", own)

    data = load_data_set(OWN | {"train": str(train), "test": test})

    assert len(data.training.pool) == 4
    assert data.notes == ("left out of the pool since they are test texts: 2",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lable": "x"}, r"'tickets': unknown key 'lable' \(did you mean 'label'\?\)"),
        ({"text": None}, r"'tickets': text is a column or a list of columns, got None"),
        ({"text": ["body", "team"]}, r"'team' cannot hold both the texts and the labels"),
        ({"text": []}, r"'tickets': text is a column or a list of columns, got \[\]"),
        ({"train": 3}, r"'tickets': train is text, got 3"),
        ({"train": "absent.csv"}, r"absent\.csv: the file cannot be read: No such file"),
        ({"config": "x"}, r"config='x' is for data sets on the hub; add 'hub'"),
        ({"label": "Team"}, r"train\.csv: no column 'Team' \(did you mean 'team'"),
    ],
)
def test_wrong_settings_are_errors(train: str, change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_data_set(OWN | {"train": train} | change)


@pytest.mark.parametrize("key", ["train", "text", "label"])
def test_a_key_that_is_missing_is_named(train: str, key: str) -> None:
    own = OWN | {"train": train}
    del own[key]

    with pytest.raises(InputError, match=rf"the key '{key}' is missing"):
        load_data_set(own)


def test_a_single_label_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "one.csv", "body,team\na,x\nb,x\n")

    with pytest.raises(InputError, match=r"one\.csv has only the label 'x' in 'team'"):
        load_data_set(OWN | {"train": str(file)})


def test_a_test_label_that_was_never_trained_on_is_an_error(tmp_path: Path, train: str) -> None:
    file = write(tmp_path / "other.csv", "body,team\na,returns\n")

    with pytest.raises(InputError, match=r"other\.csv has the label 'returns', which .*train\.csv"):
        load_data_set(OWN | {"train": train, "test": str(file)})


def test_a_class_that_is_tested_on_whole_is_an_error(train: str) -> None:
    with pytest.raises(InputError, match=r"all training texts of the label 'billing' are in"):
        load_data_set(OWN | {"train": train, "test": train})


def test_template_and_verbalizer_must_fit(train: str) -> None:
    own = OWN | {"train": train}

    with pytest.raises(TemplateError, match=r"has the fields \('a', 'b'\), the texts have"):
        load_data_set(own | {"template": "{a} {b} {mask}"})
    with pytest.raises(VerbalizerError, match=r"has the labels \['x', 'y'\], the texts have"):
        load_data_set(own | {"verbalizer": {"x": "a", "y": "b"}})
    with pytest.raises(VerbalizerError, match=r"verbalizer holds words by label, got 'news'"):
        load_data_set(own | {"verbalizer": "news"})


def test_a_known_data_set_takes_another_prompt_too(tmp_path: Path) -> None:
    write_list(tmp_path)
    words = {"not_entailment": "false", "entailment": "true"}
    data = load_data_set(
        {"name": "list_rte", "template": "{sentence2}? {mask}. {sentence1}", "verbalizer": words},
        tmp_path,
    )

    assert data.template.preview(data.test.texts[0]) == "first 100? [MASK]. Rte 100"
    assert data.verbalizer.label_words == {"entailment": ("true",), "not_entailment": ("false",)}


def test_a_template_that_is_given_comes_before_those_of_the_library(tmp_path: Path) -> None:
    write_list(tmp_path)
    library = [template.text for template in load_task("sst2").templates]
    for given in ("Well, {mask}! {text}", library[2]):
        data = load_data_set({"name": "list_sst2", "template": given}, tmp_path)

        texts = [template.text for template in data.templates]
        assert texts == [given, *(text for text in library if text != given)]


def test_templates_with_a_field_of_another_name_are_left_out(tmp_path: Path) -> None:
    write_list(tmp_path)
    data = load_data_set({"name": "list_sst2", "template": "{body} is {mask}"}, tmp_path)

    assert [template.text for template in data.templates] == ["{body} is {mask}"]


# ---- Data sets of the hub, here folders that `datasets` reads in the same way ------------------


@pytest.fixture
def hub(tmp_path: Path) -> str:
    import datasets

    features = datasets.Features(
        {"body": datasets.Value("string"), "team": datasets.ClassLabel(names=list(LABELS))}
    )
    for part, n in (("train", 3), ("test", 2)):
        table = [{"body": row["body"], "team": row["team"]} for row in rows(part, n)]
        split = datasets.Dataset.from_list(table, features=features)
        (tmp_path / "hub").mkdir(exist_ok=True)
        split.to_parquet(tmp_path / "hub" / f"{part}.parquet")
    return str(tmp_path / "hub")


def test_splits_of_a_hub_data_set_give_labels_by_name(hub: str) -> None:
    data = load_data_set(OWN | {"hub": hub, "train": "train", "test": "test"})

    assert data.labels == LABELS
    assert len(data.training.pool) == 6
    assert data.test.texts[0] == "test billing 0"
    assert data.test.labels == (*LABELS, *LABELS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": "trian"}, r"split 'trian': Unknown split"),
        ({"config": "large"}, r"\(large\), split 'train': BuilderConfig 'large' not found"),
        ({"text": "text"}, r"split 'train': no column 'text'; the columns are"),
        ({"label": "label"}, r"no column 'label'; the columns are \['body', 'team'\]"),
    ],
)
def test_what_a_hub_data_set_lacks_is_named(hub: str, change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_data_set(OWN | {"hub": hub, "train": "train"} | change)


def test_a_hub_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_connection(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", no_connection)

    with pytest.raises(HubError, match=r"'a/b' is on the hub, which cannot be reached; go online"):
        load_data_set(OWN | {"hub": "a/b", "train": "train"})


def test_offline_mode_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: pytest.fail("asked"))

    with pytest.raises(HubError, match=r"cannot load the data set 'a/b': .*train: texts\.csv"):
        load_data_set(OWN | {"hub": "a/b", "train": "train"})


def test_hidden_labels_are_an_error(hub: str) -> None:
    import datasets

    features = datasets.load_dataset(hub, split="test").features
    hidden = datasets.Dataset.from_list([{"body": "x", "team": -1}], features=features)
    hidden.to_parquet(Path(hub) / "test.parquet")

    with pytest.raises(InputError, match=r"split 'test', line 1: no label in 'team'"):
        load_data_set(OWN | {"hub": hub, "train": "train", "test": "test"})


def test_settings_are_left_as_they_are(train: str) -> None:
    own = OWN | {"train": train, "template": "{text} {mask}"}
    before = json.dumps(own)

    load_data_set(own)

    assert json.dumps(own) == before


def test_a_separator_parts_the_labels_of_a_text(tmp_path: Path) -> None:
    cells = ["billing; shipping", "billing", "", "shipping;billing ", "shipping", ""]
    lines = [f"text {i},{cell}\n" for i, cell in enumerate(cells)]
    train = str(write(tmp_path / "several.csv", "body,team\n" + "".join(lines)))
    other = str(write(tmp_path / "others.csv", "body,team\nx,shipping\ny,billing;shipping\n"))
    own = OWN | {"train": train, "test": other}

    data = load_data_set(own | {"label_separator": ";"})

    assert (data.metric, data.labels) == ("macro_f1", LABELS)
    assert Counter(data.training.pool.labels) == {
        LABELS: 2, ("billing",): 1, ("shipping",): 1, (): 2
    }  # fmt: skip
    assert data.test.labels == (("shipping",), LABELS)
    with pytest.raises(InputError, match="label_separator is text, got ' '"):
        load_data_set(own | {"label_separator": " "})
    with pytest.raises(InputError, match=r"no column 'Team' \(did you mean 'team'"):
        load_data_set(own | {"label_separator": ";", "label": "Team"})


def test_lists_of_labels_make_a_data_set_of_several_labels(tmp_path: Path, test: str) -> None:
    lists = [{"body": f"text {i}", "team": LABELS[: i % 3]} for i in range(9)]
    train = str(write_json_lines(tmp_path / "lists.jsonl", lists))
    other = str(write_json_lines(tmp_path / "others.jsonl", [{"body": "x", "team": ["billing"]}]))

    data = load_data_set(OWN | {"train": train, "test": other})

    assert (data.metric, data.labels, data.info.has_several) == ("macro_f1", LABELS, True)
    assert Counter(data.training.pool.labels) == {(): 3, ("billing",): 3, LABELS: 3}
    with pytest.raises(InputError, match="has one in the other; write lists in both"):
        load_data_set(OWN | {"train": train, "test": test})
