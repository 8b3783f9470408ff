"""Predictions over HTTP: ``serve``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.show import examples

app = typer.Typer()


@app.command(
    epilog=examples(
        "fewshot serve model",
        "fewshot serve models/tickets models/reviews --port 8080",
        "curl localhost:8000/predict -H 'Content-Type: application/json' "
        """-d '{"text": "Where is my parcel?"}'""",
    )
)
def serve(
    models: Annotated[
        list[Path], typer.Argument(help="Folders of models; each goes by its folder's name.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines too.")
    ] = "127.0.0.1",
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 4 * 2**20,
    max_texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 1024,
    max_characters: Annotated[int, typer.Option(min=1, help="Characters of a text.")] = 100_000,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Texts that may wait; more are refused with 503.")
    ] = 4096,
    max_batch: Annotated[int, typer.Option(min=1, help="Texts predicted at once.")] = 64,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no line per request.")] = False,
) -> None:
    """Serve models over HTTP: POST /predict, GET /health, /metrics and /docs.

    Texts of concurrent requests are predicted together. Ctrl-C and SIGTERM stop the server when
    the requests in work are answered. Texts are never logged.
    """
    from fewshot.cli.server.limits import Limits
    from fewshot.cli.server.running import serve as run

    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("fewshot.serving").setLevel(logging.WARNING if quiet else logging.INFO)
    limits = Limits(
        body_bytes=max_body,
        texts=max_texts,
        characters=max_characters,
        waiting=max_waiting,
        batch=max_batch,
    )
    run(models, host, port, limits)
