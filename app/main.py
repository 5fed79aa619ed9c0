"""`create_app()`, the lifespan and `/model`; the other routes have files of their own."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from app.api import openapi, problems
from app.api.api_keys import Keys, read_keys
from app.api.middleware import request_id
from app.api.middleware.access import REFERENCE, Gate, Rules
from app.api.middleware.access_log import Observer, Refusals
from app.api.routes import explain, health, page, predict
from app.model.card import Card, find_version
from app.model.classifier import Classifier
from app.model.litert import at_a_time
from app.server.load_shedding import Door
from app.serving.metrics import Metrics
from app.serving.model_watcher import Rollout
from app.serving.predictor import Inference
from app.settings import Settings

logger = logging.getLogger(__name__)

# What a page of another site may send and read, where the settings name the site.
_SENT = ["Authorization", "Content-Type", "X-API-Key", request_id.HEADER]
_READ = ["Retry-After", "Server-Timing", request_id.HEADER]


class Accepts(BaseModel):
    """What an upload may be."""

    formats: tuple[str, ...]
    max_bytes: int
    max_pixels: int
    max_photos: int


class ModelBody(Card):
    """The model's card, the engine that runs it, and what the service accepts."""

    engine: str
    accepts: Accepts


router = APIRouter()


def load_classifier(settings: Settings, folder: Path | None = None) -> Classifier:
    """The classifier that the settings ask for.

    Args:
        settings: the settings.
        folder: that version folder instead.

    Raises:
        app.model.card.ModelError: it cannot be served; the message says why.
    """
    return Classifier.load(
        folder or find_version(settings.model, settings.model_version),
        engine=settings.engine,
        threads=settings.threads,
        max_pixels=settings.max_pixels,
        formats=settings.formats,
    )


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an ASGI application.

    It loads its model when it is started, unless there is one at `app.state.classifier`.

    Args:
        settings: instead of those in the environment.

    Raises:
        app.api.api_keys.KeysError: the file of API keys cannot be used.
    """
    settings = settings or Settings()
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        loaded = app.state.classifier or load_classifier(settings)
        card = loaded.card
        logger.info("serving %s version %d with %s", card.name, card.version, loaded.engine.name)
        rollout = _rollout(settings, loaded, metrics)
        # Or a version that is replaced would stay in memory.
        app.state.classifier = loaded = None
        inference = Inference(
            at_a_time(settings.threads),
            settings.max_queue,
            settings.deadline_seconds,
            metrics.batch,
        )
        metrics.watch(inference)
        async with _watching(rollout, settings.model_poll_seconds):
            yield {"inference": inference, "rollout": rollout}
        inference.stop()

    app = FastAPIOffline(
        title="Photo classifier",
        description="POST a photo to /predict for a probability, to /explain for its reasons.",
        lifespan=lifespan,
        static_url=REFERENCE,
        # To the path without a slash it would be an absolute address, with the client's own Host.
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.classifier = None
    app.state.draining = False
    keys = _keys(settings)
    _add_middleware(app, settings, Rules(keys, settings.trusted_hosts), metrics)
    problems.install(app)
    for routes in (predict, explain, health):
        app.include_router(routes.router)
    app.include_router(router)
    page.install(app)
    openapi.complete(app, bool(keys), settings.max_batch)
    return app


def _keys(settings: Settings) -> Keys:
    keys = [key.get_secret_value() for key in settings.api_keys]
    return Keys(keys + (read_keys(settings.api_keys_file) if settings.api_keys_file else []))


def _add_middleware(app: FastAPI, settings: Settings, rules: Rules, metrics: Metrics) -> None:
    """The innermost first: the last one added is the first to see a request."""
    refusals = Refusals()
    # What the server asks before it comes to the middleware, which has it from here.
    app.state.door = Door(rules, metrics, refusals, bool(settings.cors_origins))
    app.add_middleware(Gate, rules=rules)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=_SENT,
            expose_headers=_READ,
        )
    app.add_middleware(Observer, metrics=metrics, refusals=refusals)
    app.add_middleware(
        CorrelationIdMiddleware,
        header_name=request_id.HEADER,
        generator=request_id.make,
        validator=request_id.is_acceptable,
        transformer=None,
    )


def _rollout(settings: Settings, classifier: Classifier, metrics: Metrics) -> Rollout:
    def load(folder: Path) -> Classifier:
        return load_classifier(settings, folder)

    return Rollout(classifier, load, settings.model, settings.model_version, metrics)


@asynccontextmanager
async def _watching(rollout: Rollout, seconds: float) -> AsyncIterator[None]:
    """Look for new versions meanwhile, every so often and on SIGHUP."""
    loop = asyncio.get_running_loop()
    # Only a process's main thread gets signals, and Windows has no such signal.
    listens = hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread()
    if listens:
        loop.add_signal_handler(signal.SIGHUP, rollout.check_now)
    task = asyncio.create_task(rollout.watch(seconds))
    try:
        yield
    finally:
        if listens:
            loop.remove_signal_handler(signal.SIGHUP)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@router.get(
    "/model",
    summary="What the network is",
    response_model=ModelBody,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **problems.responses(400, 401, 403, 503),
    },
)
async def model(request: Request) -> Response:
    """The model's card as JSON; with `Accept: text/plain` the table that Keras prints."""
    classifier: Classifier = request.state.classifier
    headers = {"Vary": "Accept"}
    accept = request.headers.get("accept", "")
    if "text/plain" in accept and "application/json" not in accept:
        return PlainTextResponse(classifier.card.summary + "\n", headers=headers)
    settings: Settings = request.app.state.settings
    body = ModelBody(
        **dict(classifier.card),
        engine=classifier.engine.name,
        accepts=Accepts(
            formats=settings.formats,
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            max_photos=settings.max_batch,
        ),
    )
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)
