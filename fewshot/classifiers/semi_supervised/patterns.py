"""Patterns: templates, some with label words of their own, and a classifier for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from sklearn.base import clone

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_plan import plan_fit, resolve_template
from fewshot.data.labels import Label
from fewshot.data.training_data import TrainingData
from fewshot.errors import InputError
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer

Pattern: TypeAlias = "str | Template | tuple[str | Template, Verbalizer | Mapping[Any, Any]]"

# Beside the estimator's own; after Schick and Schütze (2021), section 4.1, AG's News.
_GENERAL = ("{text} ({mask})", "[ Category: {mask} ] {text}", "{mask}: {text}")


class Member(NamedTuple):
    """One classifier of an ensemble, before it is cloned and tuned.

    Parameters
    ----------
    estimator : PromptClassifier
    pattern, repetition : int
        Their numbers.
    """

    estimator: PromptClassifier
    pattern: int
    repetition: int


def read_members(
    templates: Sequence[Pattern] | None, base: PromptClassifier, n_repetitions: int
) -> list[Member]:
    """Return a classifier for each pattern and repetition.

    Parameters
    ----------
    templates : sequence of str, Template or (template, verbalizer), optional
        By default the classifier's own template and, for texts of one field, three general ones.
    base : PromptClassifier
        Has all other settings.
    n_repetitions : int

    Returns
    -------
    list of Member

    Raises
    ------
    InputError
        If `templates` holds something else.
    """
    patterns = _default_patterns(base) if templates is None else _listed(templates)
    return [
        Member(_with_pattern(base, pattern), number, repetition)
        for number, pattern in enumerate(patterns)
        for repetition in range(n_repetitions)
    ]


def shared_fields(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the fields of all templates, in the order of the first.

    Raises
    ------
    InputError
        If they differ.
    TemplateError
        If a template cannot be parsed.
    """
    first = resolve_template(members[0].estimator).field_names
    for member in members:
        names = resolve_template(member.estimator).field_names
        if sorted(names) != sorted(first):
            raise InputError(
                f"all templates need the same fields, but {members[0].estimator.template!r} has "
                f"{first} and {member.estimator.template!r} has {names}"
            )
    return first


def shared_classes(members: Sequence[Member], labelled: TrainingData | None) -> list[Label]:
    """Return the classes of all members, after all checks that their fits would make.

    Parameters
    ----------
    members : sequence of Member
    labelled : TrainingData or None
        Without any the members are zero-shot.

    Returns
    -------
    list of str or int

    Raises
    ------
    InputError
        If their labels differ.
    """
    found = [_classes(member, labelled) for member in members]
    for member, classes in zip(members, found, strict=True):
        if classes != found[0]:
            raise InputError(
                f"all patterns need the same labels, but {members[0].estimator.template!r} has "
                f"{found[0]} and {member.estimator.template!r} has {classes}; mend the verbalizers"
            )
    return found[0]


def _classes(member: Member, labelled: TrainingData | None) -> list[Label]:
    clf: PromptClassifier = clone(member.estimator)
    if labelled is None:
        return plan_fit(clf.set_params(tuning="none"), None, None, None).classes
    texts, labels = labelled.examples.rows(), labelled.labels.values.tolist()
    try:
        return plan_fit(clf, texts, labels, labelled.sample_weight).classes
    except InputError as error:
        if member.pattern == 0:
            raise
        # The first pattern takes these labels, so the fault is this one's.
        raise InputError(f"the pattern {member.estimator.template!r}: {error}") from error


def _listed(templates: Any) -> list[Pattern]:
    is_one = isinstance(templates, (str, Template))
    if is_one or not isinstance(templates, Sequence) or not len(templates):
        raise InputError(
            "templates is a list of patterns, such as ['{text} It was {mask}.', ...], got "
            f"{templates!r}"
        )
    return list(templates)


def _default_patterns(base: PromptClassifier) -> list[Pattern]:
    own = resolve_template(base)
    if len(own.field_names) > 1:
        return [own]
    name = own.field_names[0]
    general = [Template(text.replace("{text}", f"{{{name}}}")) for text in _GENERAL]
    return [own, *(template for template in general if template.text != own.text)]


def _with_pattern(base: PromptClassifier, pattern: Pattern) -> PromptClassifier:
    member: PromptClassifier = clone(base)
    if not isinstance(pattern, tuple):
        return member.set_params(template=pattern)
    if len(pattern) != 2:
        raise InputError(
            f"a pattern is a template, or a pair of template and verbalizer, got {pattern!r}"
        )
    return member.set_params(template=pattern[0], verbalizer=pattern[1])
