"""What the routes that take photos share."""

from contextlib import suppress

from fastapi import Request

STATUSES = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503, 504)
"""The statuses of the problems that a request with a photo can get."""


def prefers(request: Request, media_type: str) -> bool:
    """Whether the Accept header names `media_type` with a weight above that of JSON (RFC 9110)."""
    weights = {media_type: 0.0, "application/json": 0.0}
    for item in request.headers.get("accept", "").split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        if name in weights:
            with suppress(ValueError):
                weights[name] = float(weight)
    return weights[media_type] > weights["application/json"]


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected. Call it after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
