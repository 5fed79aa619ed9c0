"""Metrics, log lines and security headers of every request; unexpected exceptions become 500."""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextvars import Context
from http import HTTPStatus
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from app.api.paths import PHOTOS, PROBES, route_path
from app.logs import harmless
from app.serving.metrics import Metrics

logger = logging.getLogger("app.access")

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_QUIET = {"/livez", "/readyz", "/metrics"}  # asked every few seconds; logged at level debug
_REFERENCE = ("/docs", "/redoc")

_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
}
_POLICY = b"content-security-policy"
_DEFAULT_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# FastAPI's pages of the API reference need inline scripts and styles.
_REFERENCE_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)


class AccessLog:
    """Records every request. Pure ASGI, because Starlette's BaseHTTPMiddleware is slower."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._refusals = RefusalLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; count and log its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_headers(route_path(scope), message.get("headers", []))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            logger.exception("%s %s failed", scope["method"], _path(scope))
            if status:  # half an answer is out: only the server can end it
                raise
            answer = problems.response(scope, problems.internal_error())
            await answer(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = scope["method"], _route(scope)
        known = method if method in _METHODS else "other"
        self._metrics.count_request(known, route, status, seconds)
        if status == HTTPStatus.TOO_MANY_REQUESTS and not self._refusals.should_log():
            return
        level = logging.DEBUG if route in _QUIET and status == 200 else logging.INFO
        if not logger.isEnabledFor(level):
            return
        path, milliseconds = _path(scope), round(seconds * 1000, 1)
        client = _client(scope)
        fields = {
            "method": method, "path": path, "status": status,
            "milliseconds": milliseconds, "client": client,
        }  # fmt: skip
        line = "%s %s %s %d in %.1f ms"
        logger.log(
            level, line, client, method, path, status, milliseconds, extra={"fields": fields}
        )


class RefusalLog:
    """Limits the log lines of a flood: one refusal in `seconds` gets a line of its own.

    The others are counted, and one more line has their number. Otherwise thousands of lines a
    second would fill the disk and slow the accepted requests down.
    """

    def __init__(self, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._counted: int | None = None  # since the last line; None: no interval is running

    def should_log(self) -> bool:
        """Whether the refusal that has just happened gets a line; it is counted if not."""
        if self._counted is not None:
            self._counted += 1
            return False
        self._counted = 0
        # Without a context, as the line is not about the request that happens to be under way.
        asyncio.get_running_loop().call_later(self._seconds, self._log, context=Context())
        return True

    def _log(self) -> None:
        refused, self._counted = self._counted, None
        if refused:
            line = "the queue is full: %d more requests were refused within %g s"
            fields = {"status": int(HTTPStatus.TOO_MANY_REQUESTS), "refused": refused}
            logger.warning(line, refused, self._seconds, extra={"fields": fields})


def _with_headers(path: str, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """An answer's headers, and the security headers for its path."""
    headers = list(headers)
    present = {name.lower() for name, _ in headers}
    headers.extend(item for item in _HEADERS.items() if item[0] not in present)
    if _POLICY not in present:
        headers.append(
            (_POLICY, _REFERENCE_POLICY if path.startswith(_REFERENCE) else _DEFAULT_POLICY)
        )
    return headers


def _route(scope: Scope) -> str:
    """The route's pattern, or "other" for unknown paths: clients cannot add values to the label."""
    path = getattr(scope.get("route"), "path", None)
    if path is None and route_path(scope) in PHOTOS | PROBES:
        path = route_path(scope)  # refused before it was routed
    return str(path) if path else "other"


def _client(scope: Scope) -> str | None:
    """The client's address. A proxy may have sent anything in its place, which becomes None."""
    host = scope["client"][0] if scope.get("client") else ""
    try:
        return str(ip_address(host.partition("%")[0]))  # a zone may be any text
    except ValueError:
        return None


def _path(scope: Scope) -> str:
    """The path as it was sent, in ASCII, without control characters, and not longer than 200."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("ascii", "backslashreplace")
    return harmless(raw[:200].decode("ascii", "backslashreplace"))
