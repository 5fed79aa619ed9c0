"""`create_app()`, the lifespan and the routes; those of `/explain` and of the page have files."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import CapacityLimiter, to_thread
from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from app import images, insight, problems, web
from app.answers import PredictionBody
from app.card import Card
from app.classifier import Classifier
from app.settings import Settings
from app.uploads import PHOTO_BODY, read_photo

logger = logging.getLogger(__name__)


class Accepts(BaseModel):
    """What an upload may be."""

    formats: tuple[str, ...]
    max_bytes: int
    max_pixels: int


class ModelBody(Card):
    """The model's card, the engine that runs it, and what the service accepts."""

    engine: str
    accepts: Accepts


class Status(BaseModel):
    """The answer of the probes."""

    status: str


router = APIRouter()


def load_classifier(settings: Settings) -> Classifier:
    """The classifier that the settings ask for.

    Raises:
        app.card.ModelError: it cannot be served; the message says why.
    """
    return Classifier.load(
        settings.model,
        version=settings.model_version,
        engine=settings.engine,
        threads=settings.threads,
        max_pixels=settings.max_pixels,
    )


def create_app(settings: Settings | None = None, classifier: Classifier | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: instead of those in the environment.
        classifier: instead of the one that the settings name; otherwise that one is loaded
            when the application starts.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        loaded = classifier or load_classifier(settings)
        card = loaded.card
        logger.info("serving %s version %d with %s", card.name, card.version, loaded.engine.name)
        # As many photos at a time as the engine has threads: decoding is bounded with it.
        yield {"classifier": loaded, "limiter": CapacityLimiter(settings.threads)}

    app = FastAPI(
        title="Photo classifier",
        description="POST a photo to /predict for a probability, to /explain for its reasons.",
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.add_middleware(CorrelationIdMiddleware, validator=_is_request_id)
    problems.install(app)
    app.include_router(router)
    app.include_router(insight.router)
    web.install(app)
    return app


@router.post(
    "/predict",
    summary="Classify one photo",
    responses=problems.responses(400, 413, 415, 422, 500),
    openapi_extra={"requestBody": PHOTO_BODY},
)
async def predict(request: Request) -> PredictionBody:
    """Send the photo as the multipart field `file`, or as a raw `image/*` body."""
    classifier: Classifier = request.state.classifier
    data = await read_photo(request, request.app.state.settings.max_bytes)
    limiter = request.state.limiter
    prediction = await to_thread.run_sync(classifier.predict, data, limiter=limiter)
    return PredictionBody.of(classifier.card, prediction)


@router.get(
    "/model",
    summary="What the network is",
    response_model=ModelBody,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
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
            formats=images.FORMATS,
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
        ),
    )
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)


@router.get("/livez", summary="Is the process alive")
async def livez() -> Status:
    """Answers as long as the event loop turns."""
    return Status(status="alive")


@router.get("/readyz", summary="Will it answer right", responses=problems.responses(503))
async def readyz(request: Request) -> Status:
    """Ready once the model is loaded and has reproduced its card's golden predictions."""
    if not hasattr(request.state, "classifier"):
        raise problems.Problem(503, "not-ready", "Not ready", "The model is not loaded yet.")
    return Status(status="ready")


def _is_request_id(text: str) -> bool:
    """A client's X-Request-ID is taken over if it is short and harmless in a log line."""
    return len(text) <= 128 and text.isascii() and text.replace("-", "").replace("_", "").isalnum()
