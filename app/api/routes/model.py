"""The routes that describe the served model: its card and the card's plots."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from app.api import problems
from app.api.deps import prefers
from app.api.schemas import Accepts, DecisionsBody, ModelBody
from app.serving.served_model import ServedModel
from app.settings import Settings

router = APIRouter()


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
    served: ServedModel = request.state.model
    headers = {"Vary": "Accept"}
    if prefers(request, "text/plain"):
        return PlainTextResponse(served.card.summary + "\n", headers=headers)
    settings: Settings = request.app.state.settings
    body = ModelBody(
        **dict(served.card),
        engine=served.engine_name,
        engine_reason=served.engine_reason,
        decisions=_decisions(served),
        accepts=Accepts(
            formats=settings.formats,
            max_bytes=settings.max_bytes,
            max_pixels=settings.max_pixels,
            max_photos=settings.max_batch,
        ),
    )
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)


def _decisions(served: ServedModel) -> DecisionsBody | None:
    smallest, defaults = served.decisions.smallest_error, served.decisions.defaults
    if smallest is None:
        return None
    return DecisionsBody(smallest_error=smallest, **vars(defaults))


@router.get(
    "/model/plots/{name}",
    summary="A plot of the model's card",
    response_class=Response,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **problems.responses(400, 401, 403, 404, 503),
    },
)
async def plot(request: Request, name: str) -> Response:
    """One of the PNG files that the card lists; no other file of the folder is given out."""
    plots = request.state.model.plots
    if name not in plots:
        detail = f"The card has no such plot; it has {', '.join(plots) or 'none'}."
        raise problems.Problem(404, "no-such-plot", "There is no such plot", detail)
    headers = {"X-Content-Type-Options": "nosniff"}
    return Response(plots[name], media_type="image/png", headers=headers)
