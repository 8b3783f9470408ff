"""Prompts: token ids of texts in a template; slots are shortened, prompts batched by length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fewshot.data.cache import BoundedCache
from fewshot.data.examples import Examples
from fewshot.errors import ModelError, TemplateError
from fewshot.prompting.shortening import Ids, fit_slots, is_cut
from fewshot.prompting.template import Mask, Separator, Slot, Soft, Template, Text
from fewshot.prompting.tokens import (
    TOKENIZER_LOCK,
    Tokenizer,
    added_special,
    encode,
    marks_spaces,
    soft_ids,
    token_ids,
)

Rows: TypeAlias = npt.NDArray[np.int64]
Padding: TypeAlias = Literal["none", "batch"]

TEXTS_REMEMBERED = 20_000  # some 10 MB for short texts
_TOKENIZE_AT_ONCE = 1024  # texts; keeps the tokenizer's own objects small


class SlotKey(NamedTuple):
    """A field, and the two things on which the tokens of its texts depend."""

    field: str
    bare: bool
    after_space: bool


SlotTokens: TypeAlias = dict[SlotKey, list[Ids]]
# Ids of a text by (bare, after_space, text), so that it is tokenised once for all templates.
TokenCache: TypeAlias = BoundedCache[tuple[bool, bool, str], Ids]


@dataclass(frozen=True)
class Prompts:
    """Tokenised prompts, one for each example or (for chunked texts) several."""

    ids: list[Ids]  # without padding
    mask_positions: Rows  # [n_prompts, n_masks]
    examples: Rows  # [n_prompts], the example that each prompt belongs to
    n_examples: int
    n_truncated: int  # examples of which a slot was shortened
    # [n_prompts, n_soft], of virtual tokens; `ids` has the words there that they start as.
    soft_positions: Rows | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of tokens of each prompt."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    def take(self, rows: Sequence[int] | Rows) -> Prompts:
        """Return the prompts of these rows; examples keep their numbers."""
        chosen = np.asarray(rows, dtype=np.int64)
        return Prompts(
            [self.ids[i] for i in chosen],
            self.mask_positions[chosen],
            self.examples[chosen],
            self.n_examples,
            self.n_truncated,
            None if self.soft_positions is None else self.soft_positions[chosen],
        )


def tokenize_slots(
    tokenizer: Tokenizer,
    templates: Sequence[Template],
    examples: Examples,
    cache: TokenCache | None = None,
) -> SlotTokens:
    """Tokenise the fields of all examples once for all templates."""
    # A field is tokenised twice only where it must be: with and without its final punctuation, or
    # after a space and not, if the tokenizer distinguishes these.
    has_marks = marks_spaces(tokenizer)
    keys = {key for template in templates for key in _slot_keys(template, has_marks)}
    remembered: TokenCache = BoundedCache(0) if cache is None else cache
    return {
        key: remembered.fill(
            [(key.bare, key.after_space, text) for text in examples.columns[key.field]],
            partial(_tokenize_entries, tokenizer),
        )
        for key in keys
    }


def build_prompts(
    tokenizer: Tokenizer,
    template: Template,
    slots: SlotTokens,
    *,
    max_length: int,
    n_masks: int = 1,
) -> Prompts:
    """Put tokenised examples into a template."""
    # Raises TemplateError if it leaves no room for text, and InputError, with the row, if slots
    # that must stay whole do not fit.
    layout = _Layout.of(tokenizer, template, n_masks)
    keys = _slot_keys(template, marks_spaces(tokenizer))
    columns = [slots[key] for key in keys]
    room = max_length - layout.n_fixed
    if room < len(keys):
        raise TemplateError(
            f"the template {template.text!r} takes {layout.n_fixed} of max_length={max_length} "
            "tokens and leaves no room for the text; shorten it or raise max_length"
        )
    ids: list[Ids] = []
    positions: list[list[int]] = []
    soft_positions: list[list[int]] = []
    examples: list[int] = []
    n_truncated = 0
    for row, pieces in enumerate(zip(*columns, strict=True)):
        fitted = fit_slots(pieces, template, room, row)
        n_truncated += is_cut(pieces, fitted)
        for window in fitted:
            prompt, at_masks, at_soft = layout.fill(window)
            ids.append(prompt)
            positions.append(at_masks)
            soft_positions.append(at_soft)
            examples.append(row)
    return Prompts(
        ids,
        np.array(positions),
        np.array(examples, dtype=np.int64),
        len(columns[0]),
        n_truncated,
        np.array(soft_positions) if template.soft else None,
    )


def text_prompts(tokenizer: Tokenizer, examples: Examples, max_length: int) -> Prompts:
    """Tokenise texts without a template; fields after the second are joined to it."""
    first, *others = examples.columns.values()
    second = [" ".join(texts) for texts in zip(*others, strict=True)] if others else None
    ids, n_truncated = token_ids(tokenizer, first, second, max_length)
    n = len(ids)
    # There are no masks: the positions are those of the first tokens.
    return Prompts(ids, np.zeros((n, 1), dtype=np.int64), np.arange(n), n, n_truncated)


def plan_batches(
    lengths: npt.NDArray[np.int64], batch_tokens: int, padding: Padding = "batch"
) -> Iterator[Rows]:
    """Group rows of similar length, longest first, into batches of at most `batch_tokens`."""
    # A longer row makes a batch of its own. With `"none"` all rows of a batch have one length, with
    # `"batch"` the shorter ones will be padded.
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        n_rows = max(1, batch_tokens // max(1, longest))
        batch = order[start : start + n_rows]
        if padding == "none":
            batch = batch[lengths[batch] == longest]
        yield batch
        start += len(batch)


@dataclass(frozen=True)
class _Layout:
    """The fixed token ids of a template: between its slots, at its mask and virtual tokens."""

    parts: tuple[Ids, ...]  # one more than there are gaps
    gaps: tuple[Slot | Mask | Soft, ...]  # between the parts
    fillings: tuple[Ids, ...]  # of the gaps; nothing for slots

    @classmethod
    def of(cls, tokenizer: Tokenizer, template: Template, n_masks: int) -> _Layout:
        # The mask token stands in for every slot, so that the tokenizer itself cuts the template
        # at these places, and treats spaces there as beside any special token.
        mask_id = tokenizer.mask_token_id
        with TOKENIZER_LOCK:
            encoded = tokenizer(_skeleton(tokenizer, template), add_special_tokens=True)
        ids = np.array(encoded["input_ids"], dtype=np.int32)
        holes = np.flatnonzero(ids == mask_id)
        gaps = tuple(s for s in template.segments if isinstance(s, (Slot, Mask, Soft)))
        if len(holes) != len(gaps):
            raise TemplateError(
                f"the fixed text of the template {template.text!r} holds the token "
                f"{tokenizer.mask_token!r}; write {{mask}} where the label word goes"
            )
        starts, ends = [0, *(holes + 1)], [*holes, len(ids)]
        parts = tuple(ids[a:b] for a, b in zip(starts, ends, strict=True))
        words = iter(soft_ids(tokenizer, template))
        nothing, masks = np.empty(0, dtype=np.int32), np.full(n_masks, mask_id, dtype=np.int32)
        fillings = tuple(
            masks if isinstance(gap, Mask) else next(words) if isinstance(gap, Soft) else nothing
            for gap in gaps
        )
        return cls(parts, gaps, fillings)

    @property
    def n_fixed(self) -> int:
        return sum(map(len, (*self.parts, *self.fillings)))

    def fill(self, slots: Sequence[Ids]) -> tuple[Ids, list[int], list[int]]:
        """Return the ids of a prompt and the positions of its masks and virtual tokens."""
        values = iter(slots)
        pieces, length = [self.parts[0]], len(self.parts[0])
        positions: dict[type, list[int]] = {Mask: [], Soft: []}
        for gap, filling, part in zip(self.gaps, self.fillings, self.parts[1:], strict=True):
            piece = next(values) if isinstance(gap, Slot) else filling
            if not isinstance(gap, Slot):
                positions[type(gap)] += range(length, length + len(piece))
            pieces += [piece, part]
            length += len(piece) + len(part)
        return np.concatenate(pieces), positions[Mask], positions[Soft]


def _skeleton(tokenizer: Tokenizer, template: Template) -> str:
    if tokenizer.mask_token_id is None:
        raise ModelError(
            f"{type(tokenizer).__name__} has no mask token; use a masked language model such as "
            "BERT or RoBERTa"
        )
    text = ""
    for segment in template.segments:
        if isinstance(segment, Text):
            text += segment.text
        else:
            # A space before a slot belongs to the slot's own tokens (see SlotKey.after_space).
            text = text.rstrip(" ") + _stand_in(tokenizer, segment)
    return text


def _stand_in(tokenizer: Tokenizer, segment: Slot | Mask | Separator | Soft) -> str:
    if isinstance(segment, Separator) and tokenizer.sep_token is None:
        raise TemplateError(
            f"{type(tokenizer).__name__} has no separator token; leave {{sep}} out of the template"
        )
    return str(tokenizer.sep_token if isinstance(segment, Separator) else tokenizer.mask_token)


def _slot_keys(template: Template, has_marks: bool) -> list[SlotKey]:
    return [
        SlotKey(segment.field, segment.bare, has_marks and after_space)
        for segment, after_space in template.gaps
        if isinstance(segment, Slot)
    ]


def _tokenize_entries(tokenizer: Tokenizer, entries: list[tuple[bool, bool, str]]) -> list[Ids]:
    ids: list[Ids] = []
    for start in range(0, len(entries), _TOKENIZE_AT_ONCE):
        texts = [_filled(*entry) for entry in entries[start : start + _TOKENIZE_AT_ONCE]]
        found = encode(tokenizer, texts)
        ids += [_plain(np.array(row, dtype=np.int32), tokenizer) for row in found]
    return ids


def _filled(bare: bool, after_space: bool, text: str) -> str:
    text = Slot("", bare=bare).fill(text)
    # An empty text after a space would leave a token for the space alone.
    return f" {text.lstrip()}" if after_space and text.strip() else text


def _plain(ids: Ids, tokenizer: Tokenizer) -> Ids:
    """Make special tokens unknown: a Unigram vocabulary holds "<mask>" as a piece of text too."""
    if tokenizer.unk_token_id is None:
        return ids
    kept = tokenizer.convert_tokens_to_ids(added_special(tokenizer))
    special = np.setdiff1d(tokenizer.all_special_ids, kept)
    return np.where(np.isin(ids, special), np.int32(tokenizer.unk_token_id), ids)
