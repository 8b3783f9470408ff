"""What requests and answers hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fewshot.errors import InputError

_SURROGATE = re.compile("[\ud800-\udfff]")


def _checked(text: Any) -> Any:
    parts = [text]
    if isinstance(text, dict):
        parts = list(text.values())
    elif isinstance(text, list):
        parts = text
    if not all(isinstance(part, str) for part in parts):
        raise ValueError(
            "a text is a string, a list of strings in the order of the model's fields, or an "
            "object with a string for each field"
        )
    if any(_SURROGATE.search(part) for part in parts):
        raise ValueError("a text holds a lone surrogate, half of a character; send whole ones")
    return text


Text: TypeAlias = Annotated[str | list[str] | dict[str, str], BeforeValidator(_checked)]


class PredictRequest(BaseModel):
    """One text or many, and which model predicts them."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"texts": ["Where is my parcel?"], "proba": True}]},
    )

    text: Text | None = Field(None, description="One text. Instead of `texts`.")
    texts: list[Text] | None = Field(
        None,
        description="Texts: strings, or for several fields lists of strings or objects by field.",
    )
    model: str | None = Field(None, description="Name of the model, if there are several.")
    proba: bool = Field(default=False, description="Whether to add the probability of each class.")

    @model_validator(mode="after")
    def _has_one_kind(self) -> PredictRequest:
        if (self.text is None) == (self.texts is None):
            raise ValueError('give either one text as "text", or several as "texts"')
        return self

    def all_texts(self) -> list[Any]:
        """Return the texts, whichever way they were given."""
        return [self.text] if self.texts is None else list(self.texts)


class Prediction(BaseModel):
    """What is predicted for a text."""

    label: Any = Field(description="The most likely class, or a list of several labels.")
    score: float = Field(description="The probability of the most likely class.")
    proba: dict[str, float] | None = Field(None, description="The probability of each class.")


class PredictAnswer(BaseModel):
    """Predictions in the order of the texts."""

    model: str
    predictions: list[Prediction]


class ModelInfo(BaseModel):
    """A model that is served."""

    name: str
    classes: list[Any]
    fields: list[str]


class Health(BaseModel):
    """A server that answers."""

    status: str = "ok"
    version: str
    models: list[ModelInfo]


class Refusal(BaseModel):
    """Why there is no answer, and what to do."""

    detail: str


def by_field(text: Any, fields: Sequence[str], row: int) -> Any:
    """Return a text as classifiers take it: a string, or for several fields a mapping."""
    if isinstance(text, str):
        text = [text]
    if isinstance(text, list):
        if len(text) != len(fields):
            raise InputError(
                f"text {row}: the model takes the fields {list(fields)}, got {len(text)} strings; "
                "give one for each"
            )
        text = dict(zip(fields, text, strict=True))
    if set(text) != set(fields):
        raise InputError(f"text {row}: the model takes the fields {list(fields)}, got {list(text)}")
    return text[fields[0]] if len(fields) == 1 else text
