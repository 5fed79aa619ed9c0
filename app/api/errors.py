"""Exceptions become problems here and nowhere else.

Problem            an answer in the making: status, title, detail, extra members
PhotoError         app.imaging could not use the photo    -> 413, 415 or 422
QueueFull               no place is left for the photo         -> 429, with Retry-After
DeadlinePassed     the answer took too long               -> 504
ClientDisconnect   gone in the middle of the upload       -> 400, which nobody reads
ClientDisconnected         gone while its photo was waiting       -> 499, which nobody reads
NotExplainable     the served model cannot be explained   -> 404
ModelError         its files changed while it was served  -> 503, logged
HTTPException      no such path, wrong method             -> 404, 405
anything else      a defect of the service                -> 500, see app.api.middleware.access_log
"""

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.problems import Problem, from_status, response, shortened
from app.imaging import errors
from app.model.card import ModelError
from app.model.explainer import NotExplainable
from app.serving.admission import QueueFull
from app.serving.predictor import ClientDisconnected, DeadlinePassed

logger = logging.getLogger(__name__)

# What a photo can be refused for: exception -> status, kind, title.
_PHOTO_PROBLEMS: dict[type[errors.PhotoError], tuple[int, str, str]] = {
    errors.EmptyPhoto: (422, "empty-photo", "The photo is empty"),
    errors.UnsupportedFormat: (415, "unsupported-format", "Not a photo in an accepted format"),
    errors.BrokenPhoto: (422, "broken-photo", "The photo is broken"),
    errors.UnsupportedPixels: (422, "unsupported-pixels", "The photo's pixel type is not usable"),
    errors.TooManyPixels: (413, "too-many-pixels", "The photo has too many pixels"),
}


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem; exceptions map to responses here and nowhere else.

    The handlers are coroutines although they wait for nothing: a plain function would be called
    in a thread of its own, which are forty more in a flood of refusals.
    """
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(errors.PhotoError, _on_photo_error)
    app.add_exception_handler(QueueFull, _on_full)
    app.add_exception_handler(DeadlinePassed, _on_deadline)
    app.add_exception_handler(ClientDisconnected, _on_disconnected)
    app.add_exception_handler(NotExplainable, _on_not_explainable)
    app.add_exception_handler(ModelError, _on_model_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(HTTPException, _on_http_exception)


def from_photo_error(error: errors.PhotoError) -> Problem:
    """The problem with a photo that cannot be used."""
    status, kind, title = _PHOTO_PROBLEMS[type(error)]
    members: dict[str, Any] = {}
    if isinstance(error, errors.TooManyPixels):
        members = {"limit": error.limit, "actual": error.actual}
    return Problem(status, kind, title, str(error), **members)


def from_queue_full(error: QueueFull) -> Problem:
    """The problem with a photo too many; 429, as a 5xx would make proxies drop the service."""
    seconds = "second" if error.retry_after == 1 else "seconds"
    detail = f"{error} Try again in {error.retry_after} {seconds}."
    headers = {"Retry-After": str(error.retry_after)}
    members = {"limit": error.limit, "actual": error.actual}
    return Problem(429, "queue-full", "The queue is full", detail, headers, **members)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return response(request.url.path, error)


async def _on_photo_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.PhotoError)
    return await _on_problem(request, from_photo_error(error))


async def _on_full(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, QueueFull)
    return await _on_problem(request, from_queue_full(error))


async def _on_deadline(request: Request, error: Exception) -> JSONResponse:
    detail = f"{error} Try again later, or with fewer photos at a time."
    return await _on_problem(
        request, Problem(504, "deadline-passed", "The deadline passed", detail)
    )


async def _on_disconnected(request: Request, _: Exception) -> JSONResponse:
    # nginx's number, for the log and the metrics: there is nobody to read the answer.
    detail = "The connection ended while the photo was waiting."
    return await _on_problem(request, Problem(499, "client-gone", "The client is gone", detail))


async def _on_not_explainable(request: Request, error: Exception) -> JSONResponse:
    # No 5xx: the service is well, and would be taken out of rotation for nothing.
    problem = Problem(404, "not-explainable", "This model cannot be explained", str(error))
    return await _on_problem(request, problem)


async def _on_model_error(request: Request, error: Exception) -> JSONResponse:
    logger.error("%s", error)  # it names paths, which a client has no use for
    detail = (
        "The model's files have changed since the service was started, so that this cannot be "
        "answered; /predict still can. Restart the service."
    )
    return await _on_problem(
        request, Problem(503, "model-changed", "The model has changed", detail)
    )


async def _on_disconnect(request: Request, _: Exception) -> JSONResponse:
    detail = "The connection ended before the whole request had arrived."
    problem = Problem(400, "incomplete-request", "The request is incomplete", detail)
    return await _on_problem(request, problem)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = {
        404: f"There is nothing at {shortened(request.url.path)}. The paths are listed at /docs.",
        405: f"{request.method} is not for {shortened(request.url.path)}.",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if "Allow" in headers:
        detail += f" Use {headers['Allow']}."
    return await _on_problem(request, from_status(error.status_code, detail, headers))
