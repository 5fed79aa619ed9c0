"""The one place where exceptions become problems.

    PhotoError          the photo cannot be used                -> 413, 415 or 422
    QueueFull           too many photos are in the service      -> 429, with Retry-After
    BufferFull          the requests' bodies take too much      -> 429, with Retry-After
    DeadlinePassed      the answer was not ready in time        -> 504
    ClientDisconnect    the client left during its upload       -> 400, which nobody reads
    ClientDisconnected  the client left while its photo waited  -> 499, which nobody reads
    NotExplainable      the served model cannot be explained    -> 404
    HTTPException       no such path, or a wrong method         -> 404, 405

A `Problem` that a route or the middleware raises has its own status. The middleware
`app.api.middleware.access_log` turns any other exception into a 500.
"""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.problems import Problem, from_status, response, shortened
from app.imaging import errors
from app.model.explainer import NotExplainable
from app.serving.admission import BufferFull, QueueFull
from app.serving.predictor import ClientDisconnected, DeadlinePassed

# Why a photo is refused: exception -> status, kind, title.
_PHOTO_PROBLEMS: dict[type[errors.PhotoError], tuple[int, str, str]] = {
    errors.EmptyPhoto: (422, "empty-photo", "The photo is empty"),
    errors.UnsupportedFormat: (415, "unsupported-format", "Not a photo in an accepted format"),
    errors.BrokenPhoto: (422, "broken-photo", "The photo is broken"),
    errors.UnsupportedPixels: (422, "unsupported-pixels", "The photo's pixel type is not usable"),
    errors.TooManyPixels: (413, "too-many-pixels", "The photo has too many pixels"),
    errors.TooExpensive: (413, "too-expensive", "The photo takes too much to decode"),
    errors.DecoderCrashed: (422, "decoder-crashed", "The photo made its decoder crash"),
}


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    for kind in (
        Problem, errors.PhotoError, QueueFull, BufferFull, DeadlinePassed, ClientDisconnect,
        ClientDisconnected, NotExplainable, HTTPException,
    ):  # fmt: skip
        app.add_exception_handler(kind, _answer)


def from_photo_error(error: errors.PhotoError) -> Problem:
    """The problem with a photo that cannot be used."""
    status, kind, title = _PHOTO_PROBLEMS[type(error)]
    members: dict[str, Any] = {}
    if isinstance(error, errors.TooManyPixels):
        members = {"limit": error.limit, "actual": error.actual}
    return Problem(status, kind, title, str(error), **members)


def from_queue_full(error: QueueFull) -> Problem:
    """The problem of a full queue. It is a 429, because proxies drop a server that answers 5xx."""
    seconds = "second" if error.retry_after == 1 else "seconds"
    detail = f"{error} Try again in {error.retry_after} {seconds}."
    headers = {"Retry-After": str(error.retry_after)}
    members = {"limit": error.limit, "actual": error.actual}
    return Problem(429, "queue-full", "The queue is full", detail, headers, **members)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    # A coroutine although it waits for nothing, because FastAPI calls plain functions in threads.
    return response(request.scope, _problem(request, error))


def _problem(request: Request, error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case errors.PhotoError():
            return from_photo_error(error)
        case QueueFull():
            return from_queue_full(error)
        case BufferFull():
            detail = f"{error} Try again in a second."
            headers = {"Retry-After": "1", "Connection": "close"}  # a part of the body is unread
            title = "The service holds too many bytes"
            return Problem(429, "buffer-full", title, detail, headers, limit=error.limit)
        case DeadlinePassed():
            detail = f"{error} Try again later, or with fewer photos at a time."
            return Problem(504, "deadline-passed", "The deadline passed", detail)
        case ClientDisconnect():
            detail = "The connection ended before the whole request had arrived."
            return Problem(400, "incomplete-request", "The request is incomplete", detail)
        case ClientDisconnected():
            # nginx's status for this, for the log and the metrics; nobody reads the answer.
            detail = "The connection ended while the photo was waiting."
            return Problem(499, "client-gone", "The client is gone", detail)
        case NotExplainable():
            # No 5xx: the service is well, and a load balancer should go on using it.
            return Problem(404, "not-explainable", "This model cannot be explained", str(error))
    assert isinstance(error, HTTPException)  # the last of those that `install` names
    return _from_http_exception(request, error)


def _from_http_exception(request: Request, error: HTTPException) -> Problem:
    path = shortened(request.url.path)
    detail = {
        404: f"There is nothing at {path}. The paths are listed at /docs.",
        405: f"{request.method} is not for {path}.",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if "Allow" in headers:
        detail += f" Use {headers['Allow']}."
    return from_status(error.status_code, detail, headers)
