"""Problem details (RFC 9457): the body of every error, and the exception that becomes one."""

from http import HTTPStatus
from typing import Any

from asgi_correlation_id import correlation_id
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"

_LONGEST_PATH = 200


class Problem(Exception):
    """Raise it to answer with it. `kind` is a stable name for programs, e.g. "broken-photo"."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        headers: dict[str, str] | None = None,
        **members: int | str | None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.headers = headers or {}
        self.members = {name: value for name, value in members.items() if value is not None}


class ProblemDetails(BaseModel):
    """The body of every error (RFC 9457), as the API reference shows it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str


_RETRY_AFTER = {
    "Retry-After": {
        "description": "seconds until the photos before this one will be done",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` argument of a route that can answer with these statuses."""
    schema = ProblemDetails.model_json_schema()
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
            **({"headers": _RETRY_AFTER} if status == HTTPStatus.TOO_MANY_REQUESTS else {}),
        }
        for status in statuses
    }


def details(problem: Problem) -> dict[str, Any]:
    """The members of a problem that do not depend on the request."""
    return {
        "type": f"urn:problem:{problem.kind}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }


def response(scope: Scope, problem: Problem) -> JSONResponse:
    """The answer to a request, with its path as the client sent it, and its id."""
    request = {"instance": shortened(scope["path"]), "request_id": correlation_id.get() or ""}
    body = details(problem) | request
    return JSONResponse(body, problem.status, problem.headers, MEDIA_TYPE)


def from_status(status: int, detail: str, headers: dict[str, str] | None = None) -> Problem:
    """The problem that a status names by itself, e.g. 404: "not-found", "Not Found"."""
    phrase = HTTPStatus(status).phrase
    return Problem(status, phrase.lower().replace(" ", "-"), phrase, detail, headers)


def internal_error() -> Problem:
    """The problem behind every 500: the client gets the request's id, and no detail."""
    detail = "The service failed; this is its fault, not the request's. Quote the request_id."
    return Problem(500, "internal-error", "Internal error", detail)


def draining() -> Problem:
    """The problem of a request that arrives after SIGTERM."""
    detail = "The service is being stopped. Another instance, or a later try, will answer."
    close = {"Connection": "close"}
    return Problem(503, "draining", "The service is draining", detail, close)


def shortened(path: str) -> str:
    """The path, cut to a length that an answer may repeat."""
    return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "..."
