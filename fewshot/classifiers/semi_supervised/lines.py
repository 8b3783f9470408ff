"""Lines to pre-train on: texts as they are, or in a template with a word of their label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import clone

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.semi_supervised.fitting import FitPlan, digests_of, fit_prompt
from fewshot.classifiers.semi_supervised.pretraining import Pretraining
from fewshot.classifiers.semi_supervised.pseudo_labels import at_pool_shares
from fewshot.data.cache import BoundedCache
from fewshot.data.class_scores import warn_truncated
from fewshot.data.examples import Examples
from fewshot.errors import InputError
from fewshot.models.fingerprint import UnknownContentError, fingerprint, settings_of
from fewshot.models.masked_lm import MaskedLM
from fewshot.prompting.prompts import build_prompts, tokenize_slots
from fewshot.prompting.shortening import Ids
from fewshot.prompting.template import Template
from fewshot.prompting.tokens import token_ids
from fewshot.scoring.label_words import LabelWords
from fewshot.training.checkpoint import Arrays
from fewshot.training.rounds import Rounds, seed_of

if TYPE_CHECKING:
    from fewshot.classifiers.semi_supervised.pcp import PCPClassifier

SCORES: BoundedCache[str, Arrays] = BoundedCache(  # of label predictors
    64 * 2**20, lambda arrays: sum(array.nbytes for array in arrays.values())
)


@dataclass(frozen=True)
class PCPPlan(FitPlan):
    """A fit of PCP, checked."""

    settings: PCPClassifier
    predictor: PromptClassifier
    template: Template  # of the lines
    words: LabelWords | None  # None for lines of bare texts
    pretraining: Pretraining
    max_length: int  # tokens of a line


class Lines(NamedTuple):
    """Lines to train on."""

    ids: list[Ids]  # token ids of each line, special tokens included
    n_truncated: int  # texts that were shortened


def make_lines(plan: PCPPlan, rounds: Rounds) -> Lines:
    """Return the lines of a fit, after labeling the texts if lines have a word of their label."""
    examples = plan.data.joined().examples
    if plan.words is None:
        rounds.run("scores", dict)
        lines = bare_lines(plan.lm, examples, plan.max_length)
        _warn_shortened(plan, lines)
        return lines
    scores = rounds.run("scores", partial(_cached_scores, plan))["scores"]
    labels, is_used = _line_labels(plan, scores)
    if not is_used.any():
        raise InputError(
            f"no text is labelled with a probability of {plan.settings.min_confidence} or more; "
            f"the surest has {float(softmax(scores, axis=1).max()):.3f}. Lower min_confidence"
        )
    rows = np.flatnonzero(is_used)
    lines = templated_lines(
        plan.lm,
        plan.template,
        plan.words,
        examples.take(rows),
        labels[rows],
        max_length=plan.max_length,
        rng=np.random.default_rng(seed_of(plan.seed, 2)),
    )
    if plan.settings.pattern == "soft":
        _warn_shortened(plan, lines)
    return lines


def _warn_shortened(plan: PCPPlan, lines: Lines) -> None:
    """Warn of texts that were cut, unlike in the classifier's own template, which warns itself."""
    advice = "lines to pre-train on hold no more; raise max_length if you can"
    warn_truncated(lines.n_truncated, len(lines.ids), plan.max_length, advice)


def _cached_scores(plan: PCPPlan) -> Arrays:
    try:
        settings = settings_of(plan.predictor)
    except UnknownContentError:  # a function finds the words, and may find others by now
        return _scores(plan)
    key = fingerprint([digests_of(plan.data, plan.lm), settings, plan.seed])
    return SCORES.get(key, partial(_scores, plan))


def _scores(plan: PCPPlan) -> Arrays:
    """Score the texts without a label with the label predictor."""
    pool = plan.data.pool
    if not len(pool):
        return {"scores": np.zeros((0, len(plan.classes)))}
    clf: PromptClassifier = clone(plan.predictor)
    if clf.random_state is None:
        clf.set_params(random_state=seed_of(plan.seed, 1))
    fit_prompt(clf, plan.data.joined())
    return {"scores": at_pool_shares(clf._class_scores(pool), clf.class_prior)}


def _line_labels(
    plan: PCPPlan, scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the class whose word each text gets, labelled ones first, and which make lines."""
    probabilities = softmax(scores, axis=1)
    surest = probabilities.max(1)
    least = plan.settings.min_confidence
    if least is None:  # where a teacher is unsure it is often wrong: docs/evidence/defaults.md
        least = float(np.median(surest)) if len(surest) else 0.0
    # A model that has read the words of labels would let the final classifier, which learns from
    # the same texts, trust it too much.
    labeled = plan.data.labeled
    gold = [] if labeled is None else map(plan.classes.index, labeled.one_each.values.tolist())
    labels = np.array([*gold, *probabilities.argmax(1)], dtype=np.int64)
    has_gold = np.full(len(labels) - len(scores), plan.settings.label_source == "gold")
    return labels, np.concatenate([has_gold, surest >= least])


def bare_lines(lm: MaskedLM, examples: Examples, max_length: int) -> Lines:
    """Return the texts as they are; of several fields, the first and the others joined."""
    first, *others = examples.columns.values()
    second = [" ".join(texts) for texts in zip(*others, strict=True)] if others else None
    return Lines(*token_ids(lm.tokenizer, first, second, max_length))


def templated_lines(
    lm: MaskedLM,
    template: Template,
    words: LabelWords,
    examples: Examples,
    labels: npt.NDArray[np.int64],  # [n], numbers of the classes
    *,
    max_length: int,
    rng: np.random.Generator,
) -> Lines:
    """Put texts into a template with a word of their label; the template is never shortened."""
    # Token by token, so that the word has the very tokens that are scored at the mask. Of several
    # words of a class one is drawn for each line, by their weights.
    slots = tokenize_slots(lm.tokenizer, [template], examples, lm.tokens)
    views = {}
    ids: list[Ids] = []
    for row, label in enumerate(labels.tolist()):
        pieces = _draw_word(words, label, rng)
        if len(pieces) not in views:
            views[len(pieces)] = build_prompts(
                lm.tokenizer, template, slots, max_length=max_length, n_masks=len(pieces)
            )
        prompts = views[len(pieces)]
        for number in range(*np.searchsorted(prompts.examples, (row, row + 1))):  # they ascend
            line = prompts.ids[number].copy()
            line[prompts.mask_positions[number]] = pieces
            ids.append(line)
    n_truncated = max((prompts.n_truncated for prompts in views.values()), default=0)
    return Lines(ids, n_truncated)


def start_of_soft_prompts(fields: tuple[str, ...]) -> Template:
    """Return the text that soft prompts start from: Shi and Lipani's, with one field or more."""
    first, *others = fields
    if not others:
        return Template(f"{{{first}}} It was {{mask}}")
    rest = " ".join(f"{{{name}}}" for name in others)
    return Template(f"{{{first}}} {{mask}} , {rest}", fields)


def _draw_word(words: LabelWords, label: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw one of the words of a label and return its token ids."""
    of_class = np.flatnonzero(words.class_index.numpy() == label)
    odds = words.weights.numpy()[of_class].astype(np.float64)
    return words.token_ids(int(rng.choice(of_class, p=odds / odds.sum())))
