"""The manifest of an exported classifier: all that its graph needs besides."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict, get_args

from fewshot.data.label_forms import LabelForm
from fewshot.saving.folders import FileEntry
from fewshot.saving.signed import SignedFolder

Backend: TypeAlias = Literal["onnx", "openvino"]
Precision: TypeAlias = Literal["float32", "bf16", "int8"]
Shorten: TypeAlias = Literal["longest", "tail", "head"]

BACKENDS: tuple[Backend, ...] = get_args(Backend)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
GRAPH, TOKENIZER = "model.onnx", "tokenizer.json"


class PromptInput(TypedDict):
    """Texts go into a template, and the graph gets the places of its masks."""

    kind: Literal["prompt"]
    template: str
    shorten: Shorten
    n_masks: int


class TextInput(TypedDict):
    """Fields are joined to one text, or those after the first to the second text of a pair."""

    kind: Literal["text"]
    fields: list[str]  # in the order in which they are joined
    is_pair: bool


class TokenizerSettings(TypedDict):
    """What transformers keeps beside ``tokenizer.json``."""

    roles: dict[str, str]  # special tokens, such as "mask_token": "[MASK]"
    added: list[str]  # special tokens without a role, such as markers that users have added
    truncation_side: Literal["left", "right"]


class Check(TypedDict):
    """How far the predictions are from those of the classifier that was exported."""

    n_texts: int
    changed: int  # texts whose class, or one of whose labels, differs
    largest: float  # difference of a probability
    tolerance: float  # largest share of texts whose class may differ


Manifest = TypedDict(
    "Manifest",
    {
        "format": str,
        "format_version": int,
        "versions": dict[str, str],
        "files": dict[str, FileEntry],
        "class": str,
        "classes": list[str] | list[int] | list[bool],
        "labels": LabelForm,
        "thresholds": list[float] | None,  # of several labels: the probabilities from which on
        "fields": list[str],
        "input": PromptInput | TextInput,
        "max_length": int,
        "tokenizer": TokenizerSettings,
        "backend": Backend,
        "precision": Precision,
        "check": Check,
        "seconds": dict[str, float],  # of the precisions that were compared, on the texts
        "float_layers": list[str],  # of an int8 graph
    },
)

FOLDER = SignedFolder(
    format="fewshot export",
    version=1,
    file="manifest.json",
    form=Manifest,
    noun="classifier that was exported",
    verb="export",
    again="export the classifier again",
    foreign="holds no classifier exported by fewshot; fewshot.load opens saved ones",
    most_bytes=2**24,
)

Content: TypeAlias = dict[str, Any]  # of a manifest that was checked: of the form `Manifest`
