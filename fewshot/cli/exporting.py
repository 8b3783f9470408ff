"""Saved classifiers as graphs that predict without torch: ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.cli.show import AsJson, Force, Text, check_new, check_unused, examples, note, show_json
from fewshot.errors import InputError

app = typer.Typer()
_COMPARED = 500  # texts


@app.command(
    epilog=examples(
        "fewshot export model fast-model --texts tickets.csv",
        "fewshot export model fast-model --backend openvino --precision int8",
        "fewshot export auto-model fast-model --texts many.csv --distill",
    )
)
def export(
    model: Annotated[Path, typer.Argument(help="Folder that 'fewshot fit' has written.")],
    output: Annotated[Path, typer.Argument(help="Folder to write.")],
    texts: Annotated[
        Path | None,
        typer.Option("--texts", help="File of your texts, on which predictions are compared."),
    ] = None,
    text: Text = None,
    backend: Annotated[str, typer.Option(help="onnx or openvino.")] = "onnx",
    precision: Annotated[
        str, typer.Option(help="auto, float32, bf16 or int8; auto takes the fastest.")
    ] = "auto",
    tolerance: Annotated[
        float,
        typer.Option(min=0, max=1, help="Largest share of texts whose class the graph may change."),
    ] = 0.02,
    distill: Annotated[
        bool,
        typer.Option(
            "--distill", help="Of 'fit --method auto': one classifier that learns from --texts."
        ),
    ] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a model as a graph that predicts without torch, and faster.

    predict, evaluate and serve take the new folder like any model.
    """
    from fewshot.runtime.manifest import FOLDER

    check_new(output, force=force, folder=FOLDER)
    if texts is None:
        check_unused({"--text": text}, "it names a column of --texts; give this too")
        if distill:
            raise InputError("--distill learns from --texts; give a file of 100 texts or more")
    import fewshot
    from fewshot.classifiers.batch_predictor import fields_of
    from fewshot.cli.fitting import read_unlabeled

    classifier: Any = fewshot.load(model)
    some, distilled = None, dict[str, Any]()
    if texts is not None:
        fields = {name: name for name in fields_of(classifier)}
        found = read_unlabeled(texts, fields, text)
        if distill:
            classifier, distilled = _distilled(classifier, found)
        some = found[:: max(1, len(found) // _COMPARED)]
    settings: Any = {"backend": backend, "precision": precision, "tolerance": tolerance}
    manifest = fewshot.export(classifier, output, texts=some, **settings).manifest_
    check, chosen = manifest["check"], manifest["precision"]
    if as_json:
        shown = {"model": str(output), "backend": backend, "precision": chosen, "check": check}
        show_json(shown | distilled)
        return
    note(
        f"{output} ({backend}, {chosen}): the class of {check['changed']} of {check['n_texts']} "
        f"texts changed, probabilities by {check['largest']:.4f} at most."
    )


def _distilled(classifier: Any, texts: list[Any]) -> tuple[Any, dict[str, Any]]:
    """Return the classifier that has learned from a pool of several, and how far it is another."""
    if not hasattr(classifier, "distill"):
        raise InputError(
            f"--distill is for a model of 'fewshot fit --method auto'; this one is a "
            f"{type(classifier).__name__}, which is exported as it is: leave it out"
        )
    student = classifier.distill(texts)
    some = texts[:: max(1, len(texts) // _COMPARED)]
    n_changed = int((student.predict(some) != classifier.predict(some)).sum())
    note(
        f"distilled on {len(texts)} texts: of {len(some)} of these, {n_changed} are in another "
        "class than before."
    )
    return student, {"distilled": {"n_texts": len(some), "changed": n_changed}}
