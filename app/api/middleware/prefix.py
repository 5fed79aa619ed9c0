"""A path prefix that a proxy adds: addresses in answers have it, too."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.settings import ROOT_PATH


class Prefix:
    """Sets the request's `root_path` from the settings, or from the header X-Forwarded-Prefix.

    The proxy may remove the prefix from the path or leave it there.

    Args:
        app: the application behind it.
        root_path: the prefix, as /photos; empty: that of the header, if there is one.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its prefix in `root_path`."""
        if scope["type"] == "http":
            prefix = self._root_path or _forwarded(Headers(scope=scope))
            if prefix:
                scope["root_path"] = prefix
                if not scope["path"].startswith(f"{prefix}/"):
                    scope["path"] = prefix + scope["path"]  # as ASGI has it
        await self._app(scope, receive, send)


def _forwarded(headers: Headers) -> str:
    prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
    return prefix if ROOT_PATH.fullmatch(prefix) else ""
