"""`create_app()`: the service as an ASGI application, and its lifespan."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from app.api import errors, openapi
from app.api.api_keys import ApiKeys, read_api_keys
from app.api.middleware import request_id
from app.api.middleware.access import AccessControl
from app.api.middleware.access_log import AccessLog
from app.api.middleware.prefix import Prefix
from app.api.paths import REFERENCE
from app.api.routes import explain, health, model, page, predict
from app.model.card import find_version
from app.model.classifier import Classifier
from app.model.litert import worker_count
from app.serving.metrics import Metrics
from app.serving.model_watcher import ModelWatcher
from app.serving.predictor import Predictor
from app.settings import Settings

logger = logging.getLogger(__name__)

# What a page of another site may send and read, where the settings name the site.
_SENT = ["Authorization", "Content-Type", "X-API-Key", request_id.HEADER]
_READ = ["Retry-After", "Server-Timing", request_id.HEADER]


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
        app.api.api_keys.ApiKeysError: the file of API keys cannot be used.
    """
    settings = settings or Settings()
    app = FastAPIOffline(
        title="Photo classifier",
        description="POST a photo to /predict for a probability, to /explain for its reasons.",
        lifespan=_lifespan,
        static_url=REFERENCE,
        # To the path without a slash it would be an absolute address, with the client's own Host.
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.state.classifier = None
    app.state.draining = False
    keys = _keys(settings)
    _add_middleware(app, keys)
    errors.install(app)
    for routes in (predict, explain, health, model):
        app.include_router(routes.router)
    page.install(app)
    openapi.extend(app, bool(keys), settings.max_batch)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Load the model, and yield what every request finds in its state."""
    settings: Settings = app.state.settings
    metrics: Metrics = app.state.metrics
    loaded = app.state.classifier or load_classifier(settings)
    card = loaded.card
    logger.info("serving %s version %d with %s", card.name, card.version, loaded.engine.name)
    load = partial(load_classifier, settings)
    watcher = ModelWatcher(loaded, load, settings.model, settings.model_version, metrics)
    # Otherwise a version that is replaced would stay in memory.
    app.state.classifier = loaded = None
    predictor = Predictor(
        worker_count(settings.threads),
        settings.max_queue,
        settings.deadline_seconds,
        metrics.count_batch,
    )
    metrics.watch_predictor(predictor)
    async with watcher.running(settings.model_poll_seconds):
        yield {"predictor": predictor, "watcher": watcher}
    predictor.stop()


def _keys(settings: Settings) -> ApiKeys:
    keys = [key.get_secret_value() for key in settings.api_keys]
    file = settings.api_keys_file
    return ApiKeys(keys + (read_api_keys(file) if file else []))


def _add_middleware(app: FastAPI, keys: ApiKeys) -> None:
    """The innermost first: the last one added is the first to see a request."""
    settings: Settings = app.state.settings
    app.add_middleware(AccessControl, keys=keys, hosts=settings.trusted_hosts)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=_SENT,
            expose_headers=_READ,
        )
    app.add_middleware(AccessLog, metrics=app.state.metrics)
    app.add_middleware(Prefix, root_path=settings.root_path)
    app.add_middleware(
        CorrelationIdMiddleware,
        header_name=request_id.HEADER,
        generator=request_id.make,
        validator=request_id.is_acceptable,
        transformer=None,
    )
