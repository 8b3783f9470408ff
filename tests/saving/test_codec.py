"""Codecs: values as JSON and arrays, and back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

import fewshot
from fewshot import Template, Verbalizer
from fewshot.errors import PersistenceError
from fewshot.saving.classes import CLASS_CODECS, HELD, find_class
from fewshot.saving.codec import Reader, Writer
from fewshot.saving.tensors import TENSOR_CODEC, read_tensors, write_tensors
from fewshot.saving.values import VALUE_CODECS
from fewshot.scoring.label_words import LabelWords
from fewshot.tuning import STRATEGIES, BitFit, Head, Training

CODECS = (*VALUE_CODECS, *CLASS_CODECS, TENSOR_CODEC)
DTYPES = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", ">f4", ">i8")

_atoms = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
)
_arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: stn.arrays(dtype, stn.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
_objects = st.lists(st.none() | st.integers() | st.text()).map(
    lambda items: np.array([*items, None], dtype=object)[:-1]
)
_values = st.recursive(
    _atoms | _arrays | _arrays.map(lambda array: array.T) | _objects,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.dictionaries(st.none() | st.integers() | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def _round_trip(value: Any, folder: Path = Path("unused")) -> Any:
    """Write a value as JSON text and numbers, and read it in a reader that knows only those."""
    writer = Writer(folder, CODECS)
    text = json.dumps([writer.encode(value, "value"), writer.objects], allow_nan=False)
    text.encode("utf-8")  # lone surrogates would not pass
    tree, objects = json.loads(text)
    return _read(tree, objects, writer.arrays, writer.tensors)


def _read(tree: Any, objects: Any, arrays: Any, tensors: Any) -> Any:
    reader = Reader(CODECS, objects, arrays, tensors, {})
    reader.check(tree)
    return reader.decode(tree)


def _is_same(one: Any, other: Any) -> bool:
    """Compare types too, all bits of numbers, and the order of dicts."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        is_alike = one.dtype == other.dtype and one.shape == other.shape
        if one.dtype == object:
            return is_alike and _is_same(one.ravel().tolist(), other.ravel().tolist())
        return is_alike and one.tobytes() == other.tobytes()
    if isinstance(one, float):
        is_equal = one == other and math.copysign(1, one) == math.copysign(1, other)
        return is_equal or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return _is_same(list(one.items()), list(other.items()))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other)


@given(_values)
@settings(deadline=None, max_examples=300)
def test_every_plain_value_comes_back_with_its_types_and_all_its_bits(value):
    assert _is_same(_round_trip(value), value)


@pytest.mark.parametrize(
    "value",
    [
        np.float32(0.1),
        np.float16("nan"),
        np.float64("-inf"),
        np.int64(-(2**63)),
        np.uint8(255),
        np.bool_(True),
        np.str_("né"),
        np.array(["a", "北京", ""]),
        np.array([["x", 1], [None, 2.5]], dtype=object),
        np.array([1.5, -0.0], dtype=">f8"),
    ],
    ids=repr,
)
def test_numpy_scalars_and_string_arrays_keep_their_type(value):
    found = _round_trip(value)

    assert type(found) is type(value)
    assert found.dtype == value.dtype
    assert found.tolist() == value.tolist() or np.isnan(value)


def test_plain_json_is_left_readable():
    writer = Writer(Path("unused"), CODECS)

    tree = writer.encode({"a": [1, 2.5, None], "b": (True,)}, "value")

    assert tree == {"dict": {"a": [1, 2.5, None], "b": {"tuple": [True]}}}
    assert writer.encode(float("nan"), "value") == {"float": "nan"}
    assert writer.encode({1: "x"}, "value") == {"dict": [[1, "x"]]}


def test_a_dict_that_looks_like_a_node_stays_a_dict():
    value = {"tuple": [1], "shared": 0}

    assert _round_trip(value) == value


def test_arrays_keep_their_order_in_memory():
    found = _round_trip(np.asfortranarray(np.arange(6.0).reshape(2, 3)))

    assert found.flags.f_contiguous
    assert not found.flags.c_contiguous
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_arrays_can_be_written_to_after_loading():
    found = _round_trip(np.zeros(2))

    found[0] = 1

    assert found.tolist() == [1, 0]


