"""Templates, which turn a text into a cloze sentence with one mask."""

# A template is parsed once, by a small parser, to typed segments. Nothing is ever evaluated.

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from fewshot.data.examples import can_be_encoded
from fewshot.errors import TemplateError
from fewshot.prompting.openprompt import read_openprompt

Shorten: TypeAlias = Literal["longest", "tail", "head", "chunk"]

# Of a classifier, a search for label words, or a data set for which none is given.
DEFAULT_TEMPLATE = "A {mask} text: {text}"

_MASK, _SEP, _SOFT = "mask", "sep", "soft"
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SLOT_OPTIONS = ("whole", "bare")
_FINAL_PUNCTUATION = " \t\n.!?,;:"


@dataclass(frozen=True, slots=True)
class Text:
    """Fixed text of a template."""

    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for a field of the example."""

    field: str
    whole: bool = False  # never shortened
    bare: bool = False  # without its final punctuation

    def fill(self, value: str) -> str:
        """Return the value as it is put into the slot."""
        return value.rstrip(_FINAL_PUNCTUATION) if self.bare else value


@dataclass(frozen=True, slots=True)
class Filled:
    """A slot with the text of one example in it."""

    slot: Slot
    text: str


@dataclass(frozen=True, slots=True)
class Mask:
    """The place of the label word."""


@dataclass(frozen=True, slots=True)
class Separator:
    """The tokenizer's separator token."""


@dataclass(frozen=True, slots=True)
class Soft:
    """Virtual tokens, whose vectors are tuned."""

    text: str | None = None  # the words that they start as; else words drawn from the vocabulary
    length: int = 1

    @property
    def shown(self) -> str:
        """Its text in previews."""
        return f"[soft:{self.length}]" if self.text is None else f"[soft:{self.text}]"


Segment: TypeAlias = Text | Slot | Mask | Separator | Soft


