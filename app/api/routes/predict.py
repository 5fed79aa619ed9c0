"""The routes that classify: `/predict` and `/predict/batch`."""

import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.api import problems
from app.api.problems import Problem
from app.api.schemas import PredictionBody
from app.api.uploads.reader import PHOTO_BODY, PHOTOS_BODY, read_photo, read_photos
from app.imaging.errors import PhotoError
from app.model.card import Card
from app.model.classifier import Classifier, Prediction
from app.serving.metrics import Metrics
from app.serving.predictor import Answer, Inference

STATUSES = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503, 504)


class DirectRoute(APIRoute):
    """A route whose function takes the request as it is and returns the response as it will be.

    FastAPI then has no parameter to resolve and no answer to check, which took it a twentieth of
    the event loop's time all the same. The function stands in the API reference as any other.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `fastapi.routing.APIRoute.get_route_handler`."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


router = APIRouter(route_class=DirectRoute)


class PhotoProblem(BaseModel):
    """What is wrong with one photo of several; members as in the problem of a request."""

    type: str
    title: str
    status: int
    detail: str


class PredictionsBody(BaseModel):
    """An entry a photo, in the request's order."""

    predictions: list[PredictionBody | PhotoProblem]


@router.post(
    "/predict",
    summary="Classify one photo",
    response_model=PredictionBody,
    responses=problems.responses(*STATUSES),
    openapi_extra={"requestBody": PHOTO_BODY},
)
async def predict(request: Request) -> Response:
    """Send it as the multipart field `file`, as a raw `image/*` body, or in JSON."""
    classifier: Classifier = request.state.classifier
    inference: Inference = request.state.inference
    data = await read_photo(request, request.app.state.settings.max_bytes)
    answer = await inference.predict(classifier, data, partial(disconnected, request))
    metrics: Metrics = request.app.state.metrics
    metrics.answer(answer)
    stages = (("queue", answer.queue), ("decode", answer.decode), ("infer", answer.infer))
    timing = ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in stages)
    return _json(_body(classifier.card, answer.prediction), {"Server-Timing": timing})


@router.post(
    "/predict/batch",
    summary="Classify several photos",
    response_model=PredictionsBody,
    responses=problems.responses(*STATUSES),
    openapi_extra={"requestBody": PHOTOS_BODY},
)
async def predict_batch(request: Request) -> Response:
    """Send them as multipart fields `files`, or in JSON; each is answered for itself."""
    classifier: Classifier = request.state.classifier
    inference: Inference = request.state.inference
    settings = request.app.state.settings
    photos = await read_photos(request, settings.max_bytes, settings.max_batch)
    usable = [photo for photo in photos if isinstance(photo, bytes)]
    gone = partial(disconnected, request)
    answers = iter(await inference.predict_all(classifier, usable, gone))
    metrics: Metrics = request.app.state.metrics
    bodies = []
    for photo in photos:
        outcome = photo if isinstance(photo, Problem) else next(answers)
        if isinstance(outcome, Answer):
            metrics.answer(outcome)
        bodies.append(_outcome(classifier.card, outcome))
    return _json({"predictions": bodies})


async def disconnected(request: Request) -> None:
    """Return when the client has gone away. For after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _outcome(card: Card, outcome: Answer | PhotoError | Problem) -> dict[str, Any]:
    if isinstance(outcome, Answer):
        return _body(card, outcome.prediction)
    return problems.details(outcome if isinstance(outcome, Problem) else problems.of_photo(outcome))


def _body(card: Card, prediction: Prediction) -> dict[str, Any]:
    """A `PredictionBody`, without checking again what has just been made."""
    return {
        "label": prediction.label,
        "probability": prediction.probability,
        "probabilities": prediction.probabilities,
        "model": {"name": card.name, "version": card.version},
    }


def _json(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=headers)
