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
from app.api.middleware.hosts import TrustedHosts
from app.api.middleware.prefix import Prefix
from app.api.paths import REFERENCE
from app.api.routes import explain, health, model, page, predict
from app.explain.jobs import JOBS
from app.model.decision import Strictness
from app.model.version_folder import find_version
from app.serving.admission import Buffer
from app.serving.metrics import Metrics
from app.serving.model_watcher import ModelWatcher
from app.serving.predictor import Predictor
from app.serving.served_model import Options, ServedModel
from app.settings import Settings

logger = logging.getLogger(__name__)

# What a page of another site may send and read, where the settings name the site.
_SENT = ["Authorization", "Content-Type", "X-API-Key", request_id.HEADER]
_READ = ["Retry-After", "Server-Timing", request_id.HEADER]


async def load_model(
    settings: Settings, metrics: Metrics, folder: Path | None = None
) -> ServedModel:
    """Load the model that the settings ask for, and start its workers.

    Args:
        settings: the settings.
        metrics: where its workers are counted.
        folder: that version folder instead.

    Raises:
        app.model.card.ModelError: it cannot be served; the message says why.
    """
    options = Options(
        workers=settings.workers,
        most_large=settings.max_batch,  # so that all photos of a request may be large
        deadline=settings.deadline_seconds,
        engine=settings.engine,
        jobs=JOBS,
        formats=settings.formats,
        max_pixels=settings.max_pixels,
        photo_memory=settings.photo_memory_mb * 2**20,
        photo_seconds=settings.photo_seconds,
        strictness=Strictness(settings.error, settings.min_familiarity),
        on_batch=metrics.count_batch,
        on_end=metrics.count_end,
    )
    found = folder or find_version(settings.model, settings.model_version)
    return await ServedModel.load(found, options)


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service as an ASGI application.

    It loads its model when it is started, unless there is one at `app.state.model`.

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
    app.state.model = None
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
    model: ServedModel = app.state.model or await load_model(settings, metrics)
    app.state.model = None
    served = (model.card.name, model.card.version, model.engine_description)
    logger.info("serving %s version %d with %s", *served)
    watcher = ModelWatcher(
        model,
        partial(load_model, settings, metrics),
        settings.model,
        settings.model_version,
        metrics,
    )
    predictor = Predictor(settings.places, settings.deadline_seconds)
    metrics.watch_queue(lambda: watcher.model.waiting, predictor.admission)
    buffer = Buffer(settings.buffer_bytes)
    try:
        async with watcher.running(settings.model_poll_seconds):
            yield {"predictor": predictor, "watcher": watcher, "buffer": buffer}
    finally:
        watcher.model.close()


def _keys(settings: Settings) -> ApiKeys:
    keys = [key.get_secret_value() for key in settings.api_keys]
    file = settings.api_keys_file
    return ApiKeys(keys + (read_api_keys(file) if file else []))


def _add_middleware(app: FastAPI, keys: ApiKeys) -> None:
    """The innermost first: the last one added is the first to see a request."""
    settings: Settings = app.state.settings
    app.add_middleware(AccessControl, keys=keys)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=_SENT,
            expose_headers=_READ,
        )
    app.add_middleware(TrustedHosts, hosts=settings.trusted_hosts)
    app.add_middleware(AccessLog, metrics=app.state.metrics)
    app.add_middleware(Prefix, root_path=settings.root_path)
    app.add_middleware(
        CorrelationIdMiddleware,
        header_name=request_id.HEADER,
        generator=request_id.make,
        validator=request_id.is_acceptable,
        transformer=None,
    )
