"""Paraphrases of a template: the same fields and question in other words."""

from __future__ import annotations

from collections.abc import Sequence

from fewshot.errors import TemplateError
from fewshot.prompting.template import Template


def read_wordings(templates: Sequence[str | Template], template: Template) -> tuple[Template, ...]:
    """Return paraphrases, each once; strings take fields and shortening from the template."""
    if isinstance(templates, (str, Template)) or not isinstance(templates, Sequence):
        raise TemplateError(f"templates is a sequence of templates, got {templates!r}; write [...]")
    read = [_read(given, template) for given in templates]
    return tuple(dict.fromkeys(read))


def _read(given: str | Template, template: Template) -> Template:
    wording = given if isinstance(given, Template) else Template(given)
    lacking = [name for name in wording.field_names if name not in template.field_names]
    if lacking:
        raise TemplateError(
            f"the wording {wording.text!r} has the field {lacking[0]!r}, which the template "
            f"{template.text!r} lacks; its fields are {list(template.field_names)}"
        )
    is_whole = set(wording.field_names) == set(template.field_names)
    if isinstance(given, Template):
        return given
    return Template(given, template.field_names if is_whole else None, template.shorten)
