"""Scoring: template, masked language model and label words together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.data.examples import Examples
from fewshot.data.task_kind import ONE_LABEL, TaskKind
from fewshot.errors import LabelWordError, TruncationWarning, warn_user
from fewshot.models.masked_lm import MaskedLM
from fewshot.models.state_cache import MaskStates
from fewshot.prompting.prompts import Prompts, SlotTokens, build_prompts, tokenize_slots
from fewshot.prompting.template import Template
from fewshot.scoring.aggregation import Aggregation, aggregate, word_log_probs
from fewshot.scoring.calibration import (
    Calibration,
    calibration_examples,
    generic_texts,
    word_prior,
)
from fewshot.scoring.heads import StateHead, rounded
from fewshot.scoring.label_words import LabelWords, word_ids
from fewshot.scoring.names import ClassNames, class_names, weight_of_names
from fewshot.scoring.prototypes import LabelEmbeddings, States

Views: TypeAlias = dict[int, Prompts]  # prompts of the same examples, by number of masks
Encoded: TypeAlias = dict[int, tuple[Prompts, MaskStates]]

_VALUES_AT_ONCE = 2**22  # scores of pieces of words; some 32 MB
_FEWEST_AT_ONCE = 32  # examples
_WORDS_OF_SEVERAL = 0.5  # weight of the words beside names; docs/evidence/several_labels.md


@dataclass(frozen=True)
class PromptScorer:
    """Scores classes for examples; all methods share it."""

    lm: MaskedLM
    template: Template
    words: LabelWords | LabelEmbeddings  # are scored at the mask
    aggregation: Aggregation
    max_length: int  # the most tokens of a prompt
    prior: Tensor | None = None  # [n_words]: log-probabilities that calibration divides by
    names: ClassNames | None = None  # are compared with mean states
    head: StateHead | None = None  # regressions on states, which `scores` adds
    kind: TaskKind = ONE_LABEL

    def views(self, examples: Examples) -> Views:
        """Tokenize examples once and put them into the template, for each number of masks."""
        slots = tokenize_slots(self.lm.tokenizer, [self.template], examples, self.lm.tokens)
        return self.views_of(slots)

    def views_of(self, slots: SlotTokens) -> Views:
        """Put tokenized examples into the template, for each number of masks."""
        return {
            n_masks: build_prompts(
                self.lm.tokenizer, self.template, slots, max_length=self.max_length, n_masks=n_masks
            )
            for n_masks in self.words.mask_counts
        }

    def encode(self, views: Views) -> Encoded:
        """Run the encoder over the prompts of all views; known prompts are not run again."""
        return {n: (prompts, self.lm.states(prompts)) for n, prompts in views.items()}

    def scores(self, encoded: Encoded) -> npt.NDArray[np.float64]:
        """Score classes by the prompt, and by the head if there is one, [n_examples, n_classes]."""
        if self.head is None:
            return self.class_scores(encoded)
        words, names = self.voices(encoded)
        mask_states = None if self.head.mask is None else self.mask_states(encoded)
        return self.head.add(words, self.mean_states(encoded), names, mask_states)

    def class_scores(self, encoded: Encoded) -> npt.NDArray[np.float64]:
        """Score classes by their words and names, calibrated, [n_examples, n_classes]."""
        words, names = self.voices(encoded)
        if self.names is not None and names is not None:
            words = rounded(self.names.word_weight * words + self.names.weight * names)
        return words + self.base

    @property
    def base(self) -> float:
        """What scores of several labels start from: the log-odds of equal shares; else nothing."""
        n_classes = len(self.words.classes)
        return -float(np.log(n_classes - 1)) if self.kind.has_several else 0.0

    def voices(
        self, encoded: Encoded
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
        """Return log-probabilities of words and similarities to names, [n, n_classes] each."""
        names = None if self.names is None else self.names.scores(self.mean_states(encoded))
        return self.word_class_scores(encoded), names

    def word_class_scores(self, encoded: Encoded) -> npt.NDArray[np.float64]:
        """Return calibrated and aggregated log-probabilities of the label words, [n, n_classes]."""
        with torch.inference_mode():
            if isinstance(self.words, LabelEmbeddings):
                parts = [self.words.scores(self.label_states(encoded, self.words.states))]
            else:
                parts = [self._classes(self.word_scores(part)) for part in self.parts(encoded)]
        return rounded(torch.cat(parts).numpy())

    def word_log_probs(self, encoded: Encoded) -> Tensor:
        """Return the uncalibrated log-probabilities of words, [n_examples, n_words]."""
        with torch.inference_mode():
            return word_log_probs(self.word_scores(encoded), kind=self.kind)

    def states_at_masks(self, encoded: Encoded) -> Tensor:
        """Return states at all masks, [n_examples, n_masks, hidden], in float64."""
        prompts, states = encoded[min(encoded)]
        mask = torch.from_numpy(states.mask).double()
        return _example_mean(mask, prompts.examples, prompts.n_examples)

    def label_states(self, encoded: Encoded, states: States) -> Tensor:
        """Return the states that label embeddings are compared with, [n_examples, n_masks, h]."""
        if states == "mask":
            return self.states_at_masks(encoded)
        return torch.from_numpy(self.mean_states(encoded))[:, None]

    def mask_states(self, encoded: Encoded) -> npt.NDArray[np.float64]:
        """Return states at the (first) mask, [n_examples, hidden]."""
        prompts, states = encoded[min(encoded)]
        return _example_means(states.mask[:, 0], prompts)

    def mean_states(self, encoded: Encoded) -> npt.NDArray[np.float64]:
        """Return mean states over the prompts' tokens, [n_examples, hidden]."""
        prompts, states = encoded[min(encoded)]
        return _example_means(states.mean, prompts)

    def calibrated(self, encoded: Encoded, weights: npt.NDArray[np.float64]) -> PromptScorer:
        """Return a scorer whose prior is the weighted mean over these examples."""
        shares = torch.from_numpy(weights / weights.sum())
        mean, start = torch.zeros(len(self.label_words.n_pieces), dtype=shares.dtype), 0
        for part in self.parts(encoded):
            log_probs = self.word_log_probs(part)
            mean += shares[start : start + len(log_probs)] @ log_probs
            start += len(log_probs)
        if self.kind.has_several:
            return replace(self, prior=mean)
        return replace(self, prior=word_prior(mean[None], torch.ones(1)))

    def named(self, names: Sequence[str], weight: float | None) -> PromptScorer:
        """Return a scorer that also compares texts with names of the classes."""

        def states_of(texts: Sequence[str]) -> npt.NDArray[np.float64]:
            examples = Examples({field: list(texts) for field in self.template.field_names})
            views = self.views(examples)
            n_truncated = views[min(views)].n_truncated
            if n_truncated and texts is names:
                warn_user(
                    f"{n_truncated} of {len(names)} class names were shortened to fit "
                    f"{self.max_length} tokens; use fewer words, or shorter descriptions",
                    TruncationWarning,
                )
            return self.mean_states(self.encode(views))

        words = [word for words in self.label_words.words for word in words]
        pieces = float(np.mean([len(word_ids(word, self.lm.tokenizer) or [0]) for word in words]))
        if weight is None:
            weight = weight_of_names(len(names), pieces)
        if not weight:
            return self
        # Names of several pieces say little at one mask: the words' weight falls with their number.
        word_weight = (_WORDS_OF_SEVERAL if self.kind.has_several else 1.0) / pieces
        found = class_names(names, states_of, generic_texts(), weight, word_weight)
        return replace(self, names=found)

    def renamed(self) -> PromptScorer:
        """Return a scorer whose names are encoded again, by a changed model or template."""
        if self.names is None or isinstance(self.words, LabelEmbeddings):
            return replace(self, names=None)
        scorer = self.named(self.names.names, self.names.weight)
        if self.prior is not None or scorer.names is None:
            return scorer
        return replace(scorer, names=scorer.names.uncalibrated())

    def calibrate(
        self, calibration: Calibration, encoded: Encoded, weights: npt.NDArray[np.float64]
    ) -> PromptScorer:
        """Return a scorer with the prior of a calibration."""
        # `"domain"` takes it from the user's texts, the others from texts of their own. It is
        # always the prior of the uncalibrated scores, so that calibrating again changes nothing.
        if calibration == "none":
            return replace(self, prior=None, names=self.names and self.names.uncalibrated())
        if calibration == "domain":
            # Texts without content would teach names nothing: they keep the prior that they have.
            share = weights / weights.sum()
            names = self.names and self.names.calibrated(self.mean_states(encoded), share)
            return replace(self.calibrated(encoded, weights), names=names)
        free = calibration_examples(self.template.field_names, calibration)
        return self.calibrated(self.encode(self.views(free)), np.ones(len(free)))

    def reworded(
        self,
        template: Template,
        before: Encoded,
        after: Encoded,
        weights: npt.NDArray[np.float64],
    ) -> PromptScorer:
        """Return a scorer with another wording of the template, calibrated as this one."""
        # `before` and `after` are the same examples in both. The prior moves by the change of the
        # words' mean log-probabilities over them, so that wordings can be compared that were
        # calibrated long ago, or by other texts.
        moved = replace(self, template=template).renamed()
        if self.prior is None:
            return moved
        share = torch.from_numpy(weights / weights.sum())
        change = self.word_log_probs(after) - self.word_log_probs(before)
        mean = share.to(change.dtype) @ change
        names = moved.names
        if names is not None and self.names is not None:
            rows = names.similarities(moved.mean_states(after))
            rows = rows - self.names.similarities(self.mean_states(before))
            names = replace(names, prior=self.names.prior + share.numpy() @ rows)
        prior = word_log_probs((self.prior + mean)[None], kind=self.kind)[0]
        return replace(moved, prior=prior, names=names)

    def train_scores(self, views: Views, batch: npt.NDArray[np.int64]) -> Tensor:
        """Score a batch of examples with gradients, [n, n_classes]."""
        if isinstance(self.words, LabelEmbeddings):
            return self.words.train_scores(self.train_states(views, batch, self.words.states))
        logits = {}
        for n_masks, prompts in views.items():
            mask, _, examples = self._forward(prompts, batch)
            logits[n_masks] = _example_mean(self._token_scores(mask).cpu(), examples, len(batch))
        return self._classes(self._from_tokens(logits)) + self.base

    def train_states(
        self, views: Views, batch: npt.NDArray[np.int64], states: States = "mask"
    ) -> Tensor:
        """Return :meth:`label_states` of a batch of examples with gradients, [n, masks, hidden]."""
        mask, mean, examples = self._forward(views[min(views)], batch)
        chosen = mask if states == "mask" else mean[:, None]
        return _example_mean(chosen.cpu(), examples, len(batch))

    def _forward(
        self, prompts: Prompts, batch: npt.NDArray[np.int64]
    ) -> tuple[Tensor, Tensor, npt.NDArray[np.int64]]:
        """Return states at the masks of a batch's prompts, their means, and places in the batch."""
        chosen = prompts.take(np.flatnonzero(np.isin(prompts.examples, batch)))
        mask, mean = self.lm.forward(chosen)
        place = {example: i for i, example in enumerate(batch)}
        return mask, mean, np.array([place[example] for example in chosen.examples])

    @property
    def label_words(self) -> LabelWords:
        """The words of the classes; a LabelWordError if label embeddings replace them."""
        if isinstance(self.words, LabelEmbeddings):
            raise LabelWordError(
                "these classes have label embeddings in place of label words (tuning='perfect' or "
                "PrototypeVerbalizer), so no words can be scored; use another tuning or verbalizer"
            )
        return self.words

    def parts(self, encoded: Encoded) -> Iterator[Encoded]:
        """Split examples, so that the scores of many words take no more memory than of a few."""
        n_examples = encoded[min(encoded)][0].n_examples
        size = max(_FEWEST_AT_ONCE, _VALUES_AT_ONCE // len(self.label_words.index))
        if size >= n_examples:
            yield encoded
            return
        for start in range(0, n_examples, size):
            stop = min(start + size, n_examples)
            yield {
                n: _take(prompts, states, start, stop) for n, (prompts, states) in encoded.items()
            }

    def word_scores(self, encoded: Encoded) -> Tensor:
        """Return logits of words in float64, [n_examples, n_words]."""
        # With a mask for each piece, log-probabilities.
        logits = {}
        for n_masks, (prompts, states) in encoded.items():
            mask = torch.from_numpy(states.mask).to(self.lm.device)
            token_scores = self._token_scores(_double(mask, self.lm)).double().cpu()
            logits[n_masks] = _example_mean(token_scores, prompts.examples, prompts.n_examples)
        return self._from_tokens(logits)

    def _token_scores(self, mask: Tensor) -> Tensor:
        if self.label_words.vectors is not None:
            return mask @ self.label_words.vectors.to(mask).T
        logits = self.lm.mask_head.token_logits(mask, self.label_words.tokens.to(mask.device))
        if self.label_words.multi_token != "masks":
            return logits
        return logits - self.lm.mask_head.log_normalizer(mask)[..., None]

    def _from_tokens(self, logits: dict[int, Tensor]) -> Tensor:
        if self.label_words.multi_token == "masks":
            return self.label_words.scores_at_masks(logits)
        return self.label_words.scores_at_one_mask(logits[1][:, 0])

    def _classes(self, word_scores: Tensor) -> Tensor:
        log_probs = word_log_probs(word_scores, self.prior, self.kind)
        words = self.label_words
        return aggregate(log_probs, words.class_index, self.aggregation, words.weights)


def _take(
    prompts: Prompts, states: MaskStates, start: int, stop: int
) -> tuple[Prompts, MaskStates]:
    """Return the prompts and states of the examples from start to stop, numbered from 0."""
    rows = np.flatnonzero((prompts.examples >= start) & (prompts.examples < stop))
    taken = prompts.take(rows)
    numbered = replace(taken, examples=taken.examples - start, n_examples=stop - start)
    return numbered, MaskStates(states.mask[rows], states.mean[rows])


def _double(mask: Tensor, lm: MaskedLM) -> Tensor:
    return mask.double() if lm.mask_head.has_rows else mask


def _example_means(states: npt.NDArray[np.float32], prompts: Prompts) -> npt.NDArray[np.float64]:
    values = torch.from_numpy(states).double()
    return _example_mean(values, prompts.examples, prompts.n_examples).numpy()


def _example_mean(
    values: Tensor, examples: Sequence[int] | npt.NDArray[np.int64], n: int
) -> Tensor:
    """Average the rows of each example; most have one."""
    index = torch.as_tensor(examples)
    if len(index) == n and bool((index == torch.arange(n)).all()):
        return values
    total = torch.zeros(n, *values.shape[1:], dtype=values.dtype).index_add(0, index, values)
    count = torch.bincount(index, minlength=n).to(values.dtype)
    return total / count.view(-1, *[1] * (values.ndim - 1))
