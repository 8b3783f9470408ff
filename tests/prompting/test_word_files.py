"""Readers of OpenPrompt's, PET's and our own files of label words."""

from pathlib import Path

import pytest

from fewshot.errors import FileError, VerbalizerError
from fewshot.prompting.verbalizer import Verbalizer

SHARED = Path(__file__).parents[3] / "shared" / "data"
OPENPROMPT = SHARED / "openprompt"
AG_NEWS = ["World", "Sports", "Business", "Sci/Tech"]

needs_openprompt = pytest.mark.skipif(
    not OPENPROMPT.is_dir(), reason=f"needs OpenPrompt's files in {OPENPROMPT}"
)


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_openprompt_text_has_a_class_a_line_and_blank_lines_between_verbalizers(write):
    path = write("words.txt", "bad, poor\ngood\n\n\nno\nyes,right\n\n")

    assert Verbalizer.from_file(path, [0, 1]) == Verbalizer({0: ["bad", "poor"], 1: ["good"]})
    assert Verbalizer.from_file(path, [0, 1], index=1)[1] == ("yes", "right")


def test_a_byte_order_mark_and_windows_line_ends_are_no_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes(b"\xef\xbb\xbfbad\r\ngood\r\n")

    assert Verbalizer.from_file(str(path)).label_words == {"bad": ("bad",), "good": ("good",)}


def test_pet_text_has_a_pattern_id_a_line_then_labels_with_their_words(write):
    path = write("verbalizer.txt", "0\n1 terrible bad\n2 great\n\n3\n1 awful\n2 fine\n")

    assert Verbalizer.from_file(path).label_words == {"1": ("terrible", "bad"), "2": ("great",)}
    assert Verbalizer.from_file(path, [2, 1], index=3).label_words == {2: ("fine",), 1: ("awful",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\na bad\nb good\n3\na no\nb yes\n", "no words for pattern 0; the file has index=1 or 3"),
        ("0\na bad\na good\n", "the label 'a' is duplicated in pattern 0"),
        ("0\na bad\nb\n", "label 'b' has no words"),
    ],
)
def test_bad_pet_text_is_refused(write, text, message):
    with pytest.raises(VerbalizerError, match=message):
        Verbalizer.from_file(write("verbalizer.txt", text))


