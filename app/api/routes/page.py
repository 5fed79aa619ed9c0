"""The web page and its files."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

_PAGE = Path(__file__).parents[2] / "static"

# The page loads nothing from other sites and has nothing inline. Its own pictures, and those that
# it gets from the API, are blob: and data: addresses.
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The browser asks again each time, and gets 304 while nothing has changed.
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
    """Serve the page at `/` and its files under `/page/`."""
    app.include_router(router)
    app.mount("/page", _Files(directory=_PAGE))


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The page."""
    return FileResponse(_PAGE / "index.html", headers=_HEADERS)
