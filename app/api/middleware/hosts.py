"""Only requests to the hosts that the settings name are answered."""

import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import problems
from app.api.paths import PROBES, route_path
from app.api.problems import Problem

_LABELS = r"[\w-]+(?:\.[\w-]+)*"  # one or more labels of a name
_PORT = r"(?::[0-9]*)?"


class TrustedHosts:
    """Refuses a request whose Host header names another host, or none, or several.

    It stands outside of the CORS middleware, because that one answers preflights itself.

    Args:
        app: the application behind it.
        hosts: the hosts that are answered. A label * stands for one or more labels, so that
            *.example.org matches a.example.org and a.b.example.org, not example.org. Empty: all.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        names = "|".join(re.escape(host).replace(r"\*", _LABELS) for host in hosts)
        flags = re.ASCII | re.IGNORECASE
        self._pattern = re.compile(f"(?:{names}){_PORT}", flags) if hosts else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a problem."""
        try:
            self.check(scope)
        except Problem as problem:
            await problems.response(scope, problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def check(self, scope: Scope) -> None:
        """Raise a Problem (400) for another host. Probes are asked by address, so they may."""
        if self._pattern is None or scope["type"] != "http" or route_path(scope) in PROBES:
            return
        sent = Headers(scope=scope).getlist("host")
        if len(sent) != 1 or not self._pattern.fullmatch(sent[0]):
            detail = "The Host header names none of the hosts that this service answers for."
            raise Problem(400, "unknown-host", "The host is not served here", detail)
