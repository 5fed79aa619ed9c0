"""The routes that describe the served model: its card and the card's plots."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse

from app.api import problems
from app.api.deps import prefers
from app.api.schemas import Accepts, ModelBody
from app.model.classifier import Classifier
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
    classifier: Classifier = request.state.classifier
    headers = {"Vary": "Accept"}
    if prefers(request, "text/plain"):
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


@router.get(
    "/model/plots/{name}",
    summary="A plot of the model's card",
    response_class=FileResponse,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **problems.responses(400, 401, 403, 404, 503),
    },
)
async def plot(request: Request, name: str) -> FileResponse:
    """One of the PNG files that the card lists; no other file of the folder is given out."""
    classifier: Classifier = request.state.classifier
    plots = [file for file in classifier.card.files if file.endswith(".png")]
    path = classifier.folder / name
    if name not in plots or not path.is_file():
        detail = f"The card has no such plot; it has {', '.join(plots) or 'none'}."
        raise problems.Problem(404, "no-such-plot", "There is no such plot", detail)
    return FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})
