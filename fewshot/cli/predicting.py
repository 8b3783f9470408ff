"""Predictions from a file to a file: ``predict`` and ``zero-shot``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot import __version__
from fewshot.cli.show import (
    AsJson,
    FileFormat,
    Force,
    LabelSeparator,
    ModelName,
    TaskName,
    TemplateText,
    Text,
    check_new,
    check_unused,
    examples,
    note,
    parted,
    progress_of,
    show_json,
)
from fewshot.data.table_files import PIPE
from fewshot.errors import InputError

if TYPE_CHECKING:
    from fewshot.classifiers.automatic.classifier import Classifier
    from fewshot.classifiers.prompt import PromptClassifier
    from fewshot.cli.prompts import Prompt
    from fewshot.cli.source import Part, Source
    from fewshot.cli.streams import Prediction, Target
    from fewshot.data.table_files import Row

app = typer.Typer()
_CALIBRATION_TEXTS = 1000
_ALL_TIME = 1e9  # seconds
_PEEKED_ROWS = 1000  # that show which column holds the texts

_Input = Annotated[Path, typer.Argument(help="CSV, TSV, JSON lines or Parquet; - for a pipe.")]
_Proba = Annotated[bool, typer.Option("--proba", help="Add the probability of each class.")]
_Least = Annotated[
    float | None,
    typer.Option("--min-confidence", min=0, max=1, help="Below it the label stays empty."),
]
_Prefix = Annotated[
    str, typer.Option("--prefix", help="Begins the names of the new columns, label and score.")
]
_SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad", help="Set broken rows aside, in OUTPUT.bad.jsonl, instead of stopping."
    ),
]
_PartRows = Annotated[
    int,
    typer.Option("--part-rows", min=1, help="Rows per part: at most so many are done again."),
]


@app.command(
    epilog=examples(
        "fewshot predict model tickets.csv labeled.csv",
        "fewshot predict model pairs.tsv out.jsonl --text premise=first --text hypothesis=second",
        "cat tickets.csv | fewshot predict model - - --min-confidence 0.8 > labeled.csv",
    )
)
def predict(
    model: Annotated[Path, typer.Argument(help="Folder that 'fewshot fit' has written.")],
    input: _Input,  # noqa: A002  # its name on the help page
    output: Annotated[Path, typer.Argument(help="File of the suffix's format; - for a pipe.")],
    text: Text = None,
    proba: _Proba = False,
    min_confidence: _Least = None,
    prefix: _Prefix = "",
    label_separator: LabelSeparator = None,
    skip_bad: _SkipBad = False,
    part_rows: _PartRows = 8192,
    format: FileFormat = None,  # noqa: A002
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Predict the rows of a file with a saved classifier.

    The output has all columns of the input, in the same order of rows, and those of the
    predictions. A command that was interrupted resumes when it is repeated.
    """
    from fewshot.classifiers.batch_predictor import BatchPredictor, fields_of
    from fewshot.cli.columns import find_text
    from fewshot.cli.streams import Prediction

    if output == PIPE:
        check_unused({"--json": as_json}, "rows go to standard output; name an output file")
    source, target = _files(input, output, format, part_rows, skip_bad=skip_bad, force=force)
    first, parts = _peeked(source)
    predictor = BatchPredictor(model)
    classifier = predictor.classifier()
    if classifier.thresholds_ is None:
        reason = "the model gives each text one label; leave it out"
        check_unused({"--label-separator": label_separator}, reason)
    columns = find_text(_rows(first), text, fields_of(classifier))
    digest = f"{__version__} {predictor.fingerprint}"
    prediction = Prediction(
        classifier, digest, columns, proba, min_confidence, prefix, label_separator
    )
    _run(prediction, source, parts, target, time.perf_counter(), as_json=as_json)


