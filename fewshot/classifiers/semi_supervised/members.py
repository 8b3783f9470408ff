"""Members of PET's ensembles: a classifier for each template, which may bring its own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from sklearn.base import clone

from fewshot.classifiers.prompt import PromptClassifier
from fewshot.classifiers.prompt_plan import resolve_template
from fewshot.classifiers.semi_supervised.fitting import plan_prompt
from fewshot.data.labels import Label
from fewshot.data.training_data import TrainingData
from fewshot.errors import InputError
from fewshot.prompting.template import Template
from fewshot.prompting.verbalizer import Verbalizer

MemberTemplate: TypeAlias = "str | Template | tuple[str | Template, Verbalizer | Mapping[Any, Any]]"

# Beside the estimator's own; after Schick and Schütze (2021), section 4.1, AG's News.
_GENERAL = ("{text} ({mask})", "[ Category: {mask} ] {text}", "{mask}: {text}")


class Member(NamedTuple):
    """One classifier of an ensemble, before it is cloned and tuned."""

    estimator: PromptClassifier
    template: int  # its number
    repetition: int


def read_members(
    templates: Sequence[MemberTemplate] | None, base: PromptClassifier, n_repetitions: int
) -> list[Member]:
    """Return a classifier for each template and repetition, with all other settings of `base`."""
    given = _default_templates(base) if templates is None else _listed(templates)
    return [
        Member(_with_template(base, template), number, repetition)
        for number, template in enumerate(given)
        for repetition in range(n_repetitions)
    ]


def shared_fields(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the fields of all templates, in the order of the first."""
    first = resolve_template(members[0].estimator).field_names
    for member in members:
        names = resolve_template(member.estimator).field_names
        if sorted(names) != sorted(first):
            raise InputError(
                f"all templates need the same fields, but {members[0].estimator.template!r} has "
                f"{first} and {member.estimator.template!r} has {names}"
            )
    return first


def shared_classes(members: Sequence[Member], labeled: TrainingData | None) -> list[Label]:
    """Return the classes of all members, after all checks that their fits would make."""
    found = [_classes(member, labeled) for member in members]
    for member, classes in zip(members, found, strict=True):
        if classes != found[0]:
            raise InputError(
                f"all templates need the same labels, but {members[0].estimator.template!r} has "
                f"{found[0]} and {member.estimator.template!r} has {classes}; mend the verbalizers"
            )
    return found[0]


def _classes(member: Member, labeled: TrainingData | None) -> list[Label]:
    try:
        return plan_prompt(clone(member.estimator), labeled).classes
    except InputError as error:
        if member.template == 0:
            raise
        # The first template takes these labels, so the fault is this one's.
        raise InputError(f"the template {member.estimator.template!r}: {error}") from error


def _listed(templates: Any) -> list[MemberTemplate]:
    is_one = isinstance(templates, (str, Template))
    if is_one or not isinstance(templates, Sequence) or not len(templates):
        raise InputError(
            "templates is a list of templates, such as ['{text} It was {mask}.', ...], got "
            f"{templates!r}"
        )
    return list(templates)


def _default_templates(base: PromptClassifier) -> list[MemberTemplate]:
    own = resolve_template(base)
    if len(own.field_names) > 1:
        return [own]
    name = own.field_names[0]
    general = [Template(text.replace("{text}", f"{{{name}}}")) for text in _GENERAL]
    return [own, *(template for template in general if template.text != own.text)]


def _with_template(base: PromptClassifier, given: MemberTemplate) -> PromptClassifier:
    member: PromptClassifier = clone(base)
    if not isinstance(given, tuple):
        return member.set_params(template=given)
    if len(given) != 2:
        raise InputError(
            f"templates holds templates, or pairs of template and verbalizer, got {given!r}"
        )
    return member.set_params(template=given[0], verbalizer=given[1])
