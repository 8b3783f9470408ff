"""A short conversation that writes a task file: ``init``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fewshot.cli.show import (
    Force,
    ModelName,
    Text,
    check_new,
    check_unused,
    examples,
    note,
    parted,
    show_table,
)
from fewshot.errors import FewShotError, InputError

if TYPE_CHECKING:
    from fewshot.prompting.library import Task

app = typer.Typer()
_TRIED, _TEXT_SHOWN, _WORDS_PROPOSED = 8, 60, 4
_POOL = 1000


@app.command(
    epilog=examples("fewshot init", "fewshot init tickets.yaml --texts tickets.csv --text body")
)
def init(
    output: Annotated[Path, typer.Argument(help="Task file to write.")] = Path("task.yaml"),
    texts: Annotated[
        Path | None, typer.Option("--texts", help="File with some of your texts.")
    ] = None,
    text: Text = None,
    model: ModelName = "fewshot-mini",
    force: Force = False,
) -> None:
    """Describe your texts and classes, see how they are classified, and write a task file.

    The file has a template and label words, for --task of the other commands, and can be edited.
    """
    check_new(output, force=force)
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"{output}: a task file ends in .yaml; give it such a name")
    if texts is None:
        check_unused({"--text": text}, "it names a column of --texts; give this too")
    given = None if texts is None else _read(texts, text)
    kind = typer.prompt("What is each of your texts? For example: review, ticket", default="text")
    names = _ask_classes()
    some = _ask_texts() if given is None else given
    description = typer.prompt("What do the classes say?", default=f"Kind of a {kind}")
    template = f"A {{mask}} {kind}: {{text}}"
    words = _proposed(names, some, model)
    while True:
        template = typer.prompt("Template", default=template)
        for name in names:
            line = typer.prompt(f"Words for {name!r}", default=", ".join(words[name]))
            words[name] = parted(line)
        try:
            task = _task(output.stem, description, template, words)
            _try(task, some, model)
        except FewShotError as error:
            note(f"fewshot: {error}")
            continue
        if typer.confirm(f"Write {output}?", default=True):
            break
    task.to_yaml(output)
    source = "texts.csv" if texts is None else texts
    note(f"Next: fewshot zero-shot {source} --task {output} --output labeled.csv")
    note(f"With labels: fewshot fit train.csv --task {output} --output model")


def _ask_classes() -> list[str]:
    while True:
        line = typer.prompt("What are the classes? Part them by commas")
        names = parted(line)
        if len(set(names)) == len(names) > 1:
            return names
        note("fewshot: name two classes or more, each once")


def _read(file: Path, column: list[str] | None) -> list[str]:
    from fewshot.cli.fitting import read_unlabeled

    return list(read_unlabeled(file, None, column))[:_POOL]


def _ask_texts() -> list[str]:
    typer.echo("Type some texts, one on a line, and an empty line at the end.")
    found: list[str] = []
    while line := typer.prompt(f"Text {len(found) + 1}", default="", show_default=False).strip():
        found.append(line)
    return found


def _proposed(names: list[str], texts: list[str], model: str) -> dict[str, list[str]]:
    """Propose the names of the classes and the words nearest to them."""
    from fewshot.knowledge import SciPromptVerbalizer

    found = SciPromptVerbalizer(n_terms=_WORDS_PROPOSED).resolve(names, texts or None, model=model)
    return {name: list(found[name])[:_WORDS_PROPOSED] for name in names}


def _task(name: str, description: str, template: str, words: dict[str, list[str]]) -> Task:
    from fewshot.prompting.library import Task
    from fewshot.prompting.template import Template
    from fewshot.prompting.verbalizer import Verbalizer

    return Task(
        name=name,
        description=description,
        source="Written with 'fewshot init'.",
        licence="Of your own texts.",
        metric="accuracy",
        fields=("text",),
        labels=tuple(words),
        templates=(Template(template, ("text",)),),
        verbalizers={"default": Verbalizer(words)},
    )


def _try(task: Task, texts: list[str], model: str) -> None:
    """Show how the texts are classified without any label."""
    from fewshot.classifiers.batch_predictor import label_columns
    from fewshot.classifiers.prompt import PromptClassifier

    classifier = PromptClassifier(
        task.templates[0], task.verbalizer, model=model, tuning="none", verbose=0
    )
    classifier.fit(texts if texts else None)
    if not texts:
        return
    found = label_columns(classifier, texts)
    rows = zip(found["label"], found["score"], texts, strict=True)
    show_table(
        ("class", "score", "text"),
        [(label, score, text[:_TEXT_SHOWN]) for label, score, text in list(rows)[:_TRIED]],
        numbers=[1],
    )
    counts = Counter(found["label"]).most_common()
    typer.echo(", ".join(f"{label} {count}" for label, count in counts))
