"""The routes that show what the network sees: `/explain` and `/layers`."""

from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from app.api import problems
from app.api.deps import STATUSES, disconnected, prefers
from app.api.schemas import ExplanationBody, LayersBody, model_name
from app.api.uploads.reader import PHOTO_BODY, read_photo
from app.serving.photo_queue import Reply

router = APIRouter()

_FORMAT: dict[str, Any] = {
    "name": "format",
    "in": "query",
    "required": False,
    "description": "instead of an Accept header",
    "schema": {"type": "string", "enum": ["json", "png"]},
}


@router.post(
    "/explain",
    summary="Classify one photo, and say why",
    response_model=ExplanationBody,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **problems.responses(404, *STATUSES),
    },
    openapi_extra={"requestBody": PHOTO_BODY, "parameters": [_FORMAT]},
)
async def explain(request: Request) -> Response:
    """The evidence for every label, place by place; its sum is the label's logit, exactly.

    With `Accept: image/png` (or `?format=png`) the photo under the evidence for its answer.
    """
    headers = {"Vary": "Accept"}
    if _format(request) == "png":
        reply = await _run(request, "drawn")
        return Response(reply.blob, media_type="image/png", headers=headers)
    reply = await _run(request, "evidence")
    name = model_name(request.state.model.card)
    body = ExplanationBody.model_validate(reply.members["result"] | {"model": name})
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)


@router.post(
    "/layers",
    summary="One photo's way through the layers",
    responses=problems.responses(404, *STATUSES),
    openapi_extra={"requestBody": PHOTO_BODY},
)
async def layers(request: Request) -> LayersBody:
    """Each convolution, ReLU and pooling: a strip of its most active feature maps, as PNG."""
    reply = await _run(request, "layers")
    name = model_name(request.state.model.card)
    return LayersBody.model_validate(reply.members["result"] | {"model": name})


async def _run(request: Request, job: str) -> Reply:
    """The reply of a worker that does `job` with the photo in the request."""
    data = await read_photo(request, request.app.state.settings.max_bytes)
    state = request.state
    reply: Reply = await state.predictor.run(state.model, job, data, partial(disconnected, request))
    return reply


def _format(request: Request) -> Literal["json", "png"]:
    asked = request.query_params.get("format")
    if asked is None:
        return "png" if prefers(request, "image/png") else "json"
    if asked in ("json", "png"):
        return "png" if asked == "png" else "json"
    detail = f"The format is {asked[:40]!r}; expected json or png."
    raise problems.Problem(422, "unknown-format", "The format is not offered", detail)
