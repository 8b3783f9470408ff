"""Templates and label words as options give them: a task, a template, names of classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fewshot.data.labels import Label
from fewshot.errors import InputError, did_you_mean
from fewshot.prompting.library import Task, load_task
from fewshot.prompting.template import Template, default_template
from fewshot.prompting.verbalizer import Verbalizer


@dataclass(frozen=True)
class Prompt:
    """Templates and label words; what is None follows from the data."""

    templates: tuple[Template, ...] = ()
    verbalizer: Verbalizer | None = None

    @property
    def fields(self) -> tuple[str, ...] | None:
        """Fields of the texts, if the templates name them."""
        return self.templates[0].field_names if self.templates else None

    def template_for(self, fields: Iterable[str]) -> Template:
        """Return the template of texts with these fields."""
        return self.templates[0] if self.templates else default_template(tuple(fields))

    def typed(self, labels: Sequence[str]) -> list[Label]:
        """Return labels as the verbalizer has them: those of a file are text."""
        if self.verbalizer is None:
            return list(labels)
        known = {str(label): label for label in self.verbalizer.labels}
        unknown = sorted(set(labels) - set(known))
        if unknown:
            raise InputError(
                f"the file has the label {unknown[0]!r}{did_you_mean(unknown[0], known)}, the task "
                f"has {list(known)}"
            )
        return [known[label] for label in labels]


def read_prompt(
    task: str | None, template: str | None, labels: Sequence[str] | None = None
) -> Prompt:
    """Read what the options name; `labels` None: they follow from the data."""
    known: Task | None = None if task is None else load_task(task)
    if (known is None) == (labels is None):
        raise InputError('name the classes with --labels "one,other", or else a task with --task')
    verbalizer = known.verbalizer if known is not None else Verbalizer.from_labels(labels or ())
    return Prompt(_templates(known, template), verbalizer)


def read_training_prompt(task: str | None, template: str | None) -> Prompt:
    """Read the options of a fit, whose labels may follow from the data."""
    known: Task | None = None if task is None else load_task(task)
    return Prompt(_templates(known, template), None if known is None else known.verbalizer)


def _templates(task: Task | None, template: str | None) -> tuple[Template, ...]:
    of_task = () if task is None else task.templates
    if template is None:
        return of_task
    given = Template(template) if task is None else Template(template, task.fields)
    return (given, *(other for other in of_task if other.text != given.text))
