"""The routes that classify: `/predict` and `/predict/batch`."""

import json
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from app.api import errors, problems
from app.api.deps import STATUSES, disconnected
from app.api.problems import Problem
from app.api.schemas import PredictionBody, PredictionsBody, decided, prediction
from app.api.thresholds import PARAMETERS, requested
from app.api.uploads.reader import PHOTO_BODY, PHOTOS_BODY, read_photo, read_photos
from app.imaging.errors import PhotoError
from app.model.decision import Strictness
from app.serving.served_model import Answer, ServedModel

router = APIRouter()


@router.post(
    "/predict",
    summary="Classify one photo",
    response_model=PredictionBody,
    responses=problems.responses(*STATUSES),
    openapi_extra={"requestBody": PHOTO_BODY, "parameters": PARAMETERS},
)
async def predict(request: Request) -> Response:
    """Send it as the multipart field `file`, as a raw `image/*` body, or in JSON."""
    state, settings = request.state, request.app.state.settings
    strictness = requested(request, state.model)
    data = await read_photo(request, settings.max_bytes)
    answer = await state.predictor.predict(state.model, data, partial(disconnected, request))
    stages = (("queue", answer.queue), ("decode", answer.decode), ("infer", answer.infer))
    timing = ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in stages)
    return _json(_answered(request, answer, strictness), {"Server-Timing": timing})


@router.post(
    "/predict/batch",
    summary="Classify several photos",
    response_model=PredictionsBody,
    responses=problems.responses(*STATUSES),
    openapi_extra={"requestBody": PHOTOS_BODY, "parameters": PARAMETERS},
)
async def predict_batch(request: Request) -> Response:
    """Send them as multipart fields `files`, or in JSON; each is answered for itself."""
    state, settings = request.state, request.app.state.settings
    strictness = requested(request, state.model)
    photos = await read_photos(request, settings.max_bytes, settings.max_batch)
    usable = [photo for photo in photos if isinstance(photo, bytes)]
    wait = partial(disconnected, request)
    answers = iter(await state.predictor.predict_all(state.model, usable, wait))
    bodies = []
    for photo in photos:
        outcome = photo if isinstance(photo, Problem) else next(answers)
        if isinstance(outcome, Answer):
            bodies.append(_answered(request, outcome, strictness))
        else:
            bodies.append(_problem(outcome))
    return _json({"predictions": bodies})


def _answered(request: Request, answer: Answer, strictness: Strictness) -> dict[str, Any]:
    model: ServedModel = request.state.model
    decision = model.decisions.decide(answer.prediction, strictness)
    request.app.state.metrics.count_answer(answer, decision)
    return prediction(model.card, answer.prediction) | decided(answer.prediction, decision)


def _problem(outcome: PhotoError | Problem) -> dict[str, Any]:
    problem = outcome if isinstance(outcome, Problem) else errors.from_photo_error(outcome)
    return problems.details(problem)


def _json(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers=headers)
