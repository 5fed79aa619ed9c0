"""What the routes that take photos share."""

from fastapi import Request

STATUSES = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503, 504)
"""The statuses of the problems that a request with a photo can get."""


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected. Call it after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