def test_random_states_go_on_where_they_were():
    state = np.random.RandomState(3)
    state.normal(size=3)

    found = _round_trip(state)

    assert found.normal() == state.normal()


def test_paths_come_back():
    assert _round_trip(Path("a") / "b") == Path("a") / "b"


def test_templates_come_back_parsed():
    template = Template("{b}{sep}{a:bare} — {mask}", fields=("a", "b"), shorten="chunk")

    found = _round_trip(template)

    assert found == template
    assert found.segments == template.segments


@pytest.mark.parametrize(
    "verbalizer",
    [
        Verbalizer({"né": ["mauvais", "triste"], "пол": {"great": 0.1, "good": 3.0}}),
        Verbalizer({1: ["one"], 0: ["zero"]}),
    ],
)
def test_verbalizers_come_back_in_their_order_with_their_weights(verbalizer):
    found = _round_trip(verbalizer)

    assert found == verbalizer
    assert [type(label) for label in found.labels] == [type(label) for label in verbalizer.labels]


def test_estimators_come_back_through_their_constructor():
    found = _round_trip([Head(C=0.5), BitFit(training=Training(patience=2))])

    assert repr(found) == "[Head(C=0.5), BitFit(training=Training(patience=2))]"


def test_label_words_come_back_with_their_tensors(tiny_bert):
    verbalizer = Verbalizer({"neg": ["bad", "terrible"], "pos": ["wonderful"]})
    words = LabelWords.resolve(verbalizer, ["neg", "pos"], tiny_bert[1], "masks")

    found = _round_trip(words)

    assert (found.classes, found.words) == (("neg", "pos"), (("bad", "terrible"), ("wonderful",)))
    assert found.mask_counts == (1, 2)
    for name in ("tokens", "index", "n_pieces", "weights"):
        assert torch.equal(getattr(found, name), getattr(words, name))
        assert getattr(found, name).dtype == getattr(words, name).dtype


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        torch.arange(6).view(2, 3).T,
        torch.zeros(0, 3),
        torch.tensor(True),
        torch.nn.Parameter(torch.ones(2)),
    ],
    ids=["bfloat16", "transposed", "empty", "bool", "parameter"],
)
def test_tensors_come_back_from_their_file(tensor, tmp_path):
    writer = Writer(tmp_path, CODECS)
    tree = writer.encode(tensor, "tensor")
    write_tensors(writer.tensors, tmp_path / "numbers")

    tensors = read_tensors((tmp_path / "numbers").read_bytes())
    found = _read(tree, [], {}, tensors)

    assert found.dtype == tensor.dtype
    assert torch.equal(found.nan_to_num(7), tensor.detach().nan_to_num(7))


def test_one_place_in_memory_is_written_once_and_views_get_their_own_numbers(tmp_path):
    whole = torch.arange(6.0)
    writer = Writer(tmp_path, CODECS)

    empty = torch.zeros(0, 2)
    values = [whole, whole.detach(), whole[:2], whole.view(2, 3), empty, empty.to(torch.int32)]
    tree = writer.encode(values, "tensors")
    write_tensors(writer.tensors, tmp_path / "numbers")
    found = _read(tree, [], {}, read_tensors((tmp_path / "numbers").read_bytes()))

    assert len(writer.tensors) == 5
    assert found[0] is found[1]
    assert [tensor.tolist() for tensor in found[2:4]] == [[0, 1], [[0, 1, 2], [3, 4, 5]]]
    assert [tensor.dtype for tensor in found[4:]] == [torch.float32, torch.int32]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (len, "builtin_function_or_method"),
        ({1, 2}, "builtins.set"),
        (b"bytes", "builtins.bytes"),
        (np.array([1j]), "numpy.ndarray"),
        (np.array(["2026-11-21"], dtype="M8[D]"), "numpy.ndarray"),
        (torch.zeros(1, dtype=torch.complex64), "torch.Tensor"),
        (object(), "builtins.object"),
        (np.float32, "builtins.type"),
        (np.random.default_rng(0), "Generator"),
        (np.random.RandomState(np.random.PCG64(0)), "RandomState"),
    ],
)
def test_what_is_no_plain_data_is_refused_and_the_message_tells_where_it_is(value, kind):
    with pytest.raises(PersistenceError, match=rf"clf\.labels\[1\].*{kind}.*cannot be saved"):
        Writer(Path("unused"), CODECS).encode([0, value], "clf.labels")


