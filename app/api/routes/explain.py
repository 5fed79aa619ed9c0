"""The routes that show what the network sees: `/explain` and `/layers`."""

from functools import partial
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from app.api import problems
from app.api.deps import STATUSES, disconnected, prefers
from app.api.schemas import ExplanationBody, LayersBody
from app.api.uploads.reader import PHOTO_BODY, read_photo
from app.explain import attribution, feature_maps, heatmap
from app.model.classifier import Classifier

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
    work = _explain if _format(request) == "json" else _draw
    body, media = await _run(request, work)
    return Response(body, media_type=media, headers={"Vary": "Accept"})


@router.post(
    "/layers",
    summary="One photo's way through the layers",
    responses=problems.responses(404, *STATUSES),
    openapi_extra={"requestBody": PHOTO_BODY},
)
async def layers(request: Request) -> LayersBody:
    """Each convolution, ReLU and pooling: a strip of its most active feature maps, as PNG."""
    strips = await _run(request, feature_maps.strips)
    return LayersBody.of(request.state.classifier.card, strips)


async def _run(request: Request, work: Any) -> Any:
    """`work(classifier, data)` with the photo in the request, in a worker."""
    data = await read_photo(request, request.app.state.settings.max_bytes)
    job = partial(work, request.state.classifier, data)
    return await request.state.predictor.run(job, partial(disconnected, request))


def _explain(classifier: Classifier, data: bytes) -> tuple[bytes, str]:
    body = ExplanationBody.of(classifier.card, attribution.explain(classifier, data))
    return body.model_dump_json().encode(), "application/json"


def _draw(classifier: Classifier, data: bytes) -> tuple[bytes, str]:
    explanation = attribution.explain(classifier, data)
    return heatmap.draw(classifier, data, explanation), "image/png"


def _format(request: Request) -> Literal["json", "png"]:
    asked = request.query_params.get("format")
    if asked is None:
        return "png" if prefers(request, "image/png") else "json"
    if asked in ("json", "png"):
        return "png" if asked == "png" else "json"
    detail = f"The format is {asked[:40]!r}; expected json or png."
    raise problems.Problem(422, "unknown-format", "The format is not offered", detail)
