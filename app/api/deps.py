"""What the routes that take photos share."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

STATUSES = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503, 504)
"""The statuses of the problems that a request with a photo can get."""


class DirectRoute(APIRoute):
    """A route whose function takes the request as it is and returns the response as it will be.

    FastAPI then has no parameter to resolve and no answer to check, which took it a twentieth of
    the event loop's time all the same. The function stands in the API reference as any other.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `fastapi.routing.APIRoute.get_route_handler`."""
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected. Call it after the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
