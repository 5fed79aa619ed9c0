"""A path prefix that a proxy adds: addresses in answers have it, too."""

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = re.compile(r"(?:/[\w.~-]+){1,10}", re.ASCII)
_LONGEST = 200  # characters


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


def is_prefix(text: str) -> bool:
    """Whether it is a path prefix: one slash before each part, none at the end."""
    return len(text) <= _LONGEST and _PREFIX.fullmatch(text) is not None


def _forwarded(headers: Headers) -> str:
    prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
    return prefix if is_prefix(prefix) else ""