@dataclass(frozen=True)
class Template:
    """A pattern that turns an example into a cloze sentence.

    Curly brackets name what is put in: ``{mask}`` for the label word (exactly once), ``{sep}``
    for the separator token, and any other name for a field of the example. ``{{`` and ``}}``
    stand for the brackets themselves. A field takes options after a colon: ``{text:whole}`` is
    never shortened, ``{premise:bare}`` loses its final punctuation. ``{soft:It was}`` stands for
    virtual tokens that start as these words and that every tuning by gradient tunes, ``{soft:3}``
    for three that start as words drawn from the vocabulary; ``{soft}`` is ``{soft:1}``.

    Parameters
    ----------
    text : str
        The pattern, such as ``"{text} It was {mask}."``.
    fields : tuple of str, optional
        Names of the fields, in the order in which tuples give them. By default the order in
        which the pattern names them; give it when templates of one task differ in that order.
    shorten : {"longest", "tail", "head", "chunk"}, default="longest"
        The treatment of examples that do not fit the model: ``"longest"`` cuts the end of the
        longest slot, ``"tail"`` cuts the end of the last slot (then of the one before it),
        ``"head"`` cuts the beginning of the first slot (then of the next), and ``"chunk"``
        cuts nothing: the longest slot is spread over several prompts, whose scores are averaged.

    Attributes
    ----------
    segments : tuple of Segment
        The parsed pattern.

    Raises
    ------
    TemplateError
        If the pattern cannot be parsed (the message gives the position), has no ``{mask}`` or
        more than one, has no field, or if `fields` differs from the fields that it names.

    See Also
    --------
    Verbalizer : the words at the mask.
    template_sensitivity : how much predictions depend on the wording.

    References
    ----------
    Schick and Schütze (2021), Exploiting Cloze Questions for Few Shot Text Classification and
    Natural Language Inference, section 3 ("pattern").

    Examples
    --------
    >>> template = Template("{text} It was {mask}.")
    >>> template.fields
    ('text',)
    >>> template.preview({"text": "A fine film."})
    'A fine film. It was [MASK].'
    """

    text: str
    fields: tuple[str, ...] | None = None
    shorten: Shorten = "longest"
    segments: tuple[Segment, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise TemplateError(
                f"a template is a string such as '{{text}} It was {{mask}}.', "
                f"got {type(self.text).__name__}: {self.text!r}"
            )
        if not can_be_encoded(self.text):
            raise TemplateError(f"the template {self.text!r} holds a lone surrogate")
        object.__setattr__(self, "segments", tuple(_parse(self.text)))
        _check_mask(self.text, self.segments)
        object.__setattr__(self, "fields", _checked_fields(self))
        if self.shorten not in get_args(Shorten):
            raise TemplateError(
                f"shorten is one of {list(get_args(Shorten))}, got {self.shorten!r}"
            )

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots of the pattern, from left to right."""
        return tuple(segment for segment in self.segments if isinstance(segment, Slot))

    @property
    def soft(self) -> tuple[Soft, ...]:
        """The virtual tokens of the pattern, from left to right."""
        return tuple(segment for segment in self.segments if isinstance(segment, Soft))

    @property
    def gaps(self) -> Iterator[tuple[Slot | Mask | Separator | Soft, bool]]:
        """All segments but fixed text, each with whether a space stands before it."""
        before = ""
        for segment in self.segments:
            if not isinstance(segment, Text):
                yield segment, before[-1:].isspace()
            before = segment.text if isinstance(segment, Text) else ""

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields in the order in which tuples give them."""
        return () if self.fields is None else self.fields

    def render(
        self, example: Mapping[str, str]
    ) -> tuple[Text | Filled | Mask | Separator | Soft, ...]:
        """Put an example into the slots.

        Parameters
        ----------
        example : mapping of str to str
            A text for each field of the template; other entries are ignored.

        Returns
        -------
        tuple of Text, Filled, Mask, Separator and Soft
            The cloze sentence in typed segments: a text that holds "[MASK]" stays a text.

        Raises
        ------
        TemplateError
            If a field is missing.
        """
        missing = [name for name in self.field_names if name not in example]
        if missing:
            raise TemplateError(
                f"the template {self.text!r} needs the field {missing[0]!r}; "
                f"the example has {sorted(example)}"
            )
        return tuple(
            Filled(segment, segment.fill(example[segment.field]))
            if isinstance(segment, Slot)
            else segment
            for segment in self.segments
        )

    def preview(self, example: Mapping[str, str], mask: str = "[MASK]", sep: str = "[SEP]") -> str:
        """Return the cloze sentence of an example as people read it."""
        return "".join(_shown(segment, mask, sep) for segment in self.render(example))

    @classmethod
    def from_openprompt(cls, line: str, fields: tuple[str, ...] | None = None) -> Template:
        """Read a template in OpenPrompt's format.

        Parameters
        ----------
        line : str
            Such as ``'{"placeholder": "text_a"} It was {"mask"}.'``. Read are ``placeholder``,
            ``meta``, ``mask``, ``text``, ``special: <sep>`` and ``shortenable``.
        fields : tuple of str, optional
            As in the constructor.

        Returns
        -------
        Template

        Raises
        ------
        TemplateError
            If a part cannot be read. Code in a file (``post_processing``) is not run; only
            stripping the final full stop is known, and becomes the option ``bare``.
        """
        return cls(read_openprompt(line), fields)


def default_template(fields: Sequence[str]) -> Template:
    """Return the template of texts with these fields."""
    if len(fields) == 1:
        return Template(DEFAULT_TEMPLATE)
    slots = " ".join(f"{{{name}}}" for name in fields)
    return Template(DEFAULT_TEMPLATE.replace("{text}", slots), tuple(fields))


def _shown(segment: Text | Filled | Mask | Separator | Soft, mask: str, sep: str) -> str:
    if isinstance(segment, Mask):
        return mask
    if isinstance(segment, Separator):
        return sep
    return segment.shown if isinstance(segment, Soft) else segment.text


def _parse(text: str) -> Iterator[Segment]:
    literal, position = "", 0
    while position < len(text):
        pair = text[position : position + 2]
        if pair in ("{{", "}}"):
            literal, position = literal + pair[0], position + 2
        elif text[position] == "}":
            raise TemplateError(
                f"unmatched '}}' at position {position} of {text!r}; write '}}}}' for the bracket"
            )
        elif text[position] == "{":
            end = text.find("}", position)
            if end < 0:
                raise TemplateError(
                    f"'{{' at position {position} of {text!r} is never closed; "
                    f"write '{{{{' for the bracket itself"
                )
            if literal:
                yield Text(literal)
            yield _parse_braces(text[position + 1 : end], text, position)
            literal, position = "", end + 1
        else:
            literal, position = literal + text[position], position + 1
    if literal:
        yield Text(literal)


def _parse_braces(content: str, text: str, position: int) -> Segment:
    name, colon, option_text = content.partition(":")
    if name == _SOFT:
        return _parse_soft(option_text if colon else "1", content, text, position)
    options = [option for option in option_text.split(",") if option]
    unknown = [option for option in options if option not in _SLOT_OPTIONS]
    if not _FIELD.fullmatch(name):
        raise TemplateError(
            f"{{{content}}} at position {position} of {text!r} is not a field name; "
            "expected {mask}, {sep}, {soft}, or a name of letters, digits and underscores"
        )
    if unknown or (options and name in (_MASK, _SEP)):
        raise TemplateError(
            f"{{{content}}} at position {position} of {text!r} has the unknown option "
            f"{(unknown or options)[0]!r}; fields take {list(_SLOT_OPTIONS)}, mask and sep none"
        )
    if name == _MASK:
        return Mask()
    if name == _SEP:
        return Separator()
    return Slot(name, whole="whole" in options, bare="bare" in options)


def _parse_soft(start: str, content: str, text: str, position: int) -> Soft:
    """Read the number of virtual tokens, or the words that they start as."""
    words = start.strip()
    is_number = words.isdecimal()
    if not words or (is_number and int(words) < 1):
        raise TemplateError(
            f"{{{content}}} at position {position} of {text!r} makes no virtual token; write "
            "{soft:It was} for tokens that start as these words, or {soft:2} for two"
        )
    return Soft(length=int(words)) if is_number else Soft(text=words)


def _check_mask(text: str, segments: tuple[Segment, ...]) -> None:
    n_masks = sum(isinstance(segment, Mask) for segment in segments)
    if n_masks != 1:
        raise TemplateError(
            f"a template has exactly one {{mask}}, got {n_masks} in {text!r}; "
            "write for example '{text} It was {mask}.'"
        )


def _checked_fields(template: Template) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(slot.field for slot in template.slots))
    if not named:
        raise TemplateError(
            f"the template {template.text!r} has no field for the text; add {{text}}"
        )
    if template.fields is None:
        return named
    fields = tuple(template.fields)
    if sorted(fields) != sorted(named):
        raise TemplateError(
            f"fields={fields} differ from the fields of {template.text!r}, which are {named}"
        )
    return fields