@pytest.mark.parametrize(
    ("name", "text", "arguments", "expected"),
    [
        (
            "w.csv",
            "politics,war\nsports\n",
            {},
            {"politics": ["politics", "war"], "sports": "sports"},
        ),
        (
            "w.json",
            '{"a": ["bad"], "b": "good", "c": {"okay": 0.5}}',
            {},
            {"a": "bad", "b": "good", "c": {"okay": 0.5}},
        ),
        ("w.json", '[{"0": ["bad"], "1": "good"}]', {"labels": [1, 0]}, {1: "good", 0: "bad"}),
        (
            "w.json",
            '[[["bad"], ["good"]], [["no"], ["yes", "right"]]]',
            {"labels": [0, 1], "index": 1},
            {0: "no", 1: ["yes", "right"]},
        ),
        (
            "w.jsonl",
            '{"a": "bad", "b": "good"}\n\n{"a": "no", "b": "yes"}\n',
            {"index": 1},
            {"a": "no", "b": "yes"},
        ),
        (
            "w.CSV",
            'good, "great, fun"\nbad\n',
            {},
            {"good": ["good", "great, fun"], "bad": ["bad"]},
        ),
        (
            "w.yaml",
            "label_type: int\nlabel_words:\n  0: [no, off]\n  1: {yes: 0.5}\n",
            {},
            {0: ["no", "off"], 1: {"yes": 0.5}},
        ),
    ],
    ids=["first words", "object", "list of objects", "list of lists", "lines", "quotes", "yaml"],
)
def test_files_hold_verbalizers(write, name, text, arguments, expected):
    assert Verbalizer.from_file(write(name, text), **arguments) == Verbalizer(expected)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("w.json", "{", "w.json: not valid JSON: Expecting property name"),
        ("w.jsonl", '{"a": "b"}\n{"a": \n', "w.jsonl: not valid JSON"),
        ("w.json", '{"a": "x", "a": "y"}', "the key 'a' is duplicated"),
        ("w.json", '["politics", "sports"]', "expected an object of label: words, or a list"),
        ("w.json", "[]", r"index=0, but the file holds 0 verbalizer\(s\)"),
        ("w.txt", "", r"index=0, but the file holds 0 verbalizer\(s\)"),
        ("w.txt", "bad,,poor\ngood\n", "label 'bad' has a blank word ''"),
        ("w.txt", "bad,poor\npoor,good\n", "w.txt: the word 'poor' stands for both.*on_shared"),
        ("w.txt", "bad,so,so\ngood\n", "'so' is duplicated in label 'bad'.*on_shared='drop'"),
        ("w.txt", "bad\nbad,good\n", "the label 'bad' is duplicated"),
        ("w.tsv", "bad\ngood\n", "the suffix '.tsv' gives no known format; known are"),
        ("w.yaml", "label_words: {a: [b], c: [d]}", "w.yaml: the key 'label_type' is missing"),
        ("w.yaml", "label_words: {}\nlabel_typ: int", r"'label_typ' \(did you mean 'label_type'"),
        ("w.yaml", "[a, b]", "w.yaml: expected keys with values, .*got list"),
        ("w.yaml", "[a]: b", "w.yaml: not valid YAML: .*\nfound unhashable key"),
        ("w.yaml", "a: [b", "w.yaml: not valid YAML"),
        (
            "w.yaml",
            "label_type: str\nlabel_words: {a: [x], a: [y]}",
            "'a' is duplicated.*\n.*line 2",
        ),
        ("w.yaml", "label_type: str\nlabel_words: [a]", "expected 'label: .* for each label"),
        (
            "w.yaml",
            "label_type: float\nlabel_words: {a: [b], c: [d]}",
            r"\['str', 'int', 'bool'\], got 'float'",
        ),
        (
            "w.yaml",
            "label_type: int\nlabel_words: {a: [b], c: [d]}",
            "'a' is not of type int",
        ),
        (
            "w.yaml",
            "label_type: str\nlabel_words: {a: {b: x}, c: [d]}",
            "'x' is not of type float",
        ),
        ("w.yaml", "verbalizers: {}", "file of a task .* fewshot.load_task"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_which(write, name, text, message):
    path = write(name, text)

    with pytest.raises(VerbalizerError, match=message) as caught:
        Verbalizer.from_file(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_binary_file_are_refused(tmp_path):
    (tmp_path / "model.txt").write_bytes(b"\xff\xff\x00\x81")

    with pytest.raises(FileError, match=r"none\.txt cannot be read: there is no such file"):
        Verbalizer.from_file(tmp_path / "none.txt")
    with pytest.raises(VerbalizerError, match=r"model\.txt, line 1: not UTF-8 text"):
        Verbalizer.from_file(tmp_path / "model.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"index": 1}, r"index=1, but the file holds 1 verbalizer\(s\), counted from 0"),
        ({"index": -1}, "index is a number from 0, got -1"),
        ({"index": None}, "index is a number from 0, got None"),
        ({"index": "0"}, "index is a number from 0, got '0'"),
        ({"labels": ["a"]}, r"expected at least two labels, got \['a'\]"),
        ({"labels": ["a", "b", "c"]}, r"a line for each of the 3 labels \['a', 'b', 'c'\], got 2"),
        ({"labels": "ab"}, r"labels is a list of all labels.*, got 'ab'"),
        ({"labels": ["a", "a"]}, "the label 'a' is duplicated"),
        ({"on_shared": "keep"}, "on_shared is 'raise' or 'drop', got 'keep'"),
    ],
)
def test_arguments_that_do_not_fit_the_file_are_refused(write, arguments, message):
    with pytest.raises(VerbalizerError, match=message):
        Verbalizer.from_file(write("words.txt", "bad\ngood\n"), **arguments)


def test_labels_that_differ_from_the_file_s_own_are_refused(write):
    path = write("words.json", '{"0": ["bad"], "1": ["good"], "2": ["okay"]}')

    with pytest.raises(VerbalizerError, match=r"missing in .*\[3\], only in the file \['2'\]"):
        Verbalizer.from_file(path, [0, 1, 3])


def test_shared_words_are_dropped_where_they_are_not_first(write):
    # By Hu et al.'s rule "game" goes from both classes, and "tech" stays where it is first.
    path = write("words.txt", "sport,ball,game,tech,ball\ntech,game,code\n")

    verbalizer = Verbalizer.from_file(path, on_shared="drop")

    assert verbalizer.label_words == {"sport": ("sport", "ball"), "tech": ("tech", "code")}


def test_dropping_keeps_weights_and_never_empties_a_class(write):
    path = write("words.json", '{"a": {"x": 2.0, "y": 3.0}, "b": {"y": 0.5, "x": 1.0}}')

    verbalizer = Verbalizer.from_file(path, on_shared="drop")

    assert verbalizer == Verbalizer({"a": {"x": 2.0}, "b": {"y": 0.5}})


def test_a_first_word_of_two_classes_cannot_be_dropped(write):
    path = write("words.txt", "new,a\nnew,b\n")

    with pytest.raises(VerbalizerError, match=r"'new' stands for both 0 and 1.*first word of both"):
        Verbalizer.from_file(path, [0, 1], on_shared="drop")


@needs_openprompt
@pytest.mark.parametrize(
    ("name", "labels", "first_words"),
    [
        ("agnews", AG_NEWS, ["politics", "sports", "business", "technology"]),
        ("imdb", ["neg", "pos"], ["bad", "good"]),
        ("amazon", [1, 2], ["bad", "good"]),
    ],
)
def test_openprompt_s_manual_files(name, labels, first_words):
    verbalizer = Verbalizer.from_file(OPENPROMPT / name / "manual_verbalizer.txt", labels)

    assert verbalizer == Verbalizer(dict(zip(labels, first_words, strict=True)))


@needs_openprompt
def test_openprompt_s_json_lines_hold_two_verbalizers():
    path = OPENPROMPT / "agnews" / "multiwords_verbalizer.jsonl"

    assert Verbalizer.from_file(path)["Tech"] == ("technology",)
    assert Verbalizer.from_file(path, index=1)["Tech"] == ("technology", "science")


@needs_openprompt
@pytest.mark.parametrize("file", sorted(OPENPROMPT.glob("*/knowledgeable_verbalizer.*"), key=str))
def test_knowledgeable_files_keep_many_words_that_no_two_classes_share(file):
    verbalizer = Verbalizer.from_file(file, on_shared="drop")

    words = [word for row in verbalizer.label_words.values() for word in row]
    assert len(words) == len(set(words))
    assert min(len(row) for row in verbalizer.label_words.values()) >= 20


@needs_openprompt
def test_dbpedia_s_words_are_shared_by_classes():
    path = OPENPROMPT / "dbpedia" / "knowledgeable_verbalizer.txt"

    with pytest.raises(VerbalizerError, match=r"stands for both .* on_shared='drop'"):
        Verbalizer.from_file(path)


@pytest.mark.skipif(
    not (SHARED / "emerging_nlp" / "terms.txt").is_file(), reason="needs SciPrompt's terms.txt"
)
def test_sciprompt_s_terms_are_read():
    path = SHARED / "emerging_nlp" / "terms.txt"

    verbalizer = Verbalizer.from_file(path, on_shared="drop")

    assert len(verbalizer) == 21
    assert verbalizer["rule-based mt (rbmt)"] == ("rule-based mt (rbmt)",)
