"""Limits on HTTP/1.1 input that never reaches the application.

A reverse proxy does more and does it better (see `deploy/nginx.conf`). These few bounds protect a
service that has none.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.api import problems
from app.api.middleware import request_id
from app.api.problems import Problem
from app.server.send_timeout import SendTimeout

_MAX_OVERHEAD = 64 * 1024  # bytes of a head, of trailers, or of a chunk's framing


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with five changes.

    A head that takes too long gets 408. More than 64 KiB of head, trailers or chunk framing without
    a complete head or a part of a body get 431. A transfer coding other than chunked gets 501. A
    request to upgrade the connection is answered as if it did not ask (RFC 9110, section 7.8). A
    client that takes nothing of its answers for some time is dropped.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False  # app.api.middleware.access_log writes it, with the request's id
        self.parser = _Parser(self)  # type: ignore[assignment]  # it has all members that uvicorn uses
        # The application is the one that create_app made.
        self._seconds: float = self.config.app.state.settings.upload_seconds  # type: ignore[union-attr]
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._send_timeout: SendTimeout | None = None
        self._fault: Problem | None = None  # of a head that cannot be accepted
        self.url, self.headers = b"", []  # until a head begins
        self.ignores_upgrade = False
        self._in_head = True
        self._progressed = False
        self._overhead = 0  # bytes since a head was complete or a part of a body came

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Expect a head in time; after an answer, uvicorn's keep-alive time counts instead."""
        super().connection_made(transport)
        self._start_timer()
        self._send_timeout = SendTimeout(transport, self._seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers."""
        self._stop_timer()
        if self._send_timeout is not None:
            self._send_timeout.stop()
        if self._running is not None:  # uvicorn itself tells only the last of pipelined requests
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. Trailers are dropped: nothing reads them, and they may be many."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head, self._progressed = False, True
        self._stop_timer()
        self._fault = _coding_fault(self.headers, self.parser.get_http_version())
        if self._fault:
            raise ValueError(self._fault.detail)  # which makes uvicorn call send_400_response
        # CONNECT is an upgrade by itself; the application has no such route.
        self.ignores_upgrade = (
            self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        )
        if not self.ignores_upgrade:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete, unless its head is to be parsed once more."""
        if not self.ignores_upgrade:
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._progressed = True
        super().on_body(body)

    def data_received(self, data: bytes) -> None:
        """Parse what came in, and see to it that the connection cannot wait for ever."""
        self._progressed = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        self._overhead = 0 if self._progressed else self._overhead + len(data)
        if self._overhead > _MAX_OVERHEAD:
            detail = f"A head or trailers of more than {_MAX_OVERHEAD} bytes are not accepted."
            self._refuse(problems.from_status(431, detail))
        elif self._in_head:
            self._start_timer()
        elif self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # The data has stopped uvicorn's keep-alive timer, but no request has begun: restart it.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with a problem, too."""
        fault = self._fault or Problem(400, "malformed-request", "This is not HTTP", msg)
        self._refuse(fault)

    def _request_id(self) -> str:
        """The client's own id, as far as its head has been parsed, or a new one."""
        name = request_id.HEADER.lower().encode("ascii")
        sent = dict(self.headers).get(name, b"").decode("latin-1")
        return sent if sent and request_id.is_acceptable(sent) else request_id.make()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._seconds, self._refuse_slow_head)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse_slow_head(self) -> None:
        detail = f"The request's head had not arrived within {self._seconds:g} seconds."
        self._refuse(problems.from_status(408, detail))

    def _refuse(self, problem: Problem) -> None:
        """Answer outside of the application, unless an answer has begun, and hang up."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            path = self.url.partition(b"?")[0].decode("ascii", "replace")
            identifier = self._request_id()
            members = {"instance": problems.shortened(path), "request_id": identifier}
            body = json.dumps(problems.details(problem) | members).encode()
            head = (
                f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
                f"Content-Type: {problems.MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
                f"{request_id.HEADER}: {identifier}\r\nConnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


def _coding_fault(headers: list[tuple[bytes, bytes]], version: str) -> Problem | None:
    """The problem with a head's transfer codings (RFC 9112, section 6.1), beside the parser's own.

    The parser looks only for chunked at the end, and would pass on what is coded in another way.
    """
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if not codings:
        return None
    if version == "1.0":
        detail = "HTTP/1.0 has no transfer codings: send a Content-Length."
        return Problem(400, "malformed-request", "This is not HTTP", detail)
    if codings == [b"chunked"]:
        return None
    detail = "The only transfer coding that is accepted is chunked, alone and once."
    return problems.from_status(501, detail)


class _Parser:
    """httptools' parser, which goes on after a head that asks for an upgrade.

    The original stops there and leaves the body to the other protocol. Here the head is parsed
    again without its Upgrade header, and then what came behind it.
    """

    def __init__(self, protocol: BoundedProtocol) -> None:
        self._protocol = protocol
        self._parser = httptools.HttpRequestParser(protocol)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> None:
        """See `httptools.HttpRequestParser.feed_data`."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._protocol.ignores_upgrade:
                head = self._head_without_upgrade()
                self.__init__(self._protocol)  # type: ignore[misc]  # the old one has stopped
                self.feed_data(head + data[upgrade.args[0] :])

    def _head_without_upgrade(self) -> bytes:
        line = (self.get_method(), self._protocol.url, self.get_http_version().encode("ascii"))
        headers = [pair for pair in self._protocol.headers if pair[0] != b"upgrade"]
        lines = [b"%b %b HTTP/%b" % line, *(b"%b: %b" % pair for pair in headers)]
        return b"\r\n".join(lines) + b"\r\n\r\n"
