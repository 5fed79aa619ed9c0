"""`create_app()`, the lifespan and the routes; nothing else knows HTTP paths."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import CapacityLimiter, to_thread
from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from app import images, problems
from app.card import Card
from app.classifier import Classifier
from app.settings import Settings
from app.uploads import FIELD, read_photo

logger = logging.getLogger(__name__)


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: int


class PredictionBody(BaseModel):
    """`probability` belongs to `label`; `probabilities` names every label and sums to 1."""

    label: str
    probability: float
    probabilities: dict[str, float]
    model: ModelName


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


_BINARY = {"schema": {"type": "string", "format": "binary"}}
_PHOTO_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "string", "format": "binary"}},
            }
        },
        "image/*": _BINARY,
    },
}

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
        description="POST a photo to /predict and get a probability.",
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.add_middleware(CorrelationIdMiddleware, validator=_is_request_id)
    problems.install(app)
    app.include_router(router)
    return app


@router.post(
    "/predict",
    summary="Classify one photo",
    responses=problems.responses(400, 413, 415, 422, 500),
    openapi_extra={"requestBody": _PHOTO_BODY},
)
async def predict(request: Request) -> PredictionBody:
    """Send the photo as the multipart field `file`, or as a raw `image/*` body."""
    classifier: Classifier = request.state.classifier
    data = await read_photo(request, request.app.state.settings.max_bytes)
    limiter = request.state.limiter
    prediction = await to_thread.run_sync(classifier.predict, data, limiter=limiter)
    card = classifier.card
    return PredictionBody(
        label=prediction.label,
        probability=prediction.probability,
        probabilities=prediction.probabilities,
        model=ModelName(name=card.name, version=card.version),
    )


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
