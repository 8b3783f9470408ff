"""Loading a data set, by name or from settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from fewshot.benchmark.data_sets.data_set import DataSet
from fewshot.benchmark.data_sets.own_data import OwnData, load_own_data, read_verbalizer
from fewshot.benchmark.data_sets.registry import load_registered
from fewshot.errors import InputError, TemplateError
from fewshot.prompting.template import Template
from fewshot.prompting.yaml_files import check_keys

_PROMPT_KEYS = ("template", "verbalizer")
_OWN_KEYS = tuple(field.name for field in fields(OwnData))
_REQUIRED = tuple(field.name for field in fields(OwnData) if field.default is MISSING)


def load_data_set(
    source: str | Mapping[str, Any], data_dir: str | os.PathLike[str] | None = None
) -> DataSet:
    """Load a data set that is known by name, or one of the user's own.

    Parameters
    ----------
    source : str or mapping
        One of :func:`list_data_sets`, or a mapping with a ``name`` and, for data of your own,

        - ``train``: a CSV, TSV, JSON lines or Parquet file, ``text``: the column with the texts
          or a list of columns, and ``label``: the column with the labels;
        - if wanted ``test``: another file (without it, half of each class is the test), and a
          ``title`` for tables;
        - for data on the Hugging Face hub ``hub``: its id, and if needed ``config``; ``train``
          and ``test`` are names of splits then.

        With ``template`` and ``verbalizer`` a mapping also replaces the default prompt. The other
        templates of a set that is known by name come after the given one.
    data_dir : path, optional
        The folder of the data sets that come with no package. By default the environment
        variable ``FEWSHOT_DATA``.

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        If a name or key is unknown, the data folder, a file or a column is missing, or a row has
        no text or no label.
    MissingExtraError
        If the package with the texts is not installed.
    HubError
        If the hub cannot be reached, or has no such data set.
    TemplateError, VerbalizerError
        If template or verbalizer do not fit the texts and labels.

    Examples
    --------
    >>> from fewshot.benchmark import load_data_set
    >>> news = load_data_set("bbc_news")  # doctest: +SKIP
    >>> mine = load_data_set({
    ...     "name": "tickets", "train": "tickets.csv", "text": "body", "label": "team",
    ... })  # doctest: +SKIP
    """
    if isinstance(source, str):
        return load_registered(source, data_dir)
    settings = dict(source)
    is_own = any(key in settings for key in _OWN_KEYS if key not in ("name", *_PROMPT_KEYS))
    required = _REQUIRED if is_own else ("name",)
    optional = [key for key in (*_OWN_KEYS, "template") if key not in required]
    where = f"the data set {settings.get('name')!r}"
    check_keys(settings, required, optional, where, InputError)
    template = settings.pop("template", None)
    if is_own:
        data = load_own_data(OwnData(**settings))
    else:
        data = load_registered(settings["name"], data_dir)
        if settings.get("verbalizer") is not None:
            words = read_verbalizer(data.name, settings["verbalizer"], data.labels)
            data = replace(data, verbalizer=words)
    if template is None:
        return data
    first = _template(template, data)
    # The default one for texts of any kind says less than what the user has written.
    others = () if is_own else [t for t in data.templates if t.field_names == first.field_names]
    return replace(data, templates=(first, *(t for t in others if t.text != first.text)))


def _template(text: object, data: DataSet) -> Template:
    if not isinstance(text, str):
        raise InputError(f"the data set {data.name!r}: template is text, got {text!r}")
    names = data.template.field_names
    template = Template(text, names if len(names) > 1 else None)
    if len(template.field_names) != len(names):
        raise TemplateError(
            f"the data set {data.name!r}: the template {text!r} has the fields "
            f"{template.field_names}, the texts have {names}"
        )
    return template
