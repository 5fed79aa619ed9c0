"""The web page, its files, and the plots of the model's card."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from app.api import problems
from app.model.classifier import Classifier

_PAGE = Path(__file__).parents[2] / "static"

# Nothing from elsewhere, nothing inline; blob: and data: are pictures that the page itself
# made, or got from the API.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked for again each time, and answered with 304 while nothing has changed.
    "Cache-Control": "no-cache",
}

router = APIRouter()


class _Files(StaticFiles):
    """Files with the page's headers."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers.update(_HEADERS)
        return response


def install(app: FastAPI) -> None:
    """Serve the page at `/`, its files under `/page/`, and the card's plots."""
    app.include_router(router)
    app.mount("/page", _Files(directory=_PAGE))


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
async def page() -> FileResponse:
    """The page."""
    return FileResponse(_PAGE / "index.html", headers=_HEADERS)


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
    """One of the PNG files that the card lists; nothing else in the folder is given out."""
    classifier: Classifier = request.state.classifier
    plots = [file for file in classifier.card.files if file.endswith(".png")]
    path = classifier.folder / name
    if name not in plots or not path.is_file():
        detail = f"The card has no such plot; it has {', '.join(plots) or 'none'}."
        raise problems.Problem(404, "no-such-plot", "There is no such plot", detail)
    return FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})
