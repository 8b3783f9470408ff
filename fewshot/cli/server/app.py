"""The paths of the server: ``/predict``, ``/health``, ``/metrics`` and the OpenAPI pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from fewshot import __version__
from fewshot.classifiers.batch_predictor import added_names, fields_of, label_columns
from fewshot.cli.server.batching import Batcher, UnforeseenError
from fewshot.cli.server.gate import Gate
from fewshot.cli.server.limits import Limits
from fewshot.cli.server.messages import (
    Health,
    ModelInfo,
    PredictAnswer,
    Prediction,
    PredictRequest,
    Refusal,
    by_field,
)
from fewshot.cli.server.metrics import Metrics
from fewshot.errors import FewShotError, InputError, did_you_mean

_REFUSALS: dict[int | str, dict[str, Any]] = {
    404: {"model": Refusal, "description": "There is no such model."},
    408: {"model": Refusal, "description": "The body took too long."},
    413: {"model": Refusal, "description": "The body is too large."},
    422: {"model": Refusal, "description": "The request is not as described here."},
    503: {"model": Refusal, "description": "Too many texts wait already."},
}


class ServedModel:
    """A classifier, its name and the queue of texts before it."""

    def __init__(self, name: str, classifier: Any, limits: Limits, metrics: Metrics) -> None:
        self.info = ModelInfo(
            name=name, classes=classifier.classes_.tolist(), fields=list(fields_of(classifier))
        )
        self._classifier = classifier
        self._limits = limits
        self._metrics = metrics
        self.batcher = Batcher(self._predict, limits.batch, metrics.batches.labels(name).observe)
        metrics.watch_waiting(name, lambda: self.batcher.n_waiting)

    async def predict(self, given: Sequence[Any]) -> list[Prediction]:
        """Predict the texts of a request."""
        limits = self._limits
        if len(given) > limits.texts:
            raise InputError(
                f"{len(given)} texts, and a request may hold {limits.texts}; send several requests"
            )
        texts = [by_field(text, self.info.fields, row) for row, text in enumerate(given)]
        for row, text in enumerate(texts):
            n_characters = len(text) if isinstance(text, str) else sum(map(len, text.values()))
            if n_characters > limits.characters:
                raise InputError(
                    f"text {row} has {n_characters} characters, and may have {limits.characters}; "
                    "shorten it"
                )
        if self.batcher.n_waiting + len(texts) > limits.waiting:
            raise HTTPException(
                503,
                f"{self.batcher.n_waiting} texts wait already; try again later",
                {"Retry-After": "1"},
            )
        return await self.batcher.predict(texts)

    def _predict(self, texts: list[Any]) -> list[Prediction]:
        columns = label_columns(self._classifier, texts, proba=True)
        names = [str(name) for name in self.info.classes]
        label, score, *classes = added_names(self._classifier, proba=True, prefix="")
        rows = [
            Prediction(label=found, score=value, proba=dict(zip(names, proba, strict=True)))
            for found, value, *proba in zip(
                columns[label], columns[score], *(columns[name] for name in classes), strict=True
            )
        ]
        for row in rows:
            for one in row.label if isinstance(row.label, list) else [row.label]:
                self._metrics.predictions.labels(self.info.name, str(one)).inc()
        return rows


def create_app(classifiers: Mapping[str, Any], limits: Limits) -> FastAPI:
    """Return the application that serves classifiers by their names."""
    metrics = Metrics()
    models = {
        name: ServedModel(name, classifier, limits, metrics)
        for name, classifier in classifiers.items()
    }

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = [asyncio.create_task(served.batcher.run()) for served in models.values()]
        yield
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    app = FastAPI(
        title="fewshot",
        version=__version__,
        description="Predictions of saved classifiers.",
        lifespan=lifespan,
    )
    _add_paths(app, models, metrics)
    _add_errors(app)
    paths = ("/predict", "/health", "/metrics", "/docs", "/openapi.json")
    app.add_middleware(Gate, limits=limits, metrics=metrics, paths=paths)
    return app


def _add_paths(app: FastAPI, models: Mapping[str, ServedModel], metrics: Metrics) -> None:
    @app.post("/predict", responses=_REFUSALS, response_model_exclude_none=True)
    async def predict(request: PredictRequest) -> PredictAnswer:
        """Predict the class of one text, or of many."""
        served = _named(models, request.model)
        rows = await served.predict(request.all_texts())
        if not request.proba:
            rows = [Prediction(label=row.label, score=row.score, proba=None) for row in rows]
        return PredictAnswer(model=served.info.name, predictions=rows)

    @app.get("/health")
    async def health() -> Health:
        """Say that the server answers, and with which models."""
        return Health(version=__version__, models=[served.info for served in models.values()])

    @app.get("/metrics", response_class=Response)
    async def show_metrics() -> Response:
        """Return the numbers that Prometheus reads."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _named(models: Mapping[str, ServedModel], name: str | None) -> ServedModel:
    if name is None:
        if len(models) > 1:
            raise InputError(f'name a "model", one of {list(models)}')
        return next(iter(models.values()))
    if name not in models:
        raise HTTPException(
            404, f"no model {name!r}{did_you_mean(name, models)}; there are {list(models)}"
        )
    return models[name]


def _add_errors(app: FastAPI) -> None:
    """Answer with a sentence, never with what was sent."""

    @app.exception_handler(RequestValidationError)
    async def misfit(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        problem = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] == "json_invalid":
            problem = f"the body is no JSON from character {place} on: {first['ctx']['error']}"
        elif place:
            problem = f"{place}: {problem}"
        else:
            problem = f'{problem}; send an object such as {{"text": "..."}} as application/json'
        return JSONResponse({"detail": problem}, 422)

    @app.exception_handler(FewShotError)
    async def refused(_: Request, error: FewShotError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(UnforeseenError)
    async def failed(_: Request, error: UnforeseenError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 500)