def test_a_subclass_of_a_known_estimator_is_refused():
    class MyHead(Head):
        pass

    with pytest.raises(PersistenceError, match=r"clf\.tuning is a .*MyHead.*none of the classes"):
        Writer(Path("unused"), CODECS).encode(MyHead(), "clf.tuning")


def test_another_class_of_a_known_name_is_refused():
    head = type("Head", (Head,), {})()

    with pytest.raises(PersistenceError, match="none of the classes"):
        Writer(Path("unused"), CODECS).encode(head, "clf.tuning")


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            {"estimator": {"class": "Popen", "params": {}, "fitted": {}}},
            "unknown class 'Popen'",
        ),
        ({"dataclass": {"class": "os.system", "values": {}}}, "unknown class 'os.system'"),
        ({"pickle": "gASV"}, "unknown kind 'pickle'"),
        (
            {"estimator": {"class": "Pipeline", "params": {}, "fitted": {}}},
            "class 'Pipeline'",
        ),
        ({"numpy_type": "float32"}, "unknown kind 'numpy_type'"),
        (
            {"estimator": {"class": "Head", "params": {"D": 1}, "fitted": {}}},
            "does not take .*'D'",
        ),
    ],
)
def test_what_the_registry_does_not_know_is_never_made(node, message):
    with pytest.raises(PersistenceError, match=message):
        _read(node, [], {}, {})


# Folders name classes, not modules: every name that a version has written stays known.
SAVED = {
    *("FineTuneClassifier", "LiSTClassifier", "PCPClassifier", "PETClassifier", "Classifier"),
    *("EmbeddingClassifier", "PromptClassifier", "SetFitClassifier", "TfidfClassifier"),
    *("MetaWeights", "Pretraining", "Template", "Training", "TemplateConsistency"),
    *("LabelEmbeddings", "LabelWords", "ParameterReport", "StateHead", "ClassNames", "TaskKind"),
    *("FitReport", "Trial"),
    *("Adapter", "BitFit", "Contrastive", "DePT", "EPT", "EmbeddingsHead", "Full", "Half"),
    *("Head", "IAPT"),
    *("LastLayers", "LayerNorm", "LoRA", "NoTuning", "Perfect", "Prefix", "SoftPrompt"),
    *("FGM", "SMART", "CorpusTerms", "CrossEncoderFilter", "GivenTerms", "Lookup"),
    *("ModelNeighbours", "TermFile", "VocabularyWords", "WordNet", "LMBFFVerbalizer"),
    *("PetalVerbalizer", "PrototypeVerbalizer", "SciPromptSoftVerbalizer"),
    *("SciPromptVerbalizer", "SoftVerbalizer"),
}


@pytest.mark.parametrize("name", sorted(SAVED))
def test_class_names_of_saved_folders_stay_known(name):
    assert find_class(name).__name__ == name


def test_what_is_saved_now_is_among_these_names():
    estimators = {name for name in fewshot.__all__ if name.endswith("Classifier")}
    strategies = {strategy.__name__ for strategy in STRATEGIES.values()}

    assert {*HELD, *estimators, *strategies} - SAVED == set()


@pytest.mark.parametrize(
    "name", ["load", "MaskedLM", "export_lora", "STRATEGIES", "KShotSplit.__init__"]
)
def test_public_names_that_are_no_plain_data_are_not_made(name):
    with pytest.raises(PersistenceError, match=f"unknown class '{name}'; known are .*'Adapter'"):
        find_class(name)


def test_read_tensors_lie_where_new_ones_do_and_not_in_the_bytes_of_the_file(tmp_path):
    file = tmp_path / "numbers"
    write_tensors({name: torch.full((n,), 1.0) for name, n in (("a", 1), ("b", 5))}, file)

    tensors = read_tensors(file.read_bytes())

    assert all(tensor.data_ptr() % torch.ones(1).element_size() == 0 for tensor in tensors.values())
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors.values())
    assert [tensor.unique().tolist() for tensor in tensors.values()] == [[1.0], [1.0]]