@app.command(
    "zero-shot",
    epilog=examples(
        'fewshot zero-shot tickets.csv --labels "refund request,login problem" --output out.csv',
        "fewshot zero-shot reviews.tsv --task sst2 --output out.tsv --proba",
    ),
)
def zero_shot(
    input: _Input,  # noqa: A002
    output: Annotated[Path, typer.Option("--output", help="File to write; - for a pipe.")],
    labels: Annotated[
        str | None, typer.Option("--labels", help="Names of the classes, parted by commas.")
    ] = None,
    task: TaskName = None,
    template: TemplateText = None,
    model: ModelName = "fewshot-mini",
    text: Text = None,
    proba: _Proba = False,
    min_confidence: _Least = None,
    prefix: _Prefix = "",
    label_separator: LabelSeparator = None,
    skip_bad: _SkipBad = False,
    part_rows: _PartRows = 8192,
    format: FileFormat = None,  # noqa: A002
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Classify the rows of a file by the names of the classes, without any label.

    It learns from a thousand texts from all over the file, or of a pipe's first part, how such
    texts differ. With --label-separator a text may have several labels, or none.
    """
    from fewshot.cli.columns import find_text
    from fewshot.cli.prompts import read_prompt
    from fewshot.cli.streams import Prediction

    if output == PIPE:
        check_unused({"--json": as_json}, "rows go to standard output; name an output file")
    source, target = _files(input, output, format, part_rows, skip_bad=skip_bad, force=force)
    first, parts = _peeked(source)
    from fewshot.data.examples import read_examples
    from fewshot.models.fingerprint import fingerprint  # torch, once the file is known
    from fewshot.models.loading import load_masked_lm

    given = None if labels is None else parted(labels)
    prompt = read_prompt(task, template, given)
    columns = find_text(_rows(first), text, prompt.fields)
    untaught = _untaught(prompt, columns, model, has_several=label_separator is not None)
    texts = source.sample(first if source.is_pipe else source.parts(), columns, _CALIBRATION_TEXTS)
    note(f"Calibrating on {len(texts):,} of the texts.")
    started = time.perf_counter()  # the states of these texts are kept
    untaught.fit(texts)
    content = [untaught, load_masked_lm(model), read_examples(texts, tuple(columns))]
    # The one that has learned warns of no text that it has seen.
    classifier = untaught.estimator_ if hasattr(untaught, "estimator_") else untaught
    digest = f"{__version__} {fingerprint(content)}"
    prediction = Prediction(
        classifier, digest, columns, proba, min_confidence, prefix, label_separator
    )
    _run(prediction, source, parts, target, started, as_json=as_json)


def _untaught(
    prompt: Prompt, columns: Mapping[str, str], model: str, *, has_several: bool
) -> Classifier | PromptClassifier:
    """Return a prompt if one is given or needed, else what is best by names alone."""
    from fewshot.classifiers.automatic.classifier import Classifier
    from fewshot.classifiers.prompt import PromptClassifier

    is_prompt = prompt.templates or has_several or len(columns) > 1
    if is_prompt or prompt.verbalizer is None:
        return PromptClassifier(
            prompt.template_for(columns),
            prompt.verbalizer,
            model=model,
            tuning="none",
            threshold="auto" if has_several else None,
            verbose=0,
        )
    names = prompt.verbalizer.labels
    # Time for all texts: a command that is repeated must find the same.
    return Classifier(names, model=model, time_budget=_ALL_TIME, random_state=0, verbose=0)


def _files(
    path: Path, output: Path, form: str | None, part_rows: int, *, skip_bad: bool, force: bool
) -> tuple[Source, Target]:
    """Check what is read and written before any work."""
    from fewshot.cli.source import Source
    from fewshot.cli.streams import Target

    if PIPE not in (path, output):
        check_unused({"--format": form}, "files have the format of their suffix; leave it out")
    source = Source(path, form if path == PIPE else None, skip_bad, part_rows)
    target = Target(output, form if output == PIPE else None)
    if output == PIPE and skip_bad:
        raise InputError("--skip-bad sets rows aside beside the output; name an output file")
    _ = target.form  # refuses an unknown suffix
    check_new(output, force=force)
    if skip_bad:
        check_new(target.bad_file, force=force)
    return source, target


def _peeked(source: Source) -> tuple[list[Part], Iterator[Part]]:
    """Return the first parts, of a pipe one, so that what is written does not wait; and all."""
    parts = source.parts()
    n_parts = 1 if source.is_pipe else max(1, _PEEKED_ROWS // source.part_rows)
    first = list(islice(parts, n_parts))
    return first, _in_turn(first, parts)


def _in_turn(first: list[Part], parts: Iterator[Part]) -> Iterator[Part]:
    while first:  # none is kept that is done
        yield first.pop(0)
    yield from parts


def _rows(parts: Iterable[Part]) -> list[Row]:
    return list(islice((row for part in parts for row in part.rows), _PEEKED_ROWS))


def _run(
    prediction: Prediction,
    source: Source,
    parts: Iterator[Part],
    target: Target,
    started: float,
    *,
    as_json: bool,
) -> None:
    from fewshot.cli.streams import predict_stream

    with progress_of(source.n_lines()) as progress:
        summary = predict_stream(prediction, source, parts, target, progress)
    summary.seconds = time.perf_counter() - started
    done: dict[str, Any] = asdict(summary)
    if as_json and target.path != PIPE:
        show_json(done)
        return
    rate = (summary.rows - summary.resumed) / max(summary.seconds, 1e-9)
    speed = f"{summary.seconds:.1f} s ({rate:,.0f} per second)"
    note(f"{summary.rows:,} rows in {speed}: {target.path}")
    by_count = sorted(summary.labels.items(), key=lambda item: -item[1])
    note(", ".join(f"{label} {count:,}" for label, count in by_count))
    if summary.resumed:
        note(f"{summary.resumed:,} rows were done by an earlier run.")
    if summary.unsure:
        note(f"{summary.unsure:,} rows have no label: their scores are too low.")
    if summary.bad:
        note(f"{summary.bad:,} rows were set aside: {target.bad_file}")
